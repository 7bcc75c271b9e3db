"""Sentences about evidence: why a target is in its health; the same in log, database, Slack and page (pure)."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from monitor.detection.evidence import Evidence
from monitor.formatting import format_elapsed, listed
from probes.outcome import Outcome

_DETAIL_CHARS = 160
#: What the operator must do about each misconfiguration.
_REMEDIES = {
    Outcome.AUTH: "the provider refuses the key: check {key}",
    Outcome.QUOTA: "the account behind {key} has no money or quota left: see to its billing",
    Outcome.MODEL_GONE: "the provider has no model {model!r} (any more): change it in the configuration",
}
#: The same for one line: what to look for in a reason, and what to do about it.
_FIXES: Final = {
    r"the provider refuses the key: check (.+?)(?: \(|$)": "set {} and restart Hotspare",
    r"the account behind (.+?) has no money or quota left": "see to the billing of the account behind {}",
    r"the provider has no model '(.+?)' \(any more\)": "change the model {} in the configuration and restart Hotspare",
    r"it has (never answered) since it was configured": "check its settings (it has {}) and restart Hotspare",
}
#: How the reason of a target that refuses every probe begins.
ALL_REFUSED: Final = "answers nothing but"
_REFUSAL: Final = re.compile(rf"{ALL_REFUSED} .*? UTC")

#: What a notice or a headline about a fault of this machine holds.
FAILS_HERE: Final = "fail on this machine"


def outcome_mix(outcomes: Mapping[Outcome, int]) -> str:
    """The outcomes of the failures: `server_error`, or `7 server_error, 2 timeout`, most frequent first."""
    ranked = sorted(outcomes.items(), key=lambda item: (-item[1], item[0]))
    if len(ranked) == 1:
        return str(ranked[0][0])
    return ", ".join(f"{count} {outcome}" for outcome, count in ranked)


def failure_counts(
    failures: int, probes: int, seconds: float, outcomes: Mapping[Outcome, int], *, what: str = "failed"
) -> str:
    """`9 of 14 probes failed in 41 s (server_error)`; of a single one, `the last probe failed (server_error)`."""
    if probes == 1:
        return f"the last probe {what} ({outcome_mix(outcomes)})"
    return f"{failures} of {probes} probes {what} in {format_elapsed(seconds)} ({outcome_mix(outcomes)})"


def failed_afresh(evidence: Evidence, threshold: float, at: datetime, *, p0: float, p1: float, where: str = "") -> str:
    """`3 of 4 probes asked afresh failed, 9 s after the first failure (server_error)`, and the evidence."""
    when = f"{format_elapsed(evidence.span_s(at))} after the first failure"
    text = f"{evidence.failures} of {evidence.probes} probes asked afresh failed{where}, {when}"
    weight = evidence_and_threshold(evidence.value, threshold, p0=p0, p1=p1)
    last = f"; last: {shortened(evidence.last)}" if evidence.last else ""
    return f"{text} ({outcome_mix(evidence.outcomes)}); {weight}{last}"


#: What the reason of a verdict on what applications report says, and no other.
REPORTED: Final = "requests of"


def reported_failures(
    failed: int,
    requests: int,
    *,
    hosts: str,
    seconds: float,
    outcomes: Mapping[Outcome, int],
    probes: tuple[int, int] | None,
    weight: str,
) -> str:
    """`412 of 830 requests of 2 hosts failed in 12 s (server_error), and 1 of 4 probes asked afresh`; the evidence."""
    when = f"in {format_elapsed(seconds)}" if seconds else "at once"
    text = f"{failed} of {requests} {REPORTED} {hosts} failed {when} ({outcome_mix(outcomes)})"
    asked = f", and {probes[0]} of {probes[1]} probes asked afresh" if probes else ""
    return f"{text}{asked}; {weight}"


def failing_checks(failures: int, checks: Sequence[str]) -> str:
    """The checks that failed: `, all of them tool or stream`; of a single failure `, of the check tool`."""
    return f", all of them {' or '.join(checks)}" if failures > 1 else f", of the check {''.join(checks)}"


def inconclusive_probes(whose: str, outcome: Outcome, times: int, detail: str) -> str:
    """That probes allow no judgement of a target; `whose` is the subject, such as `its probes are`."""
    return f"{whose} inconclusive, {outcome} {times} times in a row: the probe needs attention; last: {detail}"


def all_refused(status: int | None, since: datetime, detail: str) -> str:
    """That a target refuses every probe: `answers nothing but HTTP 404 since 14:02 UTC`."""
    answer = f"{'errors inside ' if status and status < 400 else ''}HTTP {status}"
    when = f"{since.astimezone(UTC):%H:%M} UTC"
    changed = "the provider, or what it accepts, has changed"
    return f"{ALL_REFUSED} {answer} since {when}: {changed}; last: {shortened(detail)}"


def refusal_clause(reason: str) -> str | None:
    """The clause of such a reason: `answers nothing but HTTP 404 since 14:02 UTC`; None where the reason is another."""
    clause = _REFUSAL.search(reason)
    return clause[0] if clause else None


def probe_refused(dialect: str, targets: str, detail: str) -> str:
    """That several providers of one dialect began to refuse our probes within an hour."""
    began = f"{targets} began to refuse the probes of the dialect {dialect} within an hour"
    return f"{began}: the probe needs attention; last: {shortened(detail)}"


def never_answered(detail: str) -> str:
    """That a target has refused every probe since it was configured."""
    return f"it has never answered since it was configured: check its settings ({shortened(detail)})"


def failing_here(targets: Sequence[str], detail: str) -> str:
    """That the probes of these targets fail by a fault of our own: `probes of a, b fail on this machine, …`."""
    return f"probes of {listed(targets)} {FAILS_HERE}, which says nothing of the providers; last: {detail}"


def evidence_and_threshold(
    evidence: float, threshold: float, *, p0: float | None = None, p1: float | None = None
) -> str:
    """`evidence 12.3, verdict at 9.8`; with the rates p0 and p1, `… (usual 0.5 %, looked for 30 %)`."""
    text = f"evidence {evidence:.1f}, verdict at {threshold:.1f}"
    return text if p0 is None or p1 is None else f"{text} (usual {_percent(p0)}, looked for {_percent(p1)})"


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %"


def remedy(outcome: Outcome, *, model: str, key: str, detail: str) -> str:
    """What to do about `auth`, `quota` or `model_gone`, and the provider's message; `key` says which key it is."""
    return _REMEDIES[outcome].format(key=key, model=model) + (f" ({detail})" if detail else "")


def fix_of(reason: str) -> str | None:
    """What a person must do about such a reason: `set OPENAI_API_KEY and restart Hotspare`; None for any other."""
    for pattern, fix in _FIXES.items():
        if match := re.search(pattern, reason):
            return fix.format(*(group.removeprefix("the variable ") for group in match.groups()))
    return None


def shortened(detail: str) -> str:
    """A provider's message, cut to 160 characters."""
    return detail if len(detail) <= _DETAIL_CHARS else detail[: _DETAIL_CHARS - 1] + "…"
