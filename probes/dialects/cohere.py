"""The `cohere` dialect: Chat and Embed of version 2."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from probes.checks import Task
from probes.dialects import error_envelope
from probes.dialects.base import UNVERSIONED, Dialect, incident_io_page
from probes.dialects.error_envelope import is_error
from probes.dialects.error_rules import ErrorRule
from probes.dialects.finish_reasons import read_finish
from probes.dialects.model_families import ModelFamily, family_of
from probes.dialects.openai.chat import read_text
from probes.json_values import MalformedError, as_count, as_object, as_objects, as_text, as_vector, parse
from probes.outcome import Outcome
from probes.request_reply import ErrorDetails, Finish, Reply, Request, ToolCall
from probes.streaming.sse import ServerSentEvent
from probes.target import Check, Target

_FAMILIES = (
    ModelFamily(
        patterns="command-a-reasoning* command-a-plus*",
        tokens=256,
        extra={"thinking": {"type": "disabled"}},
        forces_tool=True,
    ),
    ModelFamily(patterns="command-r command-r-0* command-r-plus*", tokens=256),
    ModelFamily(patterns="command-a-0* command-r*", tokens=256, forces_tool=True),
    ModelFamily(patterns="*", forces_tool=True),
)


def build_request(target: Target, task: Task) -> Request:
    """Chat, with the smallest token budget that the model's family needs, or Embed."""
    method, family = "chat", family_of(target.model, _FAMILIES)
    body: dict[str, Any] = {"model": target.model}
    if task.check == Check.EMBEDDING:
        method = "embed"
        body |= {"texts": [task.prompt], "input_type": "search_query", "embedding_types": ["float"]}
    else:
        tokens = task.max_tokens or family.tokens + task.answer_tokens
        body |= {"messages": [{"role": "user", "content": task.prompt}], "max_tokens": tokens, **family.extra}
        body |= _check_parameters(task)
    if task.check == Check.TOOL and family.forces_tool and task.forces_tool:
        body["tool_choice"] = "REQUIRED"
    headers = {"Authorization": f"Bearer {target.provider.api_key.reveal()}"}
    return Request(url=f"{target.provider.base_url}/v2/{method}", headers=headers, body=body)


def _check_parameters(task: Task) -> dict[str, Any]:
    """What the check adds to the body of a chat."""
    match task.check:
        case Check.STREAM:
            return {"stream": True}
        case Check.STRUCTURED:
            return {"response_format": {"type": "json_object", "json_schema": task.schema}}
        case Check.TOOL:
            functions = [{**tool.label, "parameters": tool.parameters} for tool in task.tools]
            strict = {"strict_tools": True} if all(tool.strict for tool in task.tools) else {}
            return {"tools": [{"type": "function", "function": function} for function in functions], **strict}
    return {}


def read_reply(body: Mapping[str, Any]) -> Reply:
    """The text and the calls of a message, without its tool plan and its thinking."""
    message = body.get("message")
    if not isinstance(message, dict):
        raise MalformedError("JSON without a message")
    return _with_usage(
        Reply(
            text=read_text(message.get("content")),
            calls=tuple(
                ToolCall(name=as_text(function.get("name")), arguments=as_text(function.get("arguments")))
                for function in (as_object(item.get("function")) for item in as_objects(message.get("tool_calls")))
            ),
            finish=read_finish(body.get("finish_reason")),
            ended=True,
        ),
        body.get("usage"),
    )


def read_embedding(body: Mapping[str, Any]) -> Reply:
    """The first embedding, as floats, with its notice of deprecation."""
    listed = as_object(body.get("embeddings")).get("float")
    if not isinstance(listed, list) or not listed:
        raise MalformedError("JSON without embeddings.float")
    meta = as_object(body.get("meta"))
    reply = Reply(embedding=as_vector(listed[0]), ended=True, deprecation=_read_deprecation(meta))
    return _with_usage(reply, meta)


def read_event(reply: Reply, event: ServerSentEvent) -> Reply:
    """One typed event; `message-end` ends the stream, also one that failed; unknown types change nothing."""
    if event.data.startswith("[DONE]"):
        return replace(reply, ended=True)
    body = parse(event.data)
    bare_error = "type" not in body and isinstance(body.get("message"), str)
    if is_error(body, event.name) or bare_error:
        return replace(reply, error=body)
    delta = as_object(body.get("delta"))
    match body.get("type"):
        case "content-start" | "content-delta":
            content = as_object(as_object(delta.get("message")).get("content"))
            return replace(reply, text=reply.text + as_text(content.get("text")))
        case "message-end":
            reply, finish = _with_usage(reply, delta.get("usage")), read_finish(delta.get("finish_reason"))
            failed = delta.get("error") or finish is Finish.FAILED
            return replace(reply, error=body) if failed else replace(reply, finish=finish, ended=True)
    return reply


def read_error(body: Mapping[str, Any]) -> ErrorDetails:
    """`{"id", "message"}`, or a `message-end` that failed."""
    delta, details = as_object(body.get("delta")), error_envelope.read_error(body)
    return replace(
        details,
        codes=tuple(filter(None, (as_text(delta.get("finish_reason")), *details.codes))),
        message=as_text(delta.get("error")) or details.message,
        request_id=as_text(body.get("id")) or None,
    )


def _read_deprecation(meta: Mapping[str, Any]) -> str | None:
    warnings = meta.get("warnings")
    notices = (
        [warning for warning in map(as_text, warnings) if "deprecat" in warning] if isinstance(warnings, list) else []
    )
    outdated = as_object(meta.get("api_version")).get("is_deprecated") is True
    return notices[0] if notices else "this version of the API is deprecated" if outdated else None


def _with_usage(reply: Reply, usage: object) -> Reply:
    """Adds the billed tokens, which exclude Cohere's own preamble. Counts may be floats."""
    counts = as_object(usage)
    units = as_object(counts.get("billed_units")) or as_object(counts.get("tokens"))
    return reply.with_tokens(
        input_tokens=_read_count(units.get("input_tokens")),
        output_tokens=_read_count(units.get("output_tokens")),
        cached_tokens=_read_count(counts.get("cached_tokens")),
    )


def _read_count(value: object) -> int | None:
    return as_count(int(value) if isinstance(value, float) and value.is_integer() else value)


DIALECT = Dialect(
    name="cohere",
    default_base_url="https://api.cohere.com",
    base_url_rule=UNVERSIONED,
    status_page=incident_io_page(r"api\.cohere\.(?:com|ai)", "status.cohere.com"),
    price_list_id="cohere",
    build_request=build_request,
    read_reply=read_reply,
    read_embedding=read_embedding,
    read_event=read_event,
    read_error=read_error,
    errors=(ErrorRule(Outcome.AUTH, statuses={498}),),
    request_id_headers=("x-debug-trace-id", "x-request-id"),
)
