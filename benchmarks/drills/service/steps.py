"""kill -9 at each step with files: of the service as it starts, moves a route, ends; of `db backup` and `db vacuum`.

Each write is also cut in half.
"""

import signal
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.drills.service.aftermath import TOKEN, KillReport, held_by, look_back, untold
from benchmarks.drills.service.step_counter import Enumeration, StepCounter
from benchmarks.reliability.lab import SECOND, BrokenPromiseError, Lab
from tests.support.slack_server import SlackServer

#: A step that was being counted when the kill was called off has been made by then.
_CALLED_OFF_S: Final = 0.02
#: A move and a start take 17 s; beside other work than theirs on all cores they took 60.
_PATIENCE_S: Final = 300.0
_EXPECTED: Final = (0, -signal.SIGKILL)
_FIRST: Final = ("first start",)
_LIFE: Final = ("start", "move", "return", "stop")
_ENDS: Final = ("start", "stop")
_MAINTENANCE: Final = ("backup", "vacuum")
#: A service without a past is killed in each step of the first; then those that go on.
PHASES: Final = (*_FIRST, *_LIFE, *_MAINTENANCE)
#: Of each phase; it is over long before.
ALL: Final = range(1, 100_000)

#: Before the so manieth step, or in the midst of the so manieth write.
_Enumerations = dict[tuple[str, bool], Enumeration]


@dataclass(kw_only=True)
class StepsReport(KillReport):
    """What was found, and how many kills each phase took: between steps, and in the midst of a write."""

    phases: dict[str, tuple[int, int]] = field(default_factory=dict)


def kill_at_each_step(
    jobs: int,
    steps: range = ALL,
    phases: Collection[str] = PHASES,
    go_on: Callable[[], bool] = lambda: True,
) -> StepsReport:
    """Kill at each of these steps of each of these phases, in `jobs` courses side by side.

    `go_on` is asked after each kill, from any thread; False ends the drill. Raises FileNotFoundError where there is no
    C compiler.
    """
    enumerations = {
        (phase, torn): Enumeration(steps if phase in phases else range(0)) for phase in PHASES for torn in (False, True)
    }

    def note_kill() -> None:
        if not go_on():
            for enumeration in enumerations.values():
                enumeration.end()

    works = {_FIRST: _die_at_first_start, _MAINTENANCE: _die_in_maintenance, _LIFE: _die_in_an_outage}
    with ThreadPoolExecutor(jobs) as pool:
        reports = [
            report
            for of, work in works.items()
            if not _are_over(enumerations, of)
            for running in [pool.submit(work, enumerations, note_kill) for _ in range(jobs)]
            for report in [running.result()]
        ]
    deaths = {phase: (enumerations[phase, False].deaths, enumerations[phase, True].deaths) for phase in PHASES}
    return StepsReport(**vars(sum(reports, start=KillReport())), phases=deaths)


@contextmanager
def _course(enumerations: _Enumerations, on_kill: Callable[[], None]) -> Iterator["_Course"]:
    """Fresh files, providers and a Slack; in the end all that must hold is looked at."""
    with TemporaryDirectory() as name, SlackServer(token=TOKEN) as slack:
        counter = StepCounter(Path(name))
        lab = Lab(
            Path(name),
            disks=False,
            faked_time=False,
            slack_url=slack.url,
            may_vanish=False,
            patience_s=_PATIENCE_S,
            environment=counter.environment,
        )
        course = _Course(lab, counter, enumerations, on_kill)
        try:
            yield course
        except BrokenPromiseError as error:
            course.report.wrong.append(f"{course.now}: {error}")
        finally:
            lab.close()
        look_back(lab, slack, course.report, course.held)


def _die_at_first_start(enumerations: _Enumerations, on_kill: Callable[[], None]) -> KillReport:
    total = KillReport()
    while not _are_over(enumerations, _FIRST):
        with _course(enumerations, on_kill) as course:
            course.start("first start")
            course.end()
        total += course.report
    return total


def _die_in_maintenance(enumerations: _Enumerations, on_kill: Callable[[], None]) -> KillReport:
    """In files that no service adds to: in a database that grows, each step would bring further ones."""
    with _course(enumerations, on_kill) as course:
        course.start("first start")
        course.move_and_return()
        course.end()
        for action in _MAINTENANCE:
            while not _are_over(enumerations, (action,)):
                course.call(action)
    return course.report


def _die_in_an_outage(enumerations: _Enumerations, on_kill: Callable[[], None]) -> KillReport:
    """In fresh files each time: outage after outage, the hold of the next return would grow eightfold."""
    total = KillReport()
    while not _are_over(enumerations, _LIFE):
        with _course(enumerations, on_kill) as course:
            course.start("first start")
            if not _are_over(enumerations, _ENDS):
                course.end()
                course.start("start")
            course.move_and_return()
            course.end()
        total += course.report
    return total


