"""The overview: everything that is known at one instant, as one value for the page and `hotspare status`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Connection, Engine

from controller.alerts.delivery import ChannelState
from controller.alerts.next_action import NextAction, next_action
from controller.alerts.queries import count_pending, read_failing
from controller.alerts.quiet_hours import quiet_until
from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import Incident
from controller.incidents.queries import read_facts
from controller.incidents.text import shares_served, target_shares
from controller.journal import Journal
from controller.routing.decision import Decision
from controller.routing.drill import last_drills
from controller.routing.overrides import Override, Overrides
from controller.status.headline import Level, PendingAlerts, RouteView, failing_sentence, headline
from controller.status.probe_history import EvidenceTrail, ProbeHistory, RecentDetails
from controller.status.queries import (
    LastDay,
    earliest_read,
    read_events,
    read_evidence_trails,
    read_history,
    read_last_day,
    read_leader,
    read_machine_notice,
    read_recent_details,
    read_regions,
    read_returns,
)
from controller.status.region_views import RegionView
from controller.status.route_views import route_views
from controller.status.route_waits import describe_route_wait
from controller.status.standing import route_standing
from controller.status.traffic_view import TrafficView, read_traffic
from controller.status.vendor_views import VendorView, vendor_views
from monitor.budget.allocation import stretched
from monitor.budget.summary import BudgetSummary, read_summary, without_price
from monitor.config.settings import Settings
from monitor.connectivity.state import ConnectivityObservation, ConnectivityState
from monitor.detection import target_state
from monitor.detection.blip_lengths import learned_s
from monitor.detection.notices import longer_blips, noisy_background
from monitor.detection.parameters import target_parameters, targets_by_pool
from monitor.detection.quiet_progress import go_on
from monitor.detection.target_state import TargetState
from monitor.formatting import plural
from monitor.health import FAILING, HEALTHY, UNHEALTHY, TargetHealth, not_observed
from monitor.liveness import Leader, Liveness, ServiceStatus, service_status
from monitor.storage.column_conversions import from_ms
from monitor.storage.held_file import longest_hold
from monitor.storage.rollup_rows import maintenance_spans
from monitor.storage.row_conversions import SavedTargetState
from monitor.storage.store import Store
from monitor.storage.tables import EventRow
from monitor.storage.traffic_store import TrafficStore

RECENT = 10
#: What tries a channel that does not take alerts.
_TRIES = "`hotspare alerts test` tries it"
#: Of an older open incident `hotspare incidents show` alone counts the probes: that costs what it has lasted.
_FIGURED_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """One target: its health, its recent history and details."""

    state: TargetHealth
    history: ProbeHistory
    details: RecentDetails
    background: str | None = None
    """That it usually fails more often than is allowed for; None where it does not."""
    learned_blip_s: float | None = None
    """How long its provider's blips last, where that was learned to be longer than `controller.blips` says."""
    traffic: TrafficView | None = None
    """What applications have reported of late; None where that is nothing."""
    failing_context: str | None = None
    """That it fails the check `context`, as a clause; None where it does not."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences worth showing beside its health; while it fails, also request ids for a ticket to the vendor."""
        ids = ", ".join(self.details.request_ids) if self.state.health in FAILING else ""
        ticket = (f"request ids of {self.state.target}'s last failures, for a ticket: {ids}",) if ids else ()
        refusals = (f"{self.state.target} {self.refusals}",) if self.refusals else ()
        background = (self.background,) if self.background else ()
        blips = (longer_blips(self.state.target, self.learned_blip_s),) if self.learned_blip_s else ()
        traffic = (f"{self.state.target}, {self.traffic.sentence}",) if self.traffic else ()
        return (*refusals, *background, *blips, *traffic, *self.notices, *ticket)

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences about its model and its limits."""
        context = (f"{self.state.target}: {self.failing_context}",) if self.failing_context else ()
        return (*context, *self.details.notices)

    @property
    def refusals(self) -> str | None:
        """`answered 62.0 %, refused 38.0 % of its last 45 probes`, where it refuses many and is not known to be ill.

        Within the hour, and since it came back; what was before is no news of now.
        """
        counts = self.history.since_back
        is_ill = self.state.health in UNHEALTHY
        shares = None if is_ill else shares_served(counts.answered, counts.refused, counts.asked)
        return f"{shares} of its last {plural(counts.asked, 'probe')}" if shares else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFault:
    """That probes fail on this machine, because it is too busy or Hotspare itself is at fault, until that is over."""

    since: datetime
    """When people were told."""
    text: str
    """What they were told."""
    targets: tuple[str, ...]
    """Those whose last probe failed here."""

    @property
    def sentence(self) -> str:
        """All of it in one sentence without a full stop."""
        return f"since {self.since:%H:%M:%S} UTC, {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything that is known at `now`; texts in it may stem from a provider and must be escaped."""

    now: datetime
    level: Level
    headline: str
    action: NextAction
    """Whether a person must act, and how."""
    service: ServiceStatus
    routes: tuple[RouteView, ...]
    """In the order of the configuration, like `targets`."""
    targets: tuple[TargetView, ...]
    open_incidents: tuple[Incident, ...]
    """The newest first, like everything below."""
    past_incidents: tuple[Incident, ...]
    decisions: tuple[Decision, ...]
    events: tuple[EventRow, ...]
    """What is worth knowing and neither a transition nor a decision."""
    overrides: tuple[Override, ...] = ()
    connectivity: ConnectivityObservation | None = None
    """The last answer of the neutral endpoints; None when they were never asked."""
    money: BudgetSummary | None = None
    """The cost of probing, and how the budget throttles it."""
    evidence_trails: Mapping[int, tuple[EvidenceTrail, ...]] = field(default_factory=dict)
    """The evidence behind the verdicts of the incidents above, by the id of the incident."""
    route_periods: Mapping[int, tuple[RoutePeriod, ...]] = field(default_factory=dict)
    """Where routes have pointed since an open incident began, by its id; not of incidents older than a day."""
    vendors: tuple[VendorView, ...] = ()
    failing_channels: tuple[ChannelState, ...] = ()
    """The channels that do not take alerts now, and the parts of channels; the longest first."""
    machine: MachineFault | None = None
    """That probes fail by a fault of this machine; None while they do not."""
    pending_alerts: PendingAlerts | None = None
    """The alerts that wait for Slack; None where Slack is not configured."""
    leader: Leader | None = None
    """Who leads; None where the service is one machine on its own."""
    regions: tuple[RegionView, ...] = ()
    """When each of them last reported."""

    @property
    def untrusted(self) -> bool:
        """Whether no neutral endpoint can say if our own network works."""
        return self.connectivity is not None and self.connectivity.state is ConnectivityState.UNTRUSTED


