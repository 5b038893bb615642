"""A pymodbus master that does what a plant does, and twenty of it at once.   pymodbus_master.py SOURCE HOST PORT"""
import asyncio
import logging
import sys

from pymodbus.client import AsyncModbusTcpClient

logging.disable(logging.CRITICAL)


async def connected(source, host, port):
    client = AsyncModbusTcpClient(host, port=int(port), source_address=(source, 0), timeout=5, retries=0, reconnect_delay=0)
    assert await client.connect(), "no connection"
    return client


async def one(source, host, port, number):
    client = await connected(source, host, port)
    for n in range(50):
        at = 120 + number
        assert not (await client.write_register(at, n, device_id=1)).isError()
        assert (await client.read_holding_registers(at, count=1, device_id=1)).registers == [n], "another's value"
    client.close()


async def main(source, host, port):
    client = await connected(source, host, port)
    assert len((await client.read_coils(0, count=16, device_id=1)).bits) == 16
    assert len((await client.read_discrete_inputs(0, count=10, device_id=1)).bits) >= 10
    assert len((await client.read_input_registers(0, count=50, device_id=1)).registers) == 50
    assert not (await client.write_coil(2, True, device_id=1)).isError()
    assert not (await client.write_coils(4, [True, False, True], device_id=1)).isError()
    assert not (await client.write_registers(100, [1, 2, 3], device_id=1)).isError()
    assert not (await client.mask_write_register(address=104, and_mask=0xF0, or_mask=5, device_id=1)).isError()
    both = await client.readwrite_registers(read_address=100, read_count=3, write_address=110, values=[9], device_id=1)
    assert both.registers == [1, 2, 3]
    for refused in (
        await client.write_register(200, 1201, device_id=1),
        await client.write_register(400, 1, device_id=1),
        await client.write_registers(199, [1, 1201], device_id=1),
        await client.read_holding_registers(980, count=20, device_id=1),
        await client.diag_restart_communication(False, device_id=1),
    ):
        assert refused.exception_code == 1, refused
    client.close()
    await asyncio.gather(*(one(source, host, port, number) for number in range(20)))
    print("13 requests as they should be, then 2,000 of 20 clients at once")


asyncio.run(main(*sys.argv[1:]))
