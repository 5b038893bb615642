"""pymodbus over TLS, as a SCADA station with a certificate of its own: reads, writes, prints what it saw as JSON.

    tls_master.py HOST PORT CA CERTIFICATE KEY
"""
import asyncio
import json
import logging
import ssl
import sys

from pymodbus.client import AsyncModbusTlsClient


async def main(host, port, ca, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    context.load_cert_chain(certificate, key)
    client = AsyncModbusTlsClient(host, port=int(port), sslctx=context, timeout=3, retries=0, reconnect_delay=0)
    assert await client.connect(), "no connection"
    seen = {"counters": (await client.read_holding_registers(0, count=4, device_id=1)).registers}
    seen["write"] = not (await client.write_register(100, 700, device_id=1)).isError()
    seen["speed"] = (await client.read_holding_registers(100, count=1, device_id=1)).registers
    refused = await client.write_register(100, 1300, device_id=1)
    seen["over the limit"] = getattr(refused, "exception_code", None)
    client.close()
    print(json.dumps(seen))


logging.disable(logging.CRITICAL)
asyncio.run(main(*sys.argv[1:]))
