"""What happens to a fleet in one history: drawn from a seed, told in lines, made smaller fault by fault (pure)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import Final

from benchmarks.drills.simulation.fault_history import QUIET_S, FaultHistory
from benchmarks.drills.simulation.history import OUTCOMES, PROVIDERS

FAULTS_S: Final = 60.0
REGIONS: Final = ("eu", "us")


class FaultKind(StrEnum):
    """What can go wrong."""

    OUTAGE = "outage"
    NETWORK = "machine without providers"
    SLACK = "Slack down"
    REPLY_LOST = "Slack's replies lost"
    KILL = "kill -9"
    KILL_LEADER = "kill -9 of the leader"
    STOP = "SIGTERM"
    STOP_LEADER = "SIGTERM of the leader"
    PAUSE = "SIGSTOP"
    PAUSE_LEADER = "SIGSTOP of the leader"
    PAUSE_UNTIL_DEPOSED = "SIGSTOP of the leader until another one leads"
    CLOCK = "machine's clock set"
    CUT = "machine without database"
    CUT_LEADER = "leader without database"
    LEASE_CUT = "leader's lease connection dead"
    SLOW_WAY = "machine's way to the database slow"
    ONE_WAY = "database's answers lost"
    ONE_WAY_LEADER = "database's answers to the leader lost"
    ISOLATED = "machine without anything"
    DATABASE_GONE = "database gone"
    DATABASE_RESTARTED = "database restarted"
    DATABASE_SLOW = "database slow by 5 s"
    DATABASE_FULL = "database full"
    DATABASE_LOCKED = "database locked"
    DATABASE_CLOCK = "database's clock set"
    FAILED_OVER = "database failed over, a second lost"
    COMMIT_LOST = "commit's answer lost"
    TRANSACTION_HELD = "leader stopped in a transaction"
    GARBAGE = "followers fed garbage"
    OLD_COPY = "followers fed an old copy"


OF_THE_LEADER: Final = {
    FaultKind.KILL_LEADER: FaultKind.KILL,
    FaultKind.STOP_LEADER: FaultKind.STOP,
    FaultKind.PAUSE_LEADER: FaultKind.PAUSE,
    FaultKind.PAUSE_UNTIL_DEPOSED: FaultKind.PAUSE_UNTIL_DEPOSED,
    FaultKind.CUT_LEADER: FaultKind.CUT,
    FaultKind.LEASE_CUT: FaultKind.LEASE_CUT,
    FaultKind.ONE_WAY_LEADER: FaultKind.ONE_WAY,
    FaultKind.TRANSACTION_HELD: FaultKind.TRANSACTION_HELD,
    FaultKind.COMMIT_LOST: FaultKind.COMMIT_LOST,
}
"""Those that meet whoever leads then, as what."""
OF_THE_DATABASE: Final = frozenset(
    {
        FaultKind.DATABASE_GONE,
        FaultKind.DATABASE_RESTARTED,
        FaultKind.DATABASE_SLOW,
        FaultKind.DATABASE_FULL,
        FaultKind.DATABASE_LOCKED,
        FaultKind.DATABASE_CLOCK,
        FaultKind.FAILED_OVER,
    }
)
#: What was in the database may be lost: decided, told or counted once more (docs/reliability.md).
LOSES_THE_DATABASE: Final = frozenset({FaultKind.FAILED_OVER})
_WEIGHTS: Final = {
    FaultKind.NETWORK: 2,
    FaultKind.SLACK: 1,
    FaultKind.REPLY_LOST: 2,
    FaultKind.KILL: 4,
    FaultKind.KILL_LEADER: 8,
    FaultKind.STOP: 1,
    FaultKind.STOP_LEADER: 3,
    FaultKind.PAUSE: 2,
    FaultKind.PAUSE_LEADER: 6,
    FaultKind.PAUSE_UNTIL_DEPOSED: 4,
    FaultKind.LEASE_CUT: 4,
    FaultKind.SLOW_WAY: 3,
    FaultKind.CLOCK: 2,
    FaultKind.CUT: 2,
    FaultKind.CUT_LEADER: 4,
    FaultKind.ONE_WAY: 1,
    FaultKind.ONE_WAY_LEADER: 4,
    FaultKind.ISOLATED: 2,
    FaultKind.DATABASE_GONE: 2,
    FaultKind.DATABASE_RESTARTED: 3,
    FaultKind.DATABASE_SLOW: 2,
    FaultKind.DATABASE_FULL: 2,
    FaultKind.DATABASE_LOCKED: 2,
    FaultKind.DATABASE_CLOCK: 1,
    FaultKind.FAILED_OVER: 2,
    FaultKind.COMMIT_LOST: 4,
    FaultKind.TRANSACTION_HELD: 4,
    FaultKind.GARBAGE: 1,
    FaultKind.OLD_COPY: 1,
}
_CLOCK_STEPS_S: Final = (3600.0, -3600.0, 20.0, -20.0)
_KILLS: Final = frozenset({FaultKind.KILL, FaultKind.KILL_LEADER})
_KILLED_S: Final = (0.5, 2.0, 2.0, 30.0)
_PAUSED_S: Final = (2.0, 5.0, 10.0, 14.0, 18.0, 30.0, 60.0)
_KILL_STEPS: Final = (0, 1, 2, 3, 5, 8, 10, 20, 40, 80, 200, 400)
_LASTS_S: Final = {
    FaultKind.KILL: _KILLED_S,
    FaultKind.KILL_LEADER: _KILLED_S,
    FaultKind.STOP: (2.0, 30.0),
    FaultKind.STOP_LEADER: (2.0, 30.0),
    FaultKind.PAUSE: _PAUSED_S,
    FaultKind.PAUSE_LEADER: _PAUSED_S,
    FaultKind.PAUSE_UNTIL_DEPOSED: (40.0,),
    FaultKind.COMMIT_LOST: (30.0,),
    FaultKind.TRANSACTION_HELD: (5.0, 20.0, 60.0),
    FaultKind.DATABASE_RESTARTED: (0.1, 2.0, 8.0),
    FaultKind.FAILED_OVER: (0.1, 2.0, 8.0),
}
"""What else than usual some may last; of a kill: until the machine is started again."""
_BY_S: Final = {
    FaultKind.PAUSE_UNTIL_DEPOSED: (0.0, 0.01, 0.05, 0.5),
    FaultKind.SLOW_WAY: (0.1, 0.3, 0.8),
    FaultKind.CLOCK: _CLOCK_STEPS_S,
    FaultKind.DATABASE_CLOCK: _CLOCK_STEPS_S,
}
_STEPS: Final = {
    FaultKind.KILL: _KILL_STEPS,
    FaultKind.KILL_LEADER: _KILL_STEPS,
    FaultKind.COMMIT_LOST: (1, 2, 3, 4),
    FaultKind.TRANSACTION_HELD: tuple(range(1, 13)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that happens; seconds of virtual time from the start."""

    at_s: float
    kind: FaultKind
    lasts_s: float = 0.0
    machine: int = 0
    subject: str = ""
    """Of an outage: a provider or a model of one."""
    region: str = ""
    """Of an outage: the only region that sees it; empty: all do."""
    outcome: str = ""
    """Of an outage: how its probes end."""
    share: float = 1.0
    """Of an outage: how many of them."""
    steps: int = 0
    """Of a kill, a lost commit and a held transaction: after so many further messages of the machine."""
    by_s: float = 0.0
    """Of a clock: how far it is set; of a slow way: how long each message takes; else how long after."""

    @property
    def until_s(self) -> float:
        """When it is over."""
        return self.at_s + self.lasts_s

    def hits(self, target: str) -> bool:
        """Whether it is an outage of this target, which is `provider/model` or `provider/model@region`."""
        name, _, region = target.partition("@")
        there = not self.region or region == self.region
        return self.kind is FaultKind.OUTAGE and there and self.subject in {name, name.partition("/")[0]}

    def __str__(self) -> str:
        whose = "" if self.kind in OF_THE_LEADER or self.kind in OF_THE_DATABASE or self.subject else self.machine
        where = f"in {self.region}" if self.region else ""
        about = " ".join(filter(None, (str(whose), self.subject, where, self.outcome)))
        share = f" {self.share:.0%}" if self.share < 1 else ""
        more = f" after {self.steps} messages" if self.steps else ""
        more += f" by {self.by_s:+g} s" if self.by_s else ""
        lasts = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"{self.at_s:6.1f} s  {self.kind}{' ' if about else ''}{about}{share}{more}{lasts}"


