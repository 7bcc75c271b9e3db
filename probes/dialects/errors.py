"""From an error to an outcome: ordered rules that dialects write as data, and the meaning of a bare HTTP status."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from probes.outcome import Outcome
from probes.reply import ErrorDetails


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRule:
    """The outcome of every error that meets all conditions given; codes compare without regard to case."""

    outcome: Outcome
    statuses: frozenset[int] = frozenset()
    """Empty: any status, and frames inside a stream."""
    codes: frozenset[str] = frozenset()
    message: re.Pattern[str] | None = None

    def meets(self, status: int, words: ErrorDetails) -> bool:
        """True when the rule speaks about this error."""
        return (
            (not self.statuses or status in self.statuses)
            and (not self.codes or any(code.lower() in self.codes for code in words.codes))
            and (self.message is None or self.message.search(words.message[:4000]) is not None)
        )

    def because(self, status: int, words: ErrorDetails) -> str:
        """What of an error that it meets the rule speaks about: `status 429, code insufficient_quota`."""
        met = [f"status {status}"] if self.statuses else []
        met += [f"code {code[:100]}" for code in words.codes if code.lower() in self.codes][:1]
        found = self.message.search(words.message[:4000]) if self.message else None
        met += [f"the words {found[0][:100]!r}"] if found else []
        return ", ".join(met)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorMatch:
    """What an error means, and what says so."""

    outcome: Outcome
    because: str
    """A few words, which may quote the provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRules:
    """All that a dialect knows about its errors."""

    rules: tuple[ErrorRule, ...]
    """The first that meets decides."""
    kinds: Mapping[str, Outcome]
    """What a code means by itself, for errors that come without an HTTP status."""


_BY_STATUS = {
    401: Outcome.AUTH,
    402: Outcome.QUOTA,
    403: Outcome.AUTH,
    408: Outcome.SERVER_ERROR,
    424: Outcome.SERVER_ERROR,
    429: Outcome.RATE_LIMITED,
    498: Outcome.OVERLOADED,
    499: Outcome.SERVER_ERROR,
    503: Outcome.OVERLOADED,
    511: Outcome.UNREACHABLE,
    529: Outcome.OVERLOADED,
}


def by_status(status: int) -> Outcome:
    """What an HTTP error status means when the body adds nothing: an unknown 4xx is our request's fault."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return Outcome.BAD_REQUEST if 400 <= status < 500 else Outcome.SERVER_ERROR


def classify(known: ErrorRules, status: int, words: ErrorDetails) -> ErrorMatch:
    """The meaning of an error; `status` is the HTTP status, below 400 for an error inside a success.

    1. The dialect's rules, in order, on code, type and message.
    2. The HTTP status, or the one that the body claims.
    3. The code alone; an error that says nothing at all is the provider's.
    """
    effective = status if status >= 400 else words.status or status
    for number, rule in enumerate(known.rules, 1):
        if rule.meets(effective, words):
            return ErrorMatch(outcome=rule.outcome, because=f"rule {number} ({rule.because(effective, words)})")
    if effective >= 400:
        return ErrorMatch(outcome=by_status(effective), because=f"no rule, so the status {effective} alone")
    for code in words.codes:
        if code.lower() in known.kinds:
            return ErrorMatch(outcome=known.kinds[code.lower()], because=f"no rule, so the code {code[:100]} alone")
    return ErrorMatch(
        outcome=Outcome.SERVER_ERROR, because="no rule and no code that is known, so the provider's fault"
    )


def is_error(body: Mapping[str, Any]) -> bool:
    """True when the body is an error envelope, whatever the HTTP status says."""
    return bool(body.get("error")) or body.get("object") == "error" or body.get("type") == "error"
