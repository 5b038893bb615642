#!/usr/bin/env python3
"""Installs the peers of a set (peers.toml) where they are missing, and says which version of each is at hand.

    peers.py light | all | demo | bench

Three tries at each registry. Exit status 1 when a required peer is missing after them, with that peer's own text.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TOOLS = pathlib.Path(os.environ.get("BULKHEAD_TOOLS", "/var/tmp/bulkhead-tools"))
VENV = TOOLS / "venv"
PEERS = tomllib.loads((HERE / "peers.toml").read_text())


def sh(*command, **options):
    """The first line that a command prints, or None when it cannot be run or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, **options)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (done.stdout or done.stderr).strip() if done.returncode == 0 else None


def debian_version(package):
    text = sh("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package)
    return text.split()[1] if text and text.startswith("installed ") else None


def found(name):
    """The version of a peer that is at hand, or None."""
    kind, _, place = PEERS[name]["source"].partition(":")
    if kind == "debian":
        return debian_version(place)
    if kind == "pypi":
        return sh(VENV / "bin/python", "-c", f"import importlib.metadata as m; print(m.version('{place}'))")
    if kind == "cargo":
        lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
        return next((p["version"] for p in lock["package"] if p["name"] == name), None)
    if kind == "folder":
        folder = pathlib.Path(os.environ.get("BULKHEAD_CAPTURES", ROOT / place))
        return "here" if any(folder.glob("*modbus*.pcap")) else None
    raise SystemExit(f"peers.toml: {name}: unknown source `{kind}`")


def fits(name, version):
    """Debian's packages may be newer than the one named here; what we pin ourselves is exactly that."""
    if version is None:
        return False
    if PEERS[name]["source"].startswith("pypi:"):
        return version == PEERS[name]["version"]
    if PEERS[name]["source"].startswith("cargo:"):
        return version.startswith(PEERS[name]["version"])
    return True


def as_root(command):
    return command if os.geteuid() == 0 else ["sudo", "-n", *command] if shutil.which("sudo") else command


def three_tries(*command, **options):
    for attempt in 1, 2, 3:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, timeout=600, **options)
            if done.returncode == 0:
                return True
            reason = done.stdout.strip().splitlines()[-1:]
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = [str(error)]
        print(f"peers: try {attempt} of 3: {' '.join(map(str, command))}: {''.join(reason)}", flush=True)
        time.sleep(3 * attempt)
    return False


def install_debian(packages):
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if "tshark" in packages:  # its question whether non-root users may capture: no
        subprocess.run(as_root(["debconf-set-selections"]), text=True, check=False, env=env,
                       input="wireshark-common wireshark-common/install-setuid boolean false\n")
    three_tries(*as_root(["apt-get", "update", "-qq"]), env=env)
    three_tries(*as_root(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]), env=env)
    if "haproxy" in packages and shutil.which("systemctl"):  # the package starts a service that nobody asked for
        subprocess.run(as_root(["systemctl", "disable", "--now", "haproxy"]), check=False, capture_output=True)


def install_pypi(name):
    if not (VENV / "bin/pip").exists():
        VENV.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=False)
    three_tries(VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", f"{name}=={PEERS[name]['version']}")


def main():
    sets = {chosen for peer in PEERS.values() for chosen in peer["sets"]}
    if len(sys.argv) != 2 or sys.argv[1] not in sets:
        raise SystemExit(__doc__)
    wanted = [name for name, peer in PEERS.items() if sys.argv[1] in peer["sets"]]
    by_kind = {}
    for name in wanted:
        if not fits(name, found(name)):
            kind, _, place = PEERS[name]["source"].partition(":")
            by_kind.setdefault(kind, []).append((name, place))
    if "debian" in by_kind:
        install_debian([place for _, place in by_kind["debian"]])
    for name, _ in by_kind.get("pypi", []):
        install_pypi(name)
    failed = 0
    for name in wanted:
        version = found(name)
        if fits(name, version):
            print(f"peers: {name} {re.sub(r'^[0-9]+:', '', version)}")
        else:
            required = PEERS[name]["required"]
            failed += required
            print(f"peers: {'MISSING' if required else 'skipped'}: {name}: {PEERS[name]['missing']}")
    raise SystemExit(failed > 0)


if __name__ == "__main__":
    main()
