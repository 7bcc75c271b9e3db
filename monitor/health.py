"""Health: the words for how a target is, and the values that the detector hands to everybody else."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from probes.outcome import Outcome


class Health(StrEnum):
    """How a target is."""

    UNKNOWN = "unknown"
    """No recent observation of any use, or our own network is down."""
    UP = "up"
    SUSPECT = "suspect"
    """Evidence above zero, not yet a verdict."""
    DEGRADED = "degraded"
    """Slow, wrong or throttled beyond its own background."""
    UNUSABLE = "unusable"
    """At least 90 % of two minutes of answers slow, wrong or throttled."""
    DOWN = "down"
    RECOVERING = "recovering"
    """Was down; the evidence says it is back; held until the whole hold has been clean."""
    MISCONFIGURED = "misconfigured"
    """Our key, our money or our model name: routed away from, never an outage."""
    PAUSED = "paused"
    """An operator asked not to judge it."""


#: Health that opens an incident and keeps it open.
BAD = frozenset({Health.DEGRADED, Health.UNUSABLE, Health.DOWN, Health.RECOVERING, Health.MISCONFIGURED})
#: It serves its users, and nothing worse than a suspicion is held against it.
WELL = frozenset({Health.UP, Health.SUSPECT})
#: No verdict stands against it. Only such a target speaks for or against its provider, and what is held against it is
#: forgotten where nothing can be seen.
UNBLAMED = frozenset({Health.UNKNOWN, *WELL})
#: It answers, but slowly, wrongly or throttled.
POOR = frozenset({Health.DEGRADED, Health.UNUSABLE})
#: It serves nobody: a pin to it needs `--force` and keeps warning.
FAILING = frozenset({Health.DOWN, Health.UNUSABLE, Health.MISCONFIGURED})
#: Its probes keep to the interval, and a sequential test decides when it is back.
OUT_OF_SERVICE = frozenset({Health.DOWN, Health.MISCONFIGURED})


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetHealth:
    """What the detector says about one target at one instant; what the policy and the page read."""

    target: str
    health: Health
    since: datetime
    """When it entered this health."""
    reason: str
    """One sentence with numbers; the same in the log, the database, Slack and the page."""
    evidence: float = 0.0
    """The running statistic; a verdict at `threshold`."""
    threshold: float = 0.0
    last_ok_at: datetime | None = None
    """When the last `ok` of its own came in: a standby is eligible only with a recent one."""
    held_until: datetime | None = None
    """It is well, but was degraded or unusable before: no route comes back to it until then."""

    @property
    def sentence(self) -> str:
        """`x is down: 9 of 14 probes failed`: the reason as a sentence that can stand alone: it names its target."""
        if self.target in self.reason:
            return self.reason
        named = f"{self.target} is {self.health}"
        return f"{named}: {self.reason}" if self.reason else named


@dataclass(frozen=True, slots=True, kw_only=True)
class WeighedProbe:
    """One probe of the trail that led to a verdict, and the evidence after it."""

    at: datetime
    """When the probe ended."""
    target: str
    outcome: Outcome
    evidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A change of a target's health, stored before anything follows from it."""

    target: str
    at: datetime
    before: Health
    after: Health
    reason: str
    evidence: float = 0.0
    threshold: float = 0.0
    trail: tuple[WeighedProbe, ...] = ()
    """The probes that the verdict rests on, oldest first; where the whole provider failed, those of all its targets."""
