"""Steps 9 to 13: names that can be proven, a policy that is tried before it counts, and five masters on two sockets."""
import json
import ssl
import subprocess
import threading
import time

import lab
from lab import ROOT, Deviation, Master, expect, read_holding, refused, until, write_register

SECURE, PLAIN, PACKER = ("127.0.9.20", 15802), ("127.0.9.20", 15020), ("127.0.9.30", 15020)
STATION, PANEL, HISTORIAN = "127.0.9.10", "127.0.9.31", "127.0.9.45"
CONDUIT = "masters-to-filling"
EXAMPLE = ROOT / "config/examples/certificates"
# What stands in a certificate, and what its session then gets.
ALIVE_WITH_01 = ["no-role", "two-role", "empty-role", "bad-encoding"]
REFUSED = {"rogue": "unknown-issuer", "wrong-usage": "wrong-usage", "expired": "expired", None: "no-certificate"}


class Secure(Master):
    """A master that speaks Modbus/TCP Security."""

    def __init__(self, source, to, context, session=None):
        super().__init__(source, to)
        self.peer = context.wrap_socket(self.peer, server_hostname=to[0], session=session)

    def frame(self):
        try:
            return super().frame()
        except ssl.SSLError:  # with TLS 1.3 a client learns at its first read that it was refused
            return None


