"""Keeps the open and the lately resolved incidents between cycles, and collects what else the tracker must know."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from controller.incidents import tracker
from controller.incidents.cycle_facts import CycleFacts
from controller.incidents.incident import Incident
from controller.incidents.vendor_claim import LOOK_BACK, unreported_providers
from controller.journal import Journal
from monitor.health import UNHEALTHY, Health, TargetHealth
from monitor.status_pages.reading import VendorStateChange
from monitor.storage.store import Store

#: Longer than an incident may be opened again, so that a service that was off for a while still knows it.
_REMEMBERED = 2 * tracker.REOPENS_WITHIN


class IncidentMemory:
    """The incidents that may still change. Not thread-safe; raises DatabaseError when the database cannot be read."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal
        self._open: list[Incident] = []
        self._resolved: list[Incident] = []

    def resume(self, now: datetime) -> None:
        """Load them."""
        self._open = self._journal.open_incidents()
        self._resolved = self._journal.resolved_since(now - _REMEMBERED)

    def commit(self, facts: CycleFacts) -> None:
        """Store the decisions of the cycle and what the facts change in incidents; a resolved one with its figures.

        `facts` need not say what the database knows.
        """
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
        remembered_after = facts.now - _REMEMBERED
        self._resolved = [
            incident for incident in known if incident.resolved_at and incident.resolved_at > remembered_after
        ]

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
        states = facts.health.values()
        new = [state for state in states if state.health in UNHEALTHY and state.target not in known]
        providers = {facts.provider_of.get(state.target) for state in new}
        suspects = (state for state in states if new and state.health is Health.SUSPECT)
        return [*new, *(state for state in suspects if facts.provider_of.get(state.target) in providers)]

    def _vendor_reports(self, facts: CycleFacts) -> dict[str, Sequence[VendorStateChange]]:
        """What the vendors said around the incidents that are open or about to be, where none says so yet."""
        between = self._store.vendor_reports
        noticed = unreported_providers(self._open, facts.health.values())
        return {name: between(name, after=at - LOOK_BACK, before=facts.now) for name, at in noticed.items()}