@dataclass(frozen=True, slots=True, kw_only=True)
class History(FaultHistory[Fault]):
    """All that happens, in order."""

    machines: int
    regions: tuple[str, ...]
    """Of which the machines are in turn; empty: none, and the leader probes."""

    def region_of(self, machine: int) -> str:
        """Where it is; empty without regions."""
        return self.regions[machine % len(self.regions)] if self.regions else ""


def draw(seed: int) -> History:
    """The history of this seed."""
    dice = Random(f"fleet {seed}")
    regions = dice.choice(((), REGIONS))
    machines = dice.choice((2, 2, 3, 3, 4, 5) if regions else (2, 2, 3))
    outages = tuple(_outages(dice, regions))
    faults = [*outages, *_local(dice, machines, outages)]
    faults.sort(key=lambda fault: fault.at_s)
    return History(seed=seed, machines=machines, regions=regions, faults=tuple(faults))


def _outages(dice: Random, regions: Sequence[str]) -> Iterator[Fault]:
    models = [f"{provider}/{model}" for provider, models in PROVIDERS.items() for model in models]
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
        yield Fault(
            at_s=dice.uniform(QUIET_S, FAULTS_S),
            kind=FaultKind.OUTAGE,
            lasts_s=dice.choice((5.0, 30.0, 60.0)) * dice.uniform(0.6, 1.4),
            subject=dice.choice((*PROVIDERS, *models, "one", "one/a")),
            region=dice.choice(("", *regions)) if regions else "",
            outcome=dice.choice(("server_error", *OUTCOMES)),
            share=dice.choice((1.0, 1.0, 1.0, 0.5)),
        )


