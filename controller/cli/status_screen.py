"""Lays `hotspare status` out for a terminal of any size: the worst first, and what does not fit is counted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from rich.console import Console
from rich.text import Text

from controller.alerts.next_action import Urgency
from controller.cli.layout import TextTable, plain_table, shorten_name, wrap
from controller.incidents import text as words
from controller.incidents.incident import Incident
from controller.incidents.vendor_claim import lead_sentence
from controller.routing import override_text
from controller.routing.drill import drill_sentence
from controller.status.headline import UNTRUSTED, Level, RouteView, failing_sentence
from controller.status.overview import Overview, TargetView
from monitor.detection.verdict_text import plain_reason
from monitor.formatting import ago, clock, format_percent, listed, plural
from monitor.health import FAILING, UNHEALTHY, WORST_FIRST, Health, HealthLevel
from monitor.history.rollup import OutcomeCounts

_ROOMY_COLUMNS = 100
#: A name keeps at least so many columns, however narrow the terminal is.
_LEAST_NAME = 20
#: Of a long timeline so many of the first and of the last entries are shown.
_FIRST, _LAST = 3, 7
_NAMED = 4
_MOST_HEAD_LINES = 4
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
_REST = Text("`hotspare status --verbose` shows the rest", style="dim")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Detail:
    """How much is shown."""

    folded_targets: AbstractSet[Health] = frozenset()
    """Targets in these states are counted in one line, not listed."""
    folds_routes: bool = False
    """Routes on their first choice are counted in one line."""
    has_extras: bool = True
    """Cost, vendors, remarks, and the blank lines between parts."""
    text_lines: int | None = 3
    """A text has at most so many lines."""
    rows: int | None = None
    """So many of each kind are listed at most, the others are counted."""
    groups_targets: bool = False
    """The targets of a provider that all fail alike share a row."""
    is_verbose: bool = False
    """Timelines, evidence, and the whole of every text and name."""


_ALL = _Detail(text_lines=None, is_verbose=True)
_UP_FOLDED = _Detail(folded_targets=frozenset({Health.UP}))
_FOLDED = replace(_UP_FOLDED, folded_targets=frozenset(Health) - UNHEALTHY, folds_routes=True)
_SHORT = replace(_FOLDED, has_extras=False, text_lines=1, groups_targets=True)
#: From all to the least.
_DETAILS = (
    *(_Detail(), _UP_FOLDED, replace(_UP_FOLDED, folds_routes=True), _FOLDED),
    *(replace(_FOLDED, text_lines=2, groups_targets=True), replace(_SHORT, text_lines=2), _SHORT),
    *(replace(_SHORT, rows=rows) for rows in (12, 8, 5, 4, 3, 2, 1)),
)


def whole_screen(overview: Overview, console: Console) -> list[Text]:
    """All that is known, however long it is."""
    return _lines(overview, console, _ALL)


def fitted_screen(overview: Overview, console: Console, rows: int | None) -> list[Text]:
    """As much as goes into so many rows of the terminal, the worst first; with None, all but what few want to read."""
    for detail in _DETAILS:
        lines = _lines(overview, console, detail)
        if rows is None:
            return lines
        hides = detail is not _DETAILS[0]
        if len(lines) + hides <= rows:
            return [*lines, _REST] if hides else lines
    return [*lines[: max(1, (rows or 1) - 1)], _REST][:rows]


def _lines(overview: Overview, console: Console, detail: _Detail) -> list[Text]:
    parts = [
        list(_head(overview, console, detail)),
        list(_routes(overview, console, detail)),
        list(_overrides(overview, console, detail)),
        list(_targets(overview, console, detail)),
        list(_incidents(overview, console, detail)),
        list(_extras(overview, console, detail)) if detail.has_extras else [],
    ]
    lines: list[Text] = []
    for part in filter(None, parts):
        lines += [Text(), *part] if lines and detail.has_extras else part
    return lines


def _head(overview: Overview, console: Console, detail: _Detail) -> Iterator[Text]:
    """Headline, whether to act, and what hides the truth or keeps people from hearing it."""
    most = None if detail.is_verbose else _MOST_HEAD_LINES
    headline = Text(overview.headline, style=_LEVEL_STYLES[overview.level])
    yield from wrap(headline, console.width, most=most)
    action = Text(overview.action.sentence, style=_URGENCY_STYLES[overview.action.urgency])
    yield from wrap(action, console.width, most=most)
    for address in overview.action.runbooks:
        yield from wrap(Text(f"Runbook: {address}"), console.width, indent=2, most=most)
    notes = [f"Note: {UNTRUSTED}"] if overview.untrusted else []
    notes += [f"Not in force: {refused}"] if (refused := overview.service.refused_configuration) else []
    notes += [f"This machine: {overview.machine.sentence}"] if overview.machine else []
    notes += [f"Not delivered: {failing_sentence(channel, overview.now)}" for channel in overview.failing_channels]
    for note in notes:
        yield from wrap(Text(note, style="yellow"), console.width, indent=2, most=detail.text_lines)
    if overview.pending_alerts and overview.pending_alerts.sentence:
        waiting = Text(f"Waiting: {overview.pending_alerts.sentence}", style="dim")
        yield from wrap(waiting, console.width, indent=2, most=detail.text_lines)


def _routes(overview: Overview, console: Console, detail: _Detail) -> Iterator[Text]:
    """The routes whose users are hit first, then those that are elsewhere than wanted, then the others."""
    rows = sorted(overview.routes, key=_route_rank)
    well = [route for route in rows if _route_rank(route) == _WELL]
    listed_rows = rows[: len(rows) - len(well)] if detail.folds_routes and len(well) > 1 else rows
    said: set[str] = set()
    for route in listed_rows[: detail.rows]:
        yield _route_line(route, overview.now, console, detail)
        reason = plain_reason(route.reason) if detail.is_verbose or _route_rank(route) != _WELL else None
        texts = [(route.note, "yellow"), (reason, "")]
        if detail.text_lines == 1:
            texts = texts[:1] if route.note else texts[1:]
        for text, style in texts:
            if text and text not in said:
                said.add(text)
                line = Text(f"  {text}", style=style)
                yield from wrap(line, console.width, indent=2, most=detail.text_lines)
    if more := listed_rows[len(listed_rows[: detail.rows]) :]:
        yield _cut(console, f"{plural(len(more), 'more route')} not on the first choice: {_names(more)}", "yellow")
    if listed_rows is not rows:
        count = f"{len(well)} routes" if len(well) == len(rows) else f"{len(well)} other routes"
        yield _cut(console, f"{count} on the first choice: {_names(well)}", "")


_WELL = 2


def _route_rank(route: RouteView) -> int:
    """0 where users are hit or applications are misled, 1 where it is not as configured, else `_WELL`."""
    health = next((each.health for each in route.candidates if each.target == route.target), Health.UNKNOWN)
    if route.stuck or route.published is not None or health in FAILING:
        return 0
    moved = route.failed_over or route.override or route.note or any(each.drain for each in route.candidates)
    return 1 if moved or health in UNHEALTHY else _WELL


def _names(routes: Iterable[RouteView]) -> str:
    return listed([route.name for route in routes], _NAMED)


def _route_line(route: RouteView, now: datetime, console: Console, detail: _Detail) -> Text:
    since = f", since {clock(route.since, now)}" if route.since else ""
    since += f"; {drill_sentence(route.drill, now)}" if route.drill else ""
    name, target = route.name, route.target
    if not detail.is_verbose:
        since = since if console.width - len(since) - 3 >= 2 * _LEAST_NAME else ""
        room = console.width - len(since) - 3
        name = shorten_name(name, max(_LEAST_NAME, room // 2))
        target = shorten_name(target, max(_LEAST_NAME, room - Text(name).cell_len))
    style = ("bold red", "bold yellow", "bold")[_route_rank(route)]
    return Text.assemble((f"{name} → {target}", style), since)


def _overrides(overview: Overview, console: Console, detail: _Detail) -> Iterator[Text]:
    for override in overview.overrides[: detail.rows]:
        phrase = override_text.describe_override(override)
        left = override_text.format_time_left(override, overview.now)
        head = f"{phrase[0].upper()}{phrase[1:]}, {left}"
        by = f", by {override.author}, {ago(override.at, overview.now)}: {override.reason}"
        line = Text.assemble((head, "bold yellow"), by)
        yield from wrap(line, console.width, indent=2, most=detail.text_lines)
    if detail.rows and len(overview.overrides) > detail.rows:
        yield Text(f"{plural(len(overview.overrides) - detail.rows, 'more override')}", style="yellow")


def _targets(overview: Overview, console: Console, detail: _Detail) -> Iterator[Text]:
    """A row for each target, the worst first, then how many are not listed."""
    rows = sorted(overview.targets, key=lambda target: WORST_FIRST.index(target.state.health))
    folded = [target for target in rows if target.state.health in detail.folded_targets]
    folded = folded if len(folded) > 1 else []
    kept = [target for target in rows if target not in folded]
    groups = _by_provider(kept) if detail.groups_targets else [[target] for target in kept]
    if groups:
        yield from _target_table(groups[: detail.rows], overview.now, console, detail).lines(console)
    if more := list(chain.from_iterable(groups[len(groups[: detail.rows]) :])):
        yield _cut(console, _count_health(more, "more target"), "red")
    if folded:
        shares = [share for target in folded if (share := target.history.last_hour.served) is not None]
        served = f"; each served {format_percent(min(shares))} or more in the last hour" if shares else ""
        yield _cut(console, _count_health(folded, "other target" if kept else "target") + served, "")


def _by_provider(targets: Iterable[TargetView]) -> list[list[TargetView]]:
    """The targets of the same provider with the same health together."""
    groups: dict[tuple[str, Health], list[TargetView]] = {}
    for target in targets:
        groups.setdefault((target.state.target.partition("/")[0], target.state.health), []).append(target)
    return list(groups.values())


def _count_health(targets: Iterable[TargetView], noun: str) -> str:
    """`20 targets up`, `20 targets: 18 up, 2 suspect`."""
    counts = Counter(target.state.health for target in targets)
    if len(counts) == 1:
        return f"{plural(counts.total(), noun)} {next(iter(counts))}"
    listing = ", ".join(f"{counts[health]} {health}" for health in WORST_FIRST if counts[health])
    return f"{plural(counts.total(), noun)}: {listing}"


def _target_table(
    groups: Sequence[Sequence[TargetView]], now: datetime, console: Console, detail: _Detail
) -> TextTable:
    """A row for each group, with the worst of its figures; a narrow terminal shows fewer columns."""
    roomy = detail.is_verbose or console.width >= _ROOMY_COLUMNS
    figures = ["for", "1 h", *(("24 h", "p50", "p95") if roomy else ("p50",))]
    figures += ["evidence", "last ok"] if detail.is_verbose else ["last ok"]
    table = plain_table("target", "health", figures=figures)
    for group in groups:
        state, histories = group[0].state, [target.history for target in group]
        name = state.target if len(group) == 1 else f"{state.target.partition('/')[0]}: {len(group)} targets"
        more = (
            _least_served(h.last_day for h in histories),
            _seconds(max((h.p50_s for h in histories if h.p50_s is not None), default=None)),
            _seconds(max((h.p95_s for h in histories if h.p95_s is not None), default=None)),
        )
        last_ok = max((target.state.last_ok_at for target in group if target.state.last_ok_at), default=None)
        evidence = f"{state.evidence:.1f}/{state.threshold:.1f}" if state.threshold else "–"
        table.add(
            name,
            Text(state.health, style=_HEALTH_STYLES[state.health.level]),
            ago(min(target.state.since for target in group), now).removesuffix(" ago"),
            _least_served(h.last_hour for h in histories),
            *(more if roomy else more[1:2]),
            *([evidence] if detail.is_verbose else []),
            ago(last_ok, now) if last_ok else "never",
        )
    return table if detail.is_verbose else _with_short_names(table, console.width)


def _with_short_names(table: TextTable, width: int) -> TextTable:
    others = sum(
        2 + max(len(column.name), *(row[n].cell_len for row in table.rows))
        for n, column in enumerate(table.columns)
        if n
    )
    for row in table.rows:
        row[0] = Text(shorten_name(row[0].plain, max(_LEAST_NAME, width - others)))
    return table


def _incidents(overview: Overview, console: Console, detail: _Detail) -> Iterator[Text]:
    for incident in overview.open_incidents[: detail.rows]:
        title = f"Incident {incident.id}: {words.title(incident)}, {words.status(incident, overview.now)}"
        acknowledged = f"; {incident.acknowledged_by} looks after it" if incident.acknowledged_by else ""
        line = Text.assemble((title, "bold red"), acknowledged)
        yield from wrap(line, console.width, indent=2, most=detail.text_lines)
        if incident.link and detail.has_extras:
            yield from wrap(Text(f"  {incident.link}"), console.width, indent=2, most=detail.text_lines)
        if incident.vendor and detail.has_extras:
            lead = Text(f"  {lead_sentence(incident.vendor, incident.opened_at)}")
            yield from wrap(lead, console.width, indent=2, most=detail.text_lines)
        if detail.is_verbose:
            yield from _timeline(incident, overview.now, console)
    if detail.rows and len(overview.open_incidents) > detail.rows:
        yield Text(f"{plural(len(overview.open_incidents) - detail.rows, 'more open incident')}", style="red")


def _timeline(incident: Incident, now: datetime, console: Console) -> Iterator[Text]:
    for entry in words.abridged(incident.timeline, first=_FIRST, last=_LAST, dropped=incident.dropped_entries):
        text = f"  {entry}" if isinstance(entry, str) else f"  {clock(entry.at, now)}  {plain_reason(entry.text)}"
        yield from wrap(Text(text), console.width, indent=4)


def _extras(overview: Overview, console: Console, detail: _Detail) -> Iterator[Text]:
    """Cost, what vendors say, and what is worth knowing of single targets."""
    texts = []
    if overview.money:
        is_short = overview.money.stopped or overview.money.stretches
        texts.append(Text(f"Cost: {overview.money.sentence}", style="yellow" if is_short else ""))
    for view in overview.vendors:
        is_trouble = view.report and view.report.state.is_trouble
        said = f"{view.provider}: {view.sentence(overview.now)}"
        texts.append(Text(said, style="yellow" if is_trouble else "dim"))
    texts += [Text(remark) for target in overview.targets for remark in target.remarks]
    beat = overview.service.beat
    if beat and beat.revision and beat.loaded_at:
        said = f"Configuration: revision {beat.revision}, read {ago(beat.loaded_at, overview.now)}"
        texts.append(Text(said, style="dim"))
    if overview.leader:
        texts.append(Text(f"Machines: {overview.leader.sentence(overview.now)}", style="dim"))
    texts += [
        Text(f"Region {each.sentence}", style="bold red" if each.is_silent else "dim") for each in overview.regions
    ]
    for text in texts:
        yield from wrap(text, console.width, indent=2, most=detail.text_lines)


def _cut(console: Console, text: str, style: str) -> Text:
    line = Text(text, style=style)
    line.truncate(console.width, overflow="ellipsis")
    return line


def _least_served(periods: Iterable[OutcomeCounts]) -> str:
    shares = (counts.served for counts in periods)
    return format_percent(min((share for share in shares if share is not None), default=None))


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.2f} s"
