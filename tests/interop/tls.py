"""Modbus/TCP Security with peers of others: certificates made by the Python package `cryptography` (pki.py), pymodbus, and OpenSSL's
own client.

    tls.py HOST PORT PKI        the matrix of certificates and versions with pymodbus
"""
import asyncio
import logging
import pathlib
import ssl
import subprocess
import sys
import time
import warnings

REFUSED = "refused"
# Client certificate, newest version offered, wanted: read 0-3, write 150, write 50
NOTHING = "exception 1, exception 1, exception 1"
BAD_ROLES = ["no-role", "two-role", "empty-role", "bad-encoding"]
CASES = [
    ("station", None, "ok, ok, exception 1"),
    ("station", ssl.TLSVersion.TLSv1_2, "ok, ok, exception 1"),
    ("station", ssl.TLSVersion.TLSv1_1, REFUSED),
    *((name, None, NOTHING) for name in BAD_ROLES),
    ("wrong-usage", None, REFUSED),
    ("rogue", None, REFUSED),
    ("expired", None, REFUSED),
    ("not-yet", None, REFUSED),
    (None, None, REFUSED),
]


def context(pki, name, newest=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(f"{pki}/plant-ca.pem")
    if name:
        made.load_cert_chain(f"{pki}/{name}.pem", f"{pki}/{name}.key")
    if newest:
        made.minimum_version = ssl.TLSVersion.TLSv1
        made.set_ciphers("ALL:@SECLEVEL=0")  # else OpenSSL itself would not offer TLS 1.1, and nothing would be shown
        made.maximum_version = newest
    return made


async def attempt(host, port, made):
    from pymodbus.client import AsyncModbusTlsClient
    client = AsyncModbusTlsClient(host, port=port, sslctx=made, timeout=3, retries=0, reconnect_delay=0)
    try:
        if not await client.connect():
            return REFUSED
        replies = [
            await client.read_holding_registers(0, count=4, device_id=1),
            await client.write_register(150, 7, device_id=1),
            await client.write_register(50, 7, device_id=1),
        ]
        return ", ".join(f"exception {reply.exception_code}" if reply.isError() else "ok" for reply in replies)
    except Exception:  # with TLS 1.3 a client that is refused learns it at its first read
        return REFUSED
    finally:
        client.close()


async def matrix(host, port, pki):
    misses = 0
    for name, newest, want in CASES:
        got = await attempt(host, int(port), context(pki, name, newest))
        misses += got != want
        if got != want:
            print(f"MISS {name or 'no certificate'} {newest.name if newest else ''}: {got}, wanted {want}")
    print(f"{len(CASES)} certificates, versions and roles as they should be")
    return misses > 0


def s_client(host, port, pki, name, *more, say=b""):
    """OpenSSL's client: its whole output, both streams; it ends when its input does."""
    words = ["openssl", "s_client", "-connect", f"{host}:{port}", "-CAfile", f"{pki}/plant-ca.pem", "-verify_ip", host]
    if name:
        words += ["-cert", f"{pki}/{name}.pem", "-key", f"{pki}/{name}.key"]
    peer = subprocess.Popen([*words, *map(str, more)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(0.5)
    try:
        peer.stdin.write(say)
        peer.stdin.flush()
        time.sleep(1 if say else 0)
    except BrokenPipeError:
        pass  # it was refused, and has ended
    try:
        return peer.communicate(timeout=5)[0].decode("latin-1")
    except subprocess.TimeoutExpired:  # it waits for a renegotiation that does not come
        peer.kill()
        return peer.communicate()[0].decode("latin-1")


def prepare(bench):
    """A CA under the plant's own, which issues the station's certificate, and odd certificates of the plant's."""
    if getattr(bench, "pki", None):
        return bench.pki
    pki, here, gateway = bench.lab.dir / "pki", pathlib.Path(__file__).resolve().parent, bench.gateway
    maker = [sys.executable, here / "pki.py"]
    import lab
    maker[0] = lab.PYTHON

    def make(*words):
        subprocess.run([*map(str, maker), *map(str, words)], check=True, stdin=subprocess.DEVNULL, timeout=60)

    make("make", pki)
    gateway.cli("ca", "init", "--name", "interop")
    gateway.cli("ca", "csr", "-o", pki / "gateway.csr")
    make("sign-ca", pki, pki / "gateway.csr", pki / "gateway-chain.pem")
    gateway.cli("ca", "install", pki / "gateway-chain.pem")
    make("odd", pki, gateway.dir / "state/keys/ca.key", gateway.dir / "state/ca/ca.pem")
    for name in BAD_ROLES:  # the key is known: what they get is for the role alone
        gateway.cli("device", "add", "station", "--certificate", pki / f"{name}.pem")
    make("ask", pki, "station")
    gateway.cli("ca", "sign", "--subject", "station", "--csr", pki / "station.csr", "-o", pki / "station.pem")
    bench.pki = pki
    return pki


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore", DeprecationWarning)
    raise SystemExit(asyncio.run(matrix(*sys.argv[1:])))
