"""Steps 1 to 8: the path. Plain Modbus, identity by address, two libmodbus devices behind `bulkhead run`."""
import datetime
import json
import re
import shutil
import signal
import subprocess
import threading
import time

import lab
import replay
from lab import ROOT, Deviation, Master, expect, read_holding, refused, until, write_coil, write_register

FILLER, DOSING, REPLAYED = ("127.0.9.20", 15020), ("127.0.9.30", 15020), ("127.0.9.40", 15020)
SCADA, PANEL, LEAD = "127.0.9.10", "127.0.9.31", "127.0.9.40"
CONDUIT = "scada-to-filling"
# A device that answers as a capture did: in the demo alone, since no plant has one.
REPLAYED_ASSET = """
[assets.replayed]
zone = "filling"
listen = ["127.0.9.40:15020"]
connect = "modbus://127.0.1.40:15020"
"""


def shift_that_does_not_run(now):
    """A shift of the example plant that neither runs now nor begins within half an hour."""
    minute = now.hour * 60 + now.minute
    for name, start in ("early", 360), ("late", 840), ("night", 1320):
        since = (minute - start) % 1440
        if 480 + 15 < since < 1440 - 30:
            return name
    raise AssertionError("three shifts of eight hours leave always one")


def demo_plant():
    """The example plant, with the panel in a shift that does not run now."""
    text = lab.example_plant().replace('timezone = "Europe/Berlin"', 'timezone = "UTC"')
    away = shift_that_does_not_run(datetime.datetime.now(datetime.timezone.utc))
    text, count = re.subn(r'(\[subjects\.panel\](?:.*\n)*?attributes = \{ shift = )"\w+"', rf'\1"{away}"', text)
    expect("places in the plant where the panel's shift stands", 1, count)
    return text + REPLAYED_ASSET


def written(decision, subject):
    """The values that a decision's only access would write, when it is this subject's."""
    accesses = decision["accesses"]
    return accesses[0].get("new") if decision.get("subject") == subject and len(accesses) == 1 else None


class Load(threading.Thread):
    """A master that reads and writes without pause; each write has a new value. Counts what was answered."""

    def __init__(self, source, to, pause=0.002, first=1):
        super().__init__(daemon=True)
        self.source, self.to, self.pause, self.first = source, to, pause, first
        self.going, self.asked, self.acknowledged, self.reads, self.wrong = True, [], [], 0, []
        self.closed_at = None
        self.start()

    def run(self):
        try:
            with Master(self.source, self.to) as master:
                value = self.first
                while self.going:
                    value = value % 1200 + 1
                    self.asked.append(value)
                    answer = master.ask(write_register(100, value))
                    if answer == write_register(100, value):
                        self.acknowledged.append(value)
                    else:
                        self.wrong.append(answer.hex())
                    answer = master.ask(read_holding(100))
                    if answer[:2] == b"\3\2":
                        self.reads += 1
                    else:
                        self.wrong.append(answer.hex())
                    time.sleep(self.pause)
        except (Deviation, OSError):
            self.closed_at = time.time()

    def end(self):
        self.going = False
        self.join(10)
        return self


