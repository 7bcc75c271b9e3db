"""From what came over the wire to one outcome: pure, and in the order of the taxonomy.

1. Status: anything but 2xx is an error or a redirect, whatever else went wrong afterwards.
2. Content type: a web page is never an answer.
3. An `error` in the body or in the stream: code, then type, then message.
4. The terminator of a stream, the envelope of a whole reply.
5. Finish reason.
6. The check itself.

Whoever decides says so: each test that was made adds a step to `Classification.because`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from probes.checks import Task, answered, flaw
from probes.dialects.base import Dialect
from probes.dialects.errors import classify, is_error
from probes.json_values import MalformedError, parse
from probes.outcome import Outcome
from probes.reply import EMPTY_REPLY, ErrorDetails, Finish, Reply
from probes.retry_after import retry_after_s
from probes.target import Check

#: Outcomes whose detail is an error's own words, in which the time to come back may stand.
_MAY_SAY_WHEN = frozenset({Outcome.RATE_LIMITED, Outcome.OVERLOADED, Outcome.QUOTA, Outcome.SERVER_ERROR})
_TITLE = re.compile(r"<title[^>]{0,100}>([^<]{1,200})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeQuestion:
    """What was asked, and in which dialect."""

    dialect: Dialect
    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class RawResponse:
    """What came over the wire, once response headers had arrived."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""
    """As far as it was read, decoded."""
    reply: Reply = EMPTY_REPLY
    """The folded stream; untouched where the body was read whole."""
    stray: str = ""
    """What stood in a stream without being part of one."""
    fault: "Classification | None" = None
    """How the transport failed after the headers, where it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """How a probe ended, not yet fit to be shown: `detail` may still hold whatever a provider wrote."""

    outcome: Outcome
    detail: str = ""
    retry_after_s: float | None = None
    request_id: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    model: str | None = None
    """The model that answered, in the provider's own words."""
    deprecation: str | None = None
    cost_usd: float | None = None
    """What the provider says that it charged."""
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Those that an error holds in its body, where they say when to come back."""
    because: tuple[str, ...] = field(default=(), compare=False)
    """What was tested, in order, and what was found; as unfit to be shown as `detail`."""


def judge(question: ProbeQuestion, answer: RawResponse, *, now: datetime) -> Classification:
    """The outcome of an answer; never raises, whatever the bytes. Tokens are given whenever they are known."""
    steps = [f"transport: {answer.fault.detail if answer.fault else 'nothing failed on the way'}"]
    verdict = replace(_judge(question, answer, steps), because=tuple(steps))
    request_id = _request_id(question.dialect, answer.headers) or verdict.request_id
    if verdict.outcome is Outcome.OK:
        return replace(verdict, request_id=request_id)
    wait_s = retry_after_s(
        {**verdict.headers, **answer.headers},
        now=now,
        body_s=verdict.retry_after_s,
        message=verdict.detail if verdict.outcome in _MAY_SAY_WHEN else "",
        limited=answer.status == 429 or verdict.outcome is Outcome.RATE_LIMITED,
    )
    return replace(verdict, retry_after_s=wait_s, request_id=request_id)


def streams(check: Check, status: int, headers: Mapping[str, str]) -> bool:
    """True when the body is to be read as a stream; errors, JSON and web pages are read whole."""
    content_type = _content_type(headers)
    return check is Check.STREAM and 200 <= status < 300 and "json" not in content_type and "html" not in content_type


def _judge(question: ProbeQuestion, answer: RawResponse, steps: list[str]) -> Classification:
    if 300 <= answer.status < 400:
        steps.append(f"status: {answer.status}, a redirect, which is never followed: it would send the key elsewhere")
        return _redirect(answer)
    if not 200 <= answer.status < 300:
        steps.append(f"status: {answer.status}, an error, to be read together with its body")
        return _http_error(question.dialect, answer, steps)
    steps.append(f"status: {answer.status}, a success, as far as the status goes")
    content_type = _content_type(answer.headers) or "none"
    if _is_page(answer):
        steps.append(f"content type: {content_type}, and the body is a web page, which is never an answer")
        said = f"HTTP {answer.status} with a web page{_title(answer.body)}"
        return Classification(outcome=Outcome.SERVER_ERROR, detail=said)
    if streams(question.task.check, answer.status, answer.headers):
        steps.append(f"content type: {content_type}, read as a stream")
        return _judge_stream(question, answer, steps)
    steps.append(f"content type: {content_type}, read whole")
    return _judge_body(question, answer, steps)


def _redirect(answer: RawResponse) -> Classification:
    """Undecided, as every address that does not lead to an API: the base URL, our network's portal, or the provider."""
    try:
        place = urlsplit(answer.headers.get("location", ""))
        where = f"{place.netloc.rpartition('@')[2]}{place.path}" or "nowhere"
    except ValueError:
        where = "an address that is none"
    return Classification(
        outcome=Outcome.UNREACHABLE,
        detail=f"HTTP {answer.status} redirected to {where[:200]}, which was not followed; is base_url right?",
    )


