#!/usr/bin/env python3
"""The gateway between peers that were written elsewhere.

    run.py [--peers light|all] [--only NAME]

Every refusal is judged at the PLC: its whole memory image and its request log must be as before. Prints a line for each
scenario and closes with `interop: N passed, N failed, N skipped`.
"""
import argparse
import json
import pathlib
import resource
import socket
import subprocess
import sys
import threading
import time

import captures
import hostile
import judge
import lab
import tls
from lab import Deviation, Gateway, Lab, Master, Plc, adu, expect, read_holding, refused, until, write_coil, write_register, write_registers

PLC, BUS, DEAD, FEW = ("127.0.9.20", 15020), ("127.0.9.30", 15020), ("127.0.9.40", 15020), ("127.0.9.50", 15020)
MASTERS = ["127.0.9.10", "127.0.9.11", "127.0.9.12", "127.0.9.13", "127.0.9.14"]
SECURE = ("127.0.9.20", 15802)
SCADA, OTHER, STRANGER = "127.0.9.10", "127.0.9.11", "127.0.9.66"
HERE = pathlib.Path(__file__).resolve().parent
SCENARIOS = []


class Skip(Exception):
    """A named reason why a scenario cannot run here."""


def scenario(peers="light"):
    def register(run):
        SCENARIOS.append((run.__name__, peers, run))
        return run
    return register


