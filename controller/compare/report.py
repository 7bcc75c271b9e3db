"""What a comparison says, as a document for `--json` (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

from controller.compare.comparison import CandidateFigures, Share, Trial, agreement, figures
from controller.compare.golden_set import GoldenSet
from controller.compare.judges import Verdict
from monitor.formatting import instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonReport:
    """One run, compared."""

    route: str
    golden: GoldenSet
    repeat: int
    at: datetime
    candidates: tuple[CandidateFigures, ...]
    agreements: Mapping[tuple[str, str], Share]
    """Of each two candidates."""

    def lacking(self, least: float | None) -> tuple[str, ...]:
        """The candidates that are bad news: without any answer, or right less often than `least`."""
        return tuple(each.target for each in self.candidates if not _is_enough(each, least))


def _is_enough(candidate: CandidateFigures, least: float | None) -> bool:
    if not any(trial.answered for trial in candidate.trials):
        return False
    share = candidate.right.value
    return least is None or (share is not None and share >= least)


def build_report(
    trials: Mapping[str, Sequence[Trial]], *, route: str, golden: GoldenSet, repeat: int, at: datetime
) -> ComparisonReport:
    """The report of what all candidates answered, in their order."""
    tooled = frozenset(question.name for question in golden.questions if question.tools)
    pairs = combinations(trials, 2)
    return ComparisonReport(
        route=route,
        golden=golden,
        repeat=repeat,
        at=at,
        candidates=tuple(figures(target, answers, tooled) for target, answers in trials.items()),
        agreements={(a, b): agreement(trials[a], trials[b]) for a, b in pairs},
    )


def document_of(report: ComparisonReport) -> dict[str, Any]:
    """The report as JSON: shares as counts, seconds, dollars; null where nothing is known."""
    return {
        "route": report.route,
        "set": report.golden.name,
        "digest": report.golden.digest,
        "questions": len(report.golden.questions),
        "repeat": report.repeat,
        "at": instant(report.at),
        "candidates": [_candidate_document(each) for each in report.candidates],
        "agreement": [{"targets": [*pair], **_share_document(found)} for pair, found in report.agreements.items()],
    }


def _candidate_document(candidate: CandidateFigures) -> dict[str, Any]:
    answered = sum(trial.answered for trial in candidate.trials)
    interval = candidate.right.interval
    return {
        "target": candidate.target,
        "trials": len(candidate.trials),
        "answered": answered,
        "unsupported": candidate.count(Verdict.UNSUPPORTED),
        "unanswered": candidate.count(Verdict.UNANSWERED),
        "right": {**_share_document(candidate.right), "interval": [*interval] if interval else None},
        "schema": _share_document(candidate.fits_schema),
        "tools": _share_document(candidate.right_with_tools),
        "tokens": {"input": candidate.input_tokens, "output": candidate.output_tokens},
        "cost_usd": candidate.cost_usd,
        "median_s": candidate.median_s,
        "p95_s": candidate.p95_s,
        "answers": [_trial_document(trial) for trial in candidate.trials],
    }


def _share_document(share: Share) -> dict[str, Any]:
    return {"count": share.count, "of": share.of}


def _trial_document(trial: Trial) -> dict[str, Any]:
    seen = trial.observation
    return {
        "question": trial.question,
        "verdict": trial.verdict,
        "flaw": trial.flaw or None,
        "answer": trial.shown if trial.answered else None,
        "outcome": seen.outcome if seen else None,
        "duration_s": round(seen.duration_s, 4) if seen else None,
    }