def _local(dice: Random, machines: int, outages: Sequence[Fault]) -> Iterator[Fault]:
    """Most of them while something is decided: as an outage is found, or as a route goes back."""
    for kind in dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=dice.choice((1, 2, 2, 3, 4))):
        at_s, lasts_s = dice.uniform(2.0, FAULTS_S), dice.choice((3.0, 15.0, 40.0)) * dice.uniform(0.5, 1.5)
        if outages and dice.random() < 0.6:
            outage = dice.choice(outages)
            begins_s, ends_s = (outage.at_s, 30.0) if dice.random() < 0.7 else (outage.until_s, 60.0)
            at_s = max(2.0, begins_s + dice.uniform(-5.0, ends_s))
        fault = Fault(
            at_s=at_s,
            kind=kind,
            lasts_s=dice.choice(_LASTS_S.get(kind, (lasts_s,))),
            machine=dice.randrange(machines),
            by_s=dice.choice(_BY_S.get(kind, (0.0,))),
            steps=dice.choice(_STEPS.get(kind, (0,))),
        )
        yield fault
        for _ in range(dice.choice((0, 0, 2)) if kind in _KILLS else 0):
            at_s += dice.uniform(0.5, 30.0)
            yield replace(fault, at_s=at_s, lasts_s=dice.choice(_LASTS_S[kind]), steps=dice.choice(_STEPS[kind]))
