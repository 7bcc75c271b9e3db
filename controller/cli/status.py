"""`hotspare status`: what is known right now, read from the database of a service that may be running."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from controller.cli import output as answers
from controller.cli.terminal import terminal
from controller.incidents import text as incident_words
from controller.incidents.incident import Incident
from controller.incidents.vendor_lead import lead_sentence, lead_words
from controller.routing import override_text
from controller.routing.overrides import Override
from controller.status.evidence import EvidenceTrail
from controller.status.headline import UNTRUSTED, Level
from controller.status.overview import Overview, TargetView, read
from controller.status.pending_alerts import PendingAlerts
from controller.status.vendor_status import VendorView
from monitor.budget.summary import BudgetSummary
from monitor.clock import utc_now
from monitor.connectivity.state import ConnectivityObservation
from monitor.formatting import ago, clock, instant
from monitor.health import FAILING, Health
from monitor.liveness import Liveness
from monitor.settings import Settings
from monitor.storage.database import DatabaseError, open_reader

_ROOMY_COLUMNS = 100
_TONES = {Level.GOOD: "green", Level.NOTICE: "yellow", Level.BAD: "bold red", Level.UNKNOWN: "yellow"}
_HEALTHS = {Health.UP: "green", Health.UNKNOWN: "dim"} | dict.fromkeys(FAILING, "red")


def show(settings: Settings, *, as_json: bool) -> int:
    """Print it; 1 when a target fails or the service is not running, 2 when there is no database to read."""
    try:
        engine = open_reader(settings.database)
        try:
            overview = read(settings, engine, utc_now())
        finally:
            engine.dispose()
    except DatabaseError as error:
        answers.complain(error)
        return answers.WRONG
    if as_json:
        answers.print_document(document(overview))
    else:
        print_overview(overview)
    failing = any(target.state.health in FAILING for target in overview.targets)
    unpublished = any(route.published is not None for route in overview.routes)
    good = not failing and not unpublished and overview.service.liveness is Liveness.RUNNING
    return answers.OK if good else answers.BAD_NEWS


def document(overview: Overview) -> dict[str, Any]:
    """The overview as JSON for scripts; instants in UTC, shares 0 to 1, null where nothing is known."""
    service, beat = overview.service, overview.service.beat
    return {
        "at": _instant(overview.now),
        "headline": overview.headline,
        "tone": overview.tone,
        "service": {
            "life": service.liveness,
            "pid": beat.pid if beat else None,
            "host": beat.host if beat else None,
            "started_at": _instant(beat.started_at) if beat else None,
            "beat_at": _instant(beat.beat_at) if beat else None,
        },
        "network": _network(overview.connectivity),
        "money": _money(overview.money),
        "routes": [
            {
                "route": route.name,
                "target": route.target,
                "since": _instant(route.since),
                "reason": route.reason,
                "failed_over": route.failed_over,
                "stuck": route.stuck,
                "weights": dict(route.weights) or {route.target: 100},
                "waiting": route.waiting,
                "dry_run": route.dry_run,
                "would": route.would,
                "override": route.override.id if route.override else None,
                "drained": [c.target for c in route.candidates if c.drain],
                "published": route.target if route.published is None else route.published or None,
                "candidates": [{"target": c.target, "health": c.health} for c in route.candidates],
            }
            for route in overview.routes
        ],
        "targets": [_target(target) for target in overview.targets],
        "vendors": {one.provider: _vendor(one) for one in overview.vendors},
        "overrides": [override_text.override_document(one) for one in overview.overrides],
        "not_told": [
            {"sink": one.sink, "part": one.part or None, "since": _instant(one.since), "error": one.error}
            for one in overview.unheard
        ],
        "slack": _backlog(overview.backlog),
        "open_incidents": [
            _incident(incident, overview.trails.get(incident.id, ())) for incident in overview.open_incidents
        ],
    }


def _backlog(found: PendingAlerts | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "waiting_incidents": found.incidents,
        "waiting_notices": found.notices,
        "quiet_until": _instant(found.quiet_until),
    }


def _network(said: ConnectivityObservation | None) -> dict[str, Any] | None:
    if said is None:
        return None
    return {
        "sight": said.sight,
        "at": _instant(said.at),
        "endpoints": [{"endpoint": one, "answered": one in said.answered} for one in said.asked],
    }


def _vendor(view: VendorView) -> dict[str, Any]:
    report = view.report
    return {
        "page": view.url,
        "state": report.state if report else None,
        "headline": report.headline or None if report else None,
        "since": _instant(report.since) if report else None,
        "at": _instant(report.at) if report else None,
        "health": view.health,
    }


def _lead(incident: Incident) -> dict[str, Any] | None:
    """Who knew first; `noticed_before_s` is negative where the vendor did, null while it has not said so."""
    found = incident.vendor
    if found is None:
        return None
    return {
        "page": found.page,
        "state": found.state,
        "headline": found.headline or None,
        "said_at": _instant(found.said_at),
        "claimed_at": _instant(found.claimed_at),
        "noticed_before_s": (found.said_at - incident.opened_at).total_seconds() if found.said_at else None,
        "words": lead_words(found, incident.opened_at),
    }


def _money(money: BudgetSummary | None) -> dict[str, Any] | None:
    if money is None:
        return None
    return {
        "spent_usd_this_month": round(money.spent_usd, 6),
        "budget_usd_per_month": money.cap_usd,
        "stretches": dict(money.stretches),
        "spent": money.empty,
        "stopped": list(money.stopped),
        "month_ends": _instant(money.month_ends),
        "price_unknown": list(money.unknown),
        "words": money.words,
    }


def _target(target: TargetView) -> dict[str, Any]:
    state, history = target.state, target.history
    return {
        "target": state.target,
        "health": state.health,
        "since": _instant(state.since),
        "reason": state.reason,
        "evidence": round(state.evidence, 2),
        "threshold": round(state.threshold, 2),
        "last_ok_at": _instant(state.last_ok_at),
        "success_hour": history.last_hour.success,
        "success_day": history.last_day.success,
        "p50_s": history.p50_s,
        "p95_s": history.p95_s,
        "cost_day_usd": history.cost_day_usd,
        "notices": list(target.said.notices),
        "request_ids": list(target.said.request_ids) if state.health in FAILING else [],
    }


def _incident(incident: Incident, trails: Sequence[EvidenceTrail]) -> dict[str, Any]:
    return {
        "id": incident.id,
        "provider": incident.provider,
        "kind": incident.kind,
        "opened_at": _instant(incident.opened_at),
        "affected": [{"target": a.target, "health": a.health, "reason": a.reason} for a in incident.affected],
        "routes": [{"route": r.route, "target": r.target, "stuck": r.stuck} for r in incident.routes],
        "trails": [_trail(trail) for trail in trails],
        "vendor": _lead(incident),
    }


def _trail(trail: EvidenceTrail) -> dict[str, Any]:
    return {
        "targets": trail.targets,
        "at": _instant(trail.at),
        "health": trail.health,
        "evidence": round(trail.evidence, 2),
        "threshold": round(trail.threshold, 2),
        "probes": [
            {"at": _instant(one.at), "target": one.target, "outcome": one.outcome, "evidence": round(one.evidence, 2)}
            for one in trail.probes
        ],
    }


def _instant(at: datetime | None) -> str | None:
    return instant(at) if at else None


def print_overview(overview: Overview, console: Console | None = None) -> None:
    """For people: the headline, the routes, the targets, the open incidents; on standard output by default."""
    console = console or terminal()
    console.print(Text(overview.headline, style=_TONES[overview.tone]))
    if overview.untrusted:
        console.print(Text(f"Note: {UNTRUSTED}", style="yellow"))
    _print_telling(overview, console)
    for route in overview.routes:
        since = f", since {clock(route.since, overview.now)}" if route.since else ""
        console.print(Text(f"\n{route.name} → {route.target}{since}", style="bold"))
        console.print(Text(f"  {route.reason}"))
        if route.note:
            console.print(Text(f"  {route.note}", style="yellow"))
    for one in overview.overrides:
        console.print(
            Text(f"\n{_override(one)}, {override_text.format_time_left(one, overview.now)}", style="bold yellow")
        )
        console.print(Text(f"  by {one.author}, {ago(one.at, overview.now)}: {one.reason}"))
    console.print()
    console.print(_targets(overview, roomy=console.width >= _ROOMY_COLUMNS))
    if overview.money:
        watch = overview.money.stopped or overview.money.stretched
        console.print(Text(f"\nCost: {overview.money.words}", style="yellow" if watch else ""))
    if overview.vendors:
        console.print()
    for view in overview.vendors:
        console.print(Text(f"{view.provider}: {view.words(overview.now)}", style=_said_style(view)))
    asides = [line for target in overview.targets for line in target.asides]
    for line in ("", *asides) if asides else ():
        console.print(Text(line))
    for incident in overview.open_incidents:
        opened = f"{clock(incident.opened_at, overview.now)}, {ago(incident.opened_at, overview.now)}"
        title = f"\nIncident {incident.id}: {incident_words.title(incident)}, since {opened}"
        console.print(Text(title, style="bold red"))
        if incident.vendor:
            console.print(Text(f"  {lead_sentence(incident.vendor, incident.opened_at)}"))
        for happening in incident.timeline:
            console.print(Text(f"  {clock(happening.at, overview.now)}  {happening.text}"))


def _print_telling(overview: Overview, console: Console) -> None:
    for unheard in overview.unheard:
        console.print(Text(f"Not told: {unheard.words(overview.now)}", style="yellow"))
    if overview.backlog and overview.backlog.words:
        console.print(Text(f"Waiting: {overview.backlog.words}", style="dim"))


def _said_style(view: VendorView) -> str:
    return "yellow" if view.report and view.report.state.admits else "dim"


def _override(one: Override) -> str:
    phrase = override_text.describe_override(one)
    return phrase[0].upper() + phrase[1:]


def _targets(overview: Overview, *, roomy: bool) -> Table:
    """One line a target; on a narrow terminal without what is least urgent."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("target", overflow="fold")
    table.add_column("health", no_wrap=True)
    for name in ("1 h", *(("24 h", "p50", "p95") if roomy else ("p50",)), "evidence", "last ok"):
        table.add_column(name, justify="right", no_wrap=True)
    for target in overview.targets:
        state, history = target.state, target.history
        more = (_share(history.last_day.success), _seconds(history.p50_s), _seconds(history.p95_s))
        table.add_row(
            state.target,
            Text(state.health, style=_HEALTHS.get(state.health, "yellow")),
            _share(history.last_hour.success),
            *(more if roomy else more[1:2]),
            f"{state.evidence:.1f}/{state.threshold:.1f}" if state.threshold else "–",
            ago(state.last_ok_at, overview.now) if state.last_ok_at else "never",
        )
    return table


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.2f} s"
