"""What is taken of the datagrams that come in: each once, within bounds, and what is refused is counted (pure)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from monitor.traffic.datagram import DatagramError, decode
from monitor.traffic.request_counts import RequestCounts
from probes.target import Target

#: Everybody on this machine is one host, whatever name is given: without more, nobody is a second source.
THIS_MACHINE: Final = "this machine"
_MOST_SENDERS: Final = 4_096
_MOST_TAGS: Final = 100
_OTHER: Final = "other"
REPLAYED: Final = "sent before"
UNKNOWN: Final = "of targets that are not configured"


def reported_names(targets: Iterable[Target], region: str) -> dict[str, str]:
    """What applications of this region call its targets, with the ids of these; ids are taken as well."""
    found = {target.id: target.id for target in targets}
    return found | {target.plain_name: target.id for target in targets if target.monitored_from == region}


class Intake:
    """The datagrams of one socket. Not thread-safe."""

    def __init__(self, targets: Mapping[str, str], *, key: bytes | None, region: str = "") -> None:
        """`targets`: the ids of targets by the names by which they are reported; `region`: that of the applications."""
        self._targets = targets
        self._end = f"@{region}" if region else ""
        self._key = key
        self._numbers: dict[str, int] = {}
        """The last number of each sender, those that were heard last at the end."""
        self._tags: set[str] = set()
        self.refused = Counter[str]()
        """How many datagrams, or rows of unknown targets, were not used, by what is wrong with them."""
        self._reported: set[str] = set()

    def watch(self, targets: Mapping[str, str]) -> None:
        """Take counts of these targets from now on."""
        self._targets = targets

    def take(self, data: bytes, source: str, now: datetime) -> tuple[RequestCounts, ...]:
        """The counts in a datagram that came `now` from this host; none where it is refused."""
        try:
            report = decode(data, key=self._key, now=now, source=source, targets=self._targets)
        except DatagramError as error:
            self.refused[str(error)] += 1
            return ()
        sender = f"{source} {report.sender}"
        last = self._numbers.pop(sender, -1)
        self._numbers[sender] = max(last, report.number)
        if len(self._numbers) > _MOST_SENDERS:
            del self._numbers[next(iter(self._numbers))]
        if report.number <= last:
            self.refused[REPLAYED] += 1
            return ()
        if report.unknown:
            self.refused[UNKNOWN] += report.unknown
        return tuple(self._tagged(counts) for counts in report.counts)

    def _tagged(self, counts: RequestCounts) -> RequestCounts:
        if self._end and counts.route and not counts.route.endswith(self._end):
            counts = replace(counts, route=f"{counts.route}{self._end}")
        tag = counts.tag
        if not tag or tag in self._tags:
            return counts
        if len(self._tags) < _MOST_TAGS:
            self._tags.add(tag)
            return counts
        return replace(counts, tag=_OTHER)

    def take_news(self) -> list[str]:
        """What was refused for the first time since the last call, each a sentence; none is reported twice."""
        new = [what for what in self.refused if what not in self._reported]
        self._reported.update(new)
        return [f"reports {what} are not used ({self.refused[what]:,} so far); this is reported once" for what in new]
