"""One control cycle: observations in; health, decisions and incidents stored; the routing file published.

The order is what makes it safe to kill between any two steps: store the observations, then the transitions, then the
decisions and incidents (one transaction, with the generation), then publish; Slack is told from what the journal says
is undelivered. Each step compares how things are with how they should be, so that an interrupted cycle is just
another starting state. When a step raises, the caller hands the same observations in again; none is folded twice.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller import incidents, policy, routing_file
from controller.decision import Decision, RouteState
from controller.incident import Incident
from controller.journal import Journal
from controller.routing_file import RoutingFile, RoutingFileError
from monitor import detector, pacing, record
from monitor.health import TargetHealth, Transition
from monitor.record import Record
from monitor.rule import rules_for
from monitor.settings import Settings
from monitor.store import SavedState, Store
from probes.observation import Observation

log = logging.getLogger(__name__)

#: How long a reader may rely on the file; it is rewritten at least every third of this.
VALID_FOR_S = 90.0
#: How far back a target is folded that has no saved record: its whole history would hold up the start for minutes.
_FOLDED_ANEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one cycle did."""

    transitions: tuple[Transition, ...] = ()
    decisions: tuple[Decision, ...] = ()
    incidents: tuple[Incident, ...] = ()
    """New and changed ones, with their ids."""
    quick: dict[str, float]
    """For each target just observed that deserves an extra probe: in how many seconds."""


