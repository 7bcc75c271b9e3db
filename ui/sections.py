"""The sections of the page as HTML: pure functions of the overview, in which every string is escaped.

Sections that do not refresh every second hold absolute times only, so that their HTML stays the same, and the
browser leaves them untouched (a selection, an opened incident), until a fact changes.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from controller.incidents.text import short_reason
from controller.routing import override_text
from controller.routing.decision import Decision
from controller.routing.overrides import ALL, Override, OverrideKind
from controller.status.headline import UNTRUSTED, CandidateStatus, Level, RouteView, failing_sentence
from controller.status.overview import Overview, TargetView
from controller.status.probe_history import Bucket
from controller.status.vendor_views import VendorView
from monitor.budget.summary import BudgetSummary
from monitor.detection.verdict_text import plain_reason
from monitor.formatting import ago, clock, format_elapsed, plural
from monitor.health import FAILING, Health, TargetHealth
from monitor.history.rollup import OutcomeCounts
from monitor.liveness import Liveness, ServiceStatus
from monitor.status_pages.reading import VendorState
from monitor.storage.column_conversions import from_ms
from monitor.storage.tables import EventRow
from probes.outcome import Outcome
from ui.components import instant, money, outcome_class, pill, seconds, section, share, target, text

_TONE = {
    Level.GOOD: ("✓", "good", "All well"),
    Level.NOTICE: ("!", "watch", "Attention"),
    Level.BAD: ("✕", "bad", "Trouble"),
    Level.UNKNOWN: ("?", "none", "Not known"),
}
_VENDOR_COLOURS = {
    VendorState.OPERATIONAL: "good",
    VendorState.UNKNOWN: "none",
    VendorState.MAINTENANCE: "info",
    VendorState.DEGRADED: "watch",
    VendorState.PARTIAL_OUTAGE: "bad",
    VendorState.MAJOR_OUTAGE: "bad",
}
_COLUMNS = {
    "name": ("Target", "provider/model"),
    "health": ("Health", "how it is now; the line below fills up as evidence nears a verdict"),
    "strip": ("Recent probes", "one bar per probe interval, the newest on the right"),
    "hour": ("Served 1 h", "share of answers in the last hour that users could use"),
    "day": ("Served 24 h", "the same over the last 24 hours"),
    "p50": ("p50", "median duration of the answers of the last ten minutes"),
    "p95": ("p95", "95 % of the answers of the last ten minutes took no longer than this"),
    "token": ("First token", "median time to the first token of the last hour's streams"),
    "cost": ("Cost 24 h", "what the probes of the last 24 hours cost"),
}


def top(overview: Overview) -> str:
    """The line above everything: the name, and the service's sign of life; its relative times need refreshing."""
    dot = "good" if overview.service.liveness is Liveness.RUNNING else "bad"
    warning = f'<span class="hs-life"><span class="hs-dot hs-watch" aria-hidden="true"></span>{text(UNTRUSTED)}</span>'
    untrusted = warning if overview.untrusted else ""
    return (
        '<header class="hs-top">'
        f'<span class="hs-life"><span class="hs-dot hs-{dot}" aria-hidden="true"></span>'
        f"{text(_service_line(overview.service, overview.now))}</span>"
        f"{untrusted}"
        f'<span class="hs-clock">{overview.now:%Y-%m-%d %H:%M:%S} UTC</span></header>'
    )


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


def banner(overview: Overview) -> str:
    """The overall state, whether a person must act, and what is wrong with the monitor itself."""
    links = (f' <a href="{text(address)}">Runbook</a>' for address in overview.action.runbooks)
    act = f'<p class="hs-act">{_code(overview.action.sentence)}{"".join(links)}</p>' if overview.action.sentence else ""
    return headline(overview, f"{act}{_advice(overview.service)}{_present_troubles(overview)}")


