"""A plant on loopback addresses: processes that end with us, a PLC that testifies, masters with an address of their own, and
the gateway under test. Used by the demo, the interop runs and the bench. Python's standard library alone.
"""
import atexit
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "/var/tmp/bulkhead-target"))
TOOLS = pathlib.Path(os.environ.get("BULKHEAD_TOOLS", "/var/tmp/bulkhead-tools"))
PYTHON = TOOLS / "venv/bin/python"
CAPTURES = pathlib.Path(os.environ.get("BULKHEAD_CAPTURES", ROOT.parent / "shared/data/captures"))
EXAMPLE = ROOT / "config/examples/bottling"


class Deviation(Exception):
    """What was seen is not what was expected."""

    def __init__(self, what, expected, got):
        super().__init__(f"{what}\n      expected: {expected}\n      got:      {got}")


def expect(what, expected, got):
    if got != expected:
        raise Deviation(what, expected, got)


def until(what, check, within=5.0, every=0.02):
    """Waits until check() is true; returns what it returned."""
    end = time.monotonic() + within
    while True:
        last = check()
        if last:
            return last
        if time.monotonic() > end:
            raise Deviation(what, f"within {within:g} s", last)
        time.sleep(every)


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nothing outlives a killed run


class Lab:
    """A folder for state and logs, and the processes started in it. Everything is stopped when it closes."""

    def __init__(self, name):
        base = "/var/tmp" if os.access("/var/tmp", os.W_OK) else None  # a disk, not a tmpfs: durable means something
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"bulkhead-{name}-", dir=base))
        self.processes = []
        self.keep = False
        atexit.register(self.close)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def __enter__(self):
        return self

    def __exit__(self, kind, _value, _trace):
        self.keep = self.keep or kind not in (None, SystemExit)
        self.close()

    def start(self, name, *command, **options):
        log = open(self.dir / f"{name}.log", "ab")
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   preexec_fn=_die_with_parent, cwd=self.dir, **options)
        process.log = self.dir / f"{name}.log"
        process.name = name
        self.processes.append(process)
        return process

    def stop(self, process, how=signal.SIGTERM, within=10):
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(within)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process in self.processes:
            self.processes.remove(process)
        return process.returncode

    def close(self):
        for process in reversed(list(self.processes)):
            self.stop(process, within=3)
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)


def compile_c(name, *libraries):
    """Builds tests/interop/NAME.c when it is newer than the program; returns the program."""
    source, program = HERE / f"{name}.c", TARGET / "interop" / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        program.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-Wall", "-I/usr/include/modbus", source, "-o", program,
                        *[f"-l{library}" for library in libraries]], check=True, stdin=subprocess.DEVNULL)
    return program


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


class Plc:
    """The libmodbus PLC of plc.c, and its witness."""

    def __init__(self, lab, name, modbus, witness, *more):
        self.modbus, self._lab, self._name = address(modbus), lab, name
        self._command = [compile_c("plc", "modbus"), "--modbus", modbus, "--witness", witness, *more]
        self._at = address(witness)
        self._lock = threading.Lock()
        self._start()

    def _start(self):
        self.process = self._lab.start(self._name, *self._command)
        self._witness = until(f"{self._name} starts", lambda: _try_connect(self._at))
        self._answers = self._witness.makefile("r")

    def restart(self):
        """As after a power cut: its connections are reset, its memory is empty."""
        self._lab.stop(self.process, signal.SIGKILL)
        self._start()

    def connections(self):
        """Connections that it has with masters now, by the kernel's word."""
        host = bytes(int(part) for part in self.modbus[0].split("."))[::-1].hex().upper()
        here = f"{host}:{self.modbus[1]:04X}"
        rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return len([row for row in rows if row[1] == here and row[3] == "01"])

    def _ask(self, line):
        with self._lock:
            self._witness.sendall(f"{line}\n".encode())
            return json.loads(self._answers.readline())

    def image(self):
        return self._ask("image")

    def holding(self, first, count=1, unit=1):
        cells = self.image()[str(unit)]["holding"]
        values = [int(cells[4 * n:4 * n + 4], 16) for n in range(first, first + count)]
        return values[0] if count == 1 else values

    def coil(self, at, unit=1):
        return int(self.image()[str(unit)]["coils"][at])

    def set(self, bank, at, value, unit=1):
        expect(f"set {bank} {at}", {"ok": True}, self._ask(f"set {unit} {bank} {at} {value}"))

    def mark(self):
        """The number of the next log entry."""
        return self._ask("log 1000000000")["next"]

    def log(self, since=0, what="request"):
        return [entry for entry in self._ask(f"log {since}")["entries"] if what in (None, entry["what"])]

    def state(self):
        """All that a refusal must leave as it was: the memory, and the number of requests ever seen."""
        return json.dumps(self.image(), sort_keys=True), len(self.log())


def _try_connect(to, source=None, timeout=2.0):
    try:
        return socket.create_connection(to, timeout=timeout, source_address=(source, 0) if source else None)
    except OSError:
        return None


def adu(tid, pdu, unit=1, protocol=0, length=None):
    pdu = bytes.fromhex(pdu) if isinstance(pdu, str) else pdu
    length = len(pdu) + 1 if length is None else length
    return b"".join(n.to_bytes(2, "big") for n in (tid, protocol, length)) + bytes([unit]) + pdu


def read_holding(first, count=1):
    return b"\x03" + first.to_bytes(2, "big") + count.to_bytes(2, "big")


def write_register(at, value):
    return b"\x06" + at.to_bytes(2, "big") + value.to_bytes(2, "big")


