"""The health states of a target, the sets of them that others ask about, and the values of the detector (pure)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from monitor.formatting import clock
from probes.limit_headers import LONGEST_LIMIT_S
from probes.observation import hot_dataclass
from probes.outcome import Effect, Outcome


class HealthLevel(StrEnum):
    """How good a state is for users; page, terminal and demo choose their colours by it."""

    GOOD = "good"
    WATCH = "watch"
    BAD = "bad"
    INFO = "info"
    OURS = "ours"
    """A fault of our own configuration."""
    NONE = "none"
    """The state says nothing about the target."""


class Health(StrEnum):
    """The health of a target."""

    symbol: str
    """One character that stands for it on the page."""
    level: HealthLevel

    def __new__(cls, name: str, symbol: str = "?", level: HealthLevel = HealthLevel.NONE) -> "Health":
        """A member, whose value is its name; by that alone, `Health(name)` finds it."""
        member = str.__new__(cls, name)
        member._value_, member.symbol, member.level = name, symbol, level
        return member

    UNKNOWN = "unknown", "?", HealthLevel.NONE
    """No recent conclusive observation, or our own network is down."""
    UP = "up", "✓", HealthLevel.GOOD
    SUSPECT = "suspect", "!", HealthLevel.WATCH
    """Evidence above zero, not yet a verdict."""
    DEGRADED = "degraded", "▼", HealthLevel.WATCH
    """Slow, wrong or throttled beyond its own background."""
    UNUSABLE = "unusable", "✕", HealthLevel.BAD
    """Too large a share of its answers slow, wrong or throttled, or every probe refused as a bad request."""
    DOWN = "down", "✕", HealthLevel.BAD
    RECOVERING = "recovering", "↗", HealthLevel.INFO
    """Was down and answers again; it counts as up only after its hold."""
    MISCONFIGURED = "misconfigured", "▲", HealthLevel.OURS
    """Our key, account or model name is at fault: routes avoid it, and it is never counted as an outage."""


#: Every state, from the worst for users to those that say nothing: the order in which several targets are summed up.
WORST_FIRST = (
    *(Health.DOWN, Health.UNUSABLE, Health.MISCONFIGURED, Health.DEGRADED, Health.RECOVERING),
    *(Health.SUSPECT, Health.UP, Health.UNKNOWN),
)
#: Opens an incident and keeps it open.
UNHEALTHY = frozenset({Health.DEGRADED, Health.UNUSABLE, Health.DOWN, Health.RECOVERING, Health.MISCONFIGURED})
#: A route may move to it; the best for users first.
ELIGIBLE = (Health.UP, Health.SUSPECT, Health.DEGRADED)
#: Serves its users; at most suspected.
HEALTHY = frozenset({Health.UP, Health.SUSPECT})
#: No verdict stands against it. Only the probes of such a target count for or against its provider, and its evidence
#: is cleared when it cannot be observed.
NO_VERDICT = frozenset({Health.UNKNOWN, *HEALTHY})
#: Answers, but slowly, wrongly or throttled.
IMPAIRED = frozenset({Health.DEGRADED, Health.UNUSABLE})
#: Serves nobody: a pin to it needs `--force` and is warned about as long as it lasts.
FAILING = frozenset({Health.DOWN, Health.UNUSABLE, Health.MISCONFIGURED})
#: Probed at its interval only; a sequential test decides when it is back.
OUT_OF_SERVICE = frozenset({Health.DOWN, Health.MISCONFIGURED})


#: How many of its last probes are remembered of a target.
RECENT_PROBES = 20


@hot_dataclass
class RecentProbe:
    """One of the last probes of a target: when it ended, and what it was evidence for."""

    at: datetime
    effect: Effect


@hot_dataclass
class LowLimit:
    """A limit that the target's provider says is nearly used up."""

    left: str
    """`2 of 60 requests`."""
    until: datetime

    def text(self, now: datetime) -> str | None:
        """`2 of 60 requests left until 14:03:10 UTC`; None once that is past."""
        # A clock that was set back must not make it last.
        remaining_s = (self.until - now).total_seconds()
        if not 0 < remaining_s <= LONGEST_LIMIT_S:
            return None
        return f"{self.left} left until {clock(self.until, now)}"


def low_limit(at: datetime, left: str | None, resets_s: float | None) -> LowLimit | None:
    """As an answer stated it that ended `at`; None where it stated none."""
    return LowLimit(left=left, until=at + timedelta(seconds=resets_s)) if left and resets_s else None


@hot_dataclass
class TargetHealth:
    """The health of one target at one instant, as the policy and the page read it."""

    target: str
    health: Health
    since: datetime
    """When it entered this health."""
    reason: str
    """One sentence with numbers; the same in the log, the database, Slack and the page."""
    evidence: float = 0.0
    """The present evidence (log likelihood ratio); a verdict is made at `threshold`."""
    threshold: float = 0.0
    last_ok_at: datetime | None = None
    """When its last `ok` came in; a standby is eligible only with a recent one."""
    held_until: datetime | None = None
    """It is healthy, but was degraded or unusable before: no route returns to it until then."""
    proven: bool = True
    """It has once passed the test of recovery, so that its good answers are no luck; not stored with the health."""
    low_limit: LowLimit | None = None
    """As its last probe has it; not stored with the health."""
    failing_context: str | None = None
    """That it fails the check `context` again and again, as a clause; not stored with the health."""
    recent: tuple[RecentProbe, ...] = ()
    """Its last probes, oldest first, as they were when it last had evidence against it; not stored with the health."""

    @property
    def sentence(self) -> str:
        """The reason as a sentence that names its target: `x is down: 9 of 14 probes failed`."""
        if self.target in self.reason:
            return self.reason
        named = f"{self.target} is {self.health}"
        return f"{named}: {self.reason}" if self.reason else named


#: Why the health of a target is not known before its first probe.
NOT_OBSERVED = "no observations yet"


def not_observed(target: str, now: datetime) -> TargetHealth:
    """The health of a target of which nothing is known."""
    return TargetHealth(target=target, health=Health.UNKNOWN, since=now, reason=NOT_OBSERVED)


@hot_dataclass
class WeighedProbe:
    """One probe that a verdict rests on, and the evidence after it."""

    at: datetime
    """When the probe ended."""
    target: str
    outcome: Outcome
    evidence: float
    late: bool = False
    """A correct answer that took longer than is usual for its target."""

    @property
    def is_bad(self) -> bool:
        """Whether it failed, or answered badly or late."""
        return self.late or self.outcome is not Outcome.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A change of a target's health; it is stored before any decision follows from it."""

    target: str
    at: datetime
    before: Health
    after: Health
    reason: str
    evidence: float = 0.0
    threshold: float = 0.0
    trail: tuple[WeighedProbe, ...] = ()
    """The probes that the verdict rests on, oldest first; of a verdict on a provider, those of all its targets."""
