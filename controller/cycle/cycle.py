"""One control cycle: observations in; health, decisions and incidents stored; the routing file published.

The order is what makes it safe to kill between any two steps: store the observations, then the transitions, then read
the overrides, then store the decisions and incidents (one transaction, with the generation), then publish; Slack is
told from what the journal holds as not delivered. Each step compares the actual state with the wanted one, so that an
interrupted cycle is just another starting state. When a step raises, the caller hands the same observations in again;
none is counted twice.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from controller.cycle.detection import StoredDetector
from controller.cycle.incident_tracking import IncidentMemory
from controller.cycle.routing_publisher import VALID_FOR_S, RoutingPublisher
from controller.incidents.cycle_facts import CycleFacts
from controller.journal import Journal
from controller.routing import policy, waiting
from controller.routing.active_overrides import ActiveOverrides
from controller.routing.decision import Decision, failback_command, format_destination
from controller.routing.overrides import NO_OVERRIDES
from controller.routing.policy import RouteVerdict
from controller.routing.refuge import refuge_probes
from controller.routing.routing_file import RoutingFile
from monitor.config.settings import Settings
from monitor.connectivity.messages import NetworkLoss
from monitor.detection import coming_back
from monitor.detection.pacing import BurstProbe
from monitor.storage.store import Store
from probes.observation import Observation

log = logging.getLogger(__name__)


class Cycle:
    """The controller's state and its one procedure. Not thread-safe: one thread owns it."""

    def __init__(self, settings: Settings, store: Store, journal: Journal, file: RoutingFile) -> None:
        self._settings = settings
        self._store = store
        self._journal = journal
        self.detection = StoredDetector(settings, store)
        self._active_overrides = ActiveOverrides(settings, journal.overrides)
        self._incidents = IncidentMemory(store, journal)
        self.publisher = RoutingPublisher(settings, file, store)
        self._overrides = NO_OVERRIDES
        self._routes: dict[str, Decision] = {}
        self._reported: dict[tuple[str, str], str] = {}
        """What was reported of routes that wait for a person, by event kind and route."""
        self._cycled_at: datetime | None = None

    def start(self, now: datetime) -> None:
        """Go on where the last service stopped, with everything it had stored; raises DatabaseError."""
        self.detection.resume(now)
        # What a dry run decided was never published, and is nothing to go on from for real; nor the other way round.
        dry_run = self._settings.controller.dry_run
        self._routes = {name: state for name, state in self._journal.routes().items() if state.dry_run == dry_run}
        self._incidents.resume(now)
        self.publisher.resume(self._journal.generation(), now)

    def run(
        self,
        observations: Sequence[Observation],
        now: datetime,
        blind: Collection[Observation] = frozenset(),
        loss: NetworkLoss | None = None,
    ) -> tuple[BurstProbe, ...]:
        """One cycle at `now`; returns the extra probes that the targets just observed, or their providers, deserve.

        Raises DatabaseError when something could not be stored: call again with the same observations. `blind` are
        those that were made while our own network was down, `loss` is what is known of that. That the routing file
        could not be written is no error of the cycle: it is logged, recorded, and tried again in the next one.
        """
        # Noted at once: a later step may fail, and the next cycle has no transition to go by.
        transitions = self.detection.take_in(observations, now, blind)
        self.publisher.changed |= bool(transitions)
        self._overrides = self._active_overrides.read(self.detection.detector.health, now)
        self._decide(loss, now)
        self.publisher.publish(self._routes, self.detection.detector.health, self._overrides, now)
        if not self.publisher.error:
            self._active_overrides.mark_published(now)
        self._cycled_at = now
        bursts, health = self.detection.burst_probes(observations), self.detection.detector.health
        refuges = refuge_probes(
            self._settings, self._routes, health, transitions, planned=bursts, now=now, overrides=self._overrides
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

    def keep_alive(self, now: datetime) -> None:
        """Give the routing file its heartbeat where the database cannot be written: what it says still holds.

        Not for longer than the file is valid: then readers must be able to tell that nobody decides any more.
        """
        if self._cycled_at is not None and (now - self._cycled_at).total_seconds() < VALID_FOR_S:
            self.publisher.heartbeat(self._routes, self.detection.detector.health, self._overrides, now)

    def _decide(self, loss: NetworkLoss | None, now: datetime) -> None:
        """Ask the policy about every route; store its decisions and what they and the health mean for incidents."""
        generation = self.publisher.generation + 1
        verdicts = policy.decide_all(
            self._settings,
            self._routes,
            self.detection.detector.health,
            now=now,
            generation=generation,
            overrides=self._overrides,
            blind=self.detection.detector.blind or (loss is not None and loss.until is None),
        )
        decisions = [verdict.decision for verdict in verdicts.values() if verdict.decision]
        routes = self._routes | {decision.route: decision for decision in decisions}
        self._report_waiting(verdicts, now)
        self._incidents.commit(self._facts(verdicts, routes, loss, now))
        self._routes = routes
        if decisions:
            self.publisher.generation = generation
            self.publisher.changed = True
        for decision in decisions:
            event = "route_would_move" if decision.dry_run else "route_moved"
            to = format_destination(decision)
            log.info("%s route=%s target=%s move=%s: %s", event, decision.route, to, decision.move, decision.reason)

    def _facts(
        self,
        verdicts: Mapping[str, RouteVerdict],
        decided: Mapping[str, Decision],
        loss: NetworkLoss | None,
        now: datetime,
    ) -> CycleFacts:
        published = self.publisher.published_routes(decided)
        elsewhere = {name: decided[name] for name, at in published.items() if at.target != decided[name].target}
        return CycleFacts(
            settings=self._settings,
            now=now,
            health=self.detection.detector.health,
            routes=published,
            decisions=[verdict.decision for verdict in verdicts.values() if verdict.decision],
            stuck={name: self._stuck_until(decided[name], now) for name, verdict in verdicts.items() if verdict.stuck},
            unpublished=self.publisher.unpublished_moves(published),
            waiting={name: verdict.waiting for name, verdict in verdicts.items() if verdict.waiting},
            warnings={name: verdict.warning for name, verdict in verdicts.items() if verdict.warning},
            would={name: format_destination(state) for name, state in elsewhere.items()},
            overrides=self._overrides,
            loss=loss,
        )

    def _stuck_until(self, pointed: Decision, now: datetime) -> str:
        """What moves a route that is stuck."""
        [route] = [route for route in self._settings.routes if route.name == pointed.route]
        others = [target for target in route.candidates if target != pointed.target]
        drained = {target: self._overrides.drained(target, target.partition("/")[0]) for target in others}
        detector = self.detection.detector
        waits = {
            target: coming_back.describe_wait(
                detector.state_of(target), detector.parameters_of(target), now, lasting=True
            )
            for target in (pointed.target, *others)
        }
        return waiting.stuck_until(
            waits[pointed.target],
            {target: waits[target] for target in others},
            {target: drain for target, drain in drained.items() if drain},
            least_bad_from=waiting.dwell_end(pointed, self._settings.controller, now),
            now=now,
        )

    def _report_waiting(self, verdicts: Mapping[str, RouteVerdict], now: datetime) -> None:
        """Report once that a route waits for a person; `ActiveOverrides` reports a pin to a failing target."""
        due: dict[tuple[str, str], str] = {}
        for name, verdict in verdicts.items():
            if verdict.waiting:
                text = f"{verdict.waiting} has proven itself; {failback_command(name, verdict.waiting)}"
                due["failback_waiting", name] = text
            if verdict.warning and not self._overrides.pin(name):
                kind = "pause_on_failing_target" if self._overrides.paused(name) else "drained_route_held"
                due[kind, name] = verdict.warning
        for kind, name in due.keys() - self._reported.keys():
            log.warning("%s route=%s: %s", kind, name, due[kind, name])
            self._store.add_event(now, kind, name, due[kind, name], notify=kind != "failback_waiting")
        self._reported = due
