"""Maps errors to outcomes: rules as data, a dialect's own before those for all, then the HTTP status."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from probes.outcome import Outcome
from probes.request_reply import ErrorDetails

_BY_STATUS: Final = {
    401: Outcome.AUTH,
    402: Outcome.QUOTA,
    403: Outcome.AUTH,
    408: Outcome.SERVER_ERROR,
    410: Outcome.MODEL_GONE,
    421: Outcome.UNREACHABLE,
    424: Outcome.SERVER_ERROR,
    429: Outcome.RATE_LIMITED,
    498: Outcome.OVERLOADED,
    499: Outcome.SERVER_ERROR,
    503: Outcome.OVERLOADED,
    511: Outcome.UNREACHABLE,
    529: Outcome.OVERLOADED,
}
#: Of codes that may come without an HTTP status.
_CODES_ALONE: Final = {
    Outcome.AUTH: "authentication_error auth_error permission_error unauthenticated permission_denied "
    "AccessDeniedException",
    Outcome.RATE_LIMITED: "rate_limit_error requests tokens resource_exhausted",
    Outcome.OVERLOADED: "service_unavailable_error unavailable",
    Outcome.MODEL_GONE: "not_found_error NotFoundError not_found",
    Outcome.BAD_REQUEST: "invalid_request_error BadRequestError invalid_argument failed_precondition "
    "unsupported_parameter data_residency_mismatch request_too_large ValidationException",
}
#: The longest part of a message that is searched.
_SEARCHED_CHARS: Final = 4000
#: A gateway quotes the error of the provider behind it as JSON inside its own message.
_QUOTED_CODE: Final = re.compile(r"""\\?["'](?:code|type|status|reason)\\?["']\s*:\s*\\?["']?([\w.-]{2,60})""")
_ADDRESS: Final = re.compile(r"""https?://[^\s"'<>]+""")
#: MiniMax's codes stand at the end of its messages: `insufficient balance (1008)`.
_NUMBER_AT_END: Final = re.compile(r"\((\d{4,5})\)\s*$")


def normalized_code(code: str) -> str:
    """The code in lower case, without punctuation: `Insufficient-Balance` and `INSUFFICIENT_BALANCE` are one code."""
    return re.sub("[^a-z0-9]+", "", code.lower())


_BY_CODE: Final = {normalized_code(code): outcome for outcome, codes in _CODES_ALONE.items() for code in codes.split()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorMatch:
    """The outcome of an error, and why."""

    outcome: Outcome
    reason: str
    """A few words, which may quote the provider."""
    by_rule: bool = True
    """False where only the status or nothing at all decided."""


class ErrorRule:
    """The outcome of each error that meets all given conditions.

    `codes` are separated by spaces; case and punctuation do not count. `message` is a pattern that ignores case and
    line ends. Without `statuses` the rule applies to any status, and to errors inside a stream.
    """

    def __init__(self, outcome: Outcome, codes: str = "", *, statuses: Collection[int] = (), message: str = "") -> None:
        self.outcome = outcome
        self._codes = frozenset(map(normalized_code, codes.split()))
        self._statuses = frozenset(statuses)
        self._message = re.compile(message, re.IGNORECASE | re.DOTALL) if message else None

    def explain(self, status: int, codes: Mapping[str, str], message: str) -> str | None:
        """What of an error meets the rule: `status 429, code insufficient_quota`; None where it does not.

        `codes` has each as the provider writes it, by its `normalized_code`.
        """
        if self._statuses and status not in self._statuses:
            return None
        code = next((code for code in codes if code in self._codes), None)
        if self._codes and code is None:
            return None
        quote = self._message.search(message) if self._message else None
        if self._message and not quote:
            return None
        parts = [f"status {status}"] if self._statuses else []
        parts += [f"code {codes[code][:100]}"] if code is not None else []
        return ", ".join([*parts, *([f"the words {quote[0][:100]!r}"] if quote else [])])


def match_error(rules: Iterable[ErrorRule], status: int, details: ErrorDetails, *, model: str = "") -> ErrorMatch:
    """The outcome of an error; `status` is the HTTP status, below 400 for an error inside a success.

    1. The rules, in order, on codes, message and the words of the codes; the name of `model`, which people choose
       freely, does not count, nor does what addresses of pages are called.
    2. The HTTP status, or the one that the body claims; an unknown 4xx is the fault of our request.
    3. The code alone; an error without a known code is the provider's fault.
    """
    status = status if status >= 400 else details.status or status
    message = details.message[:_SEARCHED_CHARS]
    written = (*details.codes, *_QUOTED_CODE.findall(message), *_NUMBER_AT_END.findall(message))
    codes = {normalized_code(code): code for code in reversed(written)}
    said = _without_names(_ADDRESS.sub("(an address)", message), model)
    said = "\n".join([said, *(_words(_without_names(code, model)) for code in written[:8])])
    for number, rule in enumerate(rules, 1):
        if (explanation := rule.explain(status, codes, said)) is not None:
            return ErrorMatch(outcome=rule.outcome, reason=f"rule {number} ({explanation})")
    if status >= 400:
        unknown = Outcome.BAD_REQUEST if status < 500 else Outcome.SERVER_ERROR
        reason = f"no rule, so the status {status} alone"
        return ErrorMatch(outcome=_BY_STATUS.get(status, unknown), reason=reason, by_rule=False)
    if known := next((code for code in codes if code in _BY_CODE), None):
        return ErrorMatch(outcome=_BY_CODE[known], reason=f"no rule, so the code {codes[known][:100]} alone")
    reason = "no rule and no known code, so the provider's fault"
    return ErrorMatch(outcome=Outcome.SERVER_ERROR, reason=reason, by_rule=False)


def _words(code: str) -> str:
    """A code as a sentence: `InsufficientBalance` and `INSUFFICIENT_BALANCE` say insufficient balance."""
    if normalized_code(code) == "resourceexhausted":  # Google's, at every limit
        return ""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^\w…]+|_+", " ", code[:200])


def _without_names(text: str, model: str) -> str:
    for name in _names(model):
        text = _name_pattern(name).sub("…", text)
    return text


def _names(model: str) -> list[str]:
    """What a model may be called in a message, the longest first: without its publisher, its variant (`:free`)."""
    names = {model, model.rpartition("/")[2]}
    return sorted((names | {name.partition(":")[0] for name in names}) - {""}, key=len, reverse=True)


def _name_pattern(name: str) -> re.Pattern[str]:
    """A model's name in a message, with its version; a plain word only in quotes or where a name stands."""
    if name.isalpha():
        return re.compile(rf"""(?:(?<=["'`])|(?<=model )|(?<=model: )|(?<= for )){name}(?![\w-])""", re.IGNORECASE)
    return re.compile(rf"(?<![\w-]){re.escape(name)}(?:[-:@][\w.:@-]*\w)?(?![\w-])", re.IGNORECASE)
