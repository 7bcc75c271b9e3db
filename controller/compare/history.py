"""What is kept of a comparison, and what has changed since (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter, ValidationError

from controller.compare.comparison import CandidateFigures, Change, Share, change, letters


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCandidate:
    """How one candidate did in an earlier run."""

    verdicts: Mapping[str, str]
    """By question, as `letters` gives them."""
    right: Share
    model: str | None = None
    """What it called itself."""
    input_tokens: float | None = None
    output_tokens: float | None = None
    usd_per_answer: float | None = None
    median_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """An earlier run of the same questions for the same route."""

    at: datetime
    candidates: Mapping[str, PastCandidate]
    """By target id."""


def past_run(candidates: Sequence[CandidateFigures], at: datetime) -> PastRun:
    """What is to be kept of a run."""
    return PastRun(
        at=at,
        candidates={
            each.target: PastCandidate(
                verdicts=letters(each.trials),
                right=each.right,
                model=each.model,
                input_tokens=each.input_tokens,
                output_tokens=each.output_tokens,
                usd_per_answer=each.usd_per_answer,
                median_s=each.median_s,
            )
            for each in candidates
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSince:
    """What has changed with one candidate since an earlier run."""

    at: datetime
    before: PastCandidate
    change: Change

    @property
    def is_worse(self) -> bool:
        """Whether it is right less often, by more than chance."""
        return self.change.is_real and self.change.now.count < self.change.was.count


def changes(candidates: Sequence[CandidateFigures], past: Sequence[PastRun]) -> dict[str, ChangeSince]:
    """The change of each candidate since the last run that has answers in common, by target id.

    `past` has the newest first; a candidate without such a run is left out.
    """
    known = [each for each in candidates if any(each.target in run.candidates for run in past)]
    found = {}
    for each in known:
        now = letters(each.trials)
        for run in past:
            before = run.candidates.get(each.target)
            since = change(before.verdicts, now, candidates=len(known)) if before else None
            if before and since:
                found[each.target] = ChangeSince(at=run.at, before=before, change=since)
                break
    return found


_ADAPTER: Final = TypeAdapter(PastRun)


def to_json(run: PastRun) -> str:
    """The run as JSON; `from_json` gives it back."""
    return _ADAPTER.dump_json(run).decode()


def from_json(text: str) -> PastRun | None:
    """The run; None where the text is none: another version's."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return None
