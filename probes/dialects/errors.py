"""Maps errors to outcomes: ordered rules that each dialect declares as data, then the HTTP status."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from probes.outcome import Outcome
from probes.reply import ErrorDetails


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRule:
    """The outcome of each error that meets all given conditions; codes are compared without regard to case."""

    outcome: Outcome
    statuses: frozenset[int] = frozenset()
    """Empty: any status, errors inside a stream included."""
    codes: frozenset[str] = frozenset()
    message: re.Pattern[str] | None = None

    def matches(self, status: int, details: ErrorDetails) -> bool:
        """Whether the rule applies to this error."""
        return (
            (not self.statuses or status in self.statuses)
            and (not self.codes or any(code.lower() in self.codes for code in details.codes))
            and (self.message is None or self.message.search(details.message[:4000]) is not None)
        )

    def explain(self, status: int, details: ErrorDetails) -> str:
        """The parts of a matching error that the rule is about: `status 429, code insufficient_quota`."""
        parts = [f"status {status}"] if self.statuses else []
        parts += [f"code {code[:100]}" for code in details.codes if code.lower() in self.codes][:1]
        match = self.message.search(details.message[:4000]) if self.message else None
        parts += [f"the words {match[0][:100]!r}"] if match else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorMatch:
    """The outcome of an error, and why."""

    outcome: Outcome
    reason: str
    """A few words, which may quote the provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRules:
    """What a dialect knows about its errors."""

    rules: tuple[ErrorRule, ...]
    """The first that applies decides."""
    codes_alone: Mapping[str, Outcome]
    """The outcome of a code, in lower case, for errors without an HTTP status."""


def rule(outcome: Outcome, codes: str = "", *, statuses: Collection[int] = (), message: str = "") -> ErrorRule:
    """A rule; `codes` are in lower case with spaces between, `message` is a pattern that ignores case and line ends."""
    pattern = re.compile(message, re.IGNORECASE | re.DOTALL) if message else None
    return ErrorRule(outcome=outcome, statuses=frozenset(statuses), codes=frozenset(codes.split()), message=pattern)


def error_rules(*rules: ErrorRule, codes_alone: Mapping[Outcome, str] | None = None) -> ErrorRules:
    """The rules of a dialect, in order, and the outcomes of codes (with spaces between) that come without a status."""
    outcomes = {code: outcome for outcome, codes in (codes_alone or {}).items() for code in codes.split()}
    return ErrorRules(rules=rules, codes_alone=outcomes)


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


def outcome_of_status(status: int) -> Outcome:
    """The outcome of an HTTP error status whose body adds nothing; an unknown 4xx is the fault of our request."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return Outcome.BAD_REQUEST if 400 <= status < 500 else Outcome.SERVER_ERROR


def match_error(known: ErrorRules, status: int, details: ErrorDetails) -> ErrorMatch:
    """The outcome of an error; `status` is the HTTP status, below 400 for an error inside a success.

    1. The dialect's rules, in order, on code, type and message.
    2. The HTTP status, or the one that the body claims.
    3. The code alone; an error without a known code is the provider's fault.
    """
    effective = status if status >= 400 else details.status or status
    for number, rule in enumerate(known.rules, 1):
        if rule.matches(effective, details):
            return ErrorMatch(outcome=rule.outcome, reason=f"rule {number} ({rule.explain(effective, details)})")
    if effective >= 400:
        return ErrorMatch(outcome=outcome_of_status(effective), reason=f"no rule, so the status {effective} alone")
    for code in details.codes:
        if code.lower() in known.codes_alone:
            return ErrorMatch(
                outcome=known.codes_alone[code.lower()], reason=f"no rule, so the code {code[:100]} alone"
            )
    return ErrorMatch(outcome=Outcome.SERVER_ERROR, reason="no rule and no code that is known, so the provider's fault")


def is_error(body: Mapping[str, Any]) -> bool:
    """Whether the body is an error envelope, whatever the HTTP status."""
    return bool(body.get("error")) or body.get("object") == "error" or body.get("type") == "error"
