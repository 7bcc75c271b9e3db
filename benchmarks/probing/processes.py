"""Processes of the benchmark: each on a core of its own where there are two, with what they used."""

import os
import subprocess
from pathlib import Path

_CORES = sorted(os.sched_getaffinity(0))
#: What is measured runs on the first core, the provider and whoever drives the measured on the last.
MEASURED, BESIDE = {_CORES[0]}, {_CORES[-1]}
_TICKS = os.sysconf("SC_CLK_TCK")


def begun(command: list[str], core: set[int]) -> "subprocess.Popen[str]":
    """A process that says something on standard output."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    os.sched_setaffinity(process.pid, core)
    return process


def said(process: "subprocess.Popen[str]") -> str:
    """Its next line."""
    assert process.stdout is not None
    return process.stdout.readline()


def cpu_s(pid: int) -> float:
    """The processor time that it has used, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mb(pid: int) -> float:
    """What it holds in memory now."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
