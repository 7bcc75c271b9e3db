"""`hotspare db backup` onto a disk without room: it says so, leaves nothing behind, and the service goes on."""

from pathlib import Path
from typing import Final

from benchmarks.reliability.faults import fill
from benchmarks.reliability.lab import PATIENCE_S, SECOND, Lab
from benchmarks.reliability.trial import FaultReport, Figure

_TOO_SMALL: Final = "64k"


def back_up_without_room(folder: Path, report: FaultReport, *, patience_s: float = PATIENCE_S) -> None:
    """Onto a disk that is smaller than the database, then onto one without a free byte.

    Raises BrokenPromiseError, CannotProvokeError.
    """
    backups = folder / "backups"
    backups.mkdir()
    lab = Lab(folder, disks=False, faked_time=False, patience_s=patience_s)
    try:
        lab.mount_disk(backups, _TOO_SMALL)
        lab.start()
        lab.until(lab.both_up, "both targets up")
        _refuse(lab, backups, report)
        fill(backups)
        _refuse(lab, backups, report)
        lab.servers.failing = {"one"}
        moved_s = lab.until(lambda: lab.target() == SECOND, f"the route on {SECOND}")
        report.figures["moved after"] = Figure(value=moved_s)
        lab.until(lambda: lab.journalled() >= lab.table()["generation"], "the decision in the database")
    finally:
        lab.close()
        report.wrong += sorted(set(lab.watch.wrong))


def _refuse(lab: Lab, backups: Path, report: FaultReport) -> None:
    before = set(backups.iterdir())
    ended = lab.ask("db", "backup", str(backups / "copy.db"))
    if not ended.returncode or "full" not in ended.stderr.lower():
        report.wrong.append(f"`db backup` ended with {ended.returncode} and says: {ended.stderr[:200]!r}")
    if left := sorted(path.name for path in set(backups.iterdir()) - before):
        report.wrong.append(f"`db backup` left {', '.join(left)}")