class Path:
    def __init__(self, work):
        self.lab = work
        self.gateway = None
        self.plc = self.dosing = None
        self.steps = [self.fresh_start, self.observe, self.enforce, self.refusals, self.panel, self.policies, self.revoke, self.killed]

    def fresh_start(self):
        """nothing listens beyond loopback, nothing is enforced; state and software keys are made; the plant is accepted"""
        self.plc = lab.Plc(self.lab, "filler-plc", "127.0.1.20:15020", "127.0.0.1:15021")
        self.dosing = lab.Plc(self.lab, "dosing", "127.0.1.30:15020", "127.0.0.1:15031", "--serial", "3,4")
        for n in range(10):
            self.plc.set("holding", n, 1000 + n)
        for n in range(4):
            self.plc.set("input", n, 7 + n)
        self.gateway = lab.Gateway(self.lab, demo_plant(), policy_key=False)
        said = self.gateway.cli("init", "--site", "riverside")
        if "software" not in said.lower():
            raise Deviation("what `init` says about its keys", "that they are software keys, loudly", said.strip())
        again = self.gateway.cli("init", "--site", "riverside", code=None)
        expect("state folder after init", True, (self.gateway.dir / "state/keys").is_dir())
        if "overwrite" not in again.lower() and "already" not in again.lower():
            raise Deviation("a second `init`", "a refusal to overwrite", again.strip())
        self.gateway.start()
        expect("TCP listeners of a gateway without a policy", [], self.gateway.listening())
        self.gateway.cli("check", self.gateway.plant)
        self.gateway.cli("policy", "activate", self.gateway.plant)
        listening = until("the plant's listeners", lambda: self.gateway.listening() or None)
        expect("listeners beyond loopback", [], [at for at in listening if not at.startswith("127.")])
        expect("requests that the PLC has seen", [], self.plc.log())
        return f"{len(listening)} listeners, all on loopback"

    def observe(self):
        """pymodbus and a replayed capture pass byte for byte, a malformed frame too; alarms, no refusals"""
        before = self.gateway.last_seq()
        done = subprocess.run([lab.PYTHON, ROOT / "demo/master.py", SCADA, FILLER[0], str(FILLER[1])], text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=20)
        expect("pymodbus through the gateway", 0, done.returncode if not done.returncode else done.stderr[-400:])
        seen = json.loads(done.stdout)
        expect("what pymodbus saw", {"counters": [1000 + n for n in range(10)], "status": [7, 8, 9, 10], "jog": [False, False],
                                     "write": True, "speed": [640], "setpoint": True, "exception": 2}, seen)
        expect("speed in the PLC's memory", 640, self.plc.holding(100))
        expect("setpoint in the PLC's memory", [1, 2], self.plc.holding(300, 2))

        captures = [path for path in sorted(lab.CAPTURES.glob("*serial-gateway.pcap")) if path.exists()]
        found = replay.conversations(captures[0])[:40] if captures else []
        conversations = found + replay.synthetic()
        server, total = replay.Server(("127.0.1.40", 15020)), 0
        for conversation in conversations:
            sent, received, answered, got = replay.play(server, conversation, SCADA, REPLAYED)
            expect("bytes on the way to the device", sent.hex(), received.hex())
            expect("bytes on the way back", answered.hex(), got.hex())
            total += len(sent) + len(got)
        server.close()
        # One malformed frame to the PLC itself: a FC 3 with two bytes too many.
        direct, through = self.malformed(self.plc.modbus), self.malformed(FILLER)
        expect("the PLC's answer to a malformed frame, through the gateway", direct, through)
        new = until("an alarm", lambda: [d for d in self.gateway.decisions(before) if d["effect"] == "deny"] or None)
        expect("modes of the decisions meanwhile", {"observe"}, {decision["mode"] for decision in new})
        what = captures[0].name if captures else "the synthetic capture (no real one beside the repository)"
        return f"{len(conversations)} conversations of {what}, {total} bytes alike, {len(new)} alarms"

    @staticmethod
    def malformed(to):
        with Master(SCADA, to) as master:
            master.send(lab.adu(1, "0300000001dead"))
            return master.rest(quiet=0.8)[0].hex()

    def enforce(self):
        """the SCADA station reads counters and writes speed = 900: the PLC holds 900"""
        self.gateway.cli("enforce", CONDUIT)
        with Master(SCADA, FILLER) as scada:
            expect("counters", "0314" + "".join(f"{1000 + n:04x}" for n in range(10)), scada.ask(read_holding(0, 10)).hex())
            expect("the answer to speed = 900", write_register(100, 900), scada.ask(write_register(100, 900)))
        expect("speed in the PLC's memory", 900, self.plc.holding(100))
        record = until("a record of the write", lambda: [d for d in self.gateway.decisions() if d["effect"] == "allow"
                                                        and written(d, "scada") == [900]] or None)[0]
        expect("who, where and the last value in the record", ("scada", ["filler-plc/speed"], [640], "enforce"),
               (record["subject"], record["accesses"][0]["points"], record["accesses"][0].get("last"), record["mode"]))
        return f"record {record['seq']}: scada, filler-plc/speed 640 -> 900, {record['rule']}"

    def refusals(self):
        """over the limit, half a setpoint, another role's recipe, a smuggled frame, a broadcast: refused; the PLCs saw nothing"""
        hidden = lab.adu(0x0BAD, "060384beef")
        cases = [
            # name, device, unit, request, answer, reason, point, new value, last value
            ("speed = 1300", FILLER, 1, write_register(100, 1300), 1, "range", "filler-plc/speed", [1300], [900]),
            ("half of setpoint", FILLER, 1, write_register(300, 7), 1, "range", "filler-plc/setpoint", [7], None),
            ("recipe", FILLER, 1, write_register(212, 520), 1, "no-rule", "filler-plc/recipe", [520], None),
            ("smuggled write", FILLER, 1, read_holding(0, 1) + hidden, 3, "malformed", None, None, None),
            ("broadcast", DOSING, 0, write_register(0, 100), 1, "no-rule", None, None, None),
        ]
        for name, device, unit, pdu, code, reason, point, new, last in cases:
            plc = self.plc if device == FILLER else self.dosing
            before, since = plc.state(), self.gateway.last_seq()
            with Master(SCADA, device) as scada:
                expect(f"the answer to {name}", refused(pdu, code).hex(), scada.ask(pdu, unit).hex())
            expect(f"the PLC's memory and request log after {name}", before, plc.state())
            record = until(f"a record of {name}", lambda: [d for d in self.gateway.decisions(since) if d["effect"] == "deny"] or None)[0]
            expect(f"who and why in the record of {name}", ("scada", reason), (record["subject"], record.get("reason")))
            if point:
                access = record["accesses"][0]
                expect(f"point and value in the record of {name}", ([point], new), (access["points"], access.get("new")))
                expect(f"a last value in the record of {name}", True, last is None or access.get("last") == last)
            told = self.gateway.cli("explain", "--record", record["seq"])
            missing = [word for word in ["scada", reason, *([point] if point else [])] if word not in told]
            expect(f"what `explain` leaves out about {name}", [], missing)
            expect(f"lines of `explain` about {name} beyond a screen", 0, max(0, len(told.splitlines()) - 40))
        told = [line.strip() for line in self.gateway.cli("explain", "--record", record["seq"]).splitlines() if line.strip()]
        return f"five refusals, e.g. \"{told[0][:88]}\""

    def panel(self):
        """a panel of a shift that does not run: reads pass, jog = 1 is refused, jog = 0 (safe) and the heartbeat pass"""
        self.plc.set("coils", 16, 1)
        with Master(PANEL, FILLER) as panel:
            expect("a read", "03020384", panel.ask(read_holding(100)).hex())
            before = self.plc.state()
            expect("the answer to jog = 1", refused(write_coil(17, True)), panel.ask(write_coil(17, True)))
            expect("the PLC's memory and request log", before, self.plc.state())
            expect("the answer to jog = 0", write_coil(16, False), panel.ask(write_coil(16, False)))
            expect("jog in the PLC's memory", 0, self.plc.coil(16))
            expect("the answer to the heartbeat", write_register(10, 77), panel.ask(write_register(10, 77)))
            expect("the heartbeat in the PLC's memory", 77, self.plc.holding(10))
        refusals = until("a record of the refusal", lambda: [
            d for d in self.gateway.decisions() if d.get("subject") == "panel" and d["effect"] == "deny"])
        expect("the reason in the record", "condition", refusals[-1]["reason"])
        return "jog stopped, heartbeat 77"

    def policies(self):
        """a policy with a typo is refused with its place; a valid one is swapped in under load, no connection dropped"""
        good = self.gateway.plant.read_text()
        line = next(n for n, text in enumerate(good.splitlines(), 1) if '"write alive", "write speed"' in text)
        typo = self.gateway.dir / "typo.toml"
        typo.write_text(good.replace('"write speed"', '"write sped"', 1))
        column = typo.read_text().splitlines()[line - 1].index('"write sped"') + 1
        told = self.gateway.cli("policy", "activate", typo, code=None)
        if not re.search(rf"typo\.toml:{line}:\d+: ", told) or "speed" not in told or "sped" not in told:
            raise Deviation("what is said about the typo", f"typo.toml:{line}:{column}..: `sped`, and `speed` as suggestion", told.strip())
        before = self.gateway.last_seq()
        load = Load(SCADA, FILLER)
        until("load", lambda: len(load.acknowledged) > 20)
        narrow = good.replace("values 0..1200", "values 0..600")
        for text in narrow, good, narrow, good:
            self.gateway.plant.write_text(text)
            self.gateway.cli("policy", "activate", self.gateway.plant)
            time.sleep(0.25)
        until("answers after the last swap", lambda count=len(load.acknowledged): len(load.acknowledged) > count + 20)
        load.end()
        expect("connections dropped by a swap", None, load.closed_at)
        expect("answers that are neither done nor refused", [], [a for a in load.wrong if a != "8601"])
        decided = [d for d in self.gateway.decisions(before) if written(d, "scada")]
        expect("policies that judged the load", 2, len({d["policy"] for d in decided}))
        wide = decided[-1]["policy"]
        mixed = [d["seq"] for d in decided if d["effect"] != ("allow" if d["policy"] == wide or d["accesses"][0]["new"][0] <= 600 else "deny")]
        expect("records whose decision is not that of their policy", [], mixed)
        return f"{re.search(r'typo.toml:[0-9:]+', told).group()} refused; 4 swaps under {len(load.asked)} writes"

    def revoke(self):
        """the station is revoked while connected: cut, and not let in again"""
        load = Load(SCADA, FILLER, pause=0)
        until("load", lambda: len(load.acknowledged) > 50)
        self.gateway.cli("subject", "revoke", "scada")
        answered = time.time()
        until("the end of the station's connection", lambda: load.closed_at)
        time.sleep(0.3)
        last = self.plc.log()[-1]["at"]
        expect("a frame at the PLC after revoke has answered", False, last > answered)
        before = len(self.plc.log())
        try:
            with Master(SCADA, FILLER, timeout=2) as again:
                again.send(lab.adu(1, read_holding(0)))
                got, closed = again.rest(quiet=1)
            expect("the next connection", ("", True), (got.hex(), closed))
        except ConnectionError:
            pass
        expect("requests at the PLC from the next connection", before, len(self.plc.log()))
        return (f"last frame at the PLC {1000 * (answered - last):.1f} ms before the answer, "
                f"FIN {1000 * (load.closed_at - answered):+.1f} ms from it")

    def killed(self):
        """SIGKILL under load, restart: serving again, nothing acknowledged is lost; a flipped byte is found and named"""
        load = Load(LEAD, FILLER, pause=0)
        until("load", lambda: len(load.acknowledged) > 100)
        self.gateway.stop(signal.SIGKILL)
        load.end()
        acknowledged = list(load.acknowledged)
        from_kill = time.monotonic()
        self.gateway.start()
        with until("serving again", lambda: self.served(LEAD)) as lead:
            serving = time.monotonic() - from_kill
            expect("speed after the restart", True, self.plc.holding(100) in load.asked)
            expect("a refusal after the restart: still enforced", refused(write_register(100, 1300)), lead.ask(write_register(100, 1300)))
        kept = [d["accesses"][0]["new"][0] for d in self.gateway.decisions()
                if written(d, "shift-lead") and d["effect"] == "allow"]
        expect("acknowledged writes without a record", [], sorted(set(acknowledged) - set(kept)))
        expect("records of acknowledged writes, at least", True, len(kept) >= len(acknowledged))
        with Master(SCADA, FILLER, timeout=2) as scada:
            scada.send(lab.adu(1, read_holding(0)))
            expect("the revoked station after the restart", (b"", True), scada.rest(quiet=1))
        expect("exit code of an orderly stop", 0, self.gateway.stop())
        copy = self.lab.dir / "copy"
        shutil.copytree(self.gateway.dir / "state/journal", copy)
        self.gateway.cli("journal", "verify", copy)
        segment = sorted(copy.glob("*.jsonl"))[0]
        data = bytearray(segment.read_bytes())
        at = data.index(b'"speed', len(data) // 3) if b'"speed' in data[len(data) // 3:] else data.index(b"filler-plc", 2000)
        seq = json.loads(data[data.rindex(b"\n", 0, at) + 1:data.index(b"\n", at)])["seq"]
        data[at + 2] ^= 1
        segment.write_bytes(data)
        told = self.gateway.cli("journal", "verify", copy, code=1)
        if str(seq) not in told:
            raise Deviation("what `journal verify` says about the flipped byte", f"record {seq} named", told.strip())
        return f"serving after {1000 * serving:.0f} ms, {len(acknowledged)} acknowledged writes on record, record {seq} found changed"

    def served(self, source):
        try:
            master = Master(source, FILLER, timeout=2)
            master.ask(read_holding(0))
            return master
        except (OSError, Deviation):
            return None