def write_registers(first, *values):
    body = b"".join(value.to_bytes(2, "big") for value in values)
    return b"\x10" + first.to_bytes(2, "big") + len(values).to_bytes(2, "big") + bytes([len(body)]) + body


def write_coil(at, on):
    return b"\x05" + at.to_bytes(2, "big") + (b"\xff\0" if on else b"\0\0")


def refused(pdu, code=1):
    return bytes([pdu[0] | 0x80, code])


class Master:
    """A Modbus client that sends exactly the bytes that it is told to, from an address of its own."""

    def __init__(self, source, to, timeout=5.0):
        self.peer = socket.create_connection(to, timeout=timeout, source_address=(source, 0))
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tid = 0
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.peer.close()

    def send(self, data):
        self.peer.sendall(data)

    def frame(self):
        """The next frame, or None when the far end has closed."""
        while len(self.buffer) < 6 or len(self.buffer) < 6 + int.from_bytes(self.buffer[4:6], "big"):
            try:
                data = self.peer.recv(4096)
            except ConnectionError:
                return None
            if not data:
                return None
            self.buffer += data
        end = 6 + int.from_bytes(self.buffer[4:6], "big")
        frame, self.buffer = self.buffer[:end], self.buffer[end:]
        return frame

    def ask(self, pdu, unit=1):
        """Sends a request and returns the PDU of its answer: same transaction id, same unit."""
        self.tid = self.tid % 65535 + 1
        self.send(adu(self.tid, pdu, unit))
        frame = self.frame()
        if frame is None:
            raise Deviation(f"the answer to {pdu.hex()}", "an answer", "the connection was closed")
        expect("transaction id, protocol and unit of the answer", (self.tid, 0, unit),
               (int.from_bytes(frame[:2], "big"), int.from_bytes(frame[2:4], "big"), frame[6]))
        return frame[7:]

    def rest(self, quiet=0.4):
        """All bytes until silence, and whether the far end closed."""
        received, self.buffer = self.buffer, b""
        self.peer.settimeout(quiet)
        try:
            while data := self.peer.recv(4096):
                received += data
            return received, True
        except TimeoutError:
            return received, False
        except ConnectionError:
            return received, True


class Gateway:
    """The daemon under test with a configuration and a plant of its own in the lab's folder."""

    def __init__(self, lab, plant, program=None, policy_key=True):
        self.lab = lab
        self.program = program or TARGET / "debug/bulkhead"
        self.dir = lab.dir / "gateway"
        self.dir.mkdir()
        self.config = self.dir / "bulkhead.toml"
        self.plant = self.dir / "plant.toml"
        self.plant.write_text(plant)
        text = (EXAMPLE / "bulkhead.toml").read_text()
        if not policy_key:
            text = "".join(line for line in text.splitlines(True) if not line.startswith("policy"))
        self.config.write_text(text)
        self.process = None

    def cli(self, *words, code=0, stdin=""):
        """Runs a verb; its whole output. The exit code must be the one expected."""
        done = subprocess.run([str(self.program), "--config", str(self.config), *map(str, words)], input=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, cwd=self.dir)
        with open(self.lab.dir / "cli.log", "a") as log:
            log.write(f"$ bulkhead {' '.join(map(str, words))}\n{done.stdout}[{done.returncode}]\n")
        if code is not None:
            expect(f"exit code of `bulkhead {' '.join(map(str, words))}`", code,
                   done.returncode if done.returncode == code else f"{done.returncode}: {done.stdout.strip()[-600:]}")
        return done.stdout

    def start(self, **environment):
        self.process = self.lab.start("bulkhead", self.program, "--config", self.config, "run",
                                      env={**os.environ, **environment})
        self.wait()
        return self

    def wait(self):
        def answers():
            if self.process.poll() is not None:
                raise Deviation("bulkhead run", "it runs", self.process.log.read_text()[-800:])
            peer = socket.socket(socket.AF_UNIX)
            with peer:
                return peer.connect_ex(str(self.dir / "control.sock")) == 0
        until("bulkhead answers on its socket", answers, within=10)

    def stop(self, how=signal.SIGTERM):
        return self.lab.stop(self.process, how)

    def listening(self):
        """Addresses on which the daemon's own sockets listen, read from the kernel."""
        inodes = set()
        for fd in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                inodes.add(os.readlink(fd))
            except OSError:
                continue
        found = []
        for table, wide in ("tcp", False), ("tcp6", True):
            for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                    host, port = fields[1].split(":")
                    words = [bytes.fromhex(host[n:n + 8])[::-1] for n in range(0, len(host), 8)]
                    family = socket.AF_INET6 if wide else socket.AF_INET
                    found.append(f"{socket.inet_ntop(family, b''.join(words))}:{int(port, 16)}")
        return sorted(found)

    def records(self, since=0):
        """The journal's records from the segment files themselves: an independent reader."""
        records = []
        for segment in sorted((self.dir / "state/journal").glob("*.jsonl")):
            for line in segment.read_bytes().split(b"\n"):
                line = line.strip(b"\0")
                if line:
                    try:
                        record = json.loads(line)
                    except ValueError:
                        continue  # the line that is being written now
                    if record["seq"] > since:
                        records.append(record)
        return records

    def last_seq(self):
        return max((record["seq"] for record in self.records()), default=0)

    def decisions(self, since=0):
        return [{**record["event"]["decision"], "seq": record["seq"]} for record in self.records(since)
                if "decision" in record["event"]]


def example_plant():
    return (EXAMPLE / "plant.toml").read_text()
