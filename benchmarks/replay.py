"""What replaying a week of fifty targets takes: processor time and memory of the command, as a process of its own."""

import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.probing.processes import peak_memory_mb
from tests.support.generated_history import Extent, generate, write_config

_WEEK = Extent(providers=10, models=5, days=8, hour_days=8, raw_days=8)
_DAY = Extent(providers=2, models=2, routes=1, days=2, hour_days=2, raw_days=2)


def main(extent: Extent = _WEEK, since: str = "7d") -> None:
    """Print the row."""
    with tempfile.TemporaryDirectory() as name:
        config = write_config(Path(name), extent)
        generate(config, extent, datetime.now(UTC))
        command = [sys.executable, "-m", "controller.cli.main", "replay", "--since", since, "-c", str(config), "--json"]
        process, mib, began = subprocess.Popen(command, stdout=subprocess.DEVNULL), 0.0, os.times()
        # What the kernel says of an ended process counts ours before it became another.
        while process.poll() is None:
            mib = max(mib, peak_memory_mb(process.pid))
            time.sleep(0.05)
        ended = os.times()
    assert process.returncode == 0
    seconds = ended.children_user + ended.children_system - began.children_user - began.children_system
    print("|replayed|processor time|most memory|\n|---|---|---|")
    print(f"|{since} of {extent.targets} targets|{seconds:.0f} s|{mib:.0f} MiB|")


def quick() -> None:
    """A day of four targets."""
    main(_DAY, "1d")
