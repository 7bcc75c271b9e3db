"""The page's own process, for tests, and for the pictures of the documents."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path


def now() -> datetime:
    """The page looks at the real clock, so what it is to find must be as fresh."""
    return datetime.now(UTC)


@contextmanager
def served(config: Path, port: int = 0) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The page's own process, on a free port unless one is given, and its address."""
    command = [sys.executable, "-m", "ui.server", "--config", str(config), "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            line = process.stderr.readline()
            assert line.startswith("The page is at http://127.0.0.1:")
            yield line.split()[4], process
        finally:
            process.kill()


def launched(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """The page's own process, which is expected to end by itself."""
    command = [sys.executable, "-m", "ui.server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
