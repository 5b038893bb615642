"""tshark as judge of every byte that the gateway sends: it listens on the loopback device for the whole run."""
import signal
import socket
import subprocess
import threading
import time

import lab
from lab import Deviation, expect, until

OURS = "(ip.src == 127.0.9.20 || ip.src == 127.0.9.30 || ip.src == 127.0.9.40)"
DIALLED = "(ip.dst == 127.0.1.20 || ip.dst == 127.0.1.30) && ip.src == 127.0.0.1"
# By its port tshark tells requests from replies.
MODBUS = ["-o", "mbtcp.tcp.port:15020", "-o", "tcp.desegment_tcp_streams:TRUE"]


class Judge:
    def __init__(self, work):
        self.file = work.dir / "loopback.pcapng"
        self.lab = work
        self.process = work.start("tshark", "tshark", "-q", "-i", "lo", "-f", "tcp port 15020", "-w", self.file)
        until("tshark listens", lambda: self.file.exists() and self.file.stat().st_size > 0, within=15)
        time.sleep(0.5)

    def count(self, filter_):
        done = subprocess.run(["tshark", "-n", "-r", self.file, *MODBUS, "-Y", filter_, "-T", "fields", "-e", "frame.number"],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
        expect("tshark reads its capture", 0, done.returncode if not done.returncode else done.stderr[-300:])
        return done.stdout.split()

    def show(self, numbers):
        done = subprocess.run(["tshark", "-n", "-r", self.file, *MODBUS, "-Y", " || ".join(f"frame.number == {n}" for n in numbers[:3]), "-V"],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
        return done.stdout[-1500:]

    def plant_a_bad_reply(self):
        """A judge that has never said no proves nothing: one reply that ends too early, at an address of its own."""
        with socket.create_server(("127.0.9.60", 15020)) as listener:
            def answer():
                peer, _ = listener.accept()
                with peer:
                    peer.recv(100)
                    peer.sendall(lab.adu(1, "0600"))
                    time.sleep(0.2)
            thread = threading.Thread(target=answer)
            thread.start()
            with lab.Master("127.0.9.10", ("127.0.9.60", 15020)) as master:
                master.send(lab.adu(1, lab.write_register(0, 4)))
                master.frame()
            thread.join()

    def verdict(self):
        self.plant_a_bad_reply()
        time.sleep(1.5)  # what it has seen but not yet written
        self.lab.stop(self.process, signal.SIGINT)
        # Malformed, no Modbus at all, or a header that no standard knows.
        bad = "(_ws.malformed || (tcp.len > 0 && !mbtcp && !tcp.reassembled_in) || mbtcp.prot_id != 0 || mbtcp.len < 2 || mbtcp.len > 254)"
        if not self.count(f"{bad} && ip.src == 127.0.9.60"):
            raise Deviation("the planted bad reply", "tshark calls it malformed", "nothing")
        told = []
        for name, ours in ("to masters", OURS), ("to PLCs", DIALLED):
            frames, wrong = self.count(f"mbtcp && {ours}"), self.count(f"{bad} && {ours}")
            if wrong:
                raise Deviation(f"frames {name} that tshark calls malformed", 0, f"{len(wrong)}\n{self.show(wrong)}")
            if len(frames) < 100:
                raise Deviation(f"Modbus segments {name} that tshark has seen", "at least 100", len(frames))
            told.append(f"{len(frames)} segments {name}")
        return ", ".join(told)
