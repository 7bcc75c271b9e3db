"""Which states of targets are stored now, and which wait because nothing but times has changed in them (pure).

A restarted service reads the observations since the stored state again, so that those waiting are not lost with it.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from monitor.detection.detector import Detector
from monitor.detection.target_state import TargetState

#: So long a state waits: a start after a crash reads the observations of this time again.
LONGEST_WAIT: Final = timedelta(minutes=10)
#: So many states that waited long enough are stored in one cycle.
_AT_ONCE: Final = 500
_TIMES: Final = frozenset({"latency", "clean_pending", "last_started_at", "last_seen_at", "last_ok_at", "regular_at"})


class DeferredStates:
    """The targets whose present state is not stored, by provider."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[str]] = defaultdict(set)
        self._since: datetime | None = None
        """When the first of them began to wait."""
        self._round: list[str] = []
        """Those that have waited long enough, in the order in which the database keeps them, the last first."""

    def take_due(self, detector: Detector, now: datetime) -> list[str]:
        """The targets whose states are to be stored with what has changed since the detector's records were marked.

        Where anything unusual happens at a provider, those that wait come with it: evidence against the provider counts
        answers that came before it for nothing, and read again they would count.
        """
        former, due = detector.records.former, set[str]()
        unusual = set(map(_without_region, former.providers))
        for target, before in former.targets.items():
            provider = provider_of(target)
            if detector.judges_alone(target) and is_quiet(before, detector.state_of(target)):
                self.put_off([target], now)
            else:
                unusual.add(provider)
                due.add(target)
        due |= {target for provider in unusual for target in self._waiting.pop(provider, ())}
        if self._since and abs(now - self._since) >= LONGEST_WAIT:
            self._round, self._since = sorted(self.take_all(), reverse=True), None
        due.update(target for target in self._round[-_AT_ONCE:] if detector.knows(target))
        del self._round[-_AT_ONCE:]
        return sorted(due)

    def put_off(self, targets: Iterable[str], now: datetime) -> None:
        """These wait, or wait again: they could not be stored."""
        for target in targets:
            self._waiting[provider_of(target)].add(target)
            self._since = self._since or now

    def take_all(self) -> set[str]:
        """All that wait."""
        every = set(self._round).union(*self._waiting.values())
        self._waiting.clear()
        self._round, self._since = [], None
        return every


def is_quiet(before: TargetState, after: TargetState) -> bool:
    """Whether only good answers were added, to a target that is up and has no evidence against it."""
    if not (after.no_evidence and after.clean_pending > before.clean_pending):
        return False
    if after.last_started_at is None or before.last_started_at is None:
        return False
    names = before.__dict__.keys() | after.__dict__.keys()
    same = all(getattr(after, name) is getattr(before, name) for name in names if name not in _TIMES)
    return same and after.last_started_at >= before.last_started_at


def provider_of(target: str) -> str:
    """The name of its provider."""
    return target.partition("/")[0]


def _without_region(pool: str) -> str:
    """The provider of a pool, of which there is one for each region and one across them."""
    return pool.partition("@")[0]
