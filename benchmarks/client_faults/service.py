"""Hotspare's own service as a process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_PATIENCE_S: Final = 60.0
#: So long it watches its providers before it is of use.
_WATCHED_S: Final = 15.0


@contextmanager
def running_service(folder: Path, configuration: str, routing: Path) -> Iterator[None]:
    """The service, from when it has published and watched its providers for a while; raises TimeoutError."""
    config = folder / "hotspare.yaml"
    config.write_text(configuration, encoding="utf-8")
    command = [sys.executable, "-m", "controller.cli.main", "run", "-c", str(config)]
    with (folder / "hotspare.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        until_s = time.monotonic() + _PATIENCE_S
        while not routing.exists():
            if time.monotonic() > until_s:
                raise TimeoutError((folder / "hotspare.log").read_text(encoding="utf-8")[-2000:])
            time.sleep(0.1)
        time.sleep(_WATCHED_S)
        yield
    finally:
        end(process)


def end(process: subprocess.Popen[Any]) -> None:
    """End a process that leads a session, and its children."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
