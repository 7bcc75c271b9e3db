"""Classifies a response as one outcome (pure); the first of these tests that fails decides.

1. Status: anything but 2xx is an error or a redirect, whatever else went wrong afterwards.
2. Content type: a web page is never an answer.
3. An `error` in the body or in the stream: code, then type, then message.
4. The terminator of a stream, the envelope of a whole reply.
5. Finish reason.
6. The check itself.

Each test that was made adds a line to `Classification.steps`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from probes.checks import Task, find_flaw
from probes.dialects.base import Dialect
from probes.dialects.common_errors import COMMON_ERRORS
from probes.dialects.error_envelope import is_error
from probes.dialects.error_rules import match_error
from probes.json_values import MalformedError, parse
from probes.outcome import Outcome
from probes.request_reply import EMPTY_REPLY, ErrorDetails, Finish, Reply
from probes.retry_after import retry_after_s
from probes.target import Check

#: Outcomes whose detail is the message of an error, which may say when to try again.
_MAY_NAME_A_DELAY = frozenset({Outcome.RATE_LIMITED, Outcome.OVERLOADED, Outcome.QUOTA, Outcome.SERVER_ERROR})
#: What a status means where its body is none of the API's: a text, a web page, nothing.
_NOT_THE_API = {
    400: Outcome.UNREACHABLE,
    403: Outcome.SERVER_ERROR,
    404: Outcome.UNREACHABLE,
    405: Outcome.UNREACHABLE,
    409: Outcome.UNREACHABLE,
    410: Outcome.UNREACHABLE,
    421: Outcome.UNREACHABLE,
    451: Outcome.UNREACHABLE,
}
#: Some APIs send these with a text, or with nothing.
_PAGES_ONLY = frozenset({400, 403, 409, 410, 451})
_TITLE = re.compile(r"<title[^>]{0,100}>([^<]{1,200})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawResponse:
    """A response as it was received; its headers at least have arrived."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""
    """As far as it was read, decoded."""
    model: str = ""
    """The model that was requested: its name in a message decides nothing."""
    streamed: bool = False
    """Whether the body was read as a stream, into `reply` and `stray`."""
    reply: Reply = EMPTY_REPLY
    """The stream as far as it was read; empty where the body was read whole."""
    stray: str = ""
    """Text in a stream that was no part of its framing."""
    fault: "Classification | None" = None
    """How the transport failed after the headers, where it did."""


