"""What happens in one history: drawn from a seed, told in lines, and made smaller fault by fault (pure)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from benchmarks.drills.simulation.fault_history import QUIET_S, FaultHistory

PROVIDERS: Final = {"one": ("a", "b"), "two": ("a",), "three": ("a",)}
TARGETS: Final = tuple(f"{provider}/{model}" for provider, models in PROVIDERS.items() for model in models)
ROUTES: Final = {"chat": ("one/a", "two/a", "three/a"), "batch": ("two/a", "one/b")}
#: Faults begin within this time.
FAULTS_S: Final = 120.0


class FaultKind(StrEnum):
    """What can go wrong, and what people do meanwhile."""

    OUTAGE = "outage"
    THROTTLED = "throttled"
    NETWORK = "own network gone"
    SLACK = "Slack down"
    REPLY_LOST = "Slack's replies lost"
    KILL = "kill -9"
    ROUTING_DISK_FULL = "disk of the routing file full"
    ROUTING_DISK_ERROR = "disk of the routing file fails"
    DATABASE_FULL = "disk of the database full"
    DATABASE_ERROR = "disk of the database fails"
    DATABASE_HANGS = "disk of the database hangs"
    SHORT_WRITES = "no file may grow"
    LOCKED = "database locked"
    DELETED = "database deleted"
    OLDER_COPY = "database replaced by an older copy"
    DAMAGED = "database damaged"
    CUT = "database cut"
    FILE_TOUCHED = "routing file deleted by someone else"
    CLOCK = "clock set"
    CLOCK_DURING = "clock set, and set back"
    PAUSE = "SIGSTOP"
    RELOAD = "configuration reloaded"
    PIN = "pin"
    DRAIN = "drain"
    FREEZE = "pause"
    DRILL = "drill"
    MAINTENANCE = "maintenance"
    BACKUP = "backup"


OF_PROVIDERS: Final = frozenset({FaultKind.OUTAGE, FaultKind.THROTTLED})
BY_PEOPLE: Final = frozenset(
    {FaultKind.PIN, FaultKind.DRAIN, FaultKind.FREEZE, FaultKind.DRILL, FaultKind.MAINTENANCE, FaultKind.RELOAD}
)
#: After these the journal need not hold what it held, and people may be told once more (docs/reliability.md).
LOSES_THE_DATABASE: Final = frozenset({FaultKind.DELETED, FaultKind.OLDER_COPY, FaultKind.DAMAGED, FaultKind.CUT})
OUTCOMES: Final = ("server_error", "overloaded", "timeout", "unreachable", "auth", "bad_answer")
_HOUR_S: Final = 3600.0
_CLOCK_STEPS_S: Final = (_HOUR_S, -_HOUR_S, 365 * 24 * _HOUR_S, -365 * 24 * _HOUR_S, 20.0, -20.0)
_WEIGHTS: Final = {
    FaultKind.NETWORK: 3,
    FaultKind.SLACK: 2,
    FaultKind.REPLY_LOST: 2,
    FaultKind.KILL: 8,
    FaultKind.ROUTING_DISK_FULL: 2,
    FaultKind.ROUTING_DISK_ERROR: 2,
    FaultKind.DATABASE_FULL: 2,
    FaultKind.DATABASE_ERROR: 2,
    FaultKind.DATABASE_HANGS: 2,
    FaultKind.SHORT_WRITES: 1,
    FaultKind.LOCKED: 2,
    FaultKind.DELETED: 1,
    FaultKind.OLDER_COPY: 1,
    FaultKind.DAMAGED: 1,
    FaultKind.CUT: 1,
    FaultKind.FILE_TOUCHED: 1,
    FaultKind.CLOCK: 3,
    FaultKind.CLOCK_DURING: 2,
    FaultKind.PAUSE: 2,
    FaultKind.RELOAD: 2,
    FaultKind.PIN: 1,
    FaultKind.DRAIN: 1,
    FaultKind.FREEZE: 1,
    FaultKind.DRILL: 1,
    FaultKind.MAINTENANCE: 1,
    FaultKind.BACKUP: 1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that happens; seconds of virtual time from the start."""

    at_s: float
    kind: FaultKind
    lasts_s: float = 0.0
    subject: str = ""
    """A provider, a target or a route."""
    outcome: str = ""
    """Of an outage: how its probes end."""
    share: float = 1.0
    """Of an outage: how many of them."""
    steps: int = 0
    """Of a kill: after so many further steps of disk and database."""
    by_s: float = 0.0
    """Of a clock: how far it is set."""

    @property
    def until_s(self) -> float:
        """When it is over."""
        return self.at_s + self.lasts_s

    def hits(self, target: str) -> bool:
        """Whether it is a fault of this target or of its provider."""
        return self.kind in OF_PROVIDERS and self.subject in {target, target.partition("/")[0]}

    def __str__(self) -> str:
        about = " ".join(filter(None, (self.subject, self.outcome)))
        share = f" {self.share:.0%}" if self.share < 1 else ""
        more = f" after {self.steps} steps" if self.kind is FaultKind.KILL else ""
        more += f" by {self.by_s:+.0f} s" if self.by_s else ""
        lasts = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"{self.at_s:6.1f} s  {self.kind}{' ' if about else ''}{about}{share}{more}{lasts}"