def read(settings: Settings, engine: Engine, now: datetime) -> Overview:
    """The overview at `now`, from a read-only engine; raises `DatabaseError` when the database cannot be read.

    Reads ranges of keys only, so that its cost does not grow with the history that is kept.
    """
    journal, store = Journal(engine), Store(engine)
    open_incidents = tuple(reversed(journal.open_incidents()))
    past_incidents = tuple(incident for incident in journal.incidents(RECENT) if incident.resolved_at)
    stuck = frozenset(at.route for incident in open_incidents for at in incident.routes if at.stuck)
    saved = store.states()
    states = {
        target.id: saved[target.id].health if target.id in saved else not_observed(target.id, now)
        for target in settings.targets
    }
    records = detector_states(settings, saved)
    judged, blips = _judged(settings, states, records), learned_blips(settings, records, now)
    connectivity = store.last_connectivity()
    state = connectivity.state if connectivity else ConnectivityState.ONLINE
    blind = state is ConnectivityState.BLIND
    service = service_status(store.last_beat(), now)
    money = read_summary(settings, store, now)
    paced = stretched(settings, money.stretches)
    traffic = read_traffic(TrafficStore(engine), states, now) if settings.traffic else {}
    with engine.connect() as connection:
        events = tuple(read_events(connection, RECENT))
        machine_notice = read_machine_notice(connection)
        leader = read_leader(connection)
        failing_channels = tuple(read_failing(connection))
        pending_alerts = _read_pending_alerts(settings, connection, now)
        evidence_trails = read_evidence_trails(connection, (*open_incidents, *past_incidents))
        facts = {
            incident.id: read_facts(connection, incident, now)
            for incident in open_incidents
            if incident.lasted_s(now) < _FIGURED_S
        }
        returns = read_returns(connection, now)
        days = read_last_day(connection, [target.id for target in settings.targets], now)
        maintained = maintenance_spans(connection, [earliest_read(paced.targets, now), now])
        targets = tuple(
            TargetView(
                state=states[target.id],
                history=read_history(
                    *(connection, target, now),
                    day=days.get(target.id, LastDay()),
                    maintained=maintained,
                    back_at=returns.get(target.id),
                    held=longest_hold(len(settings.targets)),
                ),
                background=_noisy_background(records.get(target.id)),
                learned_blip_s=blips.get(target.id),
                details=read_recent_details(connection, target.id, now),
                traffic=traffic.get(target.id),
                failing_context=judged[target.id].failing_context,
            )
            for target in paced.targets
        )
    costs = {view.state.target: view.history.cost_day_usd for view in targets}
    answered = (view.state.target for view in targets if view.history.last_day.ok)
    money = replace(money, unknown=without_price(settings, costs, answered))
    overrides = Overrides.at(journal.overrides.in_force(now), now)
    pointed, drills = journal.routes(), last_drills(journal.overrides.drills())
    routes = tuple(
        replace(
            view,
            waits_for=describe_route_wait(view, pointed.get(view.name), saved, paced, now),
            drill=drills.get(view.name),
        )
        for view in route_views(settings, pointed, judged, stuck, overrides, now=now, blind=[""] if blind else [])
    )
    machine = None
    if machine_notice and service.liveness is Liveness.RUNNING:
        failing = tuple(view.state.target for view in targets if view.details.failed_here)
        machine = MachineFault(since=from_ms(machine_notice.at_ms), text=machine_notice.text, targets=failing)
    refusals = {view.state.target: view.refusals for view in targets if view.refusals}
    refusals |= target_shares(incident for incident, _ in facts.values())
    unheard = [failing_sentence(channel, now) for channel in failing_channels]
    level, sentence = headline(
        service,
        routes,
        tuple(states.values()),
        now,
        state,
        budget_alarm=money.alarm,
        refusals=refusals,
        machine_fault=machine.sentence if machine else None,
    )
    return Overview(
        now=now,
        level=level,
        headline=sentence,
        action=next_action(
            [route_standing(view, overrides.applicable(settings), now) for view in routes],
            open_incidents,
            watched=service.liveness is Liveness.RUNNING,
            blind=blind,
            todo=[*filter(None, [money.alarm, _mend(service)]), *(f"{each}; {_TRIES}" for each in unheard)],
        ),
        service=service,
        routes=routes,
        targets=targets,
        open_incidents=tuple(
            facts[incident.id][0] if incident.id in facts else replace(incident, numbers=())
            for incident in open_incidents
        ),
        route_periods={number: periods for number, (_, periods) in facts.items()},
        past_incidents=past_incidents,
        decisions=tuple(journal.decisions(RECENT)),
        events=events,
        overrides=tuple(reversed(overrides.active)),
        connectivity=connectivity,
        money=money,
        evidence_trails=evidence_trails,
        vendors=vendor_views(settings, states, store.vendor_states()),
        failing_channels=failing_channels,
        pending_alerts=pending_alerts,
        machine=machine,
        leader=leader,
        regions=read_regions(settings, engine),
    )