@dataclass(frozen=True, slots=True)
class Classification:
    """How a probe ended. Its texts are untrusted: they may hold whatever a provider wrote, keys included."""

    outcome: Outcome
    detail: str = ""
    _: KW_ONLY
    retry_after_s: float | None = None
    request_id: str | None = None
    reply: Reply = EMPTY_REPLY
    """As far as one could be read: what it says of tokens, cost and model counts even where its content is wrong."""
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Headers that an error quotes in its body, which may say when to try again."""
    steps: tuple[str, ...] = field(default=(), compare=False)
    """The tests that were made, in order, each with its result."""


def classify_response(dialect: Dialect, task: Task, response: RawResponse, *, now: datetime) -> Classification:
    """Classifies a response; never raises, whatever the bytes."""
    steps = [f"transport: {response.fault.detail if response.fault else 'nothing failed'}"]
    classification = replace(_classify(dialect, task, response, steps), steps=tuple(steps))
    ids = (response.headers.get(name) for name in dialect.request_id_headers)
    request_id = next(filter(None, ids), classification.request_id)
    if classification.outcome is Outcome.OK:
        return replace(classification, request_id=request_id)
    wait_s = retry_after_s(
        {**classification.headers, **response.headers},
        now=now,
        body_s=classification.retry_after_s,
        message=classification.detail if classification.outcome in _MAY_NAME_A_DELAY else "",
        limited=response.status == 429 or classification.outcome is Outcome.RATE_LIMITED,
    )
    return replace(classification, retry_after_s=wait_s, request_id=request_id)


def _classify(dialect: Dialect, task: Task, response: RawResponse, steps: list[str]) -> Classification:
    if 300 <= response.status < 400:
        steps.append(f"status: {response.status}, a redirect, which is never followed: it would send the key elsewhere")
        return _classify_redirect(response)
    if not 200 <= response.status < 300:
        steps.append(f"status: {response.status}, an error, read together with its body")
        return _classify_http_error(dialect, response, steps)
    steps.append(f"status: {response.status}, a success, as far as the status goes")
    content_type = _content_type(response.headers) or "none"
    if response.streamed:
        steps.append(f"content type: {content_type}, read as a stream")
        return _classify_stream(dialect, task, response, steps)
    if _is_web_page(response):
        steps.append(f"content type: {content_type}, and the body is a web page, which is never an answer")
        return Classification(
            Outcome.SERVER_ERROR, f"HTTP {response.status} with a web page{_quote_title(_decode(response))}"
        )
    steps.append(f"content type: {content_type}, read whole")
    return _classify_body(dialect, task, response, steps)


def _classify_redirect(response: RawResponse) -> Classification:
    """Undecided blame: the base URL may be wrong, a portal of our network may redirect, or the provider."""
    try:
        location = urlsplit(response.headers.get("location", ""))
        where = f"{location.netloc.rpartition('@')[2]}{location.path}" or "nowhere"
    except ValueError:
        where = "an invalid address"
    return Classification(
        Outcome.UNREACHABLE,
        f"HTTP {response.status} redirected to {where[:200]}, which was not followed; is base_url right?",
    )


def _classify_http_error(dialect: Dialect, response: RawResponse, steps: list[str]) -> Classification:
    """By the error in the body, else by its text and the status.

    A web page with 403 comes from an edge, not from a refused key. A page or a text with 404 and its like comes from
    something that is not the API: applications use the same address, and fail too.
    """
    kind = response.headers.get(dialect.error_header or "", "").partition(":")[0].strip()[:100]
    try:
        body = _parse(response)
        if not body and not kind:
            raise MalformedError("an empty object")
        return _classify_error(dialect, response, body, steps, kind=kind)
    except MalformedError as fault:
        page, text = _is_web_page(response), _decode(response)
        details = ErrorDetails(codes=(kind,) if kind else (), message="" if page else text)
        match = match_error((*dialect.errors, *COMMON_ERRORS), response.status, details, model=response.model)
        outcome, decides = match.outcome, f"{dialect.name}: {match.reason}"
        if not match.by_rule:
            alien = _NOT_THE_API.get(response.status) if page or response.status not in _PAGES_ONLY else None
            outcome = alien or outcome
            decides = "it is not the API that answers" if alien else "the status alone decides"
        steps.append(f"error: {'a web page' if page else fault}, so {decides}")
        quote = f" with a web page{_quote_title(text)}" if page else _quote(text)
        return Classification(outcome, f"HTTP {response.status}{quote}")


def _classify_error(
    dialect: Dialect,
    response: RawResponse,
    body: Mapping[str, Any],
    steps: list[str],
    *,
    where: str = "",
    kind: str = "",
) -> Classification:
    details = dialect.read_error(body)
    details = replace(details, codes=(kind, *details.codes)) if kind else details
    codes = " ".join(code[:100] for code in list(dict.fromkeys(details.codes))[:2])
    summary = ": ".join(part for part in (codes, details.message) if part) or _excerpt(body)
    match = match_error((*dialect.errors, *COMMON_ERRORS), response.status, details, model=response.model)
    steps.append(f"error: {summary[:200]}; {dialect.name}: {match.reason}")
    return Classification(
        match.outcome,
        f"{where or f'HTTP {response.status}'} {summary}",
        retry_after_s=details.retry_after_s,
        request_id=details.request_id,
        headers=details.headers,
    )


def _classify_stream(dialect: Dialect, task: Task, response: RawResponse, steps: list[str]) -> Classification:
    reply = response.reply
    error = reply.error or _parse_stray_error(response.stray)
    if error is not None:
        where = "error inside the stream:"
        return replace(_classify_error(dialect, response, error, steps, where=where), reply=reply)
    steps.append("error: none in the stream")
    if reply.ended:
        steps.append("terminator: the stream has it")
        return _classify_reply(task, reply, steps)
    if response.fault is not None:
        steps.append(f"terminator: missing, because {response.fault.detail}")
        return replace(response.fault, reply=reply)
    after = "after the first token" if reply.text else "before the first token"
    steps.append(f"terminator: missing, although the response ended regularly, {after}")
    return Classification(Outcome.BROKEN_STREAM, f"the stream ended without its terminator, {after}", reply=reply)


def _parse_stray_error(stray: str) -> Mapping[str, Any] | None:
    try:
        body = parse(stray)
    except MalformedError:
        return None
    return body if is_error(body) else None


def _classify_body(dialect: Dialect, task: Task, response: RawResponse, steps: list[str]) -> Classification:
    try:
        body = _parse(response)
    except MalformedError as fault:
        steps.append(f"envelope: {fault}")
        return response.fault or Classification(
            Outcome.SERVER_ERROR, f"HTTP {response.status} with {fault}{_quote(_decode(response))}"
        )
    if is_error(body):
        where = f"HTTP {response.status} with an error in the body:"
        return _classify_error(dialect, response, body, steps, where=where)
    steps.append("error: none in the body")
    if (flaw := response.fault or _check_content_type(task.check, response)) is not None:
        steps.append(f"envelope: {flaw.detail}")
        return flaw
    read_embedding = dialect.read_embedding if task.check == Check.EMBEDDING else None
    try:
        reply = (read_embedding or dialect.read_reply)(body)
    except MalformedError as fault:
        steps.append(f"envelope: {fault}")
        where = f"HTTP {response.status} with {fault}:"
        words: list[str] = []
        error = _classify_error(dialect, response, body, words, where=where)
        if error.outcome is Outcome.SERVER_ERROR:
            return Classification(Outcome.SERVER_ERROR, f"{where} {_excerpt(body)}")
        steps += words
        return error
    steps.append("envelope: a whole reply")
    return _classify_reply(task, reply, steps)


def _check_content_type(check: str, response: RawResponse) -> Classification | None:
    content_type = _content_type(response.headers)
    if check == Check.STREAM:
        return Classification(Outcome.BROKEN_STREAM, "a whole reply came where a stream was requested")
    if content_type and "json" not in content_type:
        return Classification(
            Outcome.SERVER_ERROR, f"HTTP {response.status} with content type {content_type}, not JSON"
        )
    return None


def _classify_reply(task: Task, reply: Reply, steps: list[str]) -> Classification:
    steps.append(f"finish reason: {reply.finish or 'none'}")
    return replace(_classify_content(task, reply, steps), reply=reply)


def _classify_content(task: Task, reply: Reply, steps: list[str]) -> Classification:
    if reply.finish is Finish.FAILED:
        return Classification(Outcome.SERVER_ERROR, "the reply ended with finish reason error")
    if reply.finish is Finish.REFUSED:
        return Classification(Outcome.REFUSED, f"the model refused: {reply.text[:200]}".rstrip(": "))
    flaw = find_flaw(task, reply)
    steps.append(f"check: {task.check}: {flaw or 'the reply is as requested'}")
    if flaw is None:
        return Classification(Outcome.OK)
    if reply.finish is Finish.LENGTH:
        return Classification(Outcome.BUDGET_SPENT, f"the token budget was used up: {flaw}")
    return Classification(Outcome.BAD_ANSWER, flaw)


def _content_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()[:100]


def _is_web_page(response: RawResponse) -> bool:
    return (
        _content_type(response.headers) in {"text/html", "application/xhtml+xml"} or response.body.lstrip()[:1] == b"<"
    )


def _quote_title(page: str) -> str:
    match = _TITLE.search(page[:20_000])
    return f": {match[1].strip()}" if match else ""


def _quote(text: str) -> str:
    return f": {text[:200].strip()}" if text.strip() else ""


def _excerpt(body: Mapping[str, Any]) -> str:
    """The beginning of a body that says nothing where a message is looked for."""
    try:
        return json.dumps(body, ensure_ascii=False)[:200]
    except (RecursionError, ValueError):
        return "JSON nested too deep"


def _parse(response: RawResponse) -> dict[str, Any]:
    """The JSON of the body, in whatever encoding; raises MalformedError."""
    try:
        return parse(response.body)
    except MalformedError as fault:
        if not isinstance(fault.__cause__, UnicodeDecodeError):
            raise
        return parse(_decode(response))


def _decode(response: RawResponse) -> str:
    """The text of the body: UTF-8, else in the encoding that its content type names; never raises."""
    try:
        return response.body.decode()
    except UnicodeDecodeError:
        charset = response.headers.get("content-type", "").lower().partition("charset=")[2].partition(";")[0]
        try:
            return response.body.decode(charset.strip(" '\"") or "utf-8", "replace")
        except (LookupError, ValueError, TypeError):
            return response.body.decode("utf-8", "replace")
