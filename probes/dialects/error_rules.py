"""Reads errors and maps them to outcomes: each dialect declares fields and ordered rules; then the status decides."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from probes.json_values import status_code, text_at, texts_at, values_at
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFields:
    """Where an error holds what: paths as `probes.json_values.values_at` takes them, the most specific first."""

    codes: str
    message: str
    status: str = ""
    request_id: str = ""

    def read(self, body: Mapping[str, Any]) -> ErrorDetails:
        """The content of an error body or an error frame."""
        statuses = map(status_code, values_at(body, self.status))
        return ErrorDetails(
            codes=tuple(texts_at(body, self.codes)),
            message=text_at(body, self.message),
            status=next(filter(None, statuses), None),
            request_id=text_at(body, self.request_id) or None,
        )


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


def is_error(body: Mapping[str, Any], event: str = "") -> bool:
    """Whether the body is an error envelope, whatever the HTTP status; `event` names the event that it came in."""
    return bool(body.get("error")) or "error" in (event, body.get("object"), body.get("type"))