def _are_over(enumerations: _Enumerations, phases: Iterable[str]) -> bool:
    """Whether no step of these is left."""
    return all(enumerations[phase, torn].is_over for phase in phases for torn in (False, True))


class _Course:
    """One service after another on the same files, each killed at the next step of what it does."""

    def __init__(
        self, lab: Lab, counter: StepCounter, enumerations: _Enumerations, on_kill: Callable[[], None]
    ) -> None:
        self.report = KillReport()
        self.now = ""
        """Where it is, for what does not hold."""
        self.held = set[str]()
        """What has waited beside the routing file as a service died."""
        self._lab, self._counter, self._enumerations, self._on_kill = lab, counter, enumerations, on_kill
        self._copies = 0

    def start(self, phase: str) -> None:
        """From nothing, or what is there, to a routing file."""
        self._play(phase, self._lab.start, self._is_published(), self._start_again)

    def move_and_return(self) -> None:
        """An outage, from its begin until people know that it is over."""
        lab = self._lab
        self._settle()
        for phase, failing in (("move", {"one"}), ("return", set[str]())):
            self._play(phase, partial(setattr, lab.servers, "failing", failing), self._is_told, self._start_again)

    def end(self) -> None:
        """From SIGTERM to the end of the process, all being well."""
        self._settle()
        [process] = self._lab.processes
        self._play("stop", lambda: process.send_signal(signal.SIGTERM), lambda: process.poll() is not None)

    def call(self, action: str) -> None:
        """`db backup` or `db vacuum`, while no service runs: afterwards a backup is whole, or not there."""
        lab, words = self._lab, [action]
        if action == "backup":
            self._copies += 1
            copy = lab.database.with_name(f"backup-{self._copies}.db")
            words.append(str(copy))
        call = partial(lab.command, "db", *words)
        self._play(action, call, lambda: lab.processes[-1].poll() is not None)
        if action == "backup" and copy.exists():
            self.report.wrong += _faults(copy)
            copy.unlink()
        self.report.wrong += _faults(lab.database)

    def _play(
        self,
        phase: str,
        begin: Callable[[], object],
        is_over: Callable[[], bool],
        again: Callable[[], object] | None = None,
    ) -> None:
        """Kill at the next step of the phase; `again` is for what must get there all the same, in a second process."""
        torn = self._enumerations[phase, False].is_over
        enumeration = self._enumerations[phase, torn]
        step = enumeration.take()
        self.now = f"{phase}, " + (f"{'write' if torn else 'step'} {step}" if step else "no kill")
        self._counter.kill_at(step, is_torn=torn)
        begin()
        process = self._lab.processes[-1]
        self._lab.until(lambda: process.poll() is not None or is_over(), f"the end of the phase {phase}")
        if self._counter.call_off() and step:
            process.wait(_PATIENCE_S)
        else:
            time.sleep(_CALLED_OFF_S)
        if process.poll() is not None:
            self._lab.processes.remove(process)
            if process.returncode not in _EXPECTED:
                self.report.wrong.append(f"{self.now}: exit code {process.returncode}")
            elif process.returncode == 0 and again:
                self.report.wrong.append(f"{self.now}: the service ended by itself")
        died = process.returncode == -signal.SIGKILL
        if step:
            enumeration.note(died=died)
        if died:
            self.report.kills += 1
            self.held |= held_by(self._lab)
            self._on_kill()
        if process.returncode is not None and again:
            again()
            self._lab.until(is_over, f"{phase} in spite of a kill")

    def _is_published(self) -> Callable[[], bool]:
        """What says whether the routing file was written since now."""
        lab, written = self._lab, self._lab.table().get("written_at")
        return lambda: lab.table().get("written_at") != written

    def _start_again(self) -> None:
        """A service that has come so far that SIGTERM lets it end by itself: with its first routing file."""
        is_published = self._is_published()
        self._lab.start()
        self._lab.until(is_published, "the routing file of a service that was started again")

    def _is_told(self) -> bool:
        lab = self._lab
        if lab.servers.failing:
            return lab.target() == SECOND and not untold(lab.database, with_open=False)
        return lab.both_up() and not untold(lab.database)

    def _settle(self) -> None:
        self._lab.until(self._is_told, "both targets up, and people told of everything")


def _faults(database: Path) -> list[str]:
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            rows = [text for (text,) in connection.execute("PRAGMA integrity_check")]
            return [f"{database.name}: {text}" for text in rows if text != "ok"]
    except sqlite3.Error as error:
        return [f"{database.name}: {error}"]
