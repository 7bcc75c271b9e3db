"""The evidence behind the verdicts of incidents: which probes each one rests on, as the page draws them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice

from sqlalchemy import Connection, RowMapping, func, select

from controller.incidents.incident import Incident
from monitor import formatting as words
from monitor.health import Health, WeighedProbe
from monitor.storage.columns import from_ms, storable, to_ms
from monitor.storage.store import read_trail
from monitor.storage.tables import TRANSITIONS
from probes.outcome import Effect

#: Of one incident; the timeline tells the rest.
MOST = 3
#: What speaks for each verdict that rests on evidence. `misconfigured` needs no more than two plain answers.
_AGAINST: Mapping[Health, frozenset[Effect]] = {
    Health.DOWN: frozenset({Effect.DOWN}),
    Health.DEGRADED: frozenset({Effect.DEGRADED, Effect.THROTTLED}),
    Health.UNUSABLE: frozenset({Effect.DEGRADED, Effect.THROTTLED}),
}
#: The store rounds the evidence of single probes to three digits.
_ROUNDING = 0.001
_SAID = TRANSITIONS.c
_COLUMNS = (_SAID.target, _SAID.at_ms, _SAID.before, _SAID.after, _SAID.evidence, _SAID.threshold, _SAID.trail)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceTrail:
    """How the evidence grew into one verdict."""

    targets: tuple[str, ...]
    """Whom the verdict is about: one target, or all those of a provider that fails; in order of their names."""
    at: datetime
    health: Health
    """The verdict: `down`, `degraded` or `unusable`."""
    evidence: float
    threshold: float
    probes: tuple[WeighedProbe, ...]
    """Never empty; the oldest first, those of all the provider's targets where it is the provider that fails."""

    def against(self, weighed: WeighedProbe) -> bool:
        """Whether this probe spoke for the verdict."""
        return weighed.outcome.effect in _AGAINST[self.health]

    @property
    def span_s(self) -> float:
        """Seconds from the first probe of the trail to the verdict."""
        return max(0.0, (self.at - min(weighed.at for weighed in self.probes)).total_seconds())

    @property
    def sentence(self) -> str:
        """`14 probes over 41 s, 9 of them failed (server_error); evidence 10.4, verdict at 9.8`."""
        against = Counter(weighed.outcome for weighed in self.probes if self.against(weighed))
        how = "failed" if self.health is Health.DOWN else "poor"
        probes = f"{words.plural(len(self.probes), 'probe')} over {words.span(self.span_s)}"
        weighed = words.weighed(self.evidence, self.threshold)
        return f"{probes}, {against.total()} of them {how} ({words.mix(against)}); {weighed}"


def read_trails(connection: Connection, incidents: Iterable[Incident]) -> dict[int, tuple[EvidenceTrail, ...]]:
    """The newest trails of each incident by its id, at most `MOST` each, the newest first; none where none was kept.

    An incident knows to the millisecond when its targets changed, so that it costs a seek of the index for each change.
    """
    found = ((incident.id, _newest(connection, incident)) for incident in incidents)
    return {number: trails for number, trails in found if trails}


def _newest(connection: Connection, incident: Incident) -> tuple[EvidenceTrail, ...]:
    instants = {to_ms(one.at) for one in incident.timeline} | {to_ms(one.since) for one in incident.affected}
    provider = storable(f"{incident.provider}/")
    wanted = (
        select(*_COLUMNS)
        .where(_SAID.at_ms.in_(sorted(instants)), _SAID.after.in_(list(_AGAINST)), _SAID.trail.is_not(None))
        .where(func.substr(_SAID.target, 1, len(provider)) == provider)
        .order_by(_SAID.at_ms.desc(), _SAID.after, _SAID.trail, _SAID.target)
    )
    with connection.execute(wanted).mappings() as rows:
        # The targets of a provider that fails share one verdict, and its trail.
        verdicts = groupby(rows, key=lambda row: (row["at_ms"], row["after"], row["trail"]))
        return tuple(islice(filter(None, (_trail(list(alike)) for _, alike in verdicts)), MOST))


def _trail(alike: Sequence[RowMapping]) -> EvidenceTrail | None:
    """What these transitions, which have all but the target in common, rest on; None when the trail is not theirs."""
    row = alike[0]
    trail = EvidenceTrail(
        targets=tuple(row["target"] for row in alike),
        at=from_ms(row["at_ms"]),
        health=Health(row["after"]),
        evidence=row["evidence"],
        threshold=row["threshold"],
        probes=read_trail(row["trail"]),
    )
    return trail if _its_own(trail, Health(row["before"])) else None


def _its_own(trail: EvidenceTrail, before: Health) -> bool:
    """Whether the verdict came from this evidence: a relapse and a change of what is wrong keep what was there before.

    Answers that came late have evidence of another sort, without a trail.
    """
    if not trail.probes or trail.probes[-1].evidence < trail.threshold - _ROUNDING:
        return False
    if trail.health is not Health.DOWN:
        return not any(weighed.outcome.effect is Effect.DOWN for weighed in trail.probes)
    relapse = before is Health.RECOVERING and {weighed.target for weighed in trail.probes} == {*trail.targets}
    return not relapse and any(trail.against(weighed) for weighed in trail.probes)
