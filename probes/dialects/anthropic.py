"""The `anthropic` dialect: Messages."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from probes.checks import TOOL_NAME, Task
from probes.dialects.base import UNVERSIONED, Dialect, VendorStatusPage
from probes.dialects.error_envelope import is_error
from probes.dialects.error_rules import ErrorRule
from probes.dialects.finish_reasons import read_finish
from probes.dialects.model_families import ModelFamily, family_of
from probes.json_values import MalformedError, as_count, as_object, as_objects, as_text, overlay, parse, to_json
from probes.outcome import Outcome
from probes.request_reply import Reply, Request, ToolCall
from probes.streaming.sse import ServerSentEvent
from probes.target import Check, Target

_FAMILIES = (
    # From 5 on, thinking is the default and counts toward max_tokens. Each model has its own parameter to think least,
    # and refuses those of the others.
    ModelFamily(
        patterns="*claude-haiku-5[-.]5* *claude-sonnet-5 *claude-opus-5",
        tokens=64,
        extra={"thinking": {"type": "disabled"}},
        forces_tool=True,
    ),
    ModelFamily(patterns="*claude-sonnet-5[-.]5*", tokens=1024, extra={"thinking": {"type": "between_tools"}}),
    ModelFamily(
        patterns="*claude-opus-5[-.]5* *claude-fable-* *claude-mythos-5*",
        tokens=2048,
        extra={"output_config": {"effort": "low"}},
    ),
    # Before 5, a model thinks only on request.
    ModelFamily(patterns="*claude-*-4[-.]* *claude-3*", tokens=64, forces_tool=True),
)
#: For JSON with a word and a number, the syntax of a call included.
_STRUCTURE_TOKENS = 256


def build_request(target: Target, task: Task) -> Request:
    """Messages, with the smallest token budget that the model's family needs and no sampling parameters."""
    family = family_of(target.model, _FAMILIES)
    least = _STRUCTURE_TOKENS if task.has_long_reply else 0
    body: dict[str, Any] = {
        "model": target.model,
        "max_tokens": task.max_tokens or max(family.tokens, least) + task.answer_tokens,
        "messages": [{"role": "user", "content": task.prompt}],
    }
    if task.check == Check.TOOL:
        forced = family.forces_tool and task.forces_tool
        body["tool_choice"] = {"type": "tool", "name": TOOL_NAME} if forced else {"type": "auto"}
    return Request(
        url=f"{target.provider.base_url}/v1/messages",
        headers={"x-api-key": target.provider.api_key.reveal(), "anthropic-version": "2023-06-01"},
        body=overlay(overlay(body, family.extra), _check_parameters(task)),
    )


def _check_parameters(task: Task) -> dict[str, Any]:
    """What the check adds to the body of a chat."""
    match task.check:
        case Check.STREAM:
            return {"stream": True}
        case Check.STRUCTURED:
            return {"output_config": {"format": {"type": "json_schema", "schema": task.schema}}}
        case Check.TOOL:
            strict = [{"strict": True} if tool.strict else {} for tool in task.tools]
            tools = zip(task.tools, strict, strict=True)
            return {"tools": [{**tool.label, "input_schema": tool.parameters, **mode} for tool, mode in tools]}
    return {}


def read_reply(body: Mapping[str, Any]) -> Reply:
    """The text and the calls of a message, among blocks of thinking."""
    if not isinstance(body.get("content"), list):
        raise MalformedError("JSON without a list of content blocks")
    blocks = as_objects(body["content"])
    return _with_usage(
        Reply(
            text="".join(as_text(block.get("text")) for block in blocks if block.get("type") == "text"),
            calls=tuple(
                ToolCall(name=as_text(block.get("name")), arguments=to_json(block.get("input")))
                for block in blocks
                if block.get("type") == "tool_use"
            ),
            finish=read_finish(body.get("stop_reason")),
            ended=True,
            model=as_text(body.get("model")) or None,
        ),
        body.get("usage"),
    )


def read_event(reply: Reply, event: ServerSentEvent) -> Reply:
    """One typed event; `message_stop` ends the stream, `ping` and unknown types change nothing."""
    body = parse(event.data)
    if is_error(body, event.name):
        return replace(reply, error=body)
    match body.get("type"):
        case "message_start":
            message = as_object(body.get("message"))
            return _with_usage(replace(reply, model=as_text(message.get("model")) or None), message.get("usage"))
        case "content_block_delta" if as_object(body.get("delta")).get("type") == "text_delta":
            return replace(reply, text=reply.text + as_text(as_object(body.get("delta")).get("text")))
        case "message_delta":
            finish = read_finish(as_object(body.get("delta")).get("stop_reason"))
            return _with_usage(replace(reply, finish=finish or reply.finish), body.get("usage"))
        case "message_stop":
            return replace(reply, ended=True)
    return reply


def _with_usage(reply: Reply, usage: object) -> Reply:
    """Adds the usage. `input_tokens` excludes cached input; later events give running totals, or none."""
    counts = as_object(usage)
    uncached = as_count(counts.get("input_tokens"))
    cached, cache_written = (as_count(counts.get(f"cache_{way}_input_tokens")) for way in ("read", "creation"))
    return reply.with_tokens(
        input_tokens=None if uncached is None else uncached + (cached or 0) + (cache_written or 0),
        output_tokens=as_count(counts.get("output_tokens")),
        cached_tokens=cached,
        reasoning_tokens=as_count(as_object(counts.get("output_tokens_details")).get("thinking_tokens")),
    )


DIALECT = Dialect(
    name="anthropic",
    default_base_url="https://api.anthropic.com",
    base_url_rule=UNVERSIONED,
    status_page=VendorStatusPage(
        host=r"api\.anthropic\.com",
        url="https://status.claude.com/api/v2/summary.json",
        components=("Claude API", "api.anthropic.com"),
    ),
    price_list_id="anthropic",
    checks=frozenset(Check) - {Check.EMBEDDING},
    build_request=build_request,
    read_reply=read_reply,
    read_event=read_event,
    errors=(ErrorRule(Outcome.MODEL_GONE, "not_found_error", statuses={404}),),
    request_id_headers=("request-id", "x-request-id"),
)
