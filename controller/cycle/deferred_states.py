"""Which states of targets are stored now, and which wait because nothing but times has changed in them (pure).

A restarted service reads the observations since the stored state again, so that those waiting are not lost with it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final

from monitor.detection.detector import Detector
from monitor.detection.quiet_progress import is_quiet

#: So long a state waits: a start after a crash reads the observations of this time again.
LONGEST_WAIT: Final = timedelta(minutes=1)
#: So many states that waited long enough are stored in one cycle.
_AT_ONCE: Final = 500


class DeferredStates:
    """The targets whose present state is not stored, by provider."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[str]] = defaultdict(set)
        self._since: datetime | None = None
        """When the first of them began to wait."""
        self._round: list[str] = []
        """Those that have waited long enough, in the order in which the database keeps them, the last first."""
        self._whole = set[str]()
        """Those whose state this process has stored whole: of the others more may have changed than is seen here."""

    def take_due(self, detector: Detector, now: datetime) -> tuple[list[str], list[str]]:
        """The targets to be stored with what has changed since the detector's records were marked.

        Those whose whole state is, and those of which progress is enough. Where anything unusual happens at a provider,
        those that wait come with it: evidence against the provider counts answers that came before it for nothing, and
        read again they would count.
        """
        former, due = detector.records.former, set[str]()
        unusual = set(map(_without_region, former.providers))
        for target, before in former.targets.items():
            provider = provider_of(target)
            if detector.judges_alone(target) and is_quiet(before, detector.state_of(target)):
                self._wait([target], now)
            else:
                unusual.add(provider)
                due.add(target)
        due |= {target for provider in unusual for target in self._waiting.pop(provider, ())}
        due.update(target for target in (self._round if unusual else ()) if provider_of(target) in unusual)
        if self._since and abs(now - self._since) >= LONGEST_WAIT:
            self._round, self._since = sorted(self._take_waiting(), reverse=True), None
        waited = set(self._round[-_AT_ONCE:]) - due
        del self._round[-_AT_ONCE:]
        whole, progress = due | (waited - self._whole), waited & self._whole
        return self._taken(set(filter(detector.knows, whole)), set(filter(detector.knows, progress)))

    def take_all(self) -> tuple[list[str], list[str]]:
        """All that wait, in the same two parts."""
        waiting = self._take_waiting()
        return self._taken(waiting - self._whole, waiting & self._whole)

    def forget_whole(self) -> None:
        """What is known of targets has changed in a way that is not seen here: each is stored whole once more."""
        self._whole.clear()

    def put_back(self, whole: Collection[str], progress: Collection[str], now: datetime) -> None:
        """These wait again: they could not be stored."""
        self._whole.difference_update(whole)
        self._wait([*whole, *progress], now)

    def _wait(self, targets: Iterable[str], now: datetime) -> None:
        for target in targets:
            self._waiting[provider_of(target)].add(target)
            self._since = self._since or now

    def _taken(self, whole: set[str], progress: set[str]) -> tuple[list[str], list[str]]:
        self._whole |= whole
        return sorted(whole), sorted(progress)

    def _take_waiting(self) -> set[str]:
        every = set(self._round).union(*self._waiting.values())
        self._waiting.clear()
        self._round, self._since = [], None
        return every


def provider_of(target: str) -> str:
    """The name of its provider."""
    return target.partition("/")[0]


def _without_region(pool: str) -> str:
    """The provider of a pool, of which there is one for each region and one across them."""
    return pool.partition("@")[0]
