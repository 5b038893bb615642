"""Captured traffic through the gateway: in observe byte for byte, under enforce with a policy that is drawn from it."""
import collections
import socket
import subprocess
import tempfile

import lab
import replay
from lab import Deviation, Gateway, expect, until

SCADA = "127.0.9.10"
REAL = ["iti-modbus-13-slaves.pcap", "iti-modbus-serial-gateway.pcap", "ndpi-umas.pcap"]
SHIPPED = sorted((lab.ROOT / "simulators/captures").glob("*.pcap"))
# Not lawful on purpose, or of a device that answers with other transaction ids: for observe alone.
UNLAWFUL = {"noisy-laptop.pcap", "serial-converter.pcap"}

HEAD = """
[plant]
name = "captured"
timezone = "UTC"
[zones.cell]
networks = ["127.0.3.0/24"]
[zones.office]
networks = ["127.0.9.0/24"]
[subjects.scada]
zone = "office"
proof = "address"
address = "127.0.9.10"
role = "Operator"
[conduits.office-to-cell]
from = "office"
to = "cell"
mode = "{mode}"
record = "written"
"""


def sources():
    """(name, conversations) of each capture at hand: those that are shipped, and the real ones that lie beside the repository."""
    paths = SHIPPED + [lab.CAPTURES / name for name in REAL if (lab.CAPTURES / name).exists()]
    return [(path.name, replay.conversations(path)) for path in paths]


def missing():
    """What was not replayed, by name."""
    names = [name for name in REAL if not (lab.CAPTURES / name).exists()]
    return [f"skipped (not beside the repository): {', '.join(names)}"] if names else []


def frames(data):
    """Whole MBAP frames of a byte stream, and what is left."""
    found = []
    while len(data) >= 6 and len(data) >= 6 + int.from_bytes(data[4:6], "big"):
        end = 6 + int.from_bytes(data[4:6], "big")
        found.append(data[:end])
        data = data[end:]
    return found, data


def gateway(work, name, text):
    folder = work.dir / name
    folder.mkdir()
    nested = type("Nested", (), {"dir": folder, "start": work.start, "stop": work.stop})()
    made = Gateway(nested, text)
    made.cli("init")
    made.start()
    return made


def observe(work):
    text = HEAD.format(mode="observe") + """
[assets.captured]
zone = "cell"
listen = ["127.0.9.60:15020"]
connect = "modbus://127.0.3.1:15020"
connections = 500
"""
    made, server, told = gateway(work, "observe", text), replay.Server(("127.0.3.1", 15020)), []
    try:
        until("the listener", made.listening)
        for name, conversations in sources() + [("hand-made", replay.synthetic())]:
            total = 0
            for conversation in conversations:
                sent, received, answered, got = replay.play(server, conversation, SCADA, ("127.0.9.60", 15020))
                expect(f"{name}: bytes to the device", sent.hex(), received.hex())
                expect(f"{name}: bytes to the master", answered.hex(), got.hex())
                total += len(sent) + len(got)
            told.append(f"{name}: {len(conversations)} conversations, {total} bytes")
    finally:
        server.close()
        made.stop()
    return "; ".join(told + missing())


# A converter whose masters use one transaction id for everything, as those of the serial gateway do.
REPEATING = """
[profiles.repeating]
base = "serial"
repeats_ids = true
echoes_ids = true
"""

LAYOUTS = {1: "coils", 2: "discrete", 3: "holding", 4: "input", 5: "coils", 6: "holding", 15: "coils", 16: "holding"}


def merged(ranges):
    out = []
    for first, last in sorted(ranges):
        if out and first <= out[-1][1] + 1:
            out[-1][1] = max(out[-1][1], last)
        else:
            out.append([first, last])
    return out


def draw(conversations):
    """The points and rights that a set of conversations uses: exactly those."""
    ranges, written, functions, units = collections.defaultdict(list), collections.defaultdict(list), set(), set()
    for conversation in conversations:
        for frame in frames(conversation.sent(0))[0]:
            unit, function, pdu = frame[6], frame[7], frame[7:]
            units.add(unit)
            if function in LAYOUTS and len(pdu) >= 5:
                first = int.from_bytes(pdu[1:3], "big")
                count = 1 if function in (5, 6) else int.from_bytes(pdu[3:5], "big")
                span = (first, first + count - 1)
                ranges[LAYOUTS[function]].append(span)
                if function in (5, 6, 15, 16):
                    written[LAYOUTS[function]].append(span)
            else:
                functions.add(function)
    points, rights = [], []
    for bank, spans in ranges.items():
        for number, (first, last) in enumerate(merged(spans)):
            name = f"{bank}-{number}"
            points.append(f'{name} = "{bank} {first}-{last}"' if last > first else f'{name} = "{bank} {first}"')
            rights.append(f"read {name}")
            if any(first <= at <= last for at, _ in written[bank]):
                rights.append(f"write {name}")
    for function in sorted(functions):
        rights.append("programming" if function in (40, 42, 90, 125, 126) else
                      "diagnostics identify" if function == 43 else f"function {function}")
    return points, rights, sorted(units)