def headline(overview: Overview, more: str = "") -> str:
    """Colour, symbol, word and the headline; `more` is HTML below it."""
    symbol, colour, word = _TONE[overview.level]
    # While nobody watches, the headline counts seconds: a live region would read it out every time.
    role = "status" if overview.service.liveness is Liveness.RUNNING else "region"
    return (
        f'<section class="hs-banner hs-{colour}" role="{role}" aria-label="Overall state">'
        f'<span class="hs-big" aria-hidden="true">{symbol}</span>'
        f'<div><div class="hs-word">{word}</div><h1>{text(overview.headline)}</h1>'
        f"{more}</div></section>"
    )


def trouble(title: str, explanation: str) -> str:
    """A whole page that says why there is nothing to show, and what to do; backticks in `explanation` mark code."""
    return (
        '<section class="hs-trouble" role="status"><span class="hs-big hs-none" aria-hidden="true">?</span>'
        f"<h1>{text(title)}</h1><p>{_code(explanation[:1].upper() + explanation[1:])}</p>"
        '<p class="hs-quiet">This page looks again every few seconds.</p></section>'
    )


def overrides(overview: Overview) -> str:
    """Every override in force; nothing when there is none."""
    if not overview.overrides:
        return ""
    cards = "".join(_override(override, overview.now) for override in overview.overrides)
    return section("Pins, drains and pauses", "times in UTC", f'<div class="hs-cards">{cards}</div>')


def routes(overview: Overview) -> str:
    """Every route: where it points, since when and why, and its candidates in order."""
    cards = "".join(_route(route, overview.now) for route in overview.routes)
    return section("Routes", _as_of(overview, "where applications are sent"), f'<div class="hs-cards">{cards}</div>')