class Bench:
    """Two PLCs and the gateway between them, shared by the scenarios."""

    def __init__(self, work):
        self.lab = work
        self.plc = Plc(work, "plc", "127.0.1.20:15020", "127.0.0.1:15021")
        self.bus = Plc(work, "bus", "127.0.1.30:15020", "127.0.0.1:15031", "--serial", "3,4")
        self.few = Plc(work, "few", "127.0.1.50:15020", "127.0.0.1:15051", "--sockets", "2")
        self.gateway = Gateway(work, (HERE / "plant.toml").read_text())
        self.gateway.cli("init")
        self.gateway.start()
        until("the plant's listeners", lambda: len(self.gateway.listening()) == 6)

    def device(self, name):
        return (PLC, self.plc) if name == "plc" else (BUS, self.bus)

    def memory(self):
        """The daemon's resident memory in kB."""
        status = pathlib.Path(f"/proc/{self.gateway.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def journal_bytes(self):
        return sum(len(json.dumps(record)) for record in self.gateway.records())


@scenario()
def hostile_frames_leave_the_plc_as_it_was(bench):
    """Each hostile frame gets the strict answer; memory and request log of the PLC stay as they were."""
    misses = []
    for name, device, pieces, want in hostile.CASES:
        to, plc = bench.device(device)
        before = plc.state()
        with Master(SCADA, to) as master:
            try:
                for piece in pieces:
                    master.send(piece)
                    if len(pieces) > 1:
                        time.sleep(0.01)
            except OSError:
                pass  # it closed while we were still sending
            expected = b"" if want == hostile.CLOSED else want
            got, closed = until(name, lambda: master.rest(quiet=0.2 if expected else 0.5), within=1)
        if got != expected or closed != (want == hostile.CLOSED):
            misses.append(f"{name}: {got.hex()}{' closed' if closed else ''}, wanted {expected.hex() or 'a close'}")
        lawful = sum(want != hostile.CLOSED and frame in want for frame in (adu(1, hostile.READ_OK), adu(22, hostile.READ_OK), adu(30, hostile.READ_OK)))
        memory, seen = plc.state()
        if memory != before[0] or seen != before[1] + lawful:
            misses.append(f"{name}: the PLC saw {seen - before[1]} requests, {lawful} of them lawful")
    if misses:
        raise Deviation("hostile frames", "the strict answer to each", "\n      " + "\n      ".join(misses))
    return f"{len(hostile.CASES)} frames"


@scenario()
def no_function_code_carries_a_hidden_write(bench):
    """The MBAP length hides a write of 0xBEEF to register 900 behind a harmless request: sent at once, and after the flush."""
    hidden = adu(0x0BAD, "060384beef")
    through = []

    def attempt(name, pieces):
        with Master(SCADA, PLC) as master:
            try:
                for number, piece in enumerate(pieces):
                    time.sleep(0.8 if number else 0)
                    master.send(piece)
                master.rest(quiet=0.8)
            except OSError:
                pass

    threads = []
    for name, pdu in hostile.CARRIERS.items():
        pdu = bytes.fromhex(pdu)
        whole = adu(2, pdu + hidden)
        for pieces in [whole], [whole[:7 + len(pdu)], whole[7 + len(pdu):]]:
            threads.append(threading.Thread(target=attempt, args=(name, pieces)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for entry in bench.plc.log():
        if "beef" in entry["bytes"]:
            through.append(entry["bytes"])
    expect("hidden writes that the PLC has seen", [], through)
    expect("register 900", 0, bench.plc.holding(900))
    # The device itself would have executed it: the check can fail.
    with Master(SCADA, bench.plc.modbus) as direct:
        direct.send(adu(2, bytes.fromhex(hostile.CARRIERS["FC 3"]) + hidden))
        direct.rest(quiet=0.3)
    expect("register 900 when the device is asked directly", 0xBEEF, bench.plc.holding(900))
    bench.plc.set("holding", 900, 0)
    return f"{len(hostile.CARRIERS)} carriers, twice"


@scenario()
def a_duplicate_transaction_id_with_other_bytes_is_refused(bench):
    """One of them is answered by the PLC, the other is refused; none is answered twice."""
    with Master(SCADA, PLC) as master:
        master.send(adu(32, read_holding(0, 2)) + adu(32, read_holding(5, 2)))
        got, closed = master.rest()
    expect("the answers", (adu(32, "030400000000") + adu(32, "8301"), False), (got, closed))


@scenario()
def a_retry_is_answered_once_and_a_write_is_not_sent_again(bench):
    """A byte-identical repeat of a pending request is a master's retry."""
    since = bench.plc.mark()
    write = adu(33, write_register(101, 5))
    with Master(SCADA, PLC) as master:
        master.send(write + write)
        got, _ = master.rest()
    expect("the answer", write.hex(), got.hex())
    expect("writes at the PLC", 1, len([e for e in bench.plc.log(since) if e["bytes"] == write.hex()]))


@scenario()
def three_malformed_requests_in_a_minute_close_the_connection(bench):
    """Two are answered with 03; after the third the connection is closed."""
    with Master(SCADA, PLC) as master:
        for tid in 1, 2, 3:
            master.send(adu(tid, "0300000001dead"))
        got, closed = master.rest(quiet=1)
    expect("answers, then a close", (b"".join(adu(tid, "8303") for tid in (1, 2, 3)).hex(), True), (got.hex(), closed))


@scenario()
def the_safe_value_passes_and_a_stranger_does_not(bench):
    """Laws 1 and 5: speed = 0 reaches the PLC, from those who may write it; a refusal is an exception, never a faked success."""
    with Master(SCADA, PLC) as master:
        expect("speed = 700", write_register(200, 700), master.ask(write_register(200, 700)))
        expect("speed = 1201", refused(write_register(200, 1201)), master.ask(write_register(200, 1201)))
        expect("speed in the PLC", 700, bench.plc.holding(200))
        expect("speed = 0", write_register(200, 0), master.ask(write_register(200, 0)))
        expect("speed in the PLC", 0, bench.plc.holding(200))
    before = bench.plc.state()
    try:
        with Master(STRANGER, PLC) as master:
            master.send(adu(1, write_register(200, 0)))
            got, _ = master.rest()
        if got not in (b"", adu(1, "8601")):
            raise Deviation("the answer to a stranger", "exception 01, or a close", got.hex())
    except ConnectionError:
        pass
    expect("the PLC after a stranger", before, bench.plc.state())


@scenario()
def unchanged_values_do_not_fill_the_journal(bench):
    """Law 7: 500 heartbeats of one value are a handful of records, and every one reaches the PLC."""
    since, mark = bench.gateway.last_seq(), bench.plc.mark()
    with Master(SCADA, PLC) as master:
        for _ in range(500):
            expect("the heartbeat's answer", write_register(310, 8), master.ask(write_register(310, 8)))
    expect("heartbeats at the PLC", 500, len(bench.plc.log(mark)))
    records = [r for r in bench.gateway.records(since)]
    if len(records) > 20:
        raise Deviation("records of 500 equal writes", "at most 20", len(records))
    return f"{len(records)} records"


@scenario()
def a_flood_of_refusals_is_counted_and_not_written_out(bench):
    """The first ten of a kind in a minute are records, the rest one line; memory stays where it was; others are served."""
    before, memory, since = bench.plc.state(), bench.memory(), bench.gateway.last_seq()
    worst, asked = 0.0, 5000
    with Master(SCADA, PLC) as flood, Master(OTHER, PLC) as other:
        for n in range(asked // 10):
            flood.send(b"".join(adu(10 * n % 60000 + k, write_register(500, k)) for k in range(10)))
            for k in range(10):
                expect("the answer", adu(10 * n % 60000 + k, "8601").hex(), (flood.frame() or b"").hex())
            if n % 25 == 0:
                start = time.monotonic()
                other.ask(read_holding(0))
                worst = max(worst, time.monotonic() - start)
    expect("the PLC's memory", before[0], bench.plc.state()[0])
    records = bench.gateway.records(since)
    if len(records) > 60:
        raise Deviation(f"records of {asked} refusals", "at most 60", len(records))
    grown = bench.memory() - memory
    if grown > 4096:
        raise Deviation("memory grown", "at most 4 MiB", f"{grown} kB")
    if worst > 0.5:
        raise Deviation("another master's read meanwhile", "at most 0.5 s", f"{worst:.3f} s")
    return f"{asked} refusals, {len(records)} records, {grown} kB, worst read of another master {1000 * worst:.1f} ms"


@scenario()
def connection_floods_and_slow_senders_do_not_stop_others(bench):
    """Half-open connections, one byte a second, 1,500 connections at once: bounded memory, others are served."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    memory, crowd = bench.memory(), []
    try:
        for n in range(1500):
            peer = socket.socket()
            peer.setblocking(False)
            peer.bind((STRANGER if n % 2 else SCADA, 0))
            peer.connect_ex(PLC)
            crowd.append(peer)
        time.sleep(0.5)
        slow = [peer for peer in crowd[:200:2]]
        for peer in slow:
            try:
                peer.send(b"\0")
            except OSError:
                pass
        with Master(OTHER, PLC) as other:
            start = time.monotonic()
            expect("another master's read", b"\3\2", other.ask(read_holding(0))[:2])
            took = time.monotonic() - start
        grown = bench.memory() - memory
        if grown > 40 * 1024:
            raise Deviation("memory of 1,500 connections", "at most 40 MiB", f"{grown} kB")
        # A header must be complete 2 s after its first byte: the slow ones are closed.
        def closed():
            count = 0
            for peer in slow:
                try:
                    count += peer.recv(1) == b""
                except BlockingIOError:
                    pass
                except OSError:
                    count += 1
            return count == len(slow)
        until("slow senders are closed", closed, within=6, every=0.2)
    finally:
        for peer in crowd:
            peer.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return f"{grown} kB, another master's read {1000 * took:.1f} ms"


@scenario()
def a_dead_plc_is_answered_with_0a(bench):
    """Nobody listens at the asset's address: exception 0A in time, and the others go on."""
    with Master(SCADA, DEAD, timeout=10) as master:
        start = time.monotonic()
        expect("the answer", "830a", master.ask(read_holding(0)).hex())
        took = time.monotonic() - start
    return f"after {1000 * took:.0f} ms"


@scenario()
def nothing_is_dialled_before_the_first_permit(bench):
    """A connection that asks for nothing lawful costs the PLC no socket."""
    since = bench.plc.mark()
    with Master(SCADA, PLC) as master:
        expect("a refusal", refused(write_register(500, 1)), master.ask(write_register(500, 1)))
        expect("connections at the PLC", [], bench.plc.log(since, "open"))
        master.ask(read_holding(0))
        expect("connections at the PLC", 1, len(bench.plc.log(since, "open")))
    until("the PLC's socket is given back", lambda: bench.plc.log(since, "close"))


@scenario()
def every_refusal_can_be_explained(bench):
    """`explain --record` names who, what and why on one screen for each kind of refusal seen so far."""
    kinds = {}
    for decision in bench.gateway.decisions():
        if decision["effect"] == "deny":
            kinds.setdefault(decision["reason"], decision)
    for reason, decision in kinds.items():
        told = bench.gateway.cli("explain", "--record", decision["seq"])
        missing = [word for word in (decision.get("subject"), reason) if word and word not in told]
        expect(f"what is missing from the explanation of {reason}", [], missing)
        if len(told.splitlines()) > 40:
            raise Deviation(f"lines of the explanation of {reason}", "at most 40", len(told.splitlines()))
    if len(kinds) < 3:
        raise Deviation("kinds of refusals in the journal", "at least 3", sorted(kinds))
    return ", ".join(sorted(kinds))


@scenario(peers="all")
def libmodbus_as_master(bench):
    """Every function of libmodbus's client, lawful and not, through the gateway."""
    program = lab.compile_c("client", "modbus")
    done = subprocess.run([program, SCADA, PLC[0], str(PLC[1])], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    expect("libmodbus client", 0, done.returncode if not done.returncode else done.stdout + done.stderr)
    expect("register 100 in the PLC", 4711, bench.plc.holding(100))
    expect("coils 8-15 in the PLC", [1, 0, 1, 0, 1, 0, 1, 0], [bench.plc.coil(n) for n in range(8, 16)])
    return done.stdout.strip()


@scenario(peers="all")
def pymodbus_as_master(bench):
    """pymodbus 3.16.1: reads, writes, refusals, and twenty clients at once."""
    done = subprocess.run([lab.PYTHON, HERE / "pymodbus_master.py", SCADA, PLC[0], str(PLC[1])], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120)
    expect("pymodbus", 0, done.returncode if not done.returncode else done.stdout + done.stderr)
    return done.stdout.strip()


@scenario(peers="all")
def pymodbus_over_tls_has_the_rights_of_its_role(bench):
    """A certificate of the gateway's CA under both versions, bad certificates, TLS 1.1; of the refused nothing is seen at the PLC."""
    pki = tls.prepare(bench)
    since = bench.plc.mark()
    done = subprocess.run([lab.PYTHON, HERE / "tls.py", *map(str, SECURE), pki], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
    expect("pymodbus over TLS", 0, done.returncode if not done.returncode else done.stdout + done.stderr)
    seen = [entry["bytes"][14:16] for entry in bench.plc.log(since)]
    expect("function codes at the PLC: two lawful clients' reads and writes", ["03", "06"] * 2, seen)
    refused = {}
    for record in bench.gateway.records():
        what = record["event"].get("session", {}).get("what")
        if isinstance(what, dict) and "handshake" in what:
            refused[what["handshake"]] = refused.get(what["handshake"], 0) + 1
    wanted = {"no-certificate", "unknown-issuer", "version"}
    expect("reasons in the journal", set(), wanted - set(refused))
    return done.stdout.strip()


@scenario(peers="all")
def openssl_gets_no_resumption_no_renegotiation_and_no_old_suite(bench):
    """OpenSSL's own client: both versions, a fragment length of 512, sessions offered again, `R`, TLS 1.1, NULL suites."""
    pki = tls.prepare(bench)
    read = adu(7, read_holding(0, 2))

    def client(*more, name="station", say=b""):
        return tls.s_client(*SECURE, pki, name, *more, say=say)

    for version, words in ("TLSv1.3", ["-tls1_3"]), ("TLSv1.2", ["-tls1_2"]):
        told = client(*words)
        expect(f"{version} is agreed and the gateway believed", (True, True), (f"New, {version}" in told, "Verify return code: 0 (ok)" in told))
        kept = bench.lab.dir / f"{version}.session"
        client(*words, "-sess_out", kept)
        again = client(*words, "-sess_in", kept) if kept.exists() else client(*words, "-reconnect")
        expect(f"{version} sessions resumed", False, "Reused, " in again)
    told = client("-tls1_2", "-maxfraglen", "512", "-tlsextdebug")
    expect("512 bytes asked: served", True, "Verify return code: 0 (ok)" in told)
    expect("the extension is not answered", False, 'extension "max fragment length"' in told)
    expect("secure renegotiation is announced", True, "Secure Renegotiation IS supported" in told)
    told = client("-tls1_2", say=b"R\n")
    asked, _, after = told.partition("RENEGOTIATING")
    expect("renegotiation: asked, and nobody shows a certificate again", (True, False), (asked != told, "verify return" in after))
    for words in ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], ["-tls1_2", "-cipher", "NULL:eNULL:aNULL:@SECLEVEL=0"], ["-tls1_2", "-cipher", "AES128-SHA:AES256-SHA:@SECLEVEL=0"]:
        told = client(*words)
        expect(f"{words} is refused", True, "Cipher is (NONE)" in told or "no ciphers available" in told)
    told = client("-tls1_3", name=None)
    expect("without a certificate", True, "alert certificate required" in told or "Cipher is (NONE)" in told or "alert number 116" in told)
    import socket as sockets
    import ssl
    with sockets.create_connection(SECURE, timeout=5) as raw, tls.context(pki, "station").wrap_socket(raw, server_hostname=SECURE[0]) as peer:
        peer.sendall(read)
        expect("others are served", read[:2], peer.recv(64)[:2])


@scenario(peers="all")
def tokio_modbus_over_tokio_rustls(bench):
    """A tokio-modbus master over TLS, the gateway, a tokio-modbus slave."""
    pki = tls.prepare(bench)
    program = lab.TARGET / "debug/bulkhead-peer"
    server = bench.lab.start("tokio-modbus-behind-tls", program, "slave", "127.0.1.40:15020")
    try:
        until("the slave listens", lambda: lab._try_connect(("127.0.1.40", 15020)))

        def served():
            return subprocess.run([program, "secure-master", SCADA, f"{DEAD[0]}:15802", DEAD[0], pki / "plant-ca.pem", pki / "station.pem", pki / "station.key"],
                                  capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        # The gateway may still be in the back-off of its last dial.
        done = until("the master is served", lambda: (lambda done: done if done.returncode == 0 else None)(served()), within=35, every=1)
        return done.stdout.strip()
    finally:
        bench.lab.stop(server)


CA_PLANT = """
[plant]
name = "ca"
timezone = "UTC"
[zones.cell]
networks = ["127.0.1.0/24"]
[zones.office]
networks = ["127.0.9.0/24"]
[assets.plc]
zone = "cell"
listen = ["mbaps://127.0.9.70:15802"]
connect = "modbus://127.0.1.20:15020"
units = [1]
[assets.plc.points]
speed = "holding 0"
[subjects.station]
zone = "office"
proof = "certificate"
role = "Operator"
[conduits.office-to-cell]
from = "office"
to = "cell"
[[conduits.office-to-cell.allow]]
who = ["Operator"]
on = "plc"
can = ["read speed"]
"""


@scenario(peers="all")
def every_certificate_and_list_is_judged(bench):
    """cryptography and openssl read what the CA issues for four kinds of keys: signed by itself, then by a plant CA."""
    own = captures.gateway(bench.lab, "certificates", CA_PLANT)
    try:
        run = lambda *words: subprocess.run(words, cwd=own.dir, capture_output=True, text=True, check=True, timeout=60)
        own.cli("ca", "init")
        kinds = {"p256": "EC -pkeyopt ec_paramgen_curve:P-256", "p384": "EC -pkeyopt ec_paramgen_curve:P-384", "ed25519": "ED25519",
                 "rsa": "RSA -pkeyopt rsa_keygen_bits:2048"}
        for kind, how in kinds.items():
            run("openssl", "genpkey", "-out", f"{kind}.key", "-algorithm", *how.split())
            run("openssl", "req", "-new", "-key", f"{kind}.key", "-subj", "/CN=asks for more/O=x", "-out", f"{kind}.csr")
            own.cli("ca", "sign", "--subject", "station", "--csr", own.dir / f"{kind}.csr", "-o", own.dir / f"leaf-{kind}.pem")
        listed = json.loads(own.cli("--json", "ca", "list"))["certificates"]["lines"]
        own.cli("ca", "retire", next(line["serial"] for line in listed if line["subject"]))
        shown = subprocess.run(["openssl", "s_client", "-connect", "127.0.9.70:15802"], input="", capture_output=True, text=True, timeout=30)
        server = shown.stdout.partition("-----BEGIN CERTIFICATE-----")
        (own.dir / "server.pem").write_text(server[1] + server[2].partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")
        said = []
        for root in (False, True):
            if root:
                own.cli("ca", "csr", "-o", own.dir / "ca.csr")
                run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "root.key", "-subj", "/CN=Plant Root", "-days", "3650", "-out", "root.pem",
                    "-addext", "keyUsage=critical,keyCertSign,cRLSign")
                (own.dir / "ext").write_text("basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n"
                                             "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
                run("openssl", "x509", "-req", "-in", "ca.csr", "-CA", "root.pem", "-CAkey", "root.key", "-days", "3000", "-extfile", "ext", "-out", "ours.pem")
                (own.dir / "chain.pem").write_text((own.dir / "ours.pem").read_text() + (own.dir / "root.pem").read_text())
                own.cli("ca", "install", own.dir / "chain.pem")
            own.cli("ca", "crl", "-o", own.dir / "crl.pem")
            (own.dir / "ca.pem").write_text((own.dir / "state/ca/ca.pem").read_text())
            done = subprocess.run([lab.PYTHON, HERE / "certificates.py", own.dir, "station", "Operator"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
            expect("the judge", 0, done.returncode if not done.returncode else done.stdout + done.stderr)
            said.append(done.stdout.strip())
        return "; ".join(said)
    finally:
        own.stop()


@scenario()
def five_masters_share_a_plc_with_two_sockets(bench):
    """Equal transaction ids, pipelined: every value is its master's own, and the PLC gives one socket of its two."""
    since, wrong = bench.few.mark(), []

    def work(number, source):
        with Master(source, FEW) as master:
            for n in range(100):
                at, value = 20 * number + n % 10, 1000 * number + n
                master.send(adu(0, write_register(at, value)))
                wrote = master.frame()
                # The same ids from all of them, and a second register that changes the length of the reply.
                master.send(adu(1, read_holding(at)) + adu(2, read_holding(at, 2)))
                first, second = master.frame() or b"", master.frame() or b""
                mine = value.to_bytes(2, "big")
                if wrote != adu(0, write_register(at, value)) or first != adu(1, b"\3\2" + mine) or second[:11] != adu(2, b"\3\4" + mine, length=7):
                    wrong.append((source, n, (wrote or b"").hex(), first.hex(), second.hex()))

    threads = [threading.Thread(target=work, args=entry) for entry in enumerate(MASTERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect("answers that are not their master's, the first of them", [], wrong[:3])
    expect("requests at the PLC", 1500, len(bench.few.log(since)))
    expect("sockets taken", 1, len(bench.few.log(since, "open")))
    # Without the gateway three of the five get nothing: the check can fail.
    until("the gateway's socket is given back", lambda: bench.few.log(since, "close"))
    direct = [Master(source, bench.few.modbus, timeout=2) for source in MASTERS]
    served = 0
    for master in direct:
        try:
            served += master.ask(read_holding(0))[:1] == b"\3"
        except (Deviation, OSError):
            pass
        finally:
            master.close()
    if served == len(direct):
        raise Deviation("masters that the PLC serves directly", "fewer than five", served)
    return f"1500 requests; directly {served} of {len(direct)} masters are served"


@scenario(peers="all")
def five_pymodbus_masters_share_a_plc_with_two_sockets(bench):
    """pymodbus counts its transaction ids from the same number in each master."""
    since = bench.few.mark()
    done = subprocess.run([lab.PYTHON, HERE / "pymodbus_five.py", FEW[0], str(FEW[1]), *MASTERS], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120)
    expect("pymodbus", 0, done.returncode if not done.returncode else done.stdout + done.stderr)
    expect("sockets taken", 1, len(bench.few.log(since, "open")))
    return done.stdout.strip()


@scenario(peers="all")
def tokio_modbus_on_both_sides(bench):
    """A tokio-modbus master, the gateway, a tokio-modbus slave."""
    program = lab.TARGET / "debug/bulkhead-peer"
    server = bench.lab.start("tokio-modbus", program, "slave", "127.0.1.40:15020")
    try:
        until("the slave listens", lambda: lab._try_connect(("127.0.1.40", 15020)))
        # The gateway may still be in the back-off of its last dial.
        done = until("tokio-modbus through the gateway", lambda: (
            lambda run: run if run.returncode == 0 else None)(subprocess.run(
                [program, "master", SCADA, f"{DEAD[0]}:{DEAD[1]}"], capture_output=True, text=True,
                stdin=subprocess.DEVNULL, timeout=60)), within=35, every=1)
        return done.stdout.strip()
    finally:
        bench.lab.stop(server)


@scenario(peers="all")
def tshark_finds_no_fault_with_the_shipped_captures(bench):
    """Seven files that our own code has made: every frame, checksum and sequence number."""
    return captures.judged_by_tshark()


@scenario()
def captures_pass_through_observe_byte_for_byte(bench):
    """Each captured conversation is replayed through a conduit in observe: both ways byte-identical, malformed frames too."""
    return captures.observe(bench.lab)


@scenario()
def a_policy_drawn_from_a_capture_refuses_nothing_of_it(bench):
    """Points and rights are taken from the capture; under enforce every request reaches the device and no answer is ours."""
    return captures.enforce(bench.lab)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--peers", choices=["light", "all"], default="light")
    arguments.add_argument("--only", default="")
    options = arguments.parse_args()
    passed, failed, skipped = 0, [], 0
    with Lab("interop") as work:
        eye = judge.Judge(work) if options.peers == "all" and not options.only else None
        bench = Bench(work)
        chosen = [entry for entry in SCENARIOS if options.only in entry[0] and (options.peers == "all" or entry[1] == "light")]
        for name, _, run in chosen + ([("tshark_finds_no_malformed_byte_of_ours", "all", lambda _: eye.verdict())] if eye else []):
            start = time.monotonic()
            try:
                told = run(bench)
                passed += 1
                print(f"ok      {name} ({time.monotonic() - start:.1f} s){': ' + told if told else ''}", flush=True)
            except Skip as reason:
                skipped += 1
                print(f"skipped {name}: {reason}", flush=True)
            except Exception as error:  # one scenario must not hide the others
                failed.append(name)
                kind = "" if isinstance(error, Deviation) else f"{type(error).__name__}: "
                print(f"FAILED  {name}\n      {kind}{error}", flush=True)
            if bench.gateway.process.poll() is not None:
                failed.append("the daemon ended")
                print(f"FAILED  the daemon ended: {bench.gateway.process.log.read_text()[-2000:]}")
                break
        work.keep = bool(failed)
        if failed:
            print(f"logs: {work.dir}")
    print(f"interop: {passed} passed, {len(failed)} failed, {skipped} skipped")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
