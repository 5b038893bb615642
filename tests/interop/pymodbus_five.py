"""Five pymodbus masters at once, each with registers of its own.   pymodbus_five.py HOST PORT SOURCE.."""
import asyncio
import logging
import sys

from pymodbus.client import AsyncModbusTcpClient

logging.disable(logging.CRITICAL)
ROUNDS = 200


async def work(number, source, host, port):
    client = AsyncModbusTcpClient(host, port=int(port), source_address=(source, 0), timeout=5, retries=0, reconnect_delay=0)
    assert await client.connect(), "no connection"
    for n in range(ROUNDS):
        at, value = 20 * number + n % 10, 1000 * number + n
        assert not (await client.write_register(at, value, device_id=1)).isError(), (source, n)
        got = (await client.read_holding_registers(at, count=1, device_id=1)).registers
        assert got == [value], f"{source} got {got} for {value}"
    client.close()


async def main(host, port, *sources):
    await asyncio.gather(*(work(number, source, host, port) for number, source in enumerate(sources)))
    print(f"{2 * ROUNDS * len(sources)} requests of {len(sources)} masters, each answered with its own value")


asyncio.run(main(*sys.argv[1:]))
