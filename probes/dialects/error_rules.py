"""Maps errors to outcomes: ordered rules that each dialect declares as data, then the HTTP status."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from probes.outcome import Outcome
from probes.reply import ErrorDetails

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


class ErrorRule:
    """The outcome of each error that meets all given conditions.

    `codes` are in lower case with spaces between; `message` is a pattern that ignores case and line ends. Without
    `statuses` the rule applies to any status, and to errors inside a stream.
    """

    def __init__(self, outcome: Outcome, codes: str = "", *, statuses: Collection[int] = (), message: str = "") -> None:
        self.outcome = outcome
        self._codes = frozenset(codes.split())
        self._statuses = frozenset(statuses)
        self._message = re.compile(message, re.IGNORECASE | re.DOTALL) if message else None

    def explain(self, status: int, details: ErrorDetails) -> str | None:
        """What of an error meets the rule: `status 429, code insufficient_quota`; None where it does not."""
        code = next((code for code in details.codes if code.lower() in self._codes), None)
        quote = self._message.search(details.message[:4000]) if self._message else None
        if (self._statuses and status not in self._statuses) or (self._codes and code is None):
            return None
        if self._message and not quote:
            return None
        parts = [f"status {status}"] if self._statuses else []
        parts += [f"code {code[:100]}"] if code is not None else []
        return ", ".join([*parts, *([f"the words {quote[0][:100]!r}"] if quote else [])])


class ErrorRules:
    """What a dialect knows about its errors; `codes_alone` are codes that may come without an HTTP status."""

    def __init__(self, *rules: ErrorRule, codes_alone: Mapping[Outcome, str] | None = None) -> None:
        self._rules = rules
        self._codes = {code: outcome for outcome, codes in (codes_alone or {}).items() for code in codes.split()}

    def match(self, status: int, details: ErrorDetails) -> tuple[Outcome, str]:
        """The outcome of an error and why, in a few words that may quote the provider.

        `status` is the HTTP status, below 400 for an error inside a success. What decides is the first of:

        1. The rules, in order, on code, type and message.
        2. The HTTP status, or the one that the body claims; an unknown 4xx is the fault of our request.
        3. The code alone; an error without a known code is the provider's fault.
        """
        status = status if status >= 400 else details.status or status
        for number, rule in enumerate(self._rules, 1):
            if (explanation := rule.explain(status, details)) is not None:
                return rule.outcome, f"rule {number} ({explanation})"
        if status >= 400:
            unknown = Outcome.BAD_REQUEST if status < 500 else Outcome.SERVER_ERROR
            return _BY_STATUS.get(status, unknown), f"no rule, so the status {status} alone"
        for code in details.codes:
            if code.lower() in self._codes:
                return self._codes[code.lower()], f"no rule, so the code {code[:100]} alone"
        return Outcome.SERVER_ERROR, "no rule and no known code, so the provider's fault"


def is_error(body: Mapping[str, Any]) -> bool:
    """Whether the body is an error envelope, whatever the HTTP status."""
    return bool(body.get("error")) or body.get("object") == "error" or body.get("type") == "error"
