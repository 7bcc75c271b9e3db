"""The page of one target as HTML: how it is, its verdicts with their evidence, its last failures. Pure, escaped."""

from collections.abc import Mapping
from datetime import datetime

from controller.incidents.text import short_reason
from controller.status.details.target import PHASES, FailedProbe, TargetDetail
from monitor.detection.verdict_text import plain_reason
from monitor.formatting import format_percent
from monitor.health import Health, TargetHealth, Transition
from monitor.history.rollup import Rollup
from ui.components import (
    empty,
    instant,
    pill,
    prose,
    seconds,
    section,
    share,
    table,
    target,
    text,
    zone_note,
)
from ui.incidents import trails

_CHECKS = {
    "Check": "what is asked",
    "Served": "the share of its probes that users could have used",
    "Probes": "",
    "p50": "median duration of its answers",
    "p95": "95 % of its answers took no longer",
    "First token p50": "of streams",
    "First token p95": "of streams",
    "How they ended": "without those that failed on our side",
}
_CHANGES = {
    "When": "",
    "Health": "",
    "Evidence": "the evidence then, and the threshold at which a verdict falls",
    "Why": "",
}
_FAILURES = {
    "When": "",
    "Check": "",
    "Outcome": "",
    "Status": "HTTP",
    "What came": "",
    "Request id": "one click selects it",
}


def present(detail: TargetDetail, state: TargetHealth, now: datetime) -> str:
    """The target's name, its health now, since when and why."""
    why = "" if state.health is Health.UP else f'<p class="hs-reason">{prose(short_reason(state), now)}</p>'
    since = "" if state.health is Health.UNKNOWN else f'<span class="hs-since">since {instant(state.since, now)}</span>'
    card = (
        f'<article class="hs-card hs-edge hs-{state.health.level}" aria-label="Now"><div class="hs-row">'
        f'<h1 class="hs-title">{target(detail.target)}</h1>{pill(state.health)}'
        f"{_present_evidence(state)}{since}</div>"
        f"{why}{_total(detail.checks)}</article>"
    )
    return f'<section class="hs-section">{card}</section>'


def _present_evidence(state: TargetHealth) -> str:
    shown = _evidence(state.evidence, state.threshold)
    return f'<span class="hs-quiet">evidence {shown}</span>' if shown else ""


def _total(checks: Mapping[str, Rollup]) -> str:
    whole = sum(checks.values(), start=Rollup())
    if not whole.counts.total:
        return ""
    counts = whole.counts
    here = f", {counts.failed_here:,} more failed on our side" if counts.failed_here else ""
    said = f"{format_percent(counts.served)} served, {format_percent(counts.availability)} available"
    return f'<p class="hs-reason">In this time: {said}; {counts.asked:,} probes{here}.</p>'


def checks(detail: TargetDetail) -> str:
    """The checks beside each other."""
    if not detail.checks:
        return ""
    rows = [_check(name, rollup) for name, rollup in detail.checks.items()]
    return section("Checks compared", "", table("Checks", _CHECKS, rows, kind="hs-checks"))


def _check(name: str, rollup: Rollup) -> list[str]:
    figures = [seconds(h.quantile(q)) for h in (rollup.duration, rollup.first_token) for q in (0.5, 0.95)]
    mix = text(_mix(rollup)) or "–"
    return [f"<b>{text(name)}</b>", share(rollup.counts.served), f"{rollup.counts.asked:,}", *figures, mix]


def _mix(rollup: Rollup) -> str:
    """How its probes ended, the most frequent first."""
    ended = sorted(rollup.asked.items(), key=lambda item: -item[1])
    return ", ".join(f"{count:,} {outcome}" for outcome, count in ended)


def verdicts(detail: TargetDetail, now: datetime) -> str:
    """Each change of its health, and the evidence behind its verdicts."""
    if not detail.transitions:
        return section("How it was judged", "", empty("Its health did not change in this time."))
    pictures = f'<div class="hs-trails">{trails(detail.trails, now)}</div>' if detail.trails else ""
    changes = table(
        "Changes of health", _CHANGES, [_change(each, now) for each in detail.transitions], kind="hs-changes"
    )
    return section("How it was judged", zone_note(now), pictures + changes)


def _change(change: Transition, now: datetime) -> list[str]:
    return [
        instant(change.at, now),
        f'{pill(change.before)}<span class="hs-arrow" aria-label="became"> → </span>{pill(change.after)}',
        _evidence(change.evidence, change.threshold) or "–",
        prose(plain_reason(change.reason), now),
    ]


def _evidence(evidence: float, threshold: float) -> str:
    if evidence <= 0 or threshold <= 0:
        return ""
    return f'<span class="hs-quiet hs-evidence">{evidence:.1f} of {threshold:.1f}</span>'


def failures(detail: TargetDetail, now: datetime) -> str:
    """The last failed probes with what came and the id of each request."""
    if not detail.failures:
        return section("Last failures", "", empty("No probe failed in this time, as far as single probes are kept."))
    rows = [_failure(failure, now) for failure in detail.failures]
    return section("Last failures", "the newest first", table("Last failures", _FAILURES, rows, kind="hs-failures"))


def _failure(failure: FailedProbe, now: datetime) -> list[str]:
    here = ' <span class="hs-tag">on our side</span>' if failure.failed_here else ""
    status = "–" if failure.http_status is None else str(failure.http_status)
    request = f'<code class="hs-copy">{text(failure.request_id)}</code>' if failure.request_id else "–"
    return [
        instant(failure.at, now),
        text(failure.check),
        f"{failure.outcome}{here}",
        status,
        text(failure.detail) or "–",
        request,
    ]


def mix_in_words(detail: TargetDetail) -> str:
    """The picture of outcomes for those who do not see it."""
    return f"How the probes of {detail.target} ended: {_mix(sum(detail.checks.values(), start=Rollup()))}"


def latency_in_words(detail: TargetDetail) -> str:
    """The picture of latencies for those who do not see it."""
    whole = sum(detail.checks.values(), start=Rollup())
    known = {
        "median": whole.duration.quantile(0.5),
        "95 %": whole.duration.quantile(0.95),
        "first token, median": whole.first_token.quantile(0.5),
        "first token, 95 %": whole.first_token.quantile(0.95),
    }
    said = ", ".join(f"{name} {value:.2f} s" for name, value in known.items() if value is not None)
    return f"How long answers of {detail.target} took: {said or 'not known'}; the slow limit is {detail.slow_s:g} s"


def phases_in_words(detail: TargetDetail) -> str:
    """The picture of phases for those who do not see it."""
    bars = (
        f"{each.check}, {'used' if each.reused else 'new'} connection: "
        + ", ".join(
            f"{phase} {value * 1000:.0f} ms" for phase, value in zip(PHASES, each.seconds, strict=True) if value
        )
        for each in detail.phases
    )
    return "; ".join(bars)