class Names:
    def __init__(self, work):
        self.lab = work
        self.pki = work.dir / "pki"
        self.gateway = self.plc = self.packer = None
        self.steps = [self.certificates, self.same_name, self.policy_change, self.five_masters, self.key_revoked]

    def pki_do(self, *words):
        subprocess.run([lab.PYTHON, ROOT / "tests/interop/pki.py", *map(str, words)], check=True, stdin=subprocess.DEVNULL)

    def context(self, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.pki / "plant-ca.pem")
        if name:
            context.load_cert_chain(self.pki / f"{name}.pem", self.pki / f"{name}.key")
        return context

    def sign(self, subject):
        """A key and a request made by the station itself; the certificate comes from the gateway."""
        self.pki_do("ask", self.pki, subject)
        self.gateway.cli("ca", "sign", "--subject", subject, "--csr", self.pki / f"{subject}.csr", "-o", self.pki / f"{subject}.pem")

    def certificates(self):
        """the plant CA signs ours; a certificate for the station's own key; pymodbus over TLS; odd certificates get 01, or no session"""
        self.plc = lab.Plc(self.lab, "filler-plc", "127.0.1.20:15020", "127.0.0.1:15021")
        self.packer = lab.Plc(self.lab, "packer-plc", "127.0.1.30:15020", "127.0.0.1:15031", "--sockets", "2")
        for n in range(4):
            self.plc.set("holding", n, 2000 + n)
        plant = (EXAMPLE / "plant.toml").read_text().replace('timezone = "Europe/Berlin"', 'timezone = "UTC"')
        self.gateway = lab.Gateway(self.lab, plant)
        self.gateway.cli("init", "--site", "riverside")
        self.gateway.start()
        until("the plant's listeners", lambda: len(self.gateway.listening()) == 3)
        self.pki_do("make", self.pki)
        self.gateway.cli("ca", "init")
        self.gateway.cli("ca", "csr", "-o", self.pki / "gateway.csr")
        self.pki_do("sign-ca", self.pki, self.pki / "gateway.csr", self.pki / "chain.pem")
        self.gateway.cli("ca", "install", self.pki / "chain.pem")
        self.pki_do("odd", self.pki, self.gateway.dir / "state/keys/ca.key", self.gateway.dir / "state/ca/ca.pem")
        self.sign("scada")
        done = subprocess.run([lab.PYTHON, ROOT / "demo/tls_master.py", SECURE[0], str(SECURE[1]), self.pki / "plant-ca.pem",
                               self.pki / "scada.pem", self.pki / "scada.key"], text=True, capture_output=True, timeout=20)
        expect("pymodbus over TLS", 0, done.returncode if not done.returncode else done.stderr[-400:])
        expect("what pymodbus saw", {"counters": [2000, 2001, 2002, 2003], "write": True, "speed": [700], "over the limit": 1},
               json.loads(done.stdout))
        expect("speed in the PLC's memory", 700, self.plc.holding(100))
        before = self.plc.state()
        for name in ALIVE_WITH_01:
            self.gateway.cli("device", "add", "scada", "--certificate", self.pki / f"{name}.pem")
            with Secure(STATION, SECURE, self.context(name)) as master:
                for pdu in read_holding(0), write_register(100, 0), read_holding(0):
                    expect(f"an answer to {name}", refused(pdu).hex(), master.ask(pdu).hex())
        for name, reason in REFUSED.items():
            since = self.gateway.last_seq()
            expect(f"a session for {name or 'no certificate'}", None, self.handshake(self.context(name)))
            until(f"the reason for {name} in the journal", lambda: reason in json.dumps(self.gateway.records(since)))
        expect("the PLC's memory and request log", before, self.plc.state())
        return f"{', '.join(ALIVE_WITH_01)}: 01 and alive; {', '.join(name or 'none' for name in REFUSED)}: no session, reason on record"

    @staticmethod
    def handshake(context, session=None):
        """The answer to a read, or None where there is no session."""
        try:
            with Secure(STATION, SECURE, context, session) as master:
                master.send(lab.adu(1, read_holding(0)))
                return master.frame()
        except OSError:
            return None

    def same_name(self):
        """the engineer from the old panel's address and by certificate: the same name, different rights; `explain` shows why"""
        self.sign("engineer")
        recipe = write_register(212, 520)
        with Master(PANEL, PLAIN) as panel:
            expect("a read from the panel", "03020000", panel.ask(read_holding(212)).hex())
            before = self.plc.state()
            expect("the recipe from the panel", refused(recipe).hex(), panel.ask(recipe).hex())
            expect("the PLC's memory and request log", before, self.plc.state())
        with Secure(STATION, SECURE, self.context("engineer")) as station:
            expect("the recipe by certificate", recipe.hex(), station.ask(recipe).hex())
        expect("the recipe in the PLC's memory", 520, self.plc.holding(212))
        question = ["explain", "--as", "engineer", "--on", "filler-plc", "--do", "write recipe 520"]
        by_address = self.gateway.cli(*question, "--by", "address", code=1)
        by_certificate = self.gateway.cli(*question, "--by", "certificate", code=0)
        for told, words in (by_address, ["REFUSED", "assurance 3", "assurance 1"]), (by_certificate, ["ALLOWED", "assurance 3"]):
            expect("what `explain` leaves out", [], [word for word in words if word not in told])
        told = next(line.strip() for line in by_address.splitlines() if "assurance 3" in line)
        return f"by address: \"{told[:90]}\""

    def policy_change(self):
        """a candidate beside live traffic, on the journal, and compared as text: the same losses and gains; a watched enforce returns"""
        text = self.gateway.plant.read_text()
        candidate = self.gateway.dir / "candidate.toml"
        candidate.write_text(text.replace("values 0..1200", "values 0..600").replace('can = ["write recipe"]\nwhen = ["assurance 3"]',
                                                                                    'can = ["write recipe"]'))
        self.gateway.cli("policy", "shadow", candidate, "--for", "1h")
        with Secure(STATION, SECURE, self.context("scada")) as scada, Master(PANEL, PLAIN) as panel:
            for speed in 300, 900, 901, 400:
                expect(f"speed = {speed}", write_register(100, speed), scada.ask(write_register(100, speed)))
            expect("the recipe from the panel", refused(write_register(212, 1)), panel.ask(write_register(212, 1)))
        wanted = {("lost", "scada", "write", "speed"), ("gained", "engineer", "write", "recipe")}

        def lines(told):
            found = json.loads(told.splitlines()[0])
            while "lines" not in found:  # the differences, whatever is around them
                found = next(value for value in found.values() if isinstance(value, dict))
            return {(line["turn"], line["subject"], line["verb"], line["point"]): line["count"] for line in found["lines"]}

        shadow = lines(self.gateway.cli("policy", "shadow", "--json", code=1))  # 1: they differ
        expect("what shadow lists", wanted, set(shadow))
        self.gateway.cli("policy", "shadow", "--stop", code=1)
        journal = self.gateway.dir / "state/journal"
        replay = lines(self.gateway.cli("policy", "replay", journal, "--with", candidate, "--policy", self.gateway.plant, "--json", code=1))
        expect("what replay lists of all that was ever recorded", wanted, set(replay))
        diff = json.loads(self.gateway.cli("policy", "diff", self.gateway.plant, candidate, "--json", code=1))
        named = {(right["subject"], right["verb"], right.get("point")) for kind in ("gained", "lost", "changed") for right in diff[kind]}
        expect("losses and gains that diff does not name", set(), {key[1:] for key in wanted} - named)

        self.gateway.cli("observe", CONDUIT)
        self.gateway.cli("enforce", CONDUIT, "--watch", "10m")
        with Secure(STATION, SECURE, self.context("scada")) as scada:
            for _ in range(20):
                scada.ask(write_register(100, 1300))
            until("the watched conduit returns to observe", lambda: self.mode() == "observe", within=8)
            expect("what enforce refused, in observe", write_register(100, 1300), scada.ask(write_register(100, 1300)))
        self.gateway.cli("enforce", CONDUIT)
        return f"{len(shadow)} differences, the same in shadow, replay and diff; back to observe by itself"

    def mode(self):
        return json.loads(self.gateway.cli("status", "--json"))["conduits"][0]["mode"]

    def five_masters(self):
        """five masters, a PLC with two sockets: each reply to its owner, priorities kept, one slow master delays nobody, a reset survived"""
        sources = [f"127.0.9.{n}" for n in range(41, 46)]
        for n in range(100):
            self.packer.set("holding", n, 7000 + n)
        counts, wrong, worst, going, reset = {}, [], {}, threading.Event(), threading.Event()

        def poll(source, at):
            """Four requests under way at a time, so that the masters compete; all of them use the same transaction ids."""
            asked = {}

            def ask(tid):
                asked[tid] = time.monotonic()
                master.send(lab.adu(tid, read_holding(at + tid, 1)))

            with Master(source, PACKER) as master:
                for tid in range(4):
                    ask(tid)
                while not going.is_set():
                    frame = master.frame()
                    tid = int.from_bytes(frame[:2], "big") if frame else None
                    # A PLC that was reset has forgotten its values: zero then, and never another master's.
                    mine = [7000 + at + (tid or 0)] + [0] * reset.is_set()
                    if tid in asked and frame in [lab.adu(tid, b"\3\2" + value.to_bytes(2, "big")) for value in mine]:
                        counts[source] = counts.get(source, 0) + 1
                        worst[source] = max(worst.get(source, 0), time.monotonic() - asked[tid])
                    elif tid not in asked or frame not in (lab.adu(tid, "830b"), lab.adu(tid, "830a")):
                        wrong.append((source, frame and frame.hex()))
                        return
                    ask(tid)

        # One more that asks all the time and reads nothing.
        slow = Master(sources[0], PACKER)
        slow.send(b"".join(lab.adu(n, read_holding(0, 100)) for n in range(16)))
        threads = [threading.Thread(target=poll, args=(source, 10 * n), daemon=True) for n, source in enumerate(sources)]
        for thread in threads:
            thread.start()
        time.sleep(2)
        shares, slowest = dict(counts), max(worst.values())
        sockets = self.packer.connections()
        reset.set()
        self.packer.restart()
        until("every master is served again", lambda: all(counts[source] > shares[source] + 20 for source in sources), within=15)
        going.set()
        for thread in threads:
            thread.join(10)
        slow.close()
        expect("replies that were another's, and connections that ended", [], wrong)
        expect("sockets of the PLC in use", True, 1 <= sockets <= 2)
        normal = [shares[source] for source in sources[1:4]]
        expect("equal masters apart by more than 10 %", True, max(normal) <= 1.1 * min(normal))
        expect("high before normal before low", True, shares[sources[0]] > max(normal) and min(normal) > shares[sources[4]] > 0)
        expect("the slowest answer within a second", True, slowest < 1)
        return (f"{sum(shares.values())} reads in 2 s over {sockets} socket(s): high {shares[sources[0]]}, normal {normal}, "
                f"low {shares[sources[4]]}; slowest {1000 * slowest:.0f} ms")

    def key_revoked(self):
        """a device key is revoked while one of its sessions is idle, one busy and one tries to resume: all three end"""
        context = self.context("scada")
        idle = Secure(STATION, SECURE, context)
        idle.ask(read_holding(0))
        saved = idle.peer.session
        again = Secure(STATION, SECURE, context, saved)
        again.ask(read_holding(0))
        expect("a session that was resumed", False, again.peer.session_reused)
        ended = {}

        def work():
            with Secure(STATION, SECURE, context) as busy:
                value = 0
                try:
                    while True:
                        value = value % 1200 + 1
                        busy.ask(write_register(100, value))
                except (Deviation, OSError):
                    ended["busy"] = time.time()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        time.sleep(0.3)
        self.gateway.cli("device", "revoke", "scada")
        answered = time.time()
        thread.join(5)
        for name, master in ("idle", idle), ("resuming", again):
            rest, closed = master.rest(quiet=2)
            expect(f"the {name} session is closed", (b"", True), (rest, closed))
        expect("the busy session has ended", True, "busy" in ended)
        time.sleep(0.2)
        expect("a frame at the PLC after revoke has answered", False, self.plc.log()[-1]["at"] > answered)
        before = self.plc.state()
        expect("a new session, resumed or not", [None, None], [self.handshake(context), self.handshake(context, saved)])
        until("the reason in the journal", lambda: '"revoked"' in json.dumps([r for r in self.gateway.records() if "handshake" in json.dumps(r)]))
        expect("the PLC's memory and request log", before, self.plc.state())
        return f"busy ended {1000 * (ended['busy'] - answered):+.1f} ms from the answer; the revoked certificate gets no session"
