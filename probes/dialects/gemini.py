"""The `gemini` dialect: generateContent."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from probes.checks import Task
from probes.dialects.dialect import Dialect
from probes.dialects.errors import ErrorRules, Rule
from probes.dialects.families import Family, family_of
from probes.dialects.wire import (
    ErrorWords,
    Finish,
    MalformedError,
    Reply,
    Request,
    count,
    error_in,
    parse,
    status_code,
    table,
    tables,
    text,
)
from probes.outcome import Outcome
from probes.sse import Event
from probes.target import Check, Target

_FAMILIES = (
    Family(pattern="gemini-3*", tokens=256, extra={"thinkingConfig": {"thinkingLevel": "MINIMAL"}}),
    Family(pattern="gemini-2.5-flash*", tokens=256, extra={"thinkingConfig": {"thinkingBudget": 0}}),
)

_FINISH = {
    "STOP": Finish.STOP,
    "MAX_TOKENS": Finish.LENGTH,
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "LANGUAGE"), Finish.REFUSED
    ),
}


def request(target: Target, task: Task) -> Request:
    """`generateContent`, or its streaming sister as server-sent events."""
    family = family_of(target.model, _FAMILIES, unknown_tokens=1024)
    method = "streamGenerateContent?alt=sse" if task.check is Check.STREAM else "generateContent"
    return Request(
        url=f"{target.provider.base_url}/v1beta/models/{quote(target.model, safe='')}:{method}",
        headers={"x-goog-api-key": target.provider.api_key.reveal()},
        body={
            "contents": [{"role": "user", "parts": [{"text": task.prompt}]}],
            "generationConfig": {"maxOutputTokens": family.tokens, **family.extra},
        },
    )


def read_reply(body: Mapping[str, Any]) -> Reply:
    """The first candidate, or the reason why the prompt was blocked."""
    if not tables(body.get("candidates")) and not _blocked(body):
        raise MalformedError("JSON without candidates")
    return replace(_read(Reply(), body), ended=True)


def read_event(reply: Reply, event: Event) -> Reply:
    """One frame, which is a whole response; the stream has no terminator, so the finish reason is its end."""
    body = parse(event.data)
    if error_in(body) or event.name == "error":
        return replace(reply, error=body)
    reply = _read(reply, body)
    return replace(reply, ended=reply.finish is not None)


def read_error(body: Mapping[str, Any]) -> ErrorWords:
    """`{"error": {"code", "message", "status", "details"}}`; the details hold reasons, quotas, the retry delay."""
    error = table(body.get("error"))
    details = tables(error.get("details"))
    reasons = [text(detail.get("reason")) for detail in details]
    quotas = [text(item.get("quotaId")) for detail in details for item in tables(detail.get("violations"))]
    per_day = ["quota_per_day"] if any("PerDay" in quota for quota in quotas) else []
    delays = [delay for detail in details if (delay := _seconds(detail.get("retryDelay"))) is not None]
    words = (*reasons, *per_day, text(error.get("status")))
    return ErrorWords(
        codes=tuple(word for word in words if word),
        message=text(error.get("message")) or text(body.get("error")),
        status=status_code(error.get("code")),
        retry_after_s=delays[0] if delays else None,
    )


def _read(reply: Reply, body: Mapping[str, Any]) -> Reply:
    reply = _counted(replace(reply, model=text(body.get("modelVersion")) or reply.model), body)
    candidates = tables(body.get("candidates"))
    if not candidates:
        return replace(reply, finish=Finish.REFUSED) if _blocked(body) else reply
    parts = tables(table(candidates[0].get("content")).get("parts"))
    visible = "".join(text(part.get("text")) for part in parts if not part.get("thought"))
    reason = candidates[0].get("finishReason")
    finish = _FINISH.get(text(reason), Finish.OTHER) if reason else reply.finish
    return replace(reply, text=reply.text + visible, finish=finish)


def _blocked(body: Mapping[str, Any]) -> bool:
    return bool(table(body.get("promptFeedback")).get("blockReason"))


def _counted(reply: Reply, body: Mapping[str, Any]) -> Reply:
    """Running totals: the last one wins, a chunk without any resets nothing, and zero counts are left out."""
    usage = table(body.get("usageMetadata"))
    if not usage:
        return reply
    written = (count(usage.get(key, 0)) for key in ("candidatesTokenCount", "thoughtsTokenCount"))
    return replace(
        reply,
        input_tokens=count(usage.get("promptTokenCount", 0)),
        output_tokens=sum(tokens or 0 for tokens in written),
    )


def _seconds(duration: object) -> float | None:
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", text(duration))
    return float(match[1]) if match else None


_CAPACITY = re.compile(r"resource (has been )?exhausted|high demand|overloaded", re.IGNORECASE)
_BAD_KEY = re.compile(r"api key (not valid|expired|not found)", re.IGNORECASE)
_NOT_HERE = re.compile(r"location is not supported", re.IGNORECASE)
_NO_MODEL = re.compile(
    r"models/.{1,200} is not found|not supported for generateContent|no longer available", re.IGNORECASE
)

_ERRORS = ErrorRules(
    rules=(
        Rule(outcome=Outcome.AUTH, codes=frozenset({"api_key_invalid", "api_key_expired", "service_disabled"})),
        Rule(outcome=Outcome.AUTH, statuses=frozenset({200, 400}), message=_BAD_KEY),
        Rule(outcome=Outcome.AUTH, statuses=frozenset({200, 400}), message=_NOT_HERE),
        Rule(outcome=Outcome.QUOTA, codes=frozenset({"quota_per_day"})),
        Rule(outcome=Outcome.OVERLOADED, statuses=frozenset({429}), message=_CAPACITY),
        Rule(outcome=Outcome.MODEL_GONE, statuses=frozenset({404}), message=_NO_MODEL),
        Rule(outcome=Outcome.MODEL_GONE, statuses=frozenset({404}), codes=frozenset({"not_found"})),
    ),
    kinds={
        "unauthenticated": Outcome.AUTH,
        "permission_denied": Outcome.AUTH,
        "resource_exhausted": Outcome.RATE_LIMITED,
        "unavailable": Outcome.OVERLOADED,
        "not_found": Outcome.MODEL_GONE,
        "invalid_argument": Outcome.BAD_REQUEST,
        "failed_precondition": Outcome.BAD_REQUEST,
    },
)

DIALECT = Dialect(
    name="gemini",
    base_url="https://generativelanguage.googleapis.com",
    checks=frozenset({Check.CHAT, Check.STREAM}),
    request=request,
    read_reply=read_reply,
    read_event=read_event,
    read_error=read_error,
    errors=_ERRORS,
    request_id_headers=("x-goog-request-id", "x-request-id"),
)
