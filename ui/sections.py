"""The sections of the page as HTML: pure functions of the overview, in which every string is escaped.

Sections that do not refresh every second hold absolute times only, so that their HTML stays the same, and the
browser leaves them untouched (a selection, an opened incident), until a fact changes.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from controller.incidents import text as words
from controller.routing import override_text
from controller.routing.decision import Decision
from controller.routing.overrides import ALL, Override, OverrideKind
from controller.status.headline import UNTRUSTED, CandidateStatus, Level, RouteView, failing_sentence
from controller.status.overview import Overview
from controller.status.probe_history import Bucket, ProbeHistory
from monitor.detection.verdict_text import plain_reason
from monitor.formatting import ago, capitalized, format_elapsed, plural
from monitor.health import FAILING
from monitor.liveness import Liveness, ServiceStatus
from monitor.storage.column_conversions import from_ms
from monitor.storage.tables import EventRow
from probes.outcome import Outcome
from ui.components import empty, instant, legend, link, outcome_class, pill, prose, section, target, text, zone_note
from ui.routes import remarks, state_of, worst_first

_MOST_LINES = 3
_OUTCOME_COLOURS = {
    "good": "ok",
    "watch": "slow or wrong",
    "bad": "failed",
    "ours": "our limit, key or quota",
    "none": "says nothing",
    "gap": "not observed",
}
_TONE = {
    Level.GOOD: ("✓", "good", "All well"),
    Level.NOTICE: ("!", "watch", "Attention"),
    Level.BAD: ("✕", "bad", "Trouble"),
    Level.UNKNOWN: ("?", "none", "Not known"),
}


_ICONS = {
    Level.GOOD: ("#1a7f4e", "M9 17l5 5 9-11"),
    Level.NOTICE: ("#b07408", "M16 8v10M16 24v.1"),
    Level.BAD: ("#c2332d", "M10 10l12 12M22 10L10 22"),
    Level.UNKNOWN: ("#5b6675", "M11 12a5 5 0 1 1 6 5v2M17 24v.1"),
}


def top(overview: Overview) -> str:
    """The line above everything: the name, and the service's sign of life; its relative times need refreshing."""
    dot = "good" if overview.service.liveness is Liveness.RUNNING else "bad"
    warning = f'<span class="hs-life"><span class="hs-dot hs-watch" aria-hidden="true"></span>{text(UNTRUSTED)}</span>'
    untrusted = warning if overview.untrusted else ""
    return (
        '<header class="hs-top">'
        f'<span class="hs-life"><span class="hs-dot hs-{dot}" aria-hidden="true"></span>'
        f"{text(_service_line(overview))}</span>"
        f"{untrusted}"
        f'<span class="hs-clock">{_clock(overview.now)}</span></header>'
    )


def lost(now: datetime) -> str:
    """That the page's process answers no more; hidden while it does, so that its instant is the last one known."""
    return f'<div class="hs-lost" role="alert">Connection lost, as of {now:%H:%M:%S}</div>'


def _clock(now: datetime) -> str:
    """The instant with its zone, and UTC where one points at it."""
    utc = f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    zone = str(now.tzinfo)
    return f'<time title="{utc}">{now:%Y-%m-%d %H:%M:%S} {text("UTC" if zone == "UTC" else zone)}</time>'


def tab_title(overview: Overview, title: str = "Hotspare") -> str:
    """What the browser's tab is called: the worst first, in a few words, where there is any; then `title`."""
    failing = {view.state.target for view in overview.targets if view.state.health in FAILING}
    stuck = [route.name for route in overview.routes if route.stuck]
    hit = [route.name for route in overview.routes if route.target in failing]
    moved = [route.name for route in overview.routes if route.failed_over]
    fact = ""
    if overview.service.liveness is not Liveness.RUNNING:
        fact = "monitor not running"
    elif stuck:
        fact = f"{stuck[0] if len(stuck) == 1 else f'{len(stuck)} routes'} stuck"
    elif hit:
        fact = f"{hit[0]} fails" if len(hit) == 1 else f"{len(hit)} routes fail"
    elif moved:
        fact = f"{moved[0] if len(moved) == 1 else f'{len(moved)} routes'} failed over"
    elif failing:
        fact = f"{plural(len(failing), 'target')} failing"
    return f"{fact} – {title}" if fact else title


def tab_icon(level: Level) -> str:
    """The tab's icon as SVG: a shape of its own for each level, so that colour is not the only sign."""
    colour, shape = _ICONS[level]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'<circle cx="16" cy="16" r="15" fill="{colour}"/>'
        f'<path d="{shape}" fill="none" stroke="#fff" stroke-width="4" stroke-linecap="round"/></svg>'
    )


def banner(overview: Overview) -> str:
    """The overall state, whether a person must act, and what is wrong with the monitor itself."""
    links = (f' <a href="{text(address)}">Runbook</a>' for address in overview.action.runbooks)
    action = prose(overview.action.sentence, overview.now)
    act = f'<p class="hs-act">{action}{"".join(links)}</p>' if action else ""
    troubles = f"{_advice(overview.service)}{_present_troubles(overview)}"
    return headline(overview, f"{act}{troubles}{_open_incidents(overview)}")


