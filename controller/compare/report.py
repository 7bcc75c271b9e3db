"""What a comparison says, as a document for `--json` (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

from controller.compare.comparison import Agreement, CandidateFigures, Change, Share, Trial, agreement, figures
from controller.compare.golden_set import GoldenSet
from controller.compare.history import ChangeSince, PastRun, changes
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
    agreements: Mapping[tuple[str, str], Agreement]
    """Of each two candidates."""
    past: tuple[PastRun, ...]
    """Earlier runs, newest first."""
    changes: Mapping[str, ChangeSince]
    """Since the last of them, by target id."""

    def is_good(self, least: float | None) -> bool:
        """Whether all candidates answered, none is right less often than `least`, and none has become worse."""
        enough = all(_is_enough(each, least) for each in self.candidates)
        return enough and not any(each.is_worse for each in self.changes.values())


def _is_enough(candidate: CandidateFigures, least: float | None) -> bool:
    if not candidate.answered:
        return False
    share = candidate.right.value
    return least is None or (share is not None and share >= least)


def build_report(
    trials: Mapping[str, Sequence[Trial]],
    *,
    route: str,
    golden: GoldenSet,
    repeat: int,
    at: datetime,
    past: tuple[PastRun, ...],
) -> ComparisonReport:
    """The report of what all candidates answered, in their order."""
    tooled = frozenset(question.name for question in golden.questions if question.tools)
    pairs = list(combinations(trials, 2))
    candidates = tuple(figures(target, answers, tooled) for target, answers in trials.items())
    return ComparisonReport(
        route=route,
        golden=golden,
        repeat=repeat,
        at=at,
        candidates=candidates,
        agreements={(a, b): agreement(trials[a], trials[b], pairs=len(pairs)) for a, b in pairs},
        past=past,
        changes=changes(candidates, past),
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
        "candidates": [_candidate_document(each, report) for each in report.candidates],
        "agreement": [_agreement_document(pair, found) for pair, found in report.agreements.items()],
    }


def _candidate_document(candidate: CandidateFigures, report: ComparisonReport) -> dict[str, Any]:
    since, name = report.changes.get(candidate.target), candidate.target
    past = [(run.at, run.candidates[name]) for run in report.past if name in run.candidates]
    interval = candidate.right.interval
    return {
        "target": candidate.target,
        "model": candidate.model,
        "trials": len(candidate.trials),
        "answered": candidate.answered,
        "unsupported": candidate.count(Verdict.UNSUPPORTED),
        "unanswered": candidate.count(Verdict.UNANSWERED),
        "right": {**_share_document(candidate.right), "interval": [*interval] if interval else None},
        "schema": _share_document(candidate.fits_schema),
        "tools": _share_document(candidate.right_with_tools),
        "tokens": {"input": candidate.input_tokens, "output": candidate.output_tokens},
        "cost_usd": candidate.cost_usd,
        "usd_per_answer": candidate.usd_per_answer,
        "median_s": candidate.median_s,
        "p95_s": candidate.p95_s,
        "change": _change_document(since) if since else None,
        "past": [
            {
                "at": instant(at),
                "model": each.model,
                "right": _share_document(each.right),
                "tokens": {"input": each.input_tokens, "output": each.output_tokens},
                "usd_per_answer": each.usd_per_answer,
                "median_s": each.median_s,
            }
            for at, each in past
        ],
        "answers": [_trial_document(trial) for trial in candidate.trials],
    }


def _agreement_document(pair: tuple[str, str], agreement: Agreement) -> dict[str, Any]:
    right = agreement.right and {
        "counts": [agreement.right.was.count, agreement.right.now.count],
        "of": agreement.right.now.of,
        **_test_document(agreement.right),
    }
    return {"targets": [*pair], **_share_document(agreement.same), "right": right}


def _change_document(since: ChangeSince) -> dict[str, Any]:
    found = since.change
    shares = {"was": _share_document(found.was), "now": _share_document(found.now)}
    return {"since": instant(since.at), **shares, **_test_document(found)}


def _test_document(change: Change) -> dict[str, Any]:
    return {"p": change.p, "is_real": change.is_real}


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
