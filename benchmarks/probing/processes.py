"""Starts the benchmark's processes, each on its own core where there are two, and reads what they use."""

import os
import subprocess
from pathlib import Path

_CORES = sorted(os.sched_getaffinity(0))
#: The measured process runs on the first core, the server and the drivers on the last.
MEASURED, BESIDE = {_CORES[0]}, {_CORES[-1]}
_TICKS = os.sysconf("SC_CLK_TCK")


def start_process(command: list[str], core: set[int]) -> "subprocess.Popen[str]":
    """Start a process whose standard output is read."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
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
    """Resident memory in MB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
