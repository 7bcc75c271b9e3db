"""When each target is asked next: spread evenly in quiet times, quickly while there is something to find out."""

from collections.abc import Sequence
from datetime import datetime

from monitor.health import Health
from monitor.record import LONGEST_REST_S, Record
from monitor.rule import BURST, RECOVERING_SHARE, Rule
from probes.target import Target


def phases(targets: Sequence[Target]) -> dict[str, float]:
    """Seconds after the start at which each target's first probe is due, by target id.

    The targets of a provider are spread evenly over their interval; the providers are shifted against each other,
    so that no two probes of the whole are due together.
    """
    providers = list(dict.fromkeys(target.provider.name for target in targets))
    due: dict[str, float] = {}
    for place, name in enumerate(providers):
        siblings = [target for target in targets if target.provider.name == name]
        for number, target in enumerate(siblings):
            due[target.id] = (number + place / len(providers)) / len(siblings) * target.interval_s
    return due


def quick_s(record: Record, rule: Rule) -> float | None:
    """Seconds until an extra probe, counted from the last one's end; None when the regular schedule is enough.

    - While evidence is above zero, or a fault of ours is to be confirmed: a quarter of the interval, at most 12 times.
    - While recovering: a third of the interval.
    - While the provider asks us to rest, and while down or misconfigured: none.
    """
    if record.health in {Health.DOWN, Health.MISCONFIGURED} or record.resting_until:
        return None
    if record.health is Health.RECOVERING:
        return rule.interval_s * RECOVERING_SHARE
    if record.suspicion or 0 < record.down.probes <= BURST or 0 < record.quality.probes <= BURST:
        return rule.quick_s
    return None


def resting(record: Record, now: datetime) -> bool:
    """Whether the provider has asked (Retry-After) not to be probed yet."""
    if record.resting_until is None:
        return False
    # A clock that was set back must not turn a short rest into a long one.
    return 0 < (record.resting_until - now).total_seconds() <= LONGEST_REST_S
