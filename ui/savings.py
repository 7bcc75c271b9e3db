"""What other settings would save, worked out once in a process of its own: `python -m ui.savings -c FILE`."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

from controller.plan.savings import Alternative, alternatives
from controller.simulation.runner import probe_prices
from monitor.config.loader import load
from monitor.storage.threshold_file import keep_thresholds

_DEADLINE_S: Final = 120.0
_NICENESS: Final = 19


def start(config: Path) -> Future[Sequence[Alternative]]:
    """Begin to work it out, below everything else on this machine; None of it blocks the page.

    The result raises OSError or `subprocess.SubprocessError` where it failed or took longer than two minutes.
    """
    executor = ThreadPoolExecutor(1, thread_name_prefix="savings")
    future = executor.submit(_work_out, config)
    executor.shutdown(wait=False)
    return future


def _work_out(config: Path) -> Sequence[Alternative]:
    ended = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "ui.savings", "-c", str(config)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_DEADLINE_S,
        check=True,
    )
    return [Alternative(**each) for each in json.loads(ended.stdout)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the alternatives of a configuration, which must be valid, as JSON."""
    with suppress(OSError):
        os.nice(_NICENESS)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-c", "--config", type=Path, required=True, help="the configuration")
    settings = load(parser.parse_args(arguments).config, os.environ, keys=False, stores=False)
    keep_thresholds()
    json.dump([asdict(each) for each in alternatives(settings, probe_prices(settings))], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
