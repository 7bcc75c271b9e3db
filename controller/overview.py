"""What is known right now, as one value: the read model that the page and `hotspare status` share."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Engine, select

from controller.decision import Decision, RouteState
from controller.history import History, read_history
from controller.incident import Incident
from controller.journal import Journal
from controller.routing_file import RoutingFile
from controller.standing import Candidate, Life, RouteView, Service, Tone, headline
from monitor.columns import from_ms
from monitor.health import Health, TargetHealth
from monitor.settings import Route, Settings
from monitor.store import ServiceBeat, Store
from monitor.tables import EVENTS

#: The service writes a beat every 5 s. Three missed ones, with 5 s of grace for a slow disk, are a service that
#: crashed or hangs.
SILENT_AFTER_S = 20.0
RECENT = 10
_ON_ITS_WAY_S = 2.0
#: Health that may serve users; with any other a standby is of no use.
_ELIGIBLE = frozenset({Health.UP, Health.SUSPECT, Health.DEGRADED})


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """One target: how it is and how it has been."""

    state: TargetHealth
    history: History


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something worth knowing that is neither a transition nor a decision."""

    at: datetime
    kind: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything that is known at `now`; texts in it may stem from a provider and must be escaped."""

    now: datetime
    tone: Tone
    headline: str
    """The overall state in one line."""
    service: Service
    routes: tuple[RouteView, ...]
    """In the order of the configuration, like `targets`."""
    targets: tuple[TargetView, ...]
    open_incidents: tuple[Incident, ...]
    """The newest first, like everything below."""
    past_incidents: tuple[Incident, ...]
    decisions: tuple[Decision, ...]
    events: tuple[Event, ...]


def read(settings: Settings, engine: Engine, now: datetime) -> Overview:
    """The overview at `now`, from a read-only engine; raises `DatabaseError` when the database cannot be read.

    Reads ranges of keys only, so that its cost does not grow with the history that is kept.
    """
    journal, store = Journal(engine), Store(engine)
    open_incidents = tuple(reversed(journal.open_incidents()))
    stuck = frozenset(at.route for incident in open_incidents for at in incident.routes if at.stuck)
    pointed = journal.routes()
    saved = {name: state.health for name, state in store.states().items()}
    states = {target.id: saved.get(target.id) or _unseen(target.id, now) for target in settings.targets}
    service = service_at(store.last_beat(), now)
    with engine.connect() as connection:
        events = _events(connection)
        targets = tuple(
            TargetView(state=states[target.id], history=read_history(connection, target, now))
            for target in settings.targets
        )
    found = RoutingFile(settings.routing_file).read_targets()
    routes = tuple(
        replace(
            route_view(route, pointed.get(route.name), states, stuck),
            published=published(pointed.get(route.name), found.get(route.name), now),
        )
        for route in settings.routes
    )
    tone, sentence = headline(service, routes, tuple(states.values()), now)
    return Overview(
        now=now,
        tone=tone,
        headline=sentence,
        service=service,
        routes=routes,
        targets=targets,
        open_incidents=open_incidents,
        past_incidents=tuple(incident for incident in journal.incidents(RECENT) if incident.resolved_at),
        decisions=tuple(journal.decisions(RECENT)),
        events=events,
    )


def service_at(beat: ServiceBeat | None, now: datetime) -> Service:
    """Whether the service is at work, by its last sign of life alone."""
    if beat is None:
        return Service(life=Life.NEVER_STARTED)
    silent = (now - beat.beat_at).total_seconds() > SILENT_AFTER_S
    return Service(life=Life.STOPPED if beat.stopped_at else Life.SILENT if silent else Life.RUNNING, beat=beat)


def route_view(
    route: Route, pointed: RouteState | None, states: Mapping[str, TargetHealth], stuck_routes: frozenset[str]
) -> RouteView:
    """Where `route` points; `stuck_routes` are those that an open incident calls stuck."""
    target = pointed.target if pointed else route.candidates[0]
    others = [states[candidate].health for candidate in route.candidates if candidate != target]
    failing = target in states and states[target].health in route.fail_over_on
    return RouteView(
        name=route.name,
        target=target,
        since=pointed.since if pointed else None,
        reason=pointed.reason if pointed else "no decision yet",
        candidates=tuple(
            Candidate(target=candidate, health=states[candidate].health, serving=candidate == target)
            for candidate in route.candidates
        ),
        failed_over=target in route.candidates[1:],
        stuck=failing and (route.name in stuck_routes or not _ELIGIBLE.intersection(others)),
    )


def published(decided: RouteState | None, found: str | None, now: datetime) -> str | None:
    """What the routing file says instead of what was decided; a decision of this moment may still be on its way."""
    if decided is None or decided.target == found or (now - decided.since).total_seconds() < _ON_ITS_WAY_S:
        return None
    return found or ""


def _unseen(target: str, now: datetime) -> TargetHealth:
    return TargetHealth(target=target, health=Health.UNKNOWN, since=now, reason="no observations yet")


def _events(connection: Connection) -> tuple[Event, ...]:
    newest = select(EVENTS).order_by(EVENTS.c.id.desc()).limit(RECENT)
    return tuple(
        Event(at=from_ms(row.at_ms), kind=row.kind, subject=row.subject, text=row.text)
        for row in connection.execute(newest)
    )
