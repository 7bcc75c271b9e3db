"""Reads any exception of any SDK into a failure: what came, in the words of Hotspare's outcomes. Imports no SDK."""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from hotspare_client.error_words import (
    BY_CLASS,
    BY_STATUS,
    CODES_AMONG_WORDS,
    IN_STREAM,
    NOT_BEGUN,
    NOT_BEGUN_WORDS,
    RULES,
    TOO_LONG,
    WAIT_WORDS,
)

_MOST_TEXT = 4_000
_MOST_DETAIL = 200
_MOST_CAUSES = 8
_MOST_VALUES = 200
_LONGEST_WAIT_S = 86_400.0
#: What the system says of the network; its other errors (files, memory) are the application's own.
_NETWORK = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL}
_CODE_KEYS = {"code", "type", "status", "reason", "Code"}


@dataclass(frozen=True)
class Failure:
    """What an exception says."""

    outcome: str
    """A word of Hotspare's outcomes; `bad_request` also where the exception is the application's own."""
    detail: str
    """The class and the beginning of the message."""
    status: int | None = None
    """Of HTTP."""
    retry_after_s: float | None = None
    """How long the provider asks to wait."""
    too_long: bool = False
    """Whether a target with a larger context may answer what this one refuses."""
    begun: bool = True
    """False where the provider cannot have begun: DNS, connect, TLS, 429."""
    known: bool = True
    """False where nothing about the exception speaks of a provider."""


def read_failure(error: BaseException, *, in_stream: bool = False) -> Failure:
    """What `error` says. Never raises: an attribute that is missing, lies or raises says nothing.

    `in_stream`: a stream itself raised it after it had begun, so that it is the provider's, whatever it is.
    """
    detail = _detail(error)
    try:
        failure = _read(error, detail)
    except Exception:  # noqa: BLE001 - an exception may be anything, and its reader must not add another
        failure = Failure("bad_request", detail, known=False)
    is_torn = failure.status is None and (failure.outcome == "unreachable" or issubclass(type(error), ValueError))
    if in_stream and (is_torn or not failure.known):
        return replace(failure, outcome="broken_stream", known=True, begun=True)
    return failure


