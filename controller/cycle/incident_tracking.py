"""Keeps the open and the lately resolved incidents between cycles, and collects what else the tracker must know.

A cycle reviews the incidents that what has changed since the last one concerns, so that it costs the same however many
are open. After a cycle that failed, and at a start, it reviews all.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from controller.incidents import tracker
from controller.incidents.cycle_facts import CycleFacts
from controller.incidents.incident import NETWORK, Incident
from controller.incidents.settings_index import SettingsIndex
from controller.incidents.vendor_claim import LOOK_BACK, unreported_providers
from controller.journal import Journal
from controller.routing.decision import Decision
from monitor.config.settings import Settings
from monitor.health import UNHEALTHY, Health, TargetHealth
from monitor.status_pages.reading import VendorStateChange
from monitor.storage.store import Store

#: Longer than an incident may be opened again, so that a service that was off for a while still knows it.
_REMEMBERED = 2 * tracker.REOPENS_WITHIN


#: So many cycles that changed something are kept for a database that cannot be written; of older ones the decisions.
_MOST_DEFERRED = 200


class IncidentMemory:
    """The incidents that may still change. Not thread-safe; raises DatabaseError when the database cannot be read."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal
        self._open: list[Incident] = []
        self._resolved: list[Incident] = []
        self._deferred: deque[CycleFacts] = deque()
        self._deferred_health: dict[str, tuple[Health, datetime]] = {}
        self._reviewed: tuple[object, ...] | None = None
        """What concerns all incidents, as it was in the last cycle; None: all are to be reviewed."""
        self._index: SettingsIndex | None = None
        self._settings: Settings | None = None

    def resume(self, now: datetime) -> None:
        """Load them."""
        self._reviewed = None
        self._open = self._journal.open_incidents()
        self._resolved = self._journal.resolved_since(now - _REMEMBERED)

    @property
    def open(self) -> Sequence[Incident]:
        """Those that are not resolved."""
        return self._open

    @property
    def deferred(self) -> list[Decision]:
        """The decisions that wait for the database, in order."""
        return [decision for facts in self._deferred for decision in facts.decisions]

    @property
    def is_behind(self) -> bool:
        """Whether cycles wait for the database."""
        return bool(self._deferred)

    def defer(self, facts: CycleFacts) -> None:
        """Keep the facts of a cycle in which something changed, until the database can be written."""
        self._reviewed = None
        health = {name: (state.health, state.since) for name, state in facts.health.items()}
        if not facts.decisions and health == self._deferred_health:
            return
        self._deferred_health = health
        # The detector goes on changing the mapping that it gives.
        self._deferred.append(replace(facts, health=dict(facts.health), changed=None))
        if len(self._deferred) > _MOST_DEFERRED:
            second = self._deferred[1]
            self._deferred[1] = replace(second, decisions=(*self._deferred[0].decisions, *second.decisions))
            self._deferred.popleft()

    def take_over(self) -> int:
        """Commit what was deferred, cycle by cycle; says how many decisions that were. Raises DatabaseError."""
        known = {(decision.route, decision.generation) for decision in self._journal.decisions()}
        taken = 0
        while self._deferred:
            facts = self._deferred[0]
            new = [decision for decision in facts.decisions if (decision.route, decision.generation) not in known]
            self.commit(replace(facts, decisions=new))
            taken += len(new)
            self._deferred.popleft()
        self._deferred_health, self._reviewed = {}, None
        return taken

    def write_into_new(self) -> None:
        """Go on in a database that was put in place of the former: store the open incidents, know those that it has."""
        self._reviewed = None
        mine = {incident.id for incident in (*self._open, *self._resolved)}
        stored = self._journal.open_incidents()
        closed = [incident for incident in self._resolved if incident.id in {each.id for each in stored}]
        self._open = self._journal.commit((), self._open)
        self._journal.commit((), closed)
        self._open += [incident for incident in stored if incident.id not in mine]

    def commit(self, facts: CycleFacts) -> None:
        """Store the decisions of the cycle and what the facts change in incidents; a resolved one with its figures.

        `facts` need not say what the database knows.
        """
        common, reported = _common(facts), self._store.take_vendor_reported()
        known, self._reviewed = self._reviewed, None
        facts = replace(facts, known_index=self._index_of(facts.settings))
        if facts.changed is not None and not facts.decisions and known == common:
            facts = replace(facts, providers=facts.index.concerned(facts.changed) | reported)
        if facts.providers is None or facts.providers or facts.loss or self._is_blind:
            self._review(facts)
        self._reviewed = common
        if any(self._is_forgotten(incident, facts.now) for incident in self._resolved):
            self._resolved = [each for each in self._resolved if not self._is_forgotten(each, facts.now)]

    @staticmethod
    def _is_forgotten(incident: Incident, now: datetime) -> bool:
        return incident.resolved_at is not None and incident.resolved_at <= now - _REMEMBERED

    def _index_of(self, settings: Settings) -> SettingsIndex:
        if self._index is None or self._settings is not settings:
            self._index, self._settings = SettingsIndex.of(settings), settings
        return self._index

    @property
    def _is_blind(self) -> bool:
        """Whether our own network has an open incident."""
        return any(incident.provider == NETWORK for incident in self._open)

    def _review(self, facts: CycleFacts) -> None:
        changed = tracker.update_incidents(
            replace(
                facts,
                open_incidents=self._open,
                resolved=self._resolved,
                vendors=self._vendor_reports(facts),
                onsets=self._journal.onsets(self._newly_unhealthy(facts)),
            )
        )
        changed = [self._with_figures(incident, facts.now) for incident in changed]
        if facts.decisions or changed:
            changed = self._journal.commit(facts.decisions, changed)
        known = {incident.id: incident for incident in (*self._resolved, *self._open, *changed)}.values()
        self._open = [incident for incident in known if incident.resolved_at is None]
        self._resolved = [incident for incident in known if incident.resolved_at]

    def _with_figures(self, incident: Incident, now: datetime) -> Incident:
        """All figures of a resolved incident; of an open one how its probes ended lately, for its headline."""
        read = self._journal.with_facts if incident.resolved_at else self._journal.with_numbers_lately
        return read(incident, now)

    def _newly_unhealthy(self, facts: CycleFacts) -> list[TargetHealth]:
        """The unhealthy targets that no open incident has as such: they open one, or join it; and their providers'
        other targets that are suspected, because the provider's first failed probe may be one of theirs.
        """
        affected = (target for incident in self._open for target in incident.affected)
        known = {target.target for target in affected if target.health in UNHEALTHY}
        new = [state for state in facts.reviewed if state.health in UNHEALTHY and state.target not in known]
        providers = {facts.provider_of[state.target] for state in new}
        siblings = (state for provider in sorted(providers) for state in facts.of_provider(provider))
        return [*new, *(state for state in siblings if state.health is Health.SUSPECT)]

    def _vendor_reports(self, facts: CycleFacts) -> dict[str, Sequence[VendorStateChange]]:
        """What the vendors said around the incidents that are open or about to be, where none says so yet."""
        between = self._store.vendor_reports
        noticed = unreported_providers(filter(facts.concerns, self._open), facts.reviewed)
        return {name: between(name, after=at - LOOK_BACK, before=facts.now) for name, at in noticed.items()}


def _common(facts: CycleFacts) -> tuple[object, ...]:
    """What any incident may depend on besides health and vendors; also the day, which words for a time go by."""
    return (
        id(facts.settings),
        facts.now.date(),
        dict(facts.routes),
        dict(facts.stuck),
        dict(facts.unpublished),
        dict(facts.waiting),
        dict(facts.warnings),
        dict(facts.would),
        facts.overrides,
    )