def _http_error(dialect: Dialect, answer: RawResponse, steps: list[str]) -> Classification:
    """By the body's words where it has some, else by the status; a page with 403 is an edge's, not a refused key."""
    try:
        return _explained(dialect, answer.status, parse(answer.body), steps, kind=_kind(dialect, answer.headers))
    except MalformedError as fault:
        page = _is_page(answer)
        kind = _kind(dialect, answer.headers)
        ruling = classify(dialect.errors, answer.status, ErrorDetails(codes=(kind,) if kind else ()))
        decides = f"{dialect.name}: {ruling.because}" if ruling.because.startswith("rule") else ""
        steps.append(f"error: {'a web page' if page else fault}, so {decides or 'the status alone decides'}")
        outcome = Outcome.SERVER_ERROR if page and answer.status == 403 else ruling.outcome
        said = f" with a web page{_title(answer.body)}" if page else _quoted(answer.body)
        return Classification(outcome=outcome, detail=f"HTTP {answer.status}{said}")


def _kind(dialect: Dialect, headers: Mapping[str, str]) -> str:
    """What a header says of the kind of an error; empty where there is none."""
    return headers.get(dialect.error_header or "", "").partition(":")[0].strip()[:100]


def _explained(
    dialect: Dialect, status: int, body: Mapping[str, Any], steps: list[str], *, where: str = "", kind: str = ""
) -> Classification:
    words = dialect.read_error(body)
    words = replace(words, codes=(kind, *words.codes)) if kind else words
    said = ": ".join(part for part in (" ".join(_distinct(words)), words.message) if part)
    ruling = classify(dialect.errors, status, words)
    steps.append(f"error: {said[:200] or 'one that says nothing'}; {dialect.name}: {ruling.because}")
    return Classification(
        outcome=ruling.outcome,
        detail=" ".join(part for part in (where or f"HTTP {status}", said) if part),
        retry_after_s=words.retry_after_s,
        request_id=words.request_id,
        headers=words.headers,
    )


def _distinct(words: ErrorDetails) -> list[str]:
    return [code[:100] for code in list(dict.fromkeys(words.codes))[:2]]


def _judge_stream(question: ProbeQuestion, answer: RawResponse, steps: list[str]) -> Classification:
    reply = answer.reply
    error = reply.error or _bare_error(answer.stray)
    if error is not None:
        where = "error inside the stream:"
        return _counted(_explained(question.dialect, answer.status, error, steps, where=where), reply)
    steps.append("error: none in the stream")
    if reply.ended:
        steps.append("terminator: the stream has it")
        return _judge_reply(question, reply, steps)
    if answer.fault is not None:
        steps.append(f"terminator: missing, because {answer.fault.detail}")
        return _counted(answer.fault, reply)
    after = "after the first token" if reply.text else "before the first token"
    steps.append(f"terminator: missing, although the response ended in good order, {after}")
    return _counted(
        Classification(outcome=Outcome.BROKEN_STREAM, detail=f"the stream ended without its terminator, {after}"), reply
    )


def _bare_error(stray: str) -> Mapping[str, Any] | None:
    try:
        body = parse(stray)
    except MalformedError:
        return None
    return body if is_error(body) else None


