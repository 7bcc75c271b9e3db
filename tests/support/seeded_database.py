"""A database with a past, for the tests of the read model and of the page: six targets, two routes, an outage."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from controller.incidents.incident import AffectedTarget, Incident, IncidentKind, RouteImpact, TimelineEntry
from controller.journal import Journal
from controller.routing import routing_file
from controller.routing.decision import Decision, MoveKind
from monitor.config.loader import load
from monitor.config.settings import Settings
from monitor.health import Health, TargetHealth, Transition, WeighedProbe
from monitor.liveness import ServiceBeat
from monitor.storage.database import open_writer
from monitor.storage.row_conversions import SavedTargetState
from monitor.storage.store import Store
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check, Target

LUNA = "openai/gpt-6-luna"
SMALL_LUNA = "openai/gpt-5.6-luna"
HAIKU = "anthropic/claude-haiku-5-5"
SONNET = "anthropic/claude-sonnet-5"
FLASH = "gemini/gemini-4-flash"
KEY = "sk-never-to-be-seen"
HOSTILE = "<script>alert(1)</script><img src=x onerror=\"document.title='owned'\">"

#: A name as long as anybody's.
LONG = "m" * 80

_CONFIG = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
defaults: {{interval: {interval}}}
providers:
  openai:
    dialect: openai-chat
    api_key: ${{KEY}}
    models: {{gpt-6-luna: {{}}, gpt-5.6-luna: {{}}}}
  anthropic:
    dialect: anthropic
    api_key: ${{KEY}}
    models: {{claude-haiku-5-5: {{}}, claude-sonnet-5: {{}}}}
  gemini:
    dialect: gemini
    api_key: ${{KEY}}
    models: {{gemini-4-flash: {{checks: [chat, stream]}}, gemini-4-pro: {{}}}}
routes:
  chat: {{candidates: [openai/gpt-6-luna, anthropic/claude-haiku-5-5, gemini/gemini-4-flash]}}
  summaries: {{candidates: [anthropic/claude-sonnet-5, gemini/gemini-4-pro]}}
"""
_REASON = f"{LUNA} is down: 9 of 14 probes failed in 41 s (server_error), evidence 10.4, verdict at 9.8"


def write_config(folder: Path, *, interval: str = "30s") -> Path:
    """`hotspare.yaml` in the folder; its database and routing file are there too."""
    path = folder / "hotspare.yaml"
    path.write_text(_CONFIG.format(folder=folder, interval=interval))
    return path


def settings_in(folder: Path, *, interval: str = "30s") -> Settings:
    """The settings of `write_config`."""
    return load(write_config(folder, interval=interval), {"KEY": KEY})


def long_named(config: Path) -> Settings:
    """The settings once the first model and the first route of `write_config` have names of 80 characters."""
    text = config.read_text().replace("gpt-6-luna", LONG).replace("  chat:", f"  {'r' * 80}:")
    config.write_text(text)
    return load(config, {"KEY": KEY})


def beat(store: Store, at: datetime, *, stopped_at: datetime | None = None) -> None:
    """The service's sign of life."""
    store.beat(
        ServiceBeat(
            pid=4711,
            host="watch-1",
            version="0.1.0",
            started_at=at - timedelta(hours=3),
            beat_at=at,
            stopped_at=stopped_at,
        )
    )


def saved(target: str, health: Health, since: datetime, reason: str, *, evidence: float = 0.0) -> SavedTargetState:
    """What the detector would have saved."""
    word = TargetHealth(target=target, health=health, since=since, reason=reason, evidence=evidence, threshold=9.8)
    return SavedTargetState(health=word, at=since, record="{}")


def seed(settings: Settings, now: datetime, *, hours: float = 1.0) -> None:
    """A service that runs and has watched for `hours`; everything is up, every route is on its first choice."""
    engine = open_writer(settings.database)
    store = Store(engine)
    for target in settings.targets:
        store.record(_past(target, now, hours))
    began = now - timedelta(hours=hours)
    store.save_states(
        [
            saved(target.id, Health.UP, began, f"{target.id} is up: the first probe was ok")
            for target in settings.targets
        ],
        [],
    )
    Journal(engine).commit(
        [
            Decision(
                route=route.name,
                at=began,
                move=MoveKind.FIRST,
                before=None,
                target=route.candidates[0],
                reason="no observations yet",
                generation=1,
            )
            for route in settings.routes
        ],
        [_resolved(began)],
    )
    store.add_event(began, "service_started", "service", "Hotspare 0.1.0 started, watching 6 targets")
    beat(store, now - timedelta(seconds=1))
    engine.dispose()
    publish(settings, now)


def publish(settings: Settings, now: datetime) -> None:
    """Write the routing file as the journal has it."""
    engine = open_writer(settings.database)
    routes = Journal(engine).routes()
    table = routing_file.build_table(settings, routes, {}, generation=1, written_at=now, valid_for_s=90)
    routing_file.RoutingFile(settings.routing_file).publish(table)
    engine.dispose()


