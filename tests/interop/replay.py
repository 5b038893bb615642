"""Captured conversations: a small pcap reader, TCP streams put together again, and a server that answers as the capture did.

A capture is a list of conversations; a conversation is a list of (direction, bytes), direction 0 = from the client.
"""
import socket
import struct
import threading

import lab


class Conversation:
    def __init__(self, client, server):
        self.client, self.server = client, server
        self.turns = []  # (direction, bytes)

    def add(self, direction, data):
        if self.turns and self.turns[-1][0] == direction:
            self.turns[-1] = (direction, self.turns[-1][1] + data)
        else:
            self.turns.append((direction, data))

    def sent(self, direction):
        return b"".join(data for way, data in self.turns if way == direction)


def packets(path):
    """(link type, bytes) of each packet of a classic pcap file, both byte orders, micro- and nanoseconds."""
    data = path.read_bytes()
    magic = data[:4]
    order = "<" if magic in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    if magic not in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\xa1\xb2\x3c\x4d"):
        raise ValueError(f"{path.name}: not a pcap file")
    link = struct.unpack(order + "I", data[20:24])[0]
    at = 24
    while at + 16 <= len(data):
        size = struct.unpack(order + "I", data[at + 8:at + 12])[0]
        yield link, data[at + 16:at + 16 + size]
        at += 16 + size


def _segment(link, packet):
    """(source, destination, flags, sequence, payload) of a TCP segment over IPv4, or None."""
    if link == 1:  # Ethernet, perhaps with VLAN tags
        kind, at = packet[12:14], 14
        while kind == b"\x81\x00":
            kind, at = packet[at + 2:at + 4], at + 4
        if kind != b"\x08\x00":
            return None
        packet = packet[at:]
    elif link == 113:  # Linux cooked
        packet = packet[16:]
    elif link not in (12, 101, 228):
        return None
    if len(packet) < 40 or packet[0] >> 4 != 4 or packet[9] != 6:
        return None
    header, total = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
    tcp = packet[header:total]
    source, destination = (packet[12:16], tcp[:2]), (packet[16:20], tcp[2:4])
    return source, destination, tcp[13], int.from_bytes(tcp[4:8], "big"), tcp[(tcp[12] >> 4) * 4:]


def conversations(path, port=502):
    """The TCP conversations with a port, each from its SYN or from its first segment, without retransmissions."""
    live, done = {}, []
    for link, packet in packets(path):
        segment = _segment(link, packet)
        if segment is None:
            continue
        source, destination, flags, sequence, payload = segment
        wanted = port.to_bytes(2, "big")
        if wanted not in (source[1], destination[1]):
            continue
        direction = 0 if destination[1] == wanted else 1
        key = (source, destination) if direction == 0 else (destination, source)
        if flags & 2 and direction == 0 and key in live:
            done.append(live.pop(key)[0])
        conversation, next_of, waiting = live.setdefault(key, (Conversation(*key), {}, {}))
        if flags & 2:
            next_of[direction] = (sequence + 1) % 2**32
            continue
        if not payload:
            continue
        waiting[direction, sequence] = payload
        next_of.setdefault(direction, sequence)
        while True:
            piece = waiting.pop((direction, next_of[direction]), None)
            if piece is None:
                break
            conversation.add(direction, piece)
            next_of[direction] = (next_of[direction] + len(piece)) % 2**32
        for way, number in list(waiting):  # what was sent before
            if way == direction and (number - next_of[direction]) % 2**32 > 2**31:
                del waiting[way, number]
    return [c for c in done + [entry[0] for entry in live.values()] if c.turns]


def synthetic():
    """A small plant day, made by hand: pipelined reads, writes, a repeated transaction id, a late answer
    that never comes, an exception, an opaque function, and one malformed frame."""
    one = Conversation("synthetic", "synthetic")
    for n in range(40):
        reads = [lab.adu(3 * n + k, lab.read_holding(10 * k, 10)) for k in range(3)]
        one.add(0, b"".join(reads))
        one.add(1, b"".join(lab.adu(3 * n + k, bytes([3, 20]) + bytes((n + k + i) % 256 for i in range(20))) for k in range(3)))
        write = lab.write_registers(100, n)
        one.add(0, lab.adu(0x1000 + n, write))
        one.add(1, lab.adu(0x1000 + n, write[:5]))
    one.add(0, lab.adu(7, lab.read_holding(5)) + lab.adu(7, lab.read_holding(5)))
    one.add(1, lab.adu(7, "03020001") + lab.adu(7, "03020001"))
    one.add(0, lab.adu(8, "03ffff0002"))  # runs past the last address
    one.add(1, lab.adu(8, "8302"))
    one.add(0, lab.adu(9, "5a0002", unit=0))
    one.add(1, lab.adu(9, "5a00fe", unit=0))
    two = Conversation("synthetic", "synthetic")
    two.add(0, lab.adu(1, "0f0000ffff0100"))  # 65535 coils in one byte
    two.add(1, lab.adu(1, "8f03"))
    two.add(0, b"\0\1\0\1\0\6\1\3\0\0\0\1")  # protocol id 1
    two.add(1, b"\0\1\0\1\0\5\1\3\2\0\0")
    return [one, two]


class Server:
    """Answers each connection as the conversation that is at the head of the queue did, and keeps what it received."""

    def __init__(self, at):
        self.listener = socket.create_server(at, backlog=64)
        self.queue, self.received = [], []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with self._lock:
                conversation = self.queue.pop(0) if self.queue else None
            if conversation is None:
                peer.close()
            else:
                threading.Thread(target=self._answer, args=(peer, conversation), daemon=True).start()

    def _answer(self, peer, conversation):
        got = bytearray()
        self.received.append((conversation, got))
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        want = 0
        try:
            for direction, data in conversation.turns:
                if direction == 1:
                    peer.sendall(data)
                    continue
                want += len(data)
                while len(got) < want:
                    piece = peer.recv(65536)
                    if not piece:
                        return
                    got += piece
            while piece := peer.recv(65536):
                got += piece
        except OSError:
            pass
        finally:
            peer.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept, which would keep the address
        self.listener.close()


def play(server, conversation, source, to, quiet=3.0):
    """Plays the client's side through `to`; returns (sent, received by the server, answered by it, received by the client)."""
    server.queue.append(conversation)
    got = b""
    with socket.create_connection(to, timeout=quiet, source_address=(source, 0)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        want = 0
        try:
            for direction, data in conversation.turns:
                if direction == 0:
                    peer.sendall(data)
                    continue
                want += len(data)
                while len(got) < want:
                    piece = peer.recv(65536)
                    if not piece:
                        break
                    got += piece
        except OSError:
            pass
        sent = conversation.sent(0)
        lab.until("the far end has received everything", lambda: any(
            c is conversation and len(r) >= len(sent) for c, r in server.received) or None, within=quiet)
        peer.shutdown(socket.SHUT_WR)
    received = next(bytes(r) for c, r in reversed(server.received) if c is conversation)
    return sent, received, conversation.sent(1), got