def targets(overview: Overview) -> str:
    """Every target: health, recent history, success rate, latency, cost."""
    lengths_s = {view.history.bucket_s * len(view.history.strip) for view in overview.targets}
    # How far back the bars go, where it is the same for all targets.
    notes = {"strip": f", {format_elapsed(lengths_s.pop())}" if len(lengths_s) == 1 else ""}
    head = "".join(
        f'<th role="columnheader" scope="col" title="{text(tip)}">{text(title)}{notes.get(name, "")}</th>'
        for name, (title, tip) in _COLUMNS.items()
    )
    rows = "".join(_target(view, overview.now) for view in overview.targets)
    table = (
        f'<table class="hs-targets" role="table" aria-label="Targets"><thead><tr role="row">{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
    return section(
        "Targets", _as_of(overview, "what the probes see; times in UTC"), _money(overview.money) + table + _legend()
    )


def vendors(overview: Overview) -> str:
    """Every provider whose vendor has a status page that is read; nothing when there is none."""
    if not overview.vendors:
        return ""
    rows = "".join(_vendor(view, overview.now) for view in overview.vendors)
    subtitle = _as_of(overview, "their status pages, read once a minute; no route follows them; times in UTC")
    return section("What vendors say", subtitle, f'<ul class="hs-vendors">{rows}</ul>')


def log(overview: Overview) -> str:
    """The newest decisions and events together, the newest first."""
    lines = sorted(
        [(decision.at, _decision(decision)) for decision in overview.decisions]
        + [(from_ms(event.at_ms), _event(event)) for event in overview.events],
        key=lambda line: line[0],
        reverse=True,
    )
    items = "".join(f"<li>{instant(at, overview.now)}<span>{line}</span></li>" for at, line in lines[:12])
    body = f'<ol class="hs-timeline">{items}</ol>' if items else '<p class="hs-empty">Nothing has happened yet.</p>'
    return section("Decisions and events", "times in UTC", body)


def _money(budget: BudgetSummary | None) -> str:
    """The cost of probing this month, in a warning colour where the budget throttles or is spent."""
    if budget is None:
        return ""
    colour = "bad" if budget.exhausted else "watch" if budget.stretches or budget.stopped or budget.unknown else "none"
    names = f' title="price unknown: {text(", ".join(budget.unknown))}"' if budget.unknown else ""
    dot = f'<span class="hs-dot hs-{colour}" aria-hidden="true"></span>'
    return f'<p class="hs-money"{names}>{dot}{text(budget.sentence[:1].upper() + budget.sentence[1:])}</p>'


def _as_of(overview: Overview, subtitle: str) -> str:
    """The subtitle of a section; when the service is not at work, that the section is old, in a class that fades it."""
    beat = overview.service.beat
    if overview.service.liveness is Liveness.RUNNING or beat is None:
        return subtitle
    return f'<b class="hs-stale">as they were at {clock(beat.beat_at, overview.now)}</b>'


def _service_line(service: ServiceStatus, now: datetime) -> str:
    if service.beat is None:
        return "monitor never started"
    if service.beat.stopped_at:
        return f"monitor stopped {ago(service.beat.stopped_at, now)}"
    state = "running" if service.liveness is Liveness.RUNNING else "silent"
    return f"monitor {state}, wrote {ago(service.beat.beat_at, now)}"


def _present_troubles(overview: Overview) -> str:
    """The fault of this machine, the channels that fail, and the alerts that wait."""
    lines = [f"This machine: {overview.machine.sentence}"] if overview.machine else []
    lines += [f"Not delivered: {failing_sentence(channel, overview.now)}" for channel in overview.failing_channels]
    if overview.pending_alerts and overview.pending_alerts.sentence:
        lines.append(f"Waiting: {overview.pending_alerts.sentence}")
    return "".join(f"<p>{text(line)}.</p>" for line in lines)


def _advice(service: ServiceStatus) -> str:
    """What to do when the service is not at work."""
    if service.liveness is Liveness.RUNNING:
        return ""
    if service.beat is None:
        return f"<p>{_code('Start it with `hotspare run`.')}</p>"
    left = "Applications go on with the last routing file; what is below is as it was then."
    if service.beat.stopped_at:
        return f"<p>{_code(f'{left} Start it again with `hotspare run`.')}</p>"
    where = f"process {service.beat.pid} on {service.beat.host}"
    return f"<p>{_code(f'{left} It crashed or hangs: look at {where}, then start it again with `hotspare run`.')}</p>"


def _code(sentence: str) -> str:
    """Escaped, with what stands between backticks as code."""
    parts = text(sentence).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _route(route: RouteView, now: datetime) -> str:
    colour = "bad" if route.stuck else "watch" if route.failed_over else "good"
    note = "stuck" if route.stuck else "failed over" if route.failed_over else "first choice"
    if route.dry_run:
        colour, note = "bad" if route.would else "watch", "dry run"
    elif route.override:
        failing = any(candidate.serving and candidate.health in FAILING for candidate in route.candidates)
        colour, note = "bad" if failing else "info", route.override.kind.participle
    if not any(candidate.serving for candidate in route.candidates):
        colour, note = "watch", "no longer a candidate"  # The configuration is newer than the service's.
    since = f'<span class="hs-since">since {instant(route.since, now)} UTC</span>' if route.since else ""
    chain = "".join(_candidate(number, candidate) for number, candidate in enumerate(route.candidates, 1))
    why = text(plain_reason(route.reason))
    more = f'<p class="hs-reason">{_code(route.note[:1].upper() + route.note[1:])}</p>' if route.note else ""
    return (
        f'<article class="hs-card hs-edge hs-{colour}" aria-label="Route {text(route.name)}">'
        f'<div class="hs-row"><span class="hs-route">{text(route.name)}</span>'
        f'<span class="hs-note hs-{colour}">{note}</span>{since}</div>'
        f'<div class="hs-points"><span class="hs-arrow" aria-label="points at">→</span>{target(route.target)}</div>'
        f'<p class="hs-reason">Why: {why}</p>{more}<ol class="hs-chain">{chain}</ol></article>'
    )


def _candidate(number: int, candidate: CandidateStatus) -> str:
    serving = ' class="hs-serving" aria-current="true"' if candidate.serving else ""
    drain = candidate.drain
    drained = f'<span class="hs-note hs-info" title="by {text(drain.author)}">drained</span>' if drain else ""
    return (
        f'<li{serving}><span class="hs-rank">{number}</span>{target(candidate.target)}'
        f"{drained}{pill(candidate.health)}</li>"
    )


def _target(view: TargetView, now: datetime) -> str:
    history = view.history
    tip = f"since {view.state.since:%Y-%m-%d %H:%M:%S} UTC: {view.state.reason}"
    remarks = "".join(f'<span class="hs-said" title="{text(line)}">{text(line)}</span>' for line in view.remarks)
    cells = {
        "name": f"{target(view.state.target)}{_reason(view, now)}{remarks}",
        "health": f"{pill(view.state.health, tip)}{_meter(view.state)}",
        "strip": _strip(history.strip, history.bucket_s),
        "hour": _rate(history.last_hour),
        "day": _rate(history.last_day),
        "p50": seconds(history.p50_s),
        "p95": seconds(history.p95_s),
        "token": seconds(history.first_token_p50_s),
        "cost": money(history.cost_day_usd, answered=history.last_day.ok > 0),
    }
    row = "".join(
        f'<td role="cell" class="hs-c-{name}" data-label="{_COLUMNS[name][0]}">{html}</td>'
        for name, html in cells.items()
    )
    return f'<tr role="row" class="hs-{view.state.health.level}">{row}</tr>'


def _reason(view: TargetView, now: datetime) -> str:
    """The reason of a health other than `up`, and the detail of the last observation where it failed."""
    state, last = view.state, view.details.last
    if state.health is Health.UP:
        return ""
    since = f" (since {instant(state.since, now)})" if state.health is not Health.UNKNOWN else ""
    # The reason mostly quotes the same words.
    detail = ": ".join(last) if last and last[1] and last[1] not in state.reason else ""
    said = f'<span class="hs-said" title="{text(detail)}">last: {text(detail)}</span>' if detail else ""
    return f'<span class="hs-why">{text(short_reason(state))}{since}</span>{said}'


def _meter(state: TargetHealth) -> str:
    if state.evidence <= 0 or state.threshold <= 0:
        return ""
    filled = min(100, round(100 * state.evidence / state.threshold))
    label = f"evidence {state.evidence:.1f}, verdict at {state.threshold:.1f}"
    return (
        f'<span class="hs-meter" role="img" aria-label="{label}" title="{label}">'
        f'<span style="width:{filled}%"></span></span>'
    )


def _rate(counts: OutcomeCounts) -> str:
    refused = f", {counts.refused} refused" if counts.refused else ""
    failed_here = f"; {counts.failed_here} more failed on our side" if counts.failed_here else ""
    title = f"{counts.answered} of {counts.asked} answered{refused}{failed_here}"
    low = " hs-low" if counts.served is not None and counts.served < 0.95 else ""
    return f'<span class="hs-rate{low}" title="{title}">{share(counts.served)}</span>'


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


def _legend() -> str:
    kinds = (
        ("good", "ok"),
        ("watch", "slow or wrong"),
        ("bad", "failed"),
        ("ours", "our limit, key or quota"),
        ("none", "says nothing"),
        ("gap", "not observed"),
    )
    items = "".join(f'<span><i class="hs-{colour}"></i>{word}</span>' for colour, word in kinds)
    return f'<div class="hs-legend" aria-label="Colours of the bars">{items}</div>'


def _vendor(view: VendorView, now: datetime) -> str:
    report = view.report
    colour = _VENDOR_COLOURS[report.state] if report else "none"
    read = f'<span class="hs-since">so since {instant(report.at, now)}</span>' if report else ""
    return (
        f'<li><span class="hs-vendor">{text(view.provider)}</span>'
        f'<span class="hs-we"><span class="hs-quiet">we see</span>{pill(view.health)}</span>'
        f'<span class="hs-they"><span class="hs-dot hs-{colour}" aria-hidden="true"></span>'
        f"{text(view.sentence(now))}</span>{read}</li>"
    )


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
    if override.kind is OverrideKind.DRAIN and "/" in override.subject:
        return target(override.subject)
    every = override.kind is OverrideKind.PAUSE and override.subject == ALL
    name = f'<span class="hs-route">{"all routes" if every else text(override.subject)}</span>'
    return (
        f'{name}<span class="hs-arrow" aria-label="to">→</span>{target(override.target)}' if override.target else name
    )
