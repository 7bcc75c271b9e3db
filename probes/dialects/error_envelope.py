"""Reads an error in whatever JSON a provider or a gateway wraps it in."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from probes.json_values import as_object, as_objects, as_text, status_code
from probes.request_reply import ErrorDetails

#: Where a whole reply or a piece of a stream has its content: a body with one of these is no bare error.
_CONTENT: Final = ("choices", "candidates", "content", "output", "embedding", "embeddings", "data", "delta")
#: Names of keys, in lower case.
_NESTED: Final = ("error", "errors", "detail", "response", "output")
_CODES: Final = ("error_code", "code", "type", "status", "errcode", "status_code", "__type")
_MESSAGES: Final = ("message", "msg", "error_msg", "error_message", "status_msg", "detail", "originalmessage")
_LATER_MESSAGES: Final = ("error", "title", "reason", "error_description")
_STATUSES: Final = ("code", "status", "statuscode", "http_code")
_WAITS_S: Final = ("retry_after", "retry_after_seconds", "resets_in_seconds", "estimated_time")
_SUCCESS_CODES: Final = frozenset({"", "0", "200", "20000", "ok", "success"})


def is_error(body: Mapping[str, Any], event: str = "") -> bool:
    """Whether the body is an error envelope, whatever the HTTP status; `event` names the event that it came in."""
    if body.get("error") or "error" in (event, body.get("object"), body.get("type")):
        return True
    if _with_lower_keys(body.get("Response")).get("error"):  # Tencent
        return True
    state = as_object(body.get("base_resp")).get("status_code")  # MiniMax
    if state or (body.get("success") is False and not any(body.get(key) for key in _CONTENT)):
        return True
    if any(body.get(key) for key in _CONTENT):
        return False
    if any(map(status_code, map(body.get, ("code", "status")))):
        return True
    code = next((_code(body[key]) for key in ("error_code", "code") if key in body), "")
    return bool(as_objects(body.get("errors"))) or (code.lower() not in _SUCCESS_CODES and bool(_messages(body)))


def read_error(body: Mapping[str, Any]) -> ErrorDetails:
    """Codes, message, status and waiting time from all the places where providers put them.

    `{"error": {…}}`, `{"error": […]}`, `{"errors": […]}`, `{"error": "…"}`, the flat forms, FastAPI's `detail`,
    problem+json, MiniMax's `base_resp`, Google's `details`.
    """
    levels = [level for level in _levels(body) if level]
    details = [detail for level in levels for detail in as_objects(level.get("details"))]
    codes = [*_detail_codes(details), *(_code(level.get(key)) for level in levels for key in _CODES)]
    stated = (status_code(level.get(key)) for level in levels for key in _STATUSES)
    messages = [text for level in levels for text in _messages(level)]
    # By OpenRouter from the provider; its own message is `Provider returned error`.
    passed_on = (as_text(as_object(level.get("metadata")).get("raw")) for level in levels)
    waits = [_seconds(detail.get("retryDelay")) for detail in details]
    waits += [_seconds(level.get(key)) for level in levels for key in _WAITS_S]
    return ErrorDetails(
        codes=tuple(code for code in (*codes, *messages[1:3]) if code not in {"", "error", *messages[:1]}),
        message=": ".join([*(messages[:1] or [", ".join(_all_texts(body))]), *filter(None, passed_on)]),
        status=next(filter(None, stated), None),
        retry_after_s=next((wait_s for wait_s in waits if wait_s is not None), None),
        request_id=as_text(body.get("request_id")) or None,
        headers=next(filter(None, map(_headers, levels)), {}),
    )


def _levels(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The objects that may hold the code or the message, the innermost first."""
    outer = _with_lower_keys(body)
    for nested in map(outer.get, _NESTED):
        inner = _with_lower_keys(nested if isinstance(nested, dict) else next(iter(as_objects(nested)), {}))
        yield from (_with_lower_keys(inner.get("error")), inner, as_object(inner.get("innererror")))
    yield from (as_object(outer.get("base_resp")), outer)


def _with_lower_keys(value: object) -> Mapping[str, Any]:
    return {name.lower(): item for name, item in as_object(value).items()}


def _messages(level: Mapping[str, Any]) -> list[str]:
    """The sentences of one level, the most telling first."""
    return [text for key in (*_MESSAGES, *_LATER_MESSAGES) if (text := as_text(level.get(key)).strip())]


def _all_texts(value: object, depth: int = 5) -> Iterator[str]:
    """The sentences in an envelope of unknown shape; nothing where it has the content of a reply."""
    if isinstance(value, str):
        if " " in value.strip() or not value.isascii():
            yield value.strip()[:1000]
    elif isinstance(value, dict | list) and depth:
        items = value if isinstance(value, list) else [] if any(map(value.get, _CONTENT)) else list(value.values())
        for item in items[:20]:
            yield from _all_texts(item, depth - 1)


def _code(value: object) -> str:
    """A code as text: providers send numbers as well; HTTP statuses are read apart."""
    if isinstance(value, str):
        return value.rpartition("#")[2].partition(":")[0] if "#" in value else value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and not status_code(value) else ""


def _detail_codes(details: list[Mapping[str, Any]]) -> Iterator[str]:
    """Google's reasons, and codes of our own for limits that minutes of waiting do not lift: per day, and of zero."""
    yield from (as_text(detail.get("reason")) for detail in details)
    violations = [item for detail in details for item in as_objects(detail.get("violations"))]
    if any("PerDay" in as_text(item.get("quotaId")) for item in violations):
        yield "quota_per_day"
    if any(as_text(item.get("quotaValue")) == "0" for item in violations):
        yield "quota_of_nothing"


def _seconds(value: object) -> float | None:
    """Seconds, as a number or as Google writes them: `12.5s`."""
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else as_text(value)
    try:
        return float(text.removesuffix("s")) if len(text) <= 20 and text[:1].isdigit() else None
    except ValueError:
        return None


def _headers(error: Mapping[str, Any]) -> Mapping[str, str]:
    """The response headers that the error quotes: it came too late for a status, or from behind a gateway."""
    headers = as_object(error.get("headers")) or as_object(as_object(error.get("metadata")).get("headers"))
    return {name.lower(): str(value)[:100] for name, value in list(headers.items())[:50]}
