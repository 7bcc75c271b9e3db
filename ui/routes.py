"""The page of routes as HTML: all routes in a table, and one in full. Pure, every string escaped."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from controller.routing.decision import Decision
from controller.routing.drill import drill_sentence
from controller.routing.overrides import Override
from controller.status.details.route import RouteDetail, RouteSummary
from controller.status.headline import CandidateStatus, RouteView
from monitor.detection.verdict_text import plain_reason
from monitor.formatting import capitalized, format_elapsed, format_percent, listed
from monitor.health import FAILING, UNHEALTHY
from ui.components import empty, instant, link, pill, prose, section, share, table, target, target_link, text, zone_note

_ALL = {
    "Route": "opens it below",
    "Points at": "where applications are sent",
    "Now": "whether that is its first choice",
    "Since": "when it was pointed there",
    "Served": "the share of the time in which users were not failed",
    "Users failed": "for how long, with the failover",
    "Without failover": "for how long, had the route stayed on its first candidate",
    "Moved": "how often, back included",
}
_CANDIDATES = {
    "#": "order of preference",
    "Candidate": "opens its page",
    "Health": "how it is now",
    "May the route move to it?": "and why not",
}
_DECISIONS = {"When": "", "Move": "", "From": "", "To": "", "Why": ""}
_OVERRIDES = {"What": "", "By": "", "From": "", "Until": "", "Why": "", "Ended": ""}


def state_of(route: RouteView) -> tuple[str, str]:
    """The colour and the word for where a route is."""
    if route.dry_run:
        return "bad" if route.would else "watch", "dry run"
    if not any(candidate.serving for candidate in route.candidates):
        return "watch", "no longer a candidate"  # The configuration is newer than the service's.
    if route.override:
        failing = any(candidate.serving and candidate.health in FAILING for candidate in route.candidates)
        return "bad" if failing else "info", route.override.kind.participle
    if route.stuck:
        return "bad", "stuck"
    return ("watch", "failed over") if route.failed_over else ("good", "first choice")


def worst_first(routes: Sequence[RouteView]) -> list[RouteView]:
    """Routes whose users fail, then those that moved or are held, then the others; else as configured."""
    order = ("bad", "watch", "info", "good")
    return sorted(routes, key=lambda route: order.index(state_of(route)[0]))


def all_routes(
    routes: Sequence[RouteView], felt: Mapping[str, RouteSummary], range_name: str, chosen: str, now: datetime
) -> str:
    """Every route in a row, with what its users felt in the range."""
    rows = [_summary(route, felt[route.name], range_name, route.name == chosen, now) for route in routes]
    return table("All routes", _ALL, rows, kind="hs-all-routes")


def _summary(route: RouteView, felt: RouteSummary, range_name: str, chosen: bool, now: datetime) -> list[str]:
    tone, word = state_of(route)
    total = felt.total
    lasted = [format_elapsed(s) if total.observed_s else "–" for s in (total.felt_s, total.without_s)]
    current = 'aria-current="true"' if chosen else ""
    return [
        link("routes", f"<b>{text(route.name)}</b>", current, route=route.name, range=range_name),
        target(route.target),
        f'<span class="hs-note hs-{tone}">{word}</span>',
        instant(route.since, now) if route.since else "–",
        share(total.served),
        *lasted,
        f"{total.flips} ×",
    ]


def present(route: RouteView, now: datetime) -> str:
    """Where the route points, since when and why, what it waits for, and its candidates."""
    tone, word = state_of(route)
    since = f'<span class="hs-since">since {instant(route.since, now)}</span>' if route.since else ""
    file = ""
    if route.published is not None:
        where = f"points at {route.published}" if route.published else "is missing"
        file = f'<p class="hs-reason"><b>The routing file {text(where)}.</b></p>'
    rows = [_candidate(number, candidate, now) for number, candidate in enumerate(route.candidates, 1)]
    card = (
        f'<article class="hs-card hs-edge hs-{tone}" aria-label="Route {text(route.name)} now">'
        f'<div class="hs-row"><span class="hs-points"><span class="hs-arrow" aria-label="points at">→</span>'
        f'{target_link(route.target)}</span><span class="hs-note hs-{tone}">{word}</span>{since}</div>'
        f'<p class="hs-reason">Why: {prose(plain_reason(route.reason) or "no reason was kept", now)}</p>'
        f"{remarks(route, now)}{file}</article>"
    )
    return section(
        text(route.name), zone_note(now), card + table("Candidates", _CANDIDATES, rows, kind="hs-candidates")
    )


def remarks(route: RouteView, now: datetime) -> str:
    """What the route waits for, and the drill that it is in."""
    sentences = (route.note, route.drill and drill_sentence(route.drill, now))
    return "".join(f'<p class="hs-reason">{prose(capitalized(each), now)}</p>' for each in sentences if each)


def _candidate(number: int, candidate: CandidateStatus, now: datetime) -> list[str]:
    may = '<span class="hs-good hs-tone">✓ yes</span>'
    if candidate.serving:
        may = '<span class="hs-quiet">→ it points there</span>'
    elif candidate.why_not:
        symbol = "✓" if candidate.eligible else "✕"
        may = f'<span class="hs-watch"><span class="hs-tone">{symbol}</span> {prose(candidate.why_not, now)}</span>'
    return [str(number), target_link(candidate.target), pill(candidate.health), may]


def felt(summary: RouteSummary, range_name: str) -> str:
    """What users felt, and would have felt: the figures beside each other."""
    total = summary.total
    if not total.observed_s:
        return section("What users felt", "", empty("Nothing was observed in this time."))
    saved_s = total.without_s - total.felt_s
    figures = {
        "Users were failed for": format_elapsed(total.felt_s),
        "Without the failover": format_elapsed(total.without_s),
        "Saved" if saved_s >= 0 else "Lost by it": format_elapsed(abs(saved_s)),
        "Served": format_percent(total.served),
        "Moved": f"{total.flips} ×",
    }
    if summary.slo is not None:
        allowed_s = total.error_budget_s(summary.slo)
        used = f"{100 * total.felt_s / allowed_s:,.0f} %" if allowed_s else "–"
        figures[f"Of the error budget ({summary.slo * 100:g} %)"] = used
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures.items())
    last = f"last {range_name[:-1]} {range_name[-1]}"
    return section("What users felt", last, f'<dl class="hs-figures-row">{items}</dl>')


def decisions(detail: RouteDetail, now: datetime) -> str:
    """What was decided in that time, and what a dry run would have done."""
    parts = [section("Decisions", "", _decision_table("Decisions", detail.moves, now))]
    if detail.would_have:
        note = "decided, and not carried out"
        parts.append(
            section("What the dry run would have done", note, _decision_table("Dry run", detail.would_have, now))
        )
    return "".join(parts)


def _decision_table(label: str, moves: Sequence[Decision], now: datetime) -> str:
    if not moves:
        return empty("The route was not moved in this time.")
    rows = [
        [
            instant(move.at, now),
            f'<span class="hs-tag">{text(move.move.replace("_", " "))}</span>',
            target(move.before) if move.before else "–",
            target(move.target),
            prose(plain_reason(move.reason), now) or "–",
        ]
        for move in moves
    ]
    return table(label, _DECISIONS, rows, kind="hs-decisions")


def overrides(detail: RouteDetail, now: datetime) -> str:
    """The pins, drains and pauses that touched it; nothing when there were none."""
    if not detail.overrides:
        return ""
    rows = [_override(override, now) for override in detail.overrides]
    return section("Pins, drains and pauses", "by operators", table("Overrides", _OVERRIDES, rows, kind="hs-overrides"))


def _override(override: Override, now: datetime) -> list[str]:
    forced = ' <span class="hs-note hs-watch">forced</span>' if override.forced else ""
    to = f" → {target(override.target)}" if override.target else ""
    ended = "in force" if override.active(now) else "expired"
    if override.ended_by and override.ended_at:
        ended = f"{instant(override.ended_at, now)}, {text(override.ended_by)}: {text(override.ended_reason or '')}"
    return [
        f"<b>{override.kind}</b> {text(override.subject)}{to}{forced}",
        text(override.author),
        instant(override.at, now),
        instant(override.until, now),
        text(override.reason) or "–",
        ended,
    ]


def path_in_words(detail: RouteDetail) -> str:
    """The picture of its path for those who do not see it."""
    stays = [f"{period.target} for {format_elapsed(period.lasted_s)}" for period in detail.path]
    bad = [
        f"{period.target} {period.health} for {format_elapsed((period.until - period.since).total_seconds())}"
        for period in detail.health
        if period.health in UNHEALTHY
    ]
    failed = f"; not up: {listed(bad, 10)}" if bad else ""
    return f"{detail.route} pointed at {listed(stays, 10)}{failed}"
