"""Prints a comparison for people: a table, what two candidates agree on, what was wrong, what has changed."""

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from controller.cli.layout import TextTable, plain_table, print_lines, wrap
from controller.compare.comparison import CandidateFigures, Change, Share
from controller.compare.history import ChangeSince, PastCandidate
from controller.compare.judges import Verdict
from controller.compare.report import ComparisonReport
from monitor.formatting import plural

_MOST_FLAWS = 5
_EACH_USD = 1_000


def print_report(report: ComparisonReport, console: Console) -> None:
    """Print the report."""
    rounds = "" if report.repeat == 1 else f", each {report.repeat} times"
    console.print(Text(f"{report.golden.name}: {plural(len(report.golden.questions), 'question')}{rounds}"))
    _table(report).print(console)
    remarks = (line for each in report.candidates for line in _remarks(each))
    changed = (
        _change(each, report.changes[each.target]) for each in report.candidates if each.target in report.changes
    )
    for line in (*_agreements(report), *remarks, *changed):
        print_lines(console, wrap(Text(line), console.width, indent=2))


def _table(report: ComparisonReport) -> TextTable:
    figures = ("right", "schema", "tools", "tokens", "$ per 1,000", "median", "p95")
    table = plain_table("target", figures=figures)
    for each in report.candidates:
        counts = (_right(each), _counts(each.fits_schema), _counts(each.right_with_tools))
        p95 = "–" if each.p95_s is None else f"{each.p95_s:.2f} s"
        table.add(each.target, *counts, *_efforts(each), p95)
    return table


def _efforts(each: CandidateFigures | PastCandidate) -> tuple[str, str, str]:
    """Tokens, dollars and time."""
    return (
        "–" if each.input_tokens is None else f"{each.input_tokens:.0f}+{each.output_tokens or 0:.0f}",
        "–" if each.usd_per_answer is None else f"{each.usd_per_answer * _EACH_USD:.2f}",
        "–" if each.median_s is None else f"{each.median_s:.2f} s",
    )


def _right(each: CandidateFigures) -> str:
    """With the interval in which the true share lies with a confidence of 95 %."""
    if (interval := each.right.interval) is None:
        return "–"
    low, high = interval
    return f"{_counts(each.right)} ({100 * low:.0f} to {100 * high:.0f} %)"


def _counts(share: Share) -> str:
    return f"{share.count} of {share.of}" if share.of else "–"


def _agreements(report: ComparisonReport) -> Iterator[str]:
    for (one, other), found in report.agreements.items():
        if found.same.of:
            right = f"; right {_then_and_now(found.right, 'and')}" if found.right else ""
            yield f"{one} and {other} agree on {_counts(found.same)}{right}"


def _then_and_now(change: Change, between: str) -> str:
    """`30 and 10 of 36, beyond chance (p = 3.6e-05)`."""
    chance = "" if change.p == 1 else f", {'beyond' if change.is_real else 'within'} chance (p = {change.p:.2g})"
    return f"{change.was.count} {between} {_counts(change.now)}{chance}"


def _remarks(each: CandidateFigures) -> Iterator[str]:
    """What was wrong, by question; what was not answered, or could not be asked, with the first reason."""
    wrong = [trial for trial in each.trials if trial.verdict is Verdict.WRONG]
    by_question = {trial.question: trial for trial in reversed(wrong)}
    names = list(dict.fromkeys(trial.question for trial in wrong))
    for name in names[:_MOST_FLAWS]:
        times = sum(trial.question == name for trial in wrong)
        often = f" ({times} times)" if times > 1 else ""
        yield f"{each.target}, {name}{often}: {by_question[name].flaw}"
    if len(names) > _MOST_FLAWS:
        yield f"{each.target}: {len(names) - _MOST_FLAWS} more questions were answered wrongly (--json has them all)"
    for verdict, what in ((Verdict.UNSUPPORTED, "not supported"), (Verdict.UNANSWERED, "without an answer")):
        if first := each.first(verdict):
            yield f"{each.target}: {each.count(verdict)} {what}: {first.flaw}"


def _change(each: CandidateFigures, since: ChangeSince) -> str:
    """What has changed with a candidate, and with what certainty."""
    tokens, usd, median = _efforts(since.before)
    renamed = since.before.model if since.before.model and each.model and since.before.model != each.model else ""
    return (
        f"{each.target}{' has changed' if since.change.is_real else ''} since {since.at:%Y-%m-%d %H:%M} UTC: right"
        f" {_then_and_now(since.change, 'then, now')}; then {tokens} tokens, ${usd} per 1,000, median {median}"
        f"{f', called {renamed}' if renamed else ''}"
    )