def break_openai(settings: Settings, now: datetime, *, detail: str = "HTTP 500: internal error") -> None:
    """What the service would write once `openai/gpt-6-luna` has failed half of its requests for four minutes."""
    engine = open_writer(settings.database)
    store = Store(engine)
    target = settings.target(LUNA)
    onset, down = now - timedelta(seconds=240), now - timedelta(seconds=180)
    failing = [
        replace(seen, started_at=onset + timedelta(seconds=9 * n), outcome=Outcome.SERVER_ERROR, detail=detail)
        for n, seen in enumerate(_past(target, now, 0.21)[:25])
    ]
    store.record([*failing, replace(failing[-1], started_at=now - timedelta(seconds=2), http_status=500)])
    store.save_states(
        [
            saved(LUNA, Health.DOWN, down, _REASON, evidence=14.2),
            saved(SMALL_LUNA, Health.SUSPECT, down, f"{SMALL_LUNA} is suspect: 2 of 6 probes failed", evidence=4.1),
        ],
        [verdict(LUNA, down)],
    )
    move = Decision(
        route="chat", at=down, move=MoveKind.FAILOVER, before=LUNA, target=HAIKU, reason=_REASON, generation=2
    )
    timeline = (
        TimelineEntry(at=onset, text=f"{LUNA} is suspect: the last probe failed (server_error)"),
        TimelineEntry(at=down, text=_REASON),
        TimelineEntry(at=down, text=f"chat moved to {HAIKU}"),
    )
    incident = Incident(
        id=0,
        provider="openai",
        kind=IncidentKind.OUTAGE,
        opened_at=down,
        affected=(AffectedTarget(target=LUNA, health=Health.DOWN, since=down, reason=_REASON),),
        timeline=timeline,
        routes=(RouteImpact(route="chat", target=HAIKU),),
    )
    Journal(engine).commit([move], [incident])
    beat(store, now - timedelta(seconds=1))
    engine.dispose()
    publish(settings, now)


def verdict(target: str, at: datetime, *asked: str, pattern: str = "x.xx.x.xx.x.xx") -> Transition:
    """Down after these probes (`x` failed), 3.15 s apart, of the targets `asked` in turn; else of `target` alone."""
    names, evidence, trail = asked or (target,), 0.0, []
    for n, mark in enumerate(pattern):
        evidence = evidence + 1.4 if mark == "x" else evidence - 0.44
        probed = at - timedelta(seconds=3.15 * (len(pattern) - 1 - n))
        outcome = Outcome.SERVER_ERROR if mark == "x" else Outcome.OK
        trail.append(WeighedProbe(at=probed, target=names[n % len(names)], outcome=outcome, evidence=evidence))
    return Transition(
        target=target,
        at=at,
        before=Health.SUSPECT,
        after=Health.DOWN,
        reason=_REASON,
        evidence=evidence,
        threshold=9.8,
        trail=tuple(trail),
    )


def _past(target: Target, now: datetime, hours: float) -> list[Observation]:
    """Observations at the target's interval, the newest a few seconds old; one in two hundred fails."""
    chance = Random(target.id)
    stream = Check.STREAM in target.checks
    count = int(hours * 3600 / target.interval_s)
    median_s = chance.uniform(0.6, 1.9)
    return [
        Observation(
            target=target.id,
            check=Check.STREAM if stream else Check.CHAT,
            started_at=now - timedelta(seconds=4 + target.interval_s * n),
            outcome=Outcome.TIMEOUT if chance.random() < 0.005 else Outcome.OK,
            duration_s=median_s * chance.lognormvariate(0, 0.35),
            first_token_s=median_s * 0.4 if stream else None,
            cost_usd=0.000_021,
        )
        for n in range(count)
    ]


def _resolved(at: datetime) -> Incident:
    opened, over = at - timedelta(hours=2), at - timedelta(hours=2) + timedelta(minutes=9, seconds=41)
    reason = f"{SONNET} is degraded: 7 of 9 answers slow in 2 min"
    return Incident(
        id=0,
        provider="anthropic",
        kind=IncidentKind.DEGRADATION,
        opened_at=opened,
        resolved_at=over,
        affected=(AffectedTarget(target=SONNET, health=Health.UP, since=over, reason=reason),),
        timeline=(
            TimelineEntry(at=opened, text=reason),
            TimelineEntry(at=over, text=f"{SONNET} is up again: 40 clean probes"),
        ),
        routes=(RouteImpact(route="summaries", target=SONNET),),
    )


def mend_openai(settings: Settings, at: datetime, *, alive: timedelta = timedelta(0)) -> None:
    """What the service writes when that outage is over; its last sign of life is `alive` later."""
    engine = open_writer(settings.database)
    Store(engine).save_states([saved(LUNA, Health.UP, at, f"{LUNA} is up")], [])
    Store(engine).save_states([saved(SMALL_LUNA, Health.UP, at, f"{SMALL_LUNA} is up")], [])
    journal = Journal(engine)
    [incident] = journal.open_incidents()
    healthy = tuple(replace(each, health=Health.UP) for each in incident.affected)
    over = replace(incident, resolved_at=at, affected=healthy)
    back = Decision(
        route="chat",
        target=LUNA,
        before=HAIKU,
        at=at,
        reason="it is up",
        move=MoveKind.FAILBACK,
        generation=3,
    )
    journal.commit([back], [over])
    beat(Store(engine), at + alive)
    engine.dispose()
    publish(settings, at)