def headline(overview: Overview, more: str = "") -> str:
    """Colour, symbol, word and the headline; `more` is HTML below it."""
    symbol, colour, word = _TONE[overview.level]
    # While nobody watches, the headline counts seconds: a live region would read it out every time.
    role = "status" if overview.service.liveness is Liveness.RUNNING else "region"
    return (
        f'<section class="hs-banner hs-{colour}" role="{role}" aria-label="Overall state">'
        f'<span class="hs-big" aria-hidden="true">{symbol}</span>'
        f'<div><div class="hs-word">{word}</div><h1>{prose(overview.headline, overview.now)}</h1>'
        f"{more}</div></section>"
    )


def _open_incidents(overview: Overview) -> str:
    """A line for each of the newest open incidents, which leads to all that is known of it."""
    lines = [
        f"<p>{link('incidents', f'Incident {each.id}', incident=str(each.id))}: {text(words.title(each))},"
        f" open since {instant(each.open_since, overview.now)}</p>"
        for each in overview.open_incidents[:_MOST_LINES]
    ]
    more = len(overview.open_incidents) - _MOST_LINES
    if more > 0:
        lines.append(f"<p>{link('incidents', f'and {more} more')}</p>")
    return "".join(lines)


def trouble(title: str, explanation: str) -> str:
    """A whole page that says why there is nothing to show, and what to do; backticks in `explanation` mark code."""
    return (
        '<section class="hs-trouble" role="status"><span class="hs-big hs-none" aria-hidden="true">?</span>'
        f"<h1>{text(title)}</h1><p>{prose(capitalized(explanation))}</p>"
        '<p class="hs-quiet">This page looks again every few seconds.</p></section>'
    )


def overrides(overview: Overview) -> str:
    """Every override in force; nothing when there is none."""
    if not overview.overrides:
        return ""
    cards = "".join(_override(override, overview.now) for override in overview.overrides)
    return section("Pins, drains and pauses", zone_note(overview.now), f'<div class="hs-cards">{cards}</div>')


def routes(overview: Overview) -> str:
    """Every route: where it points, since when and why, and its candidates in order."""
    cards = "".join(_route(route, overview.now) for route in worst_first(overview.routes))
    return section("Routes", as_of(overview, "where applications are sent"), f'<div class="hs-cards">{cards}</div>')


def money(overview: Overview) -> str:
    """The cost of probing this month, in a warning colour where the budget throttles or is spent."""
    budget = overview.money
    if budget is None:
        return ""
    colour = "bad" if budget.exhausted else "watch" if budget.stretches or budget.stopped or budget.unknown else "none"
    names = f' title="price unknown: {text(", ".join(budget.unknown))}"' if budget.unknown else ""
    dot = f'<span class="hs-dot hs-{colour}" aria-hidden="true"></span>'
    return f'<p class="hs-money"{names}>{dot}{text(capitalized(budget.sentence))}</p>'


def log(overview: Overview) -> str:
    """The newest decisions and events together, the newest first."""
    lines = sorted(
        [(decision.at, _decision(decision)) for decision in overview.decisions]
        + [(from_ms(event.at_ms), _event(event)) for event in overview.events],
        key=lambda line: line[0],
        reverse=True,
    )
    items = "".join(f"<li>{instant(at, overview.now)}<span>{line}</span></li>" for at, line in lines[:12])
    body = f'<ol class="hs-timeline">{items}</ol>' if items else empty("Nothing has happened yet.")
    return section("Decisions and events", zone_note(overview.now), body)


def as_of(overview: Overview, subtitle: str) -> str:
    """The subtitle of a section; when the service is not at work, that the section is old, in a class that fades it."""
    beat = overview.service.beat
    if overview.service.liveness is Liveness.RUNNING or beat is None:
        return subtitle
    return f'<b class="hs-stale">as they were at {instant(beat.beat_at, overview.now)}</b>'


def _service_line(overview: Overview) -> str:
    service, now = overview.service, overview.now
    if service.beat is None:
        return "monitor never started"
    if service.beat.stopped_at:
        return f"monitor stopped {ago(service.beat.stopped_at, now)}"
    state = "running" if service.liveness is Liveness.RUNNING else "silent"
    revision = f", revision {service.beat.revision}" if service.beat.revision else ""
    leader = f"; {overview.leader.sentence(now)}" if overview.leader and overview.leader.is_leading(now) else ""
    return f"monitor {state}, wrote {ago(service.beat.beat_at, now)}{revision}{leader}"


def _present_troubles(overview: Overview) -> str:
    """Machines that do not lead or report, the fault of this one, channels that fail, and alerts that wait."""
    leader, now = overview.leader, overview.now
    lines = [f"Not in force: {refused}"] if (refused := overview.service.refused_configuration) else []
    lines += [f"Machines: {leader.sentence(now)}"] if leader and not leader.is_leading(now) else []
    lines += [f"Region {each.sentence}" for each in overview.regions if not each.is_well]
    lines += [f"This machine: {overview.machine.sentence}"] if overview.machine else []
    lines += [f"Not delivered: {failing_sentence(channel, overview.now)}" for channel in overview.failing_channels]
    if overview.pending_alerts and overview.pending_alerts.sentence:
        lines.append(f"Waiting: {overview.pending_alerts.sentence}")
    return "".join(f"<p>{prose(line, overview.now)}.</p>" for line in lines)