@dataclass(frozen=True, slots=True, kw_only=True)
class History(FaultHistory[Fault]):
    """All that happens, in order."""


def draw(seed: int) -> History:
    """The history of this seed."""
    dice = Random(f"history {seed}")
    outages = tuple(_outages(dice))
    faults = [*outages, *_local(dice, outages)]
    return History(seed=seed, faults=tuple(sorted(faults, key=lambda fault: fault.at_s)))


def _outages(dice: Random) -> Iterator[Fault]:
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
        subject = dice.choice((*PROVIDERS, *TARGETS, "one", "one/a"))
        at_s, lasts_s = dice.uniform(QUIET_S, FAULTS_S), dice.choice((5.0, 30.0, 60.0, 100.0)) * dice.uniform(0.6, 1.4)
        if dice.random() < 0.1:
            yield Fault(at_s=at_s, kind=FaultKind.THROTTLED, lasts_s=lasts_s, subject=subject)
            continue
        yield Fault(
            at_s=at_s,
            kind=FaultKind.OUTAGE,
            lasts_s=lasts_s,
            subject=subject,
            outcome=dice.choice(("server_error", *OUTCOMES)),
            share=dice.choice((1.0, 1.0, 1.0, 0.5)),
        )


def _local(dice: Random, outages: Sequence[Fault]) -> Iterator[Fault]:
    """Most of them while something is decided: as an outage is found, or as a route goes back."""
    for kind in dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=dice.choice((1, 2, 2, 3, 4))):
        at_s, lasts_s = dice.uniform(2.0, FAULTS_S), dice.choice((3.0, 15.0, 50.0)) * dice.uniform(0.5, 1.5)
        if outages and dice.random() < 0.7:
            outage = dice.choice(outages)
            begins_s, ends_s = (outage.at_s, 30.0) if dice.random() < 0.7 else (outage.until_s, 60.0)
            at_s = max(2.0, begins_s + dice.uniform(-5.0, ends_s))
        match kind:
            case FaultKind.KILL:
                for _ in range(dice.choice((1, 1, 3))):
                    yield Fault(at_s=at_s, kind=kind, steps=dice.choice((1, 10, 60)) * dice.randint(1, 10))
                    at_s += dice.uniform(0.5, 30.0)
            case FaultKind.CLOCK:
                yield Fault(at_s=at_s, kind=kind, by_s=dice.choice(_CLOCK_STEPS_S))
            case FaultKind.CLOCK_DURING:
                yield Fault(at_s=at_s, kind=kind, by_s=dice.choice(_CLOCK_STEPS_S), lasts_s=lasts_s)
            case FaultKind.PAUSE:
                yield Fault(at_s=at_s, kind=kind, lasts_s=dice.choice((10.0, 60.0, 300.0)))
            case FaultKind.PIN | FaultKind.FREEZE | FaultKind.DRILL:
                lasts_s = 90.0 if kind is FaultKind.DRILL else lasts_s
                yield Fault(at_s=at_s, kind=kind, subject=dice.choice(list(ROUTES)), lasts_s=lasts_s)
            case FaultKind.DRAIN | FaultKind.MAINTENANCE:
                yield Fault(at_s=at_s, kind=kind, subject=dice.choice(TARGETS), lasts_s=lasts_s)
            case FaultKind.DELETED | FaultKind.OLDER_COPY | FaultKind.DAMAGED | FaultKind.CUT | FaultKind.FILE_TOUCHED:
                yield Fault(at_s=at_s, kind=kind)
            case FaultKind.BACKUP:
                yield Fault(at_s=at_s, kind=kind)
            case _:
                yield Fault(at_s=at_s, kind=kind, lasts_s=lasts_s)
