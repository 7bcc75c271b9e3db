"""One control cycle: observations in; health, decisions and incidents stored; the routing file published.

The order is what makes it safe to kill between any two steps: store the observations, then the transitions, then read
the operator's hand, then store the decisions and incidents (one transaction, with the generation), then publish; Slack
is told from what the journal says is undelivered. Each step compares how things are with how they should be, so that an
interrupted cycle is just another starting state. When a step raises, the caller hands the same observations in again;
none is folded twice.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from controller.incidents import tracker as incidents
from controller.incidents.incident import Incident
from controller.incidents.vendor_lead import LOOK_BACK, untold
from controller.journal import Journal
from controller.routing import override_text as override_words
from controller.routing import policy, routing_file
from controller.routing.decision import Decision, RouteState, bring_back
from controller.routing.dry_run import as_configured, whereabouts
from controller.routing.override_sync import OverrideSync
from controller.routing.overrides import NO_OVERRIDES
from controller.routing.routing_file import RoutingFile, RoutingFileError
from monitor.connectivity.blindness import Blindness
from monitor.connectivity.messages import NetworkLoss
from monitor.detection import provider_pool as pool
from monitor.detection import target_state as record
from monitor.detection.detector import Detector, DetectorState
from monitor.detection.notices import NoticeFilter, TargetNotice
from monitor.detection.pacing import BurstProbe
from monitor.detection.target_state import TargetState
from monitor.health import BAD, TargetHealth, Transition
from monitor.settings import Settings
from monitor.status_pages.reading import VendorStateChange
from monitor.storage.database import DatabaseError
from monitor.storage.store import SavedState, Store
from probes.observation import Observation

log = logging.getLogger(__name__)

#: How long a reader may rely on the file; it is rewritten at least every third of this.
VALID_FOR_S = 90.0
#: How far back a target is folded that has no saved record: its whole history would hold up the start for minutes.
_FOLDED_ANEW = timedelta(hours=1)
#: Longer than an incident takes to come back, so that a service that stood still for a while still knows it.
_LATE = 2 * incidents.REOPENS_WITHIN


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleResult:
    """What one cycle did."""

    transitions: tuple[Transition, ...] = ()
    decisions: tuple[Decision, ...] = ()
    incidents: tuple[Incident, ...] = ()
    """New and changed ones, with their ids."""
    extras: tuple[BurstProbe, ...] = ()
    """The extra probes that the targets just observed, or their providers, deserve."""


class Cycle:
    """The controller's memory and its one procedure. Not thread-safe: one thread owns it."""

    def __init__(self, settings: Settings, store: Store, journal: Journal, file: RoutingFile) -> None:
        self._settings = settings
        self._store = store
        self._journal = journal
        self._file = file
        self._judge: Detector
        """From `start` on."""
        self._routes: dict[str, RouteState] = {}
        self._open: list[Incident] = []
        self._late: list[Incident] = []
        """Those resolved so lately that they may yet come back."""
        self._loss: NetworkLoss | None = None
        self._heeding = OverrideSync(settings, journal.hand)
        self._overrides = NO_OVERRIDES
        self._published_under = NO_OVERRIDES
        """Those whose reasons the routing file holds."""
        self._generation = 0
        self._published_at: datetime | None = None
        self._cycled_at: datetime | None = None
        self._shown: dict[str, str] = {}
        """The target of each route in the last file that could be written."""
        self._file_generation = 0
        """Of that file; in a dry run it stays behind, because what is decided is not published."""
        self._started_at: datetime | None = None
        self._said: dict[tuple[str, str], str] = {}
        """What was said of routes that wait for a person, by kind and route."""
        self._unpublished = True
        self._folded: frozenset[Observation] = frozenset()
        self._notices = NoticeFilter()
        self._unwatched: frozenset[str] = frozenset()
        """Targets that nobody asks, for this reason."""
        self._unwatched_for = ""
        self.publish_error: str | None = None
        """Why the routing file cannot be written, as a sentence; None while it can."""

    def start(self, now: datetime) -> None:
        """Fold from the store: go on where the last service stopped, with everything it had stored."""
        self._judge = Detector(self._settings, now)
        self._notices = NoticeFilter(self._store.notices())
        saved = self._store.states()
        records = {target: record.from_json(saved[target].record) for target in self._judge.health if target in saved}
        known = {target: one for target, one in records.items() if one}
        pools = {provider: pool.from_json(text) for provider, text in self._store.pools().items()}
        self._judge.remember(DetectorState(records=known, pools=pools))
        unfolded: list[Observation] = []
        for target in self._judge.health:
            after = self._judge.record_of(target).last_started_at or now - _FOLDED_ANEW
            unfolded += self._store.observations(target, after=after)
        unfolded.sort(key=lambda seen: seen.finished_at)
        self._fold(unfolded, self._blind(unfolded, now), now)
        # What a dry run decided was never published, and is nothing to go on from for real; nor the other way round.
        dry_run = self._settings.controller.dry_run
        self._routes = {name: at for name, at in self._journal.routes().items() if at.dry_run == dry_run}
        self._open = self._journal.open_incidents()
        self._late = self._journal.resolved_since(now - _LATE)
        self._file_generation = self._file.read_generation()
        self._generation = max(self._journal.generation(), self._file_generation)
        self._shown = self._file.read_targets() if dry_run else {}
        self._started_at = now

    def run(
        self,
        observations: Sequence[Observation],
        now: datetime,
        blind: Collection[Observation] = frozenset(),
        loss: NetworkLoss | None = None,
    ) -> CycleResult:
        """One cycle at `now`. Raises DatabaseError when something could not be stored: call again with the same ones.

        `blind` are those observations that were made while our own network was down, `loss` is what is known of that.
        That the routing file could not be written is no error of the cycle: it is logged, recorded, and tried again in
        the next one.
        """
        self._loss = loss
        transitions = self._take_in(observations, now, blind)
        self._overrides = self._heeding.read(self._judge.health, now)
        decisions, changed = self._decide(now)
        self._publish(now)
        if not self.publish_error:
            self._heeding.published(now)
        self._cycled_at = now
        observed = {seen.target for seen in observations} & self._judge.health.keys()
        return CycleResult(
            transitions=tuple(transitions),
            decisions=tuple(decisions),
            incidents=tuple(changed),
            extras=tuple(extra for target in sorted(observed) for extra in self._judge.extras(target)),
        )

    def repace(self, settings: Settings, now: datetime) -> None:
        """Go on with the same targets at other intervals, and with all that is known of them."""
        judge = Detector(settings, now)
        judge.remember(self._judge.memory())
        self._settings, self._judge = settings, judge

    def unwatch(self, targets: Collection[str], reason: str) -> None:
        """Nobody asks these targets, and no others, from now on: from the next cycle on nothing is known of them."""
        self._unwatched, self._unwatched_for = frozenset(targets), reason

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

    @property
    def due(self) -> datetime | None:
        """When a verdict is due that needs no further observation; None when there is none."""
        return self._judge.due

    def record_of(self, target: str) -> TargetState:
        """What is remembered of a target; KeyError when there is none of that name."""
        return self._judge.record_of(target)

    def _blind(self, unfolded: Sequence[Observation], now: datetime) -> frozenset[Observation]:
        """Those made while our own network was down, by what the endpoints said then; in order, oldest first."""
        if not unfolded:
            return frozenset()
        said = self._store.connectivity(after=unfolded[0].started_at - _FOLDED_ANEW, before=now)
        settings = self._settings
        blindness = Blindness(settings.connectivity_endpoints, frozenset(p.name for p in settings.providers))
        return frozenset(seen for seen, blind in blindness.recall(unfolded, said) if blind)

    def _take_in(
        self, observations: Sequence[Observation], now: datetime, blind: Collection[Observation]
    ) -> list[Transition]:
        """Store what was seen, fold it in, store what follows for health."""
        self._store.record(observations)
        self._say_notices(observations, now)
        new = [seen for seen in observations if seen not in self._folded]
        happened = self._fold(new, blind, now)
        # A later step may still fail: these are then handed in again, and what they changed must yet be published.
        self._folded = frozenset(observations)
        self._unpublished |= bool(happened)
        for transition in happened:
            log.info("health_changed before=%s after=%s: %s", transition.before, transition.after, transition.reason)
        return happened

    def _say_notices(self, observations: Sequence[Observation], now: datetime) -> None:
        """Tell once who else answers for a target, and that its model will go."""
        for seen in observations:
            for notice in self._notices.due(seen, now):
                self._store.add_event(notice.at, notice.kind, notice.target, notice.text, tell=True)
                self._told(notice)

    def _told(self, notice: TargetNotice) -> None:
        log.warning("%s target=%s: %s", notice.kind, notice.target, notice.text)
        self._notices.told(notice)

    def _fold(
        self, observations: Sequence[Observation], blind: Collection[Observation], now: datetime
    ) -> list[Transition]:
        """Judge by these observations and by the time, and store what has changed; or nothing, when that fails."""
        before = self._judge.memory()
        happened: list[Transition] = []
        # Of checks: nobody's outage, so that no incident says it.
        notices: list[TargetNotice] = []
        for seen in observations:
            happened += self._judge.observe(seen, blind=seen in blind)
            if seen.target in before.records:
                notices += self._notices.due_of_checks(seen, self._judge.record_of(seen.target), now)
        for target in sorted(self._unwatched):
            happened += self._judge.unwatched(target, now, self._unwatched_for)
        happened += self._judge.tick(now)
        after = self._judge.memory()
        changed = [one for target, one in after.records.items() if one is not before.records[target]]
        pools = {name: pool.to_json(one) for name, one in after.pools.items() if one is not before.pools[name]}
        try:
            states = [self._saved(one, now) for one in changed]
            self._store.save_states(states, happened, pools, at=now, notices=notices)
        except DatabaseError:
            self._judge.remember(before)
            raise
        for notice in notices:
            self._told(notice)
        return happened

    def _decide(self, now: datetime) -> tuple[list[Decision], list[Incident]]:
        """Ask the policy about every route; journal its decisions and what they and the health mean for incidents."""
        verdicts = policy.decide_all(
            self._settings,
            self._routes,
            self._judge.health,
            now=now,
            generation=self._generation + 1,
            overrides=self._overrides,
        )
        decisions = [verdict.decision for verdict in verdicts.values() if verdict.decision]
        routes = self._routes | {made.route: made.state() for made in decisions}
        self._say_waiting(verdicts, now)
        published = self._to_publish(routes)
        changed = incidents.update(
            self._open,
            self._judge.health,
            settings=self._settings,
            routes=published,
            stuck={name for name, verdict in verdicts.items() if verdict.stuck},
            waiting={name: verdict.waiting for name, verdict in verdicts.items() if verdict.waiting},
            warnings={name: verdict.warning for name, verdict in verdicts.items() if verdict.warning},
            decisions=decisions,
            now=now,
            unpublished=self._unpublished_moves(published),
            would={n: whereabouts(routes[n]) for n, at in published.items() if at.target != routes[n].target},
            vendors=self._vendor_reports(now),
            resolved=self._late,
            beginnings=self._journal.beginnings(self._joining()),
            overrides=self._overrides,
            loss=self._loss,
        )
        changed = [self._journal.with_facts(one, now) if one.resolved_at else one for one in changed]
        if decisions or changed:
            changed = self._journal.commit(decisions, changed)
        self._routes = routes
        self._generation += bool(decisions)
        self._unpublished |= bool(decisions)
        known = {incident.id: incident for incident in (*self._late, *self._open, *changed)}
        self._open = [incident for incident in known.values() if incident.resolved_at is None]
        self._late = [one for one in known.values() if one.resolved_at and now - one.resolved_at < _LATE]
        for made in decisions:
            event = "route_would_move" if made.dry_run else "route_moved"
            to = whereabouts(made.state())
            log.info("%s route=%s target=%s move=%s: %s", event, made.route, to, made.move, made.reason)
        return decisions, changed

    def _joining(self) -> list[TargetHealth]:
        """The bad targets that no open incident has as bad: they open one, or join it."""
        there = {a.target for incident in self._open for a in incident.affected if a.health in BAD}
        return [one for one in self._judge.health.values() if one.health in BAD and one.target not in there]

    def _vendor_reports(self, now: datetime) -> dict[str, list[VendorStateChange]]:
        """What the vendors said around the incidents that are open or about to be, where it is not told yet."""
        between = self._store.vendors.between
        noticed = untold(self._open, self._judge.health.values())
        return {name: between(name, after=at - LOOK_BACK, before=now) for name, at in noticed.items()}

    def _to_publish(self, decided: Mapping[str, RouteState]) -> Mapping[str, RouteState]:
        if not self._settings.controller.dry_run or self._started_at is None:
            return decided
        return as_configured(self._settings, decided, self._started_at)

    def _say_waiting(self, verdicts: Mapping[str, policy.RouteVerdict], now: datetime) -> None:
        """Say once that a route waits for a person; a pin to a failing target is said by who reads the pins."""
        due: dict[tuple[str, str], str] = {}
        for name, verdict in verdicts.items():
            if verdict.waiting:
                text = f"{verdict.waiting} has proven itself; {bring_back(name, verdict.waiting)}"
                due["failback_waiting", name] = text
            if verdict.warning and not self._overrides.pin(name):
                kind = "pause_on_failing_target" if self._overrides.paused(name) else "drained_route_held"
                due[kind, name] = verdict.warning
        for kind, name in due.keys() - self._said.keys():
            log.warning("%s route=%s: %s", kind, name, due[kind, name])
            self._store.add_event(now, kind, name, due[kind, name], tell=kind != "failback_waiting")
        self._said = due

    def _publish(self, now: datetime) -> None:
        """Write the routing file when something changed, when its heartbeat is due, or when somebody touched it."""
        tampered = self._file.tampered()
        self._unpublished |= tampered is not None or self._heartbeat_due(now)
        self._unpublished |= self._overrides != self._published_under
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
        routes = self._to_publish(self._routes)
        shown = {name: state.target for name, state in routes.items()}
        generation = self._next_generation(shown)
        table = routing_file.build(
            self._settings,
            {name: replace(at, reason=override_words.reason(at, self._overrides)) for name, at in routes.items()},
            {target: known.health for target, known in self._judge.health.items()},
            generation=generation,
            written_at=now,
            valid_for_s=VALID_FOR_S,
        )
        self._file.publish(table)
        self._shown, self._file_generation = shown, generation
        self._published_under = self._overrides
        self._unpublished = False
        self.publish_error = None
        self._published_at = now

    def _next_generation(self, targets: Mapping[str, str]) -> int:
        """That of the last decision; in a dry run that of the file, unless the configured order itself has changed."""
        if not self._settings.controller.dry_run:
            return self._generation
        if targets == self._shown:
            return self._file_generation
        self._generation = max(self._generation, self._file_generation + 1)
        return self._generation

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

    def _saved(self, one: TargetState, now: datetime) -> SavedState:
        return SavedState(health=self._judge.health[one.target], at=now, record=record.to_json(one))
