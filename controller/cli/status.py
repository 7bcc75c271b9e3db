"""`hotspare status`: what is known right now, read from the database of a service that may be running."""

import argparse
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from controller.cli import output
from controller.cli.arguments import add_config, add_json, load_settings
from controller.incidents.incident import Incident
from controller.incidents.text import abridged, title
from controller.incidents.vendor_claim import lead_sentence
from controller.routing import override_text
from controller.status.document import status_document
from controller.status.headline import UNTRUSTED, Level, failing_sentence
from controller.status.next_action import Urgency
from controller.status.overview import Overview, read
from monitor.clock import utc_now
from monitor.formatting import ago, clock, percent_number
from monitor.health import FAILING, HealthLevel
from monitor.liveness import Liveness
from monitor.storage.database import open_reader

_ROOMY_COLUMNS = 100
#: Of a long timeline so many of the first and of the last entries are shown.
_FIRST, _LAST = 3, 7
_LEVEL_STYLES = {Level.GOOD: "green", Level.NOTICE: "yellow", Level.BAD: "bold red", Level.UNKNOWN: "yellow"}
_URGENCY_STYLES = {Urgency.NOW: "bold red", Urgency.LATER: "yellow", Urgency.NOBODY: ""}
_HEALTH_STYLES = {
    HealthLevel.GOOD: "green",
    HealthLevel.WATCH: "yellow",
    HealthLevel.BAD: "red",
    HealthLevel.INFO: "yellow",
    HealthLevel.OURS: "red",
    HealthLevel.NONE: "dim",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `status`."""
    add_config(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print it; 1 when a target fails or the service is not running, 2 when there is no database to read."""
    settings = load_settings(args.config, keys=False)
    overview = read(settings, open_reader(settings.database), utc_now())
    output.print_answer(args, status_document(overview), print_overview, overview)
    failing = any(target.state.health in FAILING for target in overview.targets)
    unpublished = any(route.published is not None for route in overview.routes)
    good = not failing and not unpublished and overview.service.liveness is Liveness.RUNNING
    return output.OK if good else output.BAD_NEWS


def print_overview(overview: Overview, console: Console) -> None:
    """Print for people: headline, routes, overrides, targets, open incidents."""
    console.print(Text(overview.headline, style=_LEVEL_STYLES[overview.level]))
    console.print(Text(overview.action.sentence, style=_URGENCY_STYLES[overview.action.urgency]))
    if overview.untrusted:
        console.print(Text(f"Note: {UNTRUSTED}", style="yellow"))
    if overview.machine:
        console.print(Text(f"This machine: {overview.machine.sentence}", style="yellow"))
    for channel in overview.failing_channels:
        console.print(Text(f"Not told: {failing_sentence(channel, overview.now)}", style="yellow"))
    if overview.pending_alerts and overview.pending_alerts.sentence:
        console.print(Text(f"Waiting: {overview.pending_alerts.sentence}", style="dim"))
    for route in overview.routes:
        since = f", since {clock(route.since, overview.now)}" if route.since else ""
        console.print(Text(f"\n{route.name} → {route.target}{since}", style="bold"))
        console.print(Text(f"  {route.reason}"))
        if route.note:
            console.print(Text(f"  {route.note}", style="yellow"))
    for override in overview.overrides:
        phrase = override_text.describe_override(override)
        left = override_text.format_time_left(override, overview.now)
        console.print(Text(f"\n{phrase[0].upper()}{phrase[1:]}, {left}", style="bold yellow"))
        console.print(Text(f"  by {override.author}, {ago(override.at, overview.now)}: {override.reason}"))
    console.print()
    console.print(_targets(overview, roomy=console.width >= _ROOMY_COLUMNS))
    if overview.money:
        watch = overview.money.stopped or overview.money.stretches
        console.print(Text(f"\nCost: {overview.money.sentence}", style="yellow" if watch else ""))
    if overview.vendors:
        console.print()
    for view in overview.vendors:
        trouble = view.report and view.report.state.is_trouble
        console.print(Text(f"{view.provider}: {view.sentence(overview.now)}", style="yellow" if trouble else "dim"))
    remarks = [line for target in overview.targets for line in target.remarks]
    for line in ("", *remarks) if remarks else ():
        console.print(Text(line))
    for incident in overview.open_incidents:
        _print_incident(incident, overview.now, console)


def _print_incident(incident: Incident, now: datetime, console: Console) -> None:
    opened = f"{clock(incident.open_since, now)}, {ago(incident.open_since, now)}"
    console.print(Text(f"\nIncident {incident.id}: {title(incident)}, since {opened}", style="bold red"))
    if incident.vendor:
        console.print(Text(f"  {lead_sentence(incident.vendor, incident.opened_at)}"))
    for entry in abridged(incident.timeline, first=_FIRST, last=_LAST, dropped=incident.dropped_entries):
        console.print(Text(f"  {entry}" if isinstance(entry, str) else f"  {clock(entry.at, now)}  {entry.text}"))


def _targets(overview: Overview, *, roomy: bool) -> Table:
    """One line for each target; a narrow terminal shows fewer columns."""
    table = output.plain_table()
    table.add_column("target", overflow="fold")
    table.add_column("health", no_wrap=True)
    for name in ("1 h", *(("24 h", "p50", "p95") if roomy else ("p50",)), "evidence", "last ok"):
        table.add_column(name, justify="right", no_wrap=True)
    for target in overview.targets:
        state, history = target.state, target.history
        more = (_share(history.last_day.served), _seconds(history.p50_s), _seconds(history.p95_s))
        table.add_row(
            state.target,
            Text(state.health, style=_HEALTH_STYLES[state.health.level]),
            _share(history.last_hour.served),
            *(more if roomy else more[1:2]),
            f"{state.evidence:.1f}/{state.threshold:.1f}" if state.threshold else "–",
            ago(state.last_ok_at, overview.now) if state.last_ok_at else "never",
        )
    return table


def _share(share: float | None) -> str:
    return "–" if share is None else f"{percent_number(share)}%"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.2f} s"
