"""The `gemini` dialect: generateContent."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from probes.checks import TOOL_NAME, Task
from probes.dialects.base import UNVERSIONED, Dialect
from probes.dialects.error_envelope import is_error
from probes.dialects.error_rules import ErrorRule
from probes.dialects.finish_reasons import read_finish
from probes.dialects.model_families import ModelFamily, family_of
from probes.json_values import (
    MalformedError,
    as_count,
    as_object,
    as_objects,
    as_text,
    as_vector,
    overlay,
    parse,
    to_json,
)
from probes.outcome import Outcome
from probes.request_reply import Finish, Reply, Request, ToolCall
from probes.streaming.sse import ServerSentEvent
from probes.target import Check, Target

_FAMILIES = (
    # Thoughts count toward maxOutputTokens; a model that cannot be kept from thinking needs room for them.
    ModelFamily(patterns="*gemini-3.[78]* *gemini-3*-pro*", extra={"thinkingConfig": {"thinkingLevel": "LOW"}}),
    ModelFamily(patterns="*gemini-3*", tokens=256, extra={"thinkingConfig": {"thinkingLevel": "MINIMAL"}}),
    ModelFamily(patterns="*gemini-2.5-flash*", tokens=256, extra={"thinkingConfig": {"thinkingBudget": 0}}),
)

_METHODS: Mapping[str, str] = {Check.STREAM: "streamGenerateContent?alt=sse", Check.EMBEDDING: "embedContent"}
#: Stages of a model that will be retired.
_DEPRECATED_STAGES = frozenset({"LEGACY", "DEPRECATED", "RETIRED"})


def build_request(target: Target, task: Task) -> Request:
    """`generateContent`, `streamGenerateContent` as server-sent events, or `embedContent`."""
    model, family = target.model.removeprefix("models/"), family_of(target.model, _FAMILIES)
    parts = [{"text": task.prompt}]
    body: dict[str, Any] = {
        "contents": [{"role": "user", "parts": parts}],
        "generationConfig": {"maxOutputTokens": task.max_tokens or family.tokens + task.answer_tokens, **family.extra},
    }
    if task.check == Check.EMBEDDING:
        body = {"model": f"models/{model}", "content": {"parts": parts}}
    path = f"models/{quote(model, safe='')}:{_METHODS.get(task.check, 'generateContent')}"
    return Request(
        url=f"{target.provider.base_url}/v1beta/{path}",
        headers={"x-goog-api-key": target.provider.api_key.reveal()},
        body=overlay(body, _check_parameters(task)),
    )


def _check_parameters(task: Task) -> dict[str, Any]:
    """What the check adds to the body of a chat."""
    match task.check:
        case Check.STRUCTURED:
            return {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": task.schema}}
        case Check.TOOL:
            tools = [{**tool.label, "parametersJsonSchema": tool.parameters} for tool in task.tools]
            calling = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [TOOL_NAME]}}
            return {"tools": [{"functionDeclarations": tools}], **({"toolConfig": calling} if task.forces_tool else {})}
    return {}


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
    finish = read_finish(candidates[0].get("finishReason")) or reply.finish
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


DIALECT = Dialect(
    name="gemini",
    default_base_url="https://generativelanguage.googleapis.com",
    base_url_rule=UNVERSIONED,
    price_list_id="google",
    build_request=build_request,
    read_reply=read_reply,
    read_embedding=read_embedding,
    read_event=read_event,
    errors=(
        ErrorRule(Outcome.AUTH, "api_key_invalid api_key_expired service_disabled"),
        ErrorRule(Outcome.MODEL_GONE, "not_found", statuses={404}),
        ErrorRule(Outcome.MODEL_GONE, statuses={404}, message=r"not supported for generateContent|no longer available"),
    ),
    request_id_headers=("x-goog-request-id", "x-request-id"),
)