def _mend(service: ServiceStatus) -> str | None:
    """That the configuration must be mended, where a newer one was refused."""
    refused = service.refused_configuration
    return f"the configuration was refused: {refused}" if refused else None


@lru_cache(maxsize=1024)
def _target_state(record: str) -> TargetState | None:
    """What the detector has stored of a target, which changes with its probes alone; nobody changes the value."""
    return target_state.from_json(record)


def _read_pending_alerts(settings: Settings, connection: Connection, now: datetime) -> PendingAlerts | None:
    if settings.alerts.slack is None:
        return None
    incidents, notices = count_pending(connection)
    hours = settings.alerts.slack.quiet_hours
    until, zone = quiet_until(hours, now), hours.zone if hours else "UTC"
    return PendingAlerts(incidents=incidents, notices=notices, quiet_until=until, zone=zone)


def detector_states(settings: Settings, saved: Mapping[str, SavedTargetState]) -> dict[str, TargetState | None]:
    """What the detector has stored of the configured targets, by id; None where that cannot be read."""
    known = {target.id: saved[target.id] for target in settings.targets if target.id in saved}
    return {name: go_on(_target_state(state.record), state.progress) for name, state in known.items()}


def noisy_backgrounds(records: Mapping[str, TargetState | None]) -> list[str]:
    """A sentence for each target that usually fails more often than is allowed for."""
    return [sentence for record in records.values() if (sentence := _noisy_background(record))]


def learned_blips(settings: Settings, records: Mapping[str, TargetState | None], now: datetime) -> dict[str, float]:
    """How long the blips of configured targets last where that was learned, in seconds, by id."""
    blips, learned = settings.controller.blips, dict[str, float]()
    for siblings in targets_by_pool(settings.targets).values():
        known = [record.periods for target in siblings if (record := records.get(target.id))]
        if known and (longest_s := learned_s(known, now, blips)):
            learned |= {target.id: longest_s for target in siblings}
    return learned


def _noisy_background(state: TargetState | None) -> str | None:
    return noisy_background(state) if state else None


def _judged(
    settings: Settings, states: Mapping[str, TargetHealth], records: Mapping[str, TargetState | None]
) -> dict[str, TargetHealth]:
    """The health of each target with what is not stored beside it: whether it is proven, held back, near a limit."""
    return {
        target.id: replace(
            states[target.id],
            held_until=known.held_until if states[target.id].health in HEALTHY else None,
            proven=known.is_proven(target_parameters(target, settings.controller)),
            low_limit=known.low_limit,
            failing_context=known.failing_context,
        )
        if (known := records.get(target.id))
        else states[target.id]
        for target in settings.targets
    }
