"""Keeps the open and the lately resolved incidents between cycles, and collects what else the tracker must know."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from controller.incidents import tracker
from controller.incidents.cycle_facts import CycleFacts
from controller.incidents.incident import Incident
from controller.incidents.vendor_lead import LOOK_BACK, unreported_providers
from controller.journal import Journal
from monitor.health import UNHEALTHY, TargetHealth
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

    def changes(self, facts: CycleFacts) -> list[Incident]:
        """The incidents that are new or changed, to be stored; `facts` need not say what the database knows.

        A resolved one has its figures.
        """
        changed = tracker.update_incidents(
            replace(
                facts,
                open_incidents=self._open,
                resolved=self._resolved,
                vendors=self._vendor_reports(facts.health, facts.now),
                onsets=self._journal.onsets(self._newly_bad(facts.health)),
            )
        )
        return [
            self._journal.with_facts(incident, facts.now) if incident.resolved_at else incident for incident in changed
        ]

    def remember(self, changed: Sequence[Incident], now: datetime) -> None:
        """Go on from these, as they were stored."""
        known = {incident.id: incident for incident in (*self._resolved, *self._open, *changed)}
        self._open = [incident for incident in known.values() if incident.resolved_at is None]
        self._resolved = [
            incident for incident in known.values() if incident.resolved_at and now - incident.resolved_at < _REMEMBERED
        ]

    def _newly_bad(self, health: Mapping[str, TargetHealth]) -> list[TargetHealth]:
        """The bad targets that no open incident has as bad: they open one, or join it."""
        known = {
            affected.target for incident in self._open for affected in incident.affected if affected.health in UNHEALTHY
        }
        return [state for state in health.values() if state.health in UNHEALTHY and state.target not in known]

    def _vendor_reports(
        self, health: Mapping[str, TargetHealth], now: datetime
    ) -> dict[str, Sequence[VendorStateChange]]:
        """What the vendors said around the incidents that are open or about to be, where none says so yet."""
        between = self._store.vendors.between
        noticed = unreported_providers(self._open, health.values())
        return {name: between(name, after=at - LOOK_BACK, before=now) for name, at in noticed.items()}
