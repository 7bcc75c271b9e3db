"""The `gemini` dialect: generateContent."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from probes.checks import SCHEMA, TOOL, TOOL_NAME, Task
from probes.dialects.base import UNVERSIONED, Dialect, finish_reasons, read_finish
from probes.dialects.error_rules import ErrorFields, ErrorRule, ErrorRules, is_error
from probes.dialects.families import Family, family_of
from probes.json_values import (
    MalformedError,
    as_count,
    as_object,
    as_objects,
    as_text,
    as_vector,
    overlay,
    parse,
    texts_at,
    to_json,
)
from probes.outcome import Outcome
from probes.reply import ErrorDetails, Finish, Reply, Request, ToolCall
from probes.streaming.sse import ServerSentEvent
from probes.target import Check, Target

_FAMILIES = (
    # Thoughts count toward maxOutputTokens; a model that cannot be kept from thinking needs room for them.
    Family(patterns="*gemini-3.[78]* *gemini-3*-pro*", extra={"thinkingConfig": {"thinkingLevel": "LOW"}}),
    Family(patterns="*gemini-3*", tokens=256, extra={"thinkingConfig": {"thinkingLevel": "MINIMAL"}}),
    Family(patterns="*gemini-2.5-flash*", tokens=256, extra={"thinkingConfig": {"thinkingBudget": 0}}),
)

_FINISH = finish_reasons(
    {
        Finish.STOP: "STOP",
        Finish.LENGTH: "MAX_TOKENS",
        Finish.REFUSED: "SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII "
        "MODEL_ARMOR LANGUAGE ESCALATION PUP_LIMITED_DISABLED",
    }
)
_METHODS = {Check.STREAM: "streamGenerateContent?alt=sse", Check.EMBEDDING: "embedContent"}
#: What the check adds to the body of a chat.
_PARAMETERS: Mapping[Check, Mapping[str, Any]] = {
    Check.STRUCTURED: {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}},
    Check.TOOL: {
        "tools": [{"functionDeclarations": [{**TOOL, "parametersJsonSchema": SCHEMA}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [TOOL_NAME]}},
    },
}
#: Stages of a model that will be retired.
_DEPRECATED_STAGES = frozenset({"LEGACY", "DEPRECATED", "RETIRED"})


def build_request(target: Target, task: Task) -> Request:
    """`generateContent`, `streamGenerateContent` as server-sent events, or `embedContent`."""
    model, family = target.model.removeprefix("models/"), family_of(target.model, _FAMILIES)
    parts = [{"text": task.prompt}]
    body: dict[str, Any] = {
        "contents": [{"role": "user", "parts": parts}],
        "generationConfig": {"maxOutputTokens": family.tokens, **family.extra},
    }
    if task.check is Check.EMBEDDING:
        body = {"model": f"models/{model}", "content": {"parts": parts}}
    path = f"models/{quote(model, safe='')}:{_METHODS.get(task.check, 'generateContent')}"
    return Request(
        url=f"{target.provider.base_url}/v1beta/{path}",
        headers={"x-goog-api-key": target.provider.api_key.reveal()},
        body=overlay(body, _PARAMETERS.get(task.check, {})),
    )


def read_reply(body: Mapping[str, Any]) -> Reply:
    """The first candidate, or the reason why the prompt was blocked."""
    if not as_objects(body.get("candidates")) and not _is_blocked(body):
        raise MalformedError("JSON without candidates")
    return replace(_read_response(Reply(), body), ended=True)


def read_embedding(body: Mapping[str, Any]) -> Reply:
    """The embedding, which newer models give as a list of one."""
    listed = as_objects(body.get("embeddings"))
    embedding = listed[0] if listed else body.get("embedding")
    if not isinstance(embedding, dict):
        raise MalformedError("JSON without an embedding")
    tokens = as_count(as_object(body.get("usageMetadata")).get("promptTokenCount"))
    return Reply(embedding=as_vector(embedding.get("values")), ended=True, input_tokens=tokens)


def read_event(reply: Reply, event: ServerSentEvent) -> Reply:
    """One frame, a whole response. The stream has no terminator, so that the finish reason ends it."""
    body = parse(event.data)
    if is_error(body, event.name):
        return replace(reply, error=body)
    reply = _read_response(reply, body)
    return replace(reply, ended=reply.finish is not None)


def read_error(body: Mapping[str, Any]) -> ErrorDetails:
    """`{"error": {"code", "message", "status", "details"}}`; the details hold reasons, quotas, a retry delay."""
    details = _ERROR_FIELDS.read(body)
    delays = map(_SECONDS.fullmatch, texts_at(body, "error.details[].retryDelay"))
    return replace(
        details,
        codes=(*details.codes, *_read_quotas(body), *texts_at(body, "error.status")),
        retry_after_s=next((float(delay[1]) for delay in delays if delay), None),
    )


def _read_quotas(body: Mapping[str, Any]) -> list[str]:
    """Codes of our own for limits that minutes of waiting do not lift: limits per day, and limits of zero."""
    per_day = any("PerDay" in quota for quota in texts_at(body, "error.details[].violations[].quotaId"))
    nothing = "0" in texts_at(body, "error.details[].violations[].quotaValue")
    return ["quota_per_day"] * per_day + ["quota_of_nothing"] * nothing


def _read_response(reply: Reply, body: Mapping[str, Any]) -> Reply:
    reply = replace(
        _with_usage(reply, body),
        model=as_text(body.get("modelVersion")) or reply.model,
        deprecation=_read_deprecation(as_object(body.get("modelStatus"))) or reply.deprecation,
    )
    candidates = as_objects(body.get("candidates"))
    if not candidates:
        return replace(reply, finish=Finish.REFUSED) if _is_blocked(body) else reply
    parts = as_objects(as_object(candidates[0].get("content")).get("parts"))
    visible = "".join(as_text(part.get("text")) for part in parts if not part.get("thought"))
    wanted = [call for part in parts if (call := as_object(part.get("functionCall")))]
    calls = tuple(ToolCall(name=as_text(call.get("name")), arguments=to_json(call.get("args", {}))) for call in wanted)
    finish = read_finish(candidates[0].get("finishReason"), _FINISH) or reply.finish
    return replace(reply, text=reply.text + visible, calls=reply.calls + calls, finish=finish)


def _is_blocked(body: Mapping[str, Any]) -> bool:
    return bool(as_object(body.get("promptFeedback")).get("blockReason"))


def _read_deprecation(status: Mapping[str, Any]) -> str | None:
    stage, retires = as_text(status.get("modelStage")), as_text(status.get("retirementTime"))[:10]
    if stage not in _DEPRECATED_STAGES:
        return None
    return f"the model's stage is {stage}" + (f", retires {retires}" if retires else "")


def _with_usage(reply: Reply, body: Mapping[str, Any]) -> Reply:
    """Adds the usage: running totals, absent from some frames; a count that is left out is zero."""
    usage = as_object(body.get("usageMetadata"))
    if not usage:
        return reply
    thought = as_count(usage.get("thoughtsTokenCount", 0))
    return reply.with_tokens(
        input_tokens=as_count(usage.get("promptTokenCount", 0)),
        output_tokens=(as_count(usage.get("candidatesTokenCount", 0)) or 0) + (thought or 0),
        cached_tokens=as_count(usage.get("cachedContentTokenCount", 0)),
        reasoning_tokens=thought,
    )


_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")
_ERROR_FIELDS = ErrorFields(codes="error.details[].reason", message="error.message error", status="error.code")
_ERRORS = ErrorRules(
    ErrorRule(Outcome.AUTH, "api_key_invalid api_key_expired service_disabled"),
    ErrorRule(Outcome.AUTH, statuses={200, 400}, message=r"api key (not valid|expired|not found)"),
    ErrorRule(Outcome.AUTH, statuses={200, 400}, message=r"location is not supported"),
    ErrorRule(Outcome.QUOTA, "quota_per_day quota_of_nothing billing_disabled"),
    ErrorRule(
        Outcome.QUOTA,
        statuses={200, 400, 403, 429},
        message=(
            r"enable billing|billing (account|to be enabled)|credits are depleted"
            r"|exceeded its (monthly )?spending cap"
        ),
    ),
    ErrorRule(Outcome.OVERLOADED, statuses={429}, message=r"resource (has been )?exhausted|high demand|overloaded"),
    ErrorRule(
        Outcome.MODEL_GONE,
        statuses={404},
        message=r"models/.{1,200} is not found|not supported for generateContent|no longer available",
    ),
    ErrorRule(Outcome.MODEL_GONE, "not_found", statuses={404}),
    codes_alone={
        Outcome.AUTH: "unauthenticated permission_denied",
        Outcome.RATE_LIMITED: "resource_exhausted",
        Outcome.OVERLOADED: "unavailable",
        Outcome.MODEL_GONE: "not_found",
        Outcome.BAD_REQUEST: "invalid_argument failed_precondition",
    },
)

DIALECT = Dialect(
    name="gemini",
    default_base_url="https://generativelanguage.googleapis.com",
    base_url_rule=UNVERSIONED,
    price_list_id="google",
    build_request=build_request,
    read_reply=read_reply,
    read_embedding=read_embedding,
    read_event=read_event,
    read_error=read_error,
    errors=_ERRORS,
    request_id_headers=("x-goog-request-id", "x-request-id"),
)
