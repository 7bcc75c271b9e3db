"""One control cycle: observations in; health, decisions and incidents stored; the routing file published.

The order is what makes it safe to kill between any two steps: store the observations, then the transitions, then read
the overrides, then store the decisions and incidents (one transaction, with the generation), then publish; Slack is
told from what the journal holds as not delivered. Each step compares the actual state with the wanted one, so that an
interrupted cycle is just another starting state. When a step raises, the caller hands the same observations in again;
none is counted twice.

A database that cannot be written stops no route: on a `BufferedStore` all of this goes on in memory. A decision is then
appended to a file beside the routing file before it is published, and journalled once the database is back. Where
others may lead meanwhile (`freezes`), nothing is decided then: the table stays, and only observations go on.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from controller.cycle.detection import StoredDetector
from controller.cycle.incident_tracking import IncidentMemory
from controller.cycle.routing_publisher import RoutingPublisher
from controller.cycle.waiting_routes import WaitingRoutes, stuck_until
from controller.incidents.cycle_facts import CycleFacts
from controller.incidents.impact import open_incidents_of
from controller.journal import Journal
from controller.routing import policy
from controller.routing.active_overrides import ActiveOverrides
from controller.routing.decision import Decision, format_destination
from controller.routing.drill import DrillConditions
from controller.routing.overrides import NO_OVERRIDES, Overrides
from controller.routing.published_state import PublishedState, newer_routes, read_published
from controller.routing.refuge import begin_to_fail, refuge_probes
from controller.routing.route_case import RouteVerdict
from controller.routing.routing_file import RoutingFile
from controller.routing.unjournalled_file import UnjournalledFile
from monitor.config.settings import Settings
from monitor.connectivity.messages import NetworkLoss
from monitor.detection.pacing import BurstProbe
from monitor.detection.verdict_text import plain_reason
from monitor.storage.buffered_store import BufferedStore
from monitor.storage.database import DatabaseError
from monitor.storage.held_file import HeldFile
from monitor.storage.store import Store
from probes.observation import Observation

log = logging.getLogger(__name__)


class Cycle:
    """The controller's state and its one procedure. Not thread-safe: one thread owns it."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        journal: Journal,
        file: RoutingFile,
        held: HeldFile | None = None,
    ) -> None:
        """`held`: as of `StoredDetector`."""
        self._settings = settings
        self._store = store
        self._buffered = store if isinstance(store, BufferedStore) else None
        self._journal = journal
        self._file = file
        self._unread = False
        """The database could not be read at the start."""
        self.detection = StoredDetector(settings, store, held)
        self._active_overrides = ActiveOverrides(settings, journal.overrides)
        self._incidents = IncidentMemory(store, journal)
        self.publisher = RoutingPublisher(settings, file, store, self.detection.answer_times)
        self._overrides = NO_OVERRIDES
        self.on_decision: Callable[[Decision], None] = lambda _: None
        """Is told each decision, once it is stored."""
        self.revision = 0
        """Grows with each cycle that changed a health, a route or an override."""
        self._routes: dict[str, Decision] = {}
        self._waiting_routes = WaitingRoutes(store)
        self._unjournalled = UnjournalledFile(settings.routing_file, file.ballast)

    def start(self, now: datetime) -> None:
        """Go on where the last service stopped, with everything it had stored and published; raises DatabaseError.

        Where the database of a `BufferedStore` cannot be read, the routing file and the decisions beside it are all;
        not where others may have led meanwhile.
        """
        published = read_published(self._file.read_table(), self._settings, now)
        try:
            self._read_stored(published, now)
        except DatabaseError as error:
            if not self._is_unusable() or self._is_frozen():
                raise
            log.error("started_without_database: %s; going on from %s", error, self._settings.routing_file)
            self._unread = True
            self.detection.begin(published, now)
            self._go_on_from(published, {}, 0, now)

    def _read_stored(self, published: PublishedState, now: datetime) -> None:
        self.detection.resume(now, published)
        self._incidents.resume(now)
        beat = self._store.last_beat()
        self._active_overrides.resume(now - beat.beat_at if beat else timedelta(0), now)
        # What a dry run decided was never published, and is nothing to go on from for real; nor the other way round.
        dry_run = self._settings.controller.dry_run
        journalled = {name: state for name, state in self._journal.routes().items() if state.dry_run == dry_run}
        self._go_on_from(published, journalled, self._journal.generation(), now)

    def _go_on_from(
        self, published: PublishedState, journalled: Mapping[str, Decision], generation: int, now: datetime
    ) -> None:
        """The newest of what the journal, the file of unjournalled decisions and the routing file say of each route."""
        lineage = self._buffered.database.lineage if self._buffered else 0
        held = self._unjournalled.read(self._settings, lineage=lineage, now=now).decisions
        dry_run = self._settings.controller.dry_run
        newer = [each for each in held if each.generation > generation and each.dry_run == dry_run]
        known = {**journalled, **{decision.route: decision for decision in newer}}
        highest = max([generation, *(decision.generation for decision in newer)])
        from_file = {} if dry_run else newer_routes(published, known, highest)
        self._routes = {name: replace(state, at=min(state.at, now)) for name, state in (known | from_file).items()}
        for decision in (*newer, *from_file.values()):
            log.warning("route_taken_over route=%s target=%s: %s", decision.route, decision.target, decision.reason)
        self._keep([*newer, *from_file.values()], now)
        self.publisher.resume(published, highest, now)

    def _keep(self, decisions: Sequence[Decision], now: datetime) -> None:
        """Journal decisions of a former service now, or once the database can be written."""
        facts = CycleFacts(settings=self._settings, now=now, health={}, routes={}, decisions=decisions)
        try:
            if decisions:
                self._journal.commit(decisions, ())
            if not self._unread:
                self._unjournalled.clear()
        except DatabaseError:
            if not self._is_unusable():
                raise
            self._incidents.defer(facts)

    def run(
        self,
        observations: Sequence[Observation],
        now: datetime,
        blind: Collection[Observation] = frozenset(),
        loss: NetworkLoss | None = None,
    ) -> tuple[BurstProbe, ...]:
        """One cycle at `now`; returns the extra probes that the targets just observed, or their providers, deserve.

        Raises DatabaseError when something could not be stored that does not wait in a `BufferedStore`: call again with
        the same observations. `blind` are those that were made while our own network was down, `loss` is what is known
        of that. That the routing file could not be written is no error of the cycle: it is logged, recorded, and tried
        again in the next one.
        """
        self._catch_up(now)
        # Noted at once: a later step may fail, and the next cycle has no transition to go by.
        transitions = self.detection.take_in(observations, now, blind)
        self.publisher.changed |= bool(transitions)
        if self._is_frozen():
            self.publisher.refresh(now)
            return self.detection.burst_probes(observations)
        before = self._overrides, self.publisher.generation
        self._overrides = self._read_overrides(now)
        self._decide(loss, now)
        self.revision += bool(transitions) or before != (self._overrides, self.publisher.generation)
        self.publisher.publish(self._routes, self.detection.detector, self._overrides, now)
        if not self.publisher.error and not self._is_unusable():
            self._mark_published(now)
        bursts, detector = self.detection.burst_probes(observations), self.detection.detector
        failing = begin_to_fail(observations, transitions, detector)
        refuges = refuge_probes(
            self._settings, self._routes, detector.health, failing, planned=bursts, now=now, overrides=self._overrides
        )
        return (*bursts, *refuges)

    @property
    def routes(self) -> Mapping[str, Decision]:
        """Where each route stands, by name."""
        return self._routes

    def update_intervals(self, settings: Settings) -> None:
        """Go on with the same targets at other intervals, and with all that is known of them."""
        self._settings = settings
        self.detection.update_intervals(settings)

    def reconfigure(self, settings: Settings, now: datetime) -> None:
        """Go on with other settings, from the next cycle on, with all that is known of targets and routes that stay.

        Raises DatabaseError with nothing changed.
        """
        try:
            self.detection.reconfigure(settings, now)
        except DatabaseError:
            if not self._is_unusable():
                raise
            self.detection.reconfigure(settings, now, unread=True)
        self._settings = settings
        self._active_overrides.reconfigure(settings)
        self.publisher.reconfigure(settings)

    @property
    def is_behind(self) -> bool:
        """Whether something waits for the database."""
        waiting = self._buffered is not None and not self._buffered.pending.is_empty
        return waiting or self._incidents.is_behind or self._unread

    def _is_frozen(self) -> bool:
        return self._buffered is not None and self._buffered.database.freezes and self._is_unusable()

    def _is_unusable(self) -> bool:
        return self._buffered is not None and not self._buffered.database.is_usable()

    def _catch_up(self, now: datetime) -> None:
        """Hand over to the database what was decided and observed without it, the essential first."""
        if self._unjournalled.is_left:
            self._unjournalled.clear()
        store = self._buffered
        if store is None or (store.database.is_settled() and not self.is_behind) or not store.database.recover(now):
            return
        try:
            if self._unread:
                self._read_late(store, now)
            if store.database.in_doubt:
                # What hung may have come about after all: what it stored is not stored again.
                self._incidents.resume(now)
                self._adopt_own_decisions()
                store.forget_stored()
                store.database.resolve_doubt()
            if store.database.replaced:
                self._go_on_in_new_database(store, store.database.replaced, now)
            store.flush_essential()
            store.flush_few_observations()
            taken = self._incidents.take_over()
            self._unjournalled.clear()
            store.flush_rest()
            store.report_caught_up(taken, now)
        except DatabaseError as error:
            log.debug("database_not_caught_up: %s", error)

    def _adopt_own_decisions(self) -> None:
        """Go on from what was decided under this epoch, and is journalled though the commit had no answer."""
        epoch, generation = self.publisher.epoch, self.publisher.generation
        stored = self._journal.routes().values()
        self._take_effect([each for each in stored if 0 < epoch == each.epoch and each.generation > generation])

    def _read_late(self, store: BufferedStore, now: datetime) -> None:
        """Read what could not be read at the start; where the routes are by now is the newer."""
        store.flush_observations()
        self.detection.resume_late(now)
        self._incidents.resume(now)
        self.publisher.generation = max(self.publisher.generation, self._journal.generation())
        self._unread, self.publisher.changed = False, True

    def _go_on_in_new_database(self, store: BufferedStore, what: str, now: datetime) -> None:
        """Everything that is known goes into the database that is there now: no route moves because of it."""
        store.database.replaced = None
        try:
            self.detection.write_all(now)
            self._incidents.write_into_new()
            self._active_overrides.write_into(self._journal.overrides, now)
            known = [*self._incidents.deferred, *self._journal.decisions()]
            known_as = {(decision.route, decision.generation) for decision in known}
            routes = [each for each in self._routes.values() if (each.route, each.generation) not in known_as]
            self._journal.commit(routes, ())
            self.publisher.generation = max(self.publisher.generation, self._journal.generation())
        except DatabaseError:
            store.database.replaced = what
            raise
        store.add_event(now, "database_replaced", store.database.name, what, notify=True)

    def _read_overrides(self, now: datetime) -> Overrides:
        """Those in the database, or those that were read last."""
        if not self._is_unusable():
            try:
                overrides = self._active_overrides.read(self.detection.detector.health, now)
                if due := self._active_overrides.due_drills(now):
                    self._active_overrides.begin_drills(due, self._drill_conditions(overrides, now))
                    overrides = self._active_overrides.read(self.detection.detector.health, now)
                return overrides
            except DatabaseError:
                if not self._is_unusable():
                    raise
        return self._active_overrides.known(now)

    def _drill_conditions(self, overrides: Overrides, now: datetime) -> DrillConditions:
        return DrillConditions(
            settings=self._settings,
            now=now,
            routes=self._routes,
            health=self.detection.detector.health,
            overrides=overrides,
            incidents=open_incidents_of(self._settings, self._incidents.open),
        )

    def _stop_drills(self, verdicts: Mapping[str, RouteVerdict], now: datetime) -> None:
        """End the drills that must not go on, stored or not: the route moves back in the next cycle at the latest."""
        for name, verdict in verdicts.items():
            drill = self._overrides.drill(name)
            if drill and verdict.drill_over:
                try:
                    self._active_overrides.stop_drill(drill, plain_reason(verdict.drill_over), now)
                except DatabaseError:
                    if not self._is_unusable():
                        raise

    def _mark_published(self, now: datetime) -> None:
        try:
            self._active_overrides.mark_published(now)
        except DatabaseError:
            if not self._is_unusable():
                raise

    def _commit(self, facts: CycleFacts) -> None:
        """Store the decisions and incidents, or keep them in memory and the decisions beside the routing file."""
        if not self._is_unusable() and not self._incidents.is_behind:
            try:
                self._incidents.commit(facts)
                return
            except DatabaseError:
                if not self._is_unusable() or self._is_frozen():
                    raise
        self._incidents.defer(facts)
        if facts.decisions and self._buffered:
            self._unjournalled.append(facts.decisions, self._buffered.database.lineage)

    def _decide(self, loss: NetworkLoss | None, now: datetime) -> None:
        """Ask the policy about every route; store its decisions and what they and the health mean for incidents."""
        generation = self.publisher.generation + 1
        verdicts = policy.decide_all(
            self._settings,
            self._routes,
            self.detection.detector.health,
            now=now,
            generation=generation,
            epoch=self.publisher.epoch,
            overrides=self._overrides,
            blind=self.detection.detector.blind | ({""} if loss is not None and loss.until is None else set()),
        )
        decisions = [verdict.decision for verdict in verdicts.values() if verdict.decision]
        routes = self._routes | {decision.route: decision for decision in decisions}
        self._waiting_routes.report(verdicts, self._overrides, now)
        self._stop_drills(verdicts, now)
        facts = self._facts(verdicts, routes, loss, now)
        self._commit(facts)
        self._take_effect(decisions)
        self._waiting_routes.log_stuck(facts.stuck)

    def _take_effect(self, decisions: Sequence[Decision]) -> None:
        """What is stored is where the routes are, and is published next."""
        if decisions:
            self._routes = self._routes | {decision.route: decision for decision in decisions}
        for decision in decisions:
            self.publisher.generation = max(self.publisher.generation, decision.generation)
            self.publisher.changed = True
            event = "route_would_move" if decision.dry_run else "route_moved"
            to, reason = format_destination(decision), plain_reason(decision.reason)
            log.info("%s route=%s target=%s move=%s: %s", event, decision.route, to, decision.move, reason)
            self.on_decision(decision)

    def _facts(
        self,
        verdicts: Mapping[str, RouteVerdict],
        decided: Mapping[str, Decision],
        loss: NetworkLoss | None,
        now: datetime,
    ) -> CycleFacts:
        published = self.publisher.published_routes(decided)
        elsewhere = {name: decided[name] for name, at in published.items() if at.target != decided[name].target}
        settings, detector, overrides = self._settings, self.detection.detector, self._overrides
        return CycleFacts(
            settings=settings,
            now=now,
            health=detector.health,
            routes=published,
            decisions=[verdict.decision for verdict in verdicts.values() if verdict.decision],
            stuck={
                name: stuck_until(decided[name], settings, overrides, detector, now)
                for name, verdict in verdicts.items()
                if verdict.stuck
            },
            unpublished=self.publisher.unpublished_moves(published),
            waiting={name: verdict.waiting for name, verdict in verdicts.items() if verdict.waiting},
            warnings={name: verdict.warning for name, verdict in verdicts.items() if verdict.warning},
            would={name: format_destination(state) for name, state in elsewhere.items()},
            overrides=overrides,
            loss=loss,
            changed=detector.take_changed(),
        )