def _judge_body(question: ProbeQuestion, answer: RawResponse, steps: list[str]) -> Classification:
    try:
        body = parse(answer.body)
    except MalformedError as fault:
        steps.append(f"envelope: {fault}")
        return answer.fault or Classification(
            outcome=Outcome.SERVER_ERROR, detail=f"HTTP {answer.status} with {fault}{_quoted(answer.body)}"
        )
    if is_error(body):
        where = f"HTTP {answer.status} with an error in the body:"
        return _explained(question.dialect, answer.status, body, steps, where=where)
    steps.append("error: none in the body")
    wrong = answer.fault or _misplaced(question, answer)
    if wrong is not None:
        steps.append(f"envelope: {wrong.detail}")
    return wrong or _judge_envelope(question, answer, body, steps)


def _misplaced(question: ProbeQuestion, answer: RawResponse) -> Classification | None:
    content_type = _content_type(answer.headers)
    if question.task.check is Check.STREAM:
        return Classification(outcome=Outcome.BROKEN_STREAM, detail="a whole reply came where a stream was asked for")
    if content_type and "json" not in content_type:
        said = f"HTTP {answer.status} with content type {content_type}, not JSON"
        return Classification(outcome=Outcome.SERVER_ERROR, detail=said)
    return None


def _judge_envelope(
    question: ProbeQuestion, answer: RawResponse, body: Mapping[str, Any], steps: list[str]
) -> Classification:
    read = question.dialect.read_reply
    if question.task.check is Check.EMBEDDING and question.dialect.read_embedding:
        read = question.dialect.read_embedding
    try:
        reply = read(body)
    except MalformedError as fault:
        steps.append(f"envelope: {fault}")
        return Classification(outcome=Outcome.SERVER_ERROR, detail=f"HTTP {answer.status} with {fault}")
    steps.append("envelope: a whole reply")
    return _judge_reply(question, reply, steps)


def _judge_reply(question: ProbeQuestion, reply: Reply, steps: list[str]) -> Classification:
    steps.append(f"finish reason: {reply.finish or 'none'}")
    return _counted(_judge_content(question, reply, steps), reply)


def _judge_content(question: ProbeQuestion, reply: Reply, steps: list[str]) -> Classification:
    if reply.finish is Finish.FAILED:
        return Classification(outcome=Outcome.SERVER_ERROR, detail="the reply ended with finish reason error")
    if reply.finish is Finish.REFUSED:
        return Classification(outcome=Outcome.REFUSED, detail=f"the model refused: {reply.text[:200]}".rstrip(": "))
    wrong = flaw(question.task, reply) if answered(question.task, reply) else "the reply was empty"
    steps.append(f"check: {question.task.check}: {wrong or 'the reply is what was asked for'}")
    if wrong is None:
        return Classification(outcome=Outcome.OK)
    if reply.finish is Finish.LENGTH:
        return Classification(outcome=Outcome.BUDGET_SPENT, detail=f"the token budget was used up: {wrong}")
    return Classification(outcome=Outcome.BAD_ANSWER, detail=wrong)


def _counted(verdict: Classification, reply: Reply) -> Classification:
    """The verdict with all that the reply says besides its content."""
    return replace(
        verdict,
        input_tokens=reply.input_tokens,
        output_tokens=reply.output_tokens,
        cached_tokens=reply.cached_tokens,
        reasoning_tokens=reply.reasoning_tokens,
        model=reply.model,
        deprecation=reply.deprecation,
        cost_usd=reply.cost_usd,
    )


def _content_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()[:100]


def _is_page(answer: RawResponse) -> bool:
    return _content_type(answer.headers) in {"text/html", "application/xhtml+xml"} or answer.body.lstrip()[:1] == b"<"


def _title(body: bytes) -> str:
    match = _TITLE.search(body[:20_000].decode("utf-8", "replace"))
    return f": {match[1].strip()}" if match else ""


def _quoted(body: bytes) -> str:
    said = body[:200].decode("utf-8", "replace").strip()
    return f": {said}" if said else ""


def _request_id(dialect: Dialect, headers: Mapping[str, str]) -> str | None:
    return next((headers[name] for name in dialect.request_id_headers if headers.get(name)), None)
