"""Prints how long the route took to move under each fault, how long SIGTERM took, and what a restart made of it."""

import os
import sys
import tempfile
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from benchmarks.probing.processes import peak_memory_mb
from benchmarks.reliability.endurance import endure
from benchmarks.reliability.faults import FAULTS, InjectedFault
from benchmarks.reliability.lab import FIRST, SECOND, BrokenPromiseError, Lab
from monitor.storage.pending_writes import PendingWrites
from probes.observation import Observation
from probes.outcome import Outcome

_STAYS_S = 3.0


def main(names: tuple[str, ...] = ()) -> None:
    """One row for each fault, or for those whose names contain one of the words."""
    print("|fault|route moved after|SIGTERM meanwhile|journalled after|most memory|\n|---|---|---|---|---|")
    for fault in FAULTS:
        if not names or any(name in fault.name for name in names):
            print(_row(fault), flush=True)
    print(f"\nWhat waits for the database at its bound: {_waiting_mib():.0f} MiB")
    if not names and not os.geteuid():
        print("\nBoth disks full for 240 s, at 30 probes a second:")
        endure(next(fault for fault in FAULTS if fault.name == "both disks full"))


def _row(fault: InjectedFault) -> str:
    if (fault.disks or fault.hangs) and os.geteuid():
        return f"|{fault.name}|needs root to mount a small disk||||"
    with tempfile.TemporaryDirectory() as name:
        try:
            return measure(fault, Path(name))
        except BrokenPromiseError as error:
            if "-v" in sys.argv or os.environ.get("V"):
                print((Path(name) / "log").read_text()[-20000:], file=sys.stderr)
            return f"|{fault.name}|**{error}**||||"


def measure(fault: InjectedFault, folder: Path) -> str:
    """A row: the outage twice, the fault taken back while the service runs, and the service stopped under it.

    Raises BrokenPromiseError: the route did not move, was moved back, a generation stood for two targets, …
    """
    lab = Lab(folder, disks=fault.disks, faked_time=fault.faked_time, can_hang=fault.hangs)
    try:
        service = lab.start()
        lab.until(lab.both_up, "both targets up")
        if fault.in_quiet:
            _change_nothing(lab, fault)
        moved_s, state = _fail_over(lab, fault)
        fault.settled(lab, state)
        fault.undo(lab, state)
        caught_up_s = lab.until(lambda: lab.journalled() >= lab.table()["generation"], "the decision in the database")
        memory = peak_memory_mb(service.pid)
        _fail_back(lab)
        moved_again_s, state = _fail_over(lab, fault)
        fault.settled(lab, state)
        undo = partial(fault.undo, lab, state)
        stopped_s = lab.stop(service, undo if fault.hangs else None)
        if not fault.hangs:
            undo()
        lab.start()
        _stay(lab)
    finally:
        lab.close()
    if lab.watch.wrong:
        raise BrokenPromiseError("; ".join(sorted(set(lab.watch.wrong))))
    slowest = max(moved_s, moved_again_s)
    return f"|{fault.name}|{slowest:.1f} s|{stopped_s:.1f} s|{caught_up_s:.1f} s|{memory:.0f} MiB|"


def _fail_over(lab: Lab, fault: InjectedFault) -> tuple[float, object]:
    fault.before(lab)
    lab.servers.failing = {"one"}
    began = time.monotonic()
    state = fault.provoke(lab)
    lab.until(lambda: lab.target() == SECOND, f"the route on {SECOND}")
    return time.monotonic() - began, state


def _change_nothing(lab: Lab, fault: InjectedFault) -> None:
    """While the providers are well, the fault alone moves nothing."""
    state = fault.provoke(lab)
    ends = time.monotonic() + _STAYS_S
    while time.monotonic() < ends:
        if lab.target() != FIRST:
            raise BrokenPromiseError(f"the route moved to {lab.target()} although both providers answer")
        time.sleep(0.02)
    fault.undo(lab, state)
    lab.until(lab.both_up, "both targets up again")


def _fail_back(lab: Lab) -> None:
    lab.servers.failing = set()
    lab.until(lab.both_up, "the route back")


def _stay(lab: Lab) -> None:
    """The restarted service leaves the route where users are."""
    written = lab.table()["written_at"]
    lab.until(lambda: lab.table()["written_at"] != written, "the file written by the restarted service")
    ends = time.monotonic() + _STAYS_S
    while time.monotonic() < ends:
        if lab.target() != SECOND:
            raise BrokenPromiseError(f"a restart moved the route back to {FIRST}")
        time.sleep(0.02)


def _waiting_mib() -> float:
    """The memory of more observations than there is room for, each with all its numbers."""
    tracemalloc.start()
    waiting, began = PendingWrites(), datetime(2026, 1, 1, tzinfo=UTC)
    for n in range(50_000):
        observation = _observation(began + timedelta(seconds=n), n)
        observation.finished_at  # noqa: B018 - it keeps it, as in the service
        waiting.add_observations([observation])
    return tracemalloc.get_traced_memory()[0] / 1024 / 1024


def _observation(at: datetime, n: int) -> Observation:
    seconds = [n * 0.001 + phase for phase in range(6)]
    return Observation(
        target=FIRST,
        check="chat",
        started_at=at,
        outcome=Outcome.OK,
        duration_s=n * 0.01,
        resolved_s=seconds[0],
        tcp_s=seconds[1],
        connected_s=seconds[2],
        sent_s=seconds[3],
        first_byte_s=seconds[4],
        first_token_s=seconds[5],
        request_id=f"req_{n:030}",
        input_tokens=1000 + n,
        output_tokens=2000 + n,
        cost_usd=n * 1e-6,
    )


if __name__ == "__main__":
    main(tuple(word for word in sys.argv[1:] if word != "-v"))
