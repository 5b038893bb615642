"""A SCADA station on pymodbus: reads and writes through the gateway and prints what it saw as one line of JSON.

    master.py SOURCE HOST PORT        (in the environment that tests/interop/peers.py made)
"""
import asyncio
import json
import logging
import sys

from pymodbus.client import AsyncModbusTcpClient

logging.disable(logging.CRITICAL)


async def main(source, host, port):
    client = AsyncModbusTcpClient(host, port=int(port), source_address=(source, 0), timeout=3, retries=0, reconnect_delay=0)
    assert await client.connect(), "no connection"
    seen = {}
    seen["counters"] = (await client.read_holding_registers(0, count=10, device_id=1)).registers
    seen["status"] = (await client.read_input_registers(0, count=4, device_id=1)).registers
    seen["jog"] = (await client.read_coils(16, count=2, device_id=1)).bits[:2]
    written = await client.write_register(100, 640, device_id=1)
    seen["write"] = not written.isError()
    seen["speed"] = (await client.read_holding_registers(100, count=1, device_id=1)).registers
    written = await client.write_registers(300, [1, 2], device_id=1)
    seen["setpoint"] = not written.isError()
    outside = await client.read_holding_registers(1990, count=20, device_id=1)
    seen["exception"] = getattr(outside, "exception_code", None)
    client.close()
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