def plant_of(conversations, name):
    """One asset for each captured server."""
    text, servers = HEAD.format(mode="enforce") + REPEATING, sorted({c.server for c in conversations}, key=repr)
    for number, server in enumerate(servers, 1):
        points, rights, units = draw([c for c in conversations if c.server == server])
        profile = "schneider" if "umas" in name or "programming" in name else "repeating"
        shown = [u for u in units if u != 0 or profile == "repeating"]
        text += f"""
[assets.captured-{number}]
zone = "cell"
listen = ["127.0.9.60:{15100 + number}"]
connect = "modbus://127.0.3.{number}:15020"
profile = "{profile}"
units = {shown or [1]}
connections = 500
[assets.captured-{number}.points]
{chr(10).join(points)}
[[conduits.office-to-cell.allow]]
who = ["Operator"]
on = "captured-{number}"
can = {rights}
""".replace("'", '"')
    return text, servers


def enforce(work):
    told = []
    for number, (name, conversations) in enumerate(entry for entry in sources() if entry[0] not in UNLAWFUL):
        text, devices = plant_of(conversations, name)
        made = gateway(work, f"enforce-{number}", text)
        servers = {device: replay.Server((f"127.0.3.{n}", 15020)) for n, device in enumerate(devices, 1)}
        requests = 0
        try:
            until("the listeners", lambda: len(made.listening()) == len(devices))
            for conversation in conversations:
                requests += judged(servers[conversation.server], conversation,
                                   ("127.0.9.60", 15101 + devices.index(conversation.server)))
            denied = [d for d in made.decisions() if d["effect"] == "deny"]
            expect(f"{name}: refusals", [], denied[:3])
        finally:
            for server in servers.values():
                server.close()
            made.stop()
        told.append(f"{name}: {requests} requests of {len(devices)} devices")
    return "; ".join(told + missing())


def judged_by_tshark():
    """No frame that tshark calls malformed, no wrong checksum, no gap, no retransmission."""
    bad = "_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0 || tcp.analysis.flags"
    wanted, told = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"], []
    for path in SHIPPED:
        def count(filter_):
            done = subprocess.run(["tshark", "-n", "-r", path, *wanted, "-Y", filter_, "-T", "fields", "-e", "frame.number"],
                                  capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
            expect(f"tshark reads {path.name}", 0, done.returncode if not done.returncode else done.stderr[-300:])
            return done.stdout.split()
        expect(f"frames of {path.name} that tshark finds fault with", [], count(bad))
        modbus = len(count("mbtcp"))
        if modbus < 20:
            raise Deviation(f"Modbus frames of {path.name}", "at least 20", modbus)
        told.append(f"{path.stem} {modbus}")
    # A judge that has never said no proves nothing: one byte of a packet is changed.
    spoiled = bytearray(SHIPPED[0].read_bytes())
    spoiled[-1] ^= 1
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        file.write(spoiled)
        file.flush()
        done = subprocess.run(["tshark", "-n", "-r", file.name, *wanted, "-Y", bad], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60)
        expect("a capture with one byte changed is found", True, bool(done.stdout.strip()))
    return "Modbus segments: " + ", ".join(told)


def complete(conversation):
    """The turns of a conversation as a device that always answers would have made them, since a replay cannot wait as long as
    the plant did: what the capture left unanswered is answered with exception 04 at once, replies to what was asked before
    the capture began are left out."""
    flat = [(direction, frame) for direction, data in conversation.turns for frame in frames(data)[0]]
    waiting, answered = collections.defaultdict(list), set()
    for at, (direction, frame) in enumerate(flat):
        key = frame[:2], frame[6], frame[7] & 0x7F
        if direction == 0:
            waiting[key].append(at)
        elif waiting[key]:
            answered.update((at, waiting[key].pop(0)))
    turns, pending = [], collections.Counter()
    for at, (direction, frame) in enumerate(flat):
        key = frame[:2], frame[6], frame[7] & 0x7F
        if direction == 1:
            if at in answered:
                turns.append((1, frame))
                pending[key] -= 1
            continue
        turns.append((0, frame))
        if at in answered:
            pending[key] += 1
        elif not pending[key]:  # else it is the retry of a request that is answered later
            turns.append((1, frame[:4] + b"\0\3" + frame[6:7] + bytes([frame[7] | 0x80, 4])))
    return turns


def judged(server, conversation, to):
    """Plays a conversation under enforce, frame by frame. No answer may be the gateway's own."""
    turns = complete(conversation)
    asked, answers = [f for d, f in turns if d == 0], {f for d, f in turns if d == 1}
    played = replay.Conversation(conversation.client, conversation.server)
    played.turns = turns
    server.queue.append(played)
    got, buffer, due = [], b"", collections.Counter()
    with socket.create_connection(to, timeout=2.0, source_address=(SCADA, 0)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for direction, data in turns:
            if direction == 0:
                peer.sendall(data)
                continue
            wanted = frames(data)[0]
            due.update(wanted)
            try:
                while got.count(wanted[-1]) < due[wanted[-1]]:
                    piece = peer.recv(65536)
                    if not piece:
                        raise Deviation("the connection", "open to the end of the capture", "closed by the gateway")
                    whole, buffer = frames(buffer + piece)
                    got += whole
            except TimeoutError:
                raise Deviation("a captured reply", wanted[-1].hex(), "not delivered within 2 s") from None

        # A byte-identical repeat of a pending request stands for it: each request must have reached the device, not each copy.
        def reached():
            received = b"".join(bytes(r) for c, r in server.received if c is played)
            return set(asked) <= set(frames(received)[0])
        until("every request has reached the device", reached, within=5)
    ours = [frame.hex() for frame in got if frame not in answers]
    expect("answers of the gateway's own", [], ours[:5])
    return len(asked)
