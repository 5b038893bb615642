#!/usr/bin/env python3
"""The product on a small bottling plant, step by step, one line each. Ends with a non-zero status at the first deviation.

Devices written elsewhere stand behind `bulkhead run`. Every check asks the PLC itself, over a connection of its own, what is in
its memory and which requests it has seen; the gateway's word counts only where it is compared with that.
"""
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/interop"))
import lab  # noqa: E402
from lab import Deviation  # noqa: E402
from names import Names  # noqa: E402
from path import Path  # noqa: E402

CHAPTERS = [("demo", Path), ("names", Names)]


def tell(number, step, work):
    title = f"{number} {step.__name__.replace('_', ' '):12} {' '.join(step.__doc__.split())}"
    try:
        told = step()
    except Exception as error:  # the first deviation ends the demo, whatever it is
        work.keep = True
        kind = "" if isinstance(error, (Deviation, AssertionError)) else f"{type(error).__name__}: "
        print(f"\u2717 {title}\n    {kind}{error}\n    logs: {work.dir}", flush=True)
        if os.environ.get("BULKHEAD_TRACE"):
            raise
        raise SystemExit(1) from None
    print(f"\u2713 {title}\n      {told}", flush=True)


def main():
    start, number = time.monotonic(), 0
    for name, chapter in CHAPTERS:
        with lab.Lab(name) as work:
            for step in chapter(work).steps:
                number += 1
                tell(number, step, work)
    print(f"demo: {number} passed, 0 failed")
    print(f"      in {time.monotonic() - start:.1f} s; nothing is left running")


if __name__ == "__main__":
    main()
