"""Ends the demo's processes when the demo has ended, for whatever reason; run as `python -m controller.demo.reaper`.

Reads process groups from standard input, one number a line. At the end of input every group gets SIGTERM, and SIGKILL
when it still exists `GRACE_S` later.
"""

import os
import signal
import sys
import time

GRACE_S = 8.0


def main() -> None:
    """Wait for the end of standard input, then end the groups it named."""
    groups = [int(line) for line in sys.stdin]
    for group in groups:
        _send(group, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while any(_send(group, 0) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.05)
    for group in groups:
        _send(group, signal.SIGKILL)


def _send(group: int, number: int) -> bool:
    """Whether the group still exists."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()