class Cycle:
    """The controller's memory and its one procedure. Not thread-safe: one thread owns it."""

    def __init__(self, settings: Settings, store: Store, journal: Journal, file: RoutingFile) -> None:
        self._settings = settings
        self._store = store
        self._journal = journal
        self._file = file
        self._rules = rules_for(settings)
        self._providers = {target.id: target.provider.name for target in settings.targets}
        self._records: dict[str, Record] = {}
        self._health: dict[str, TargetHealth] = {}
        self._candidates: dict[str, policy.Candidate] = {}
        self._routes: dict[str, RouteState] = {}
        self._open: list[Incident] = []
        self._generation = 0
        self._published_at: datetime | None = None
        self._cycled_at: datetime | None = None
        self._shown: dict[str, str] = {}
        """The target of each route in the last file that could be written."""
        self._unpublished = True
        self._folded: frozenset[Observation] = frozenset()
        self.publish_error: str | None = None
        """Why the routing file cannot be written, as a sentence; None while it can."""

    def start(self, now: datetime) -> None:
        """Fold from the store: go on where the last service stopped, with everything it had stored."""
        saved = self._store.states()
        for target, rule in self._rules.items():
            known = record.from_json(saved[target].record) if target in saved else None
            folded = known or Record(target=target, since=now)
            after = folded.last_started_at or now - _FOLDED_ANEW
            before = folded
            for seen in self._store.observations(target, after=after):
                # Whether we were blind then, nobody knows any more: what may have been our own fault does not count.
                folded = detector.observe(folded, seen, rule, blind=True)
            if folded is not before:
                changed = detector.transition(before, folded, rule)
                self._store.save_states([self._saved(folded, now)], [changed] if changed else [])
            self._remember(folded)
        self._routes = self._journal.routes()
        self._open = self._journal.open_incidents()
        self._generation = max(self._journal.generation(), self._file.read_generation())

    def run(
        self, observations: Sequence[Observation], now: datetime, blind: Collection[Observation] = frozenset()
    ) -> Report:
        """One cycle at `now`. Raises DatabaseError when something could not be stored: call again with the same ones.

        `blind` are those observations that were made while our own network was down. That the routing file could not
        be written is no error of the cycle: it is logged, recorded, and tried again in the next one.
        """
        transitions = self._judge(observations, now, blind)
        decisions, changed = self._decide(now)
        self._publish(now)
        self._cycled_at = now
        observed = {seen.target for seen in observations} & self._records.keys()
        delays = {target: pacing.quick_s(self._records[target], self._rules[target]) for target in observed}
        return Report(
            transitions=tuple(transitions),
            decisions=tuple(decisions),
            incidents=tuple(changed),
            quick={target: delay for target, delay in delays.items() if delay is not None},
        )

    def keep_alive(self, now: datetime) -> None:
        """Give the routing file its heartbeat where the database cannot be written: what it says still holds.

        Not for longer than the file is valid: then readers must be able to tell that nobody decides any more.
        """
        deciding = self._cycled_at is not None and (now - self._cycled_at).total_seconds() < VALID_FOR_S
        if deciding and self._heartbeat_due(now):
            try:
                self._write(now)
            except RoutingFileError as error:
                log.error("routing_file_not_written: %s", error)

    def record_of(self, target: str) -> Record:
        """What is remembered of a target; KeyError when there is none of that name."""
        return self._records[target]

    def _judge(
        self, observations: Sequence[Observation], now: datetime, blind: Collection[Observation]
    ) -> list[Transition]:
        """Store what was seen, fold it in, store what follows for health."""
        self._store.record(observations)
        folded: dict[str, Record] = {}
        transitions = []
        for seen in observations:
            if seen.target not in self._rules or seen in self._folded:
                continue
            before = folded.get(seen.target) or self._records[seen.target]
            after = detector.observe(before, seen, self._rules[seen.target], blind=seen in blind)
            folded[seen.target] = after
            transitions.append(detector.transition(before, after, self._rules[seen.target]))
        for target, known in self._records.items():
            before = folded.get(target, known)
            after = detector.tick(before, now, self._rules[target])
            if after is not before:
                folded[target] = after
                transitions.append(detector.transition(before, after, self._rules[target]))
        happened = [transition for transition in transitions if transition]
        if folded:
            self._store.save_states([self._saved(one, now) for one in folded.values()], happened)
        for one in folded.values():
            self._remember(one)
        # A later step may still fail: these are then handed in again, and what they changed must yet be published.
        self._folded = frozenset(observations)
        self._unpublished |= bool(happened)
        for transition in happened:
            log.info("health_changed before=%s after=%s: %s", transition.before, transition.after, transition.reason)
        return happened

    def _decide(self, now: datetime) -> tuple[list[Decision], list[Incident]]:
        """Ask the policy about every route; journal its decisions and what they and the health mean for incidents."""
        verdicts = {
            route.name: policy.decide(
                route,
                self._routes.get(route.name),
                self._candidates,
                now=now,
                generation=self._generation + 1,
                dwell_s=self._settings.controller.dwell_s,
            )
            for route in self._settings.routes
        }
        decisions = [verdict.decision for verdict in verdicts.values() if verdict.decision]
        routes = dict(self._routes)
        for made in decisions:
            routes[made.route] = RouteState(route=made.route, target=made.target, since=made.at, reason=made.reason)
        changed = incidents.update(
            self._open,
            self._health,
            settings=self._settings,
            routes=routes,
            stuck={name for name, verdict in verdicts.items() if verdict.stuck},
            decisions=decisions,
            now=now,
            unpublished=self._unpublished_moves(routes),
        )
        if decisions or changed:
            changed = self._journal.commit(decisions, changed)
        self._routes = routes
        self._generation += bool(decisions)
        self._unpublished |= bool(decisions)
        known = {incident.id: incident for incident in (*self._open, *changed)}
        self._open = [incident for incident in known.values() if incident.resolved_at is None]
        for made in decisions:
            log.info("route_moved route=%s target=%s move=%s: %s", made.route, made.target, made.move, made.reason)
        return decisions, changed

    def _publish(self, now: datetime) -> None:
        """Write the routing file when something changed, when its heartbeat is due, or when somebody touched it."""
        tampered = self._file.tampered()
        self._unpublished |= tampered is not None or self._heartbeat_due(now)
        if not self._unpublished:
            return
        try:
            self._write(now)
        except RoutingFileError as error:
            self._complain(now, str(error))
            return
        if tampered:
            log.warning("routing_file_restored: %s", tampered)
            self._store.add_event(now, "routing_file_restored", str(self._settings.routing_file), tampered)

    def _unpublished_moves(self, routes: Mapping[str, RouteState]) -> dict[str, str]:
        """The routes that the file does not show as they were decided, with the target that it shows."""
        if not self.publish_error:
            return {}
        return {name: shown for name, shown in self._shown.items() if name in routes and routes[name].target != shown}

    def _write(self, now: datetime) -> None:
        """Put what was decided into the routing file; raises RoutingFileError."""
        table = routing_file.build(
            self._settings,
            self._routes,
            {target: known.health for target, known in self._health.items()},
            generation=self._generation,
            written_at=now,
            valid_for_s=VALID_FOR_S,
        )
        self._file.publish(table)
        self._shown = {name: state.target for name, state in self._routes.items()}
        self._unpublished = False
        self.publish_error = None
        self._published_at = now

    def _complain(self, now: datetime, error: str) -> None:
        """Say once, not in every cycle, that the routing file cannot be written."""
        if error == self.publish_error:
            return
        self.publish_error = error
        log.error("routing_file_not_written: %s", error)
        self._store.add_event(now, "routing_file_not_written", str(self._settings.routing_file), error)

    def _heartbeat_due(self, now: datetime) -> bool:
        if self._published_at is None:
            return True
        # The clock may have been set back: a heartbeat in the future is due as well.
        return not 0 <= (now - self._published_at).total_seconds() < VALID_FOR_S / 3

    def _remember(self, one: Record) -> None:
        rule = self._rules[one.target]
        self._records[one.target] = one
        self._health[one.target] = one.summary(rule)
        self._candidates[one.target] = policy.Candidate(
            id=one.target,
            provider=self._providers[one.target],
            health=self._health[one.target],
            recent_s=policy.recent_s(rule.interval_s, rule.longest_probe_s),
        )

    def _saved(self, one: Record, now: datetime) -> SavedState:
        return SavedState(health=one.summary(self._rules[one.target]), at=now, record=record.to_json(one))
