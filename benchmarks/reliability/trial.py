"""One fault that is provoked by itself, and what came of it."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.reliability.lab import BrokenPromiseError, CannotProvokeError

_PLACES: Final = {"s": 1, "MiB": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured; `unit` is `s`, `MiB`, or nothing for a count."""

    value: float
    unit: str = "s"

    def __str__(self) -> str:
        return f"{self.value:.{_PLACES.get(self.unit, 0)}f} {self.unit}".rstrip()


@dataclass(kw_only=True)
class FaultReport:
    """What came of one fault."""

    name: str
    figures: dict[str, Figure] = field(default_factory=dict)
    """In the order in which they are told."""
    wrong: list[str] = field(default_factory=list)
    """What did not hold."""
    lacks: str | None = None
    """Why it was not provoked here."""
    log: str | None = None
    """The file with the service's log, where something did not hold."""

    def __str__(self) -> str:
        if self.lacks:
            return f"{self.name}: not provoked: {self.lacks}"
        told = ", ".join(f"{what} {figure}" for what, figure in self.figures.items())
        log = f"; log: {self.log}" if self.log else ""
        return f"{self.name}: {told or 'nothing was measured'}{log}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How one fault is provoked."""

    name: str
    play: Callable[[Path, FaultReport], None]
    """Is given a folder of its own; the service's log is `log` in it. Raises BrokenPromiseError, CannotProvokeError."""

    def report(self) -> FaultReport:
        """Provoke it."""
        report = FaultReport(name=self.name)
        with tempfile.TemporaryDirectory() as name:
            try:
                self.play(Path(name), report)
            except CannotProvokeError as error:
                report.lacks = str(error)
            except BrokenPromiseError as error:
                report.wrong.append(str(error))
            log = Path(name) / "log"
            if report.wrong and log.exists():
                report.log = tempfile.mkstemp(prefix="hotspare-", suffix=".log")[1]
                shutil.copy(log, report.log)
        return report