def _advice(service: ServiceStatus) -> str:
    """What to do when the service is not at work."""
    if service.liveness is Liveness.RUNNING:
        return ""
    if service.beat is None:
        return f"<p>{prose('Start it with `hotspare run`.')}</p>"
    left = "Applications go on with the last routing file; what is below is as it was then."
    if service.beat.stopped_at:
        return f"<p>{prose(f'{left} Start it again with `hotspare run`.')}</p>"
    where = f"process {service.beat.pid} on {service.beat.host}"
    return f"<p>{prose(f'{left} It crashed or hangs: look at {where}, then start it again with `hotspare run`.')}</p>"


def _route(route: RouteView, now: datetime) -> str:
    colour, note = state_of(route)
    since = f'<span class="hs-since">since {instant(route.since, now)}</span>' if route.since else ""
    chain = "".join(_candidate(number, candidate) for number, candidate in enumerate(route.candidates, 1))
    why = prose(plain_reason(route.reason), now)
    return (
        f'<article class="hs-card hs-edge hs-{colour}" aria-label="Route {text(route.name)}">'
        f'<div class="hs-row"><span class="hs-route">{link("routes", text(route.name), route=route.name)}</span>'
        f'<span class="hs-note hs-{colour}">{note}</span>{since}</div>'
        f'<div class="hs-points"><span class="hs-arrow" aria-label="points at">→</span>{target(route.target)}</div>'
        f'<p class="hs-reason">Why: {why}</p>{remarks(route, now)}<ol class="hs-chain">{chain}</ol></article>'
    )


def _candidate(number: int, candidate: CandidateStatus) -> str:
    serving = ' class="hs-serving" aria-current="true"' if candidate.serving else ""
    drain = candidate.drain
    drained = f'<span class="hs-note hs-info" title="by {text(drain.author)}">drained</span>' if drain else ""
    return (
        f'<li{serving}><span class="hs-rank">{number}</span>{target(candidate.target)}'
        f"<span>{pill(candidate.health)} {drained}</span></li>"
    )


def recent_probes(history: ProbeHistory) -> str:
    """The newest probes of one target, a bar for each interval, and what the colours mean."""
    bars = history.strip()
    note = f"one bar per interval, the newest on the right; {format_elapsed(history.bucket_s * len(bars))}"
    return section("Recent probes", note, _strip(bars, history.bucket_s) + legend(_OUTCOME_COLOURS))


def _strip(buckets: Sequence[Bucket], bucket_s: float) -> str:
    totals: Counter[Outcome] = Counter()
    for bucket in buckets:
        totals.update(dict(bucket.counts))
    bars = "".join(
        f'<i class="hs-{outcome_class(bucket.worst)}" '
        f'title="{bucket.start:%H:%M:%S} UTC: {_counts(bucket.counts)}"></i>'
        for bucket in buckets
    )
    length = format_elapsed(bucket_s * len(buckets))
    return f'<span class="hs-strip" role="img" aria-label="last {length}: {_counts(totals.items())}">{bars}</span>'


def _counts(counts: Iterable[tuple[Outcome, int]]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in counts) or "nothing observed"


def _decision(decision: Decision) -> str:
    dry = '<span class="hs-tag">dry run</span> ' if decision.dry_run else ""
    return (
        f'<b>{text(decision.route)}</b> → {target(decision.target)} <span class="hs-tag">{decision.move}</span> {dry}'
        f"{text(plain_reason(decision.reason))}"
    )


def _event(event: EventRow) -> str:
    return f'<span class="hs-tag">{text(event.kind.replace("_", " "))}</span> {text(event.subject)}: {text(event.text)}'


def _override(override: Override, now: datetime) -> str:
    left, author = override_text.format_time_left(override, now), text(override.author)
    forced = '<span class="hs-note hs-watch">forced</span>' if override.forced else ""
    return (
        f'<article class="hs-card hs-edge hs-info" aria-label="{text(override_text.describe_override(override))}">'
        f'<div class="hs-row"><span class="hs-note hs-info">{override.kind}</span>{_subject(override)}{forced}'
        f'<span class="hs-since">{left}, at {instant(override.until, now)}</span></div>'
        f'<p class="hs-reason">{author}, {instant(override.at, now)}: {text(override.reason)}</p></article>'
    )


def _subject(override: Override) -> str:
    if override.kind.is_of_targets and "/" in override.subject:
        return target(override.subject)
    every = override.kind is OverrideKind.PAUSE and override.subject == ALL
    name = f'<span class="hs-route">{"all routes" if every else text(override.subject)}</span>'
    return (
        f'{name}<span class="hs-arrow" aria-label="to">→</span>{target(override.target)}' if override.target else name
    )
