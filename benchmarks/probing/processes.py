"""Starts the benchmark's processes, each on its own core where there are two, and reads what they use."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CORES = sorted(os.sched_getaffinity(0))
#: The measured process runs on the first core, the server and the drivers on the last.
MEASURED, BESIDE = {_CORES[0]}, {_CORES[-1]}
#: As after an installation, which leaves compiled modules: a first process writes those that are missing.
INSTALLED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
_TICKS = os.sysconf("SC_CLK_TCK")


def start_process(command: list[str], core: set[int]) -> "subprocess.Popen[str]":
    """Start a process whose standard output is read."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=INSTALLED)
    os.sched_setaffinity(process.pid, core)
    return process


def read_line(process: "subprocess.Popen[str]") -> str:
    """The next line of its standard output; waits for it."""
    assert process.stdout is not None
    return process.stdout.readline()


def cpu_s(pid: int) -> float:
    """Processor time used so far, in seconds, all threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mb(pid: int) -> float:
    """Resident memory in MB; 0 once it has ended."""
    return _status_mb(pid, "VmRSS:")


def peak_memory_mb(pid: int) -> float:
    """The most that it ever was."""
    return _status_mb(pid, "VmHWM:")


def _status_mb(pid: int, field: str) -> float:
    with suppress(FileNotFoundError, ProcessLookupError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(field)), 0.0)
    return 0.0


@contextmanager
def probed_server() -> Iterator[int]:
    """The server that benchmarks of probing ask, on its core; its port."""
    with start_process([sys.executable, "-m", "benchmarks.probing.server"], BESIDE) as server:
        try:
            yield int(read_line(server))
        finally:
            server.terminate()