def _read(error: BaseException, detail: str) -> Failure:
    causes = list(_causes(error))
    for cause in causes:
        response = _get(cause, "response")
        status, body = _status(cause, response), _body(cause, response)
        codes, text = _words(cause, body)
        outcome = _spoken(status, codes, text) if status or body is not None else None
        outcome = outcome or _by_class(cause)
        if outcome:
            unsent = outcome in {"unreachable", "timeout"} and status is None and any(map(_is_unsent, causes))
            return Failure(
                outcome="bad_request" if outcome == TOO_LONG else outcome,
                detail=detail,
                status=status,
                retry_after_s=_retry_after_s(cause, response, text),
                too_long=outcome == TOO_LONG,
                begun=not unsent and status != HTTPStatus.TOO_MANY_REQUESTS,
            )
    return Failure("bad_request", detail, known=False)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception, what it was raised from (its `reason` in urllib), and so on; of a group of one, that one."""
    seen: list[BaseException] = []
    cause: object = error
    while isinstance(cause, BaseException) and cause not in seen and len(seen) < _MOST_CAUSES:
        yield cause
        seen.append(cause)
        inner = _get(cause, "exceptions")
        if isinstance(inner, tuple) and len(inner) == 1:
            cause = inner[0]
        else:
            cause = _get(cause, "__cause__") or _get(cause, "reason")


def _spoken(status: int | None, codes: set[str], text: str) -> str | None:
    """The outcome by what the provider sent; `status` is None inside a stream."""
    asked = status or 200
    if asked < HTTPStatus.MULTIPLE_CHOICES:
        # Inside a stream some send the status that they would have sent.
        asked = next((int(code) for code in codes if re.fullmatch("[45][0-9][0-9]", code)), asked)
    for rule in RULES:
        if not rule.codes.isdisjoint(codes) or (rule.words and asked in rule.statuses and rule.words.search(text)):
            return rule.outcome
    if asked < HTTPStatus.MULTIPLE_CHOICES:
        return next((IN_STREAM[code] for code in codes if code in IN_STREAM), "server_error")
    by_class = {3: "unreachable", 4: "bad_request", 5: "server_error"}
    return BY_STATUS.get(asked) or by_class[asked // 100]


def _by_class(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno in _NETWORK:
        return "unreachable"
    for base in type(error).__mro__:
        for pattern, outcome in BY_CLASS:
            if pattern.search(base.__name__):
                return outcome
    return None


def _is_unsent(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in _NETWORK:
        return True
    names = (base.__name__ for base in type(error).__mro__)
    return any(map(NOT_BEGUN.search, names)) or bool(NOT_BEGUN_WORDS.search(_message(error)))


def _status(error: BaseException, response: object) -> int | None:
    metadata = response.get("ResponseMetadata") if isinstance(response, dict) else None
    values = (
        *(_get(error, name) for name in ("status_code", "http_status", "status", "code")),
        *(_get(response, name) for name in ("status_code", "status")),
        metadata.get("HTTPStatusCode") if isinstance(metadata, dict) else None,
    )
    for value in values:
        if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599:
            return int(value)
    return None


def _body(error: BaseException, response: object) -> object:
    """What the provider sent, as the SDK kept it; None where nothing is kept."""
    for value in (_get(error, "body"), _get(error, "details"), response):
        if isinstance(value, (dict, list, str)):
            return value
    # `requests` would read from the network here.
    text = _get(response, "text") if _get(response, "_content_consumed") is not False else None
    return text if isinstance(text, str) else None


def _words(error: BaseException, body: object) -> tuple[set[str], str]:
    """The codes and the sentences of an error."""
    codes = {
        value[:_MOST_DETAIL].lower()
        for name in ("code", "type", "status")
        if isinstance(value := _get(error, name), str)
    }
    sentences = [] if body else [_message(error)]
    values, looked_at = [("", body)], 0
    while values and looked_at < _MOST_VALUES:
        key, value = values.pop()
        looked_at += 1
        if isinstance(value, dict):
            values.extend((str(name), inner) for name, inner in list(value.items())[:_MOST_VALUES])
        elif isinstance(value, list):
            values.extend((key, inner) for inner in value[:_MOST_VALUES])
        elif key in _CODE_KEYS:
            codes.add(str(value)[:_MOST_DETAIL].lower())
        elif isinstance(value, str):
            sentences.append(value[:_MOST_TEXT])
    # A few codes say something only together with the words.
    return codes, "\n".join((*sentences, *(codes & CODES_AMONG_WORDS)))[:_MOST_TEXT]


def _retry_after_s(error: BaseException, response: object, text: str) -> float | None:
    for headers in (_get(response, "headers"), _get(error, "headers")):
        milliseconds = _number(_header(headers, "retry-after-ms"))
        if milliseconds is not None:
            return milliseconds / 1000
        value = _header(headers, "retry-after")
        seconds = _number(value) if _number(value) is not None else _seconds_until(value, _header(headers, "date"))
        if seconds is not None:
            return seconds
    own = _number(_get(error, "retry_after"))
    words = WAIT_WORDS.search(text)
    if own is None and words:
        return float(words[1]) / (1000 if words[2].lower() == "ms" else 1)
    return own


def _header(headers: object, name: str) -> object:
    for spelling in (name, name.title(), name.encode()):
        get = _get(headers, "get")
        try:
            value = get(spelling) if callable(get) else None
        except Exception:  # noqa: BLE001 - headers may be anything
            value = None
        if value is not None:
            return value.decode("latin-1") if isinstance(value, bytes) else value
    return None


def _number(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= _LONGEST_WAIT_S else None


def _seconds_until(value: object, date: object) -> float | None:
    """Between two dates of HTTP, both by the provider's clock."""
    try:
        return _number((parsedate_to_datetime(str(value)) - parsedate_to_datetime(str(date))).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None


def _get(value: object, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:  # noqa: BLE001 - a property may do anything
        return None


def _message(error: BaseException) -> str:
    try:
        return str(error)[:_MOST_TEXT]
    except Exception:  # noqa: BLE001 - likewise
        return ""


def _detail(error: BaseException) -> str:
    text = " ".join(_message(error).split())
    return f"{type(error).__name__}: {text}"[:_MOST_DETAIL] if text else type(error).__name__
