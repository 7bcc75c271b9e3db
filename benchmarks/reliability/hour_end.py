"""The database's disk is full as an hour ends: the sums of both hours are those of all that was observed."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from benchmarks.drills.service.stored_probes import check_probes
from benchmarks.reliability.faults import CANNOT_WRITE, empty, fill
from benchmarks.reliability.lab import FIRST, PATIENCE_S, SECOND, Lab
from benchmarks.reliability.trial import FaultReport, Figure

_HOUR_S: Final = 3600
_FULL_BEFORE_S: Final = 3.0
"""The disk is full so long before the hour ends."""
_FULL_AFTER_S: Final = 3.0
_ENDS_AFTER_S: Final = PATIENCE_S + 2 * _FULL_BEFORE_S
"""The hour ends so long after the start, which may take all of the patience."""
_HOURS_SUMMED: Final = "SELECT count(DISTINCT start_ms) FROM rollups WHERE span_s = 3600"


def fill_as_hour_ends(folder: Path, report: FaultReport) -> None:
    """An outage begins on the full disk, just before the hour ends by the service's clock; then there is room again.

    Raises BrokenPromiseError, CannotProvokeError.
    """
    lab = Lab(folder, disks=True, faked_time=True)
    try:
        ahead_s = int(_HOUR_S - _ENDS_AFTER_S - time.time() % _HOUR_S)
        lab.set_clock(ahead_s)
        service = lab.start()
        lab.until(lab.both_up, "both targets up")
        time.sleep(_left_s(ahead_s) - _FULL_BEFORE_S)
        fill(lab.database.parent)
        lab.servers.failing = {FIRST.partition("/")[0]}
        ends = time.monotonic() + _left_s(ahead_s)
        moved_s = lab.until(lambda: lab.target() == SECOND, f"the route on {SECOND}")
        report.figures["moved after"] = Figure(value=moved_s)
        time.sleep(max(0.0, ends - time.monotonic()) + _FULL_AFTER_S)
        lab.until_told(CANNOT_WRITE)
        empty(lab.database.parent)
        caught_up_s = lab.until(lambda: lab.journalled() >= lab.table()["generation"], "the decision in the database")
        report.figures["journalled after"] = Figure(value=caught_up_s)
        lab.servers.failing = set()
        lab.until(lab.both_up, "the route back")
        report.figures["SIGTERM"] = Figure(value=lab.stop(service))
        with closing(sqlite3.connect(lab.database)) as database:
            [hours] = database.execute(_HOURS_SUMMED).fetchone()
            database.row_factory = sqlite3.Row
            found = check_probes(database, lab.servers.answers, ahead_s=ahead_s)
        report.figures["observations"] = Figure(value=found.stored, unit="")
        report.wrong += found.wrong
        if hours != 2:
            report.wrong.append(f"sums of {hours} hours are stored, not of two")
    finally:
        lab.close()
        report.wrong += sorted(set(lab.watch.wrong))


def _left_s(ahead_s: int) -> float:
    """Seconds until the hour ends by a clock that is so far ahead."""
    return _HOUR_S - (time.time() + ahead_s) % _HOUR_S
