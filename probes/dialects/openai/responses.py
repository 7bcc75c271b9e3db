"""The `openai-responses` dialect: Responses."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from probes.checks import SCHEMA_NAME, TOOL_NAME, Task
from probes.dialects.error_envelope import is_error
from probes.dialects.finish_reasons import read_finish
from probes.dialects.openai import chat as openai_chat
from probes.json_values import MalformedError, as_object, as_objects, as_text, parse
from probes.request_reply import Finish, Reply, Request, ToolCall
from probes.streaming.sse import ServerSentEvent
from probes.target import Check, Target

_UNEXPLAINED_FAILURE: Final = {"message": "the response failed without a reason"}


def build_request(target: Target, task: Task) -> Request:
    """Responses, with the smallest token budget that the model's family needs; nothing is stored."""
    if task.check == Check.EMBEDDING:
        return openai_chat.build_request(target, task)
    family = openai_chat.openai_family(target.model)
    effort = family.extra.get("reasoning_effort")
    return Request(
        url=f"{target.provider.base_url}/responses",
        headers=openai_chat.bearer_header(target.provider),
        body={
            "model": target.model,
            "input": task.prompt,
            "max_output_tokens": family.budget(task),
            "store": False,
            **({"reasoning": {"effort": effort}} if effort else {}),
            **_check_parameters(task),
        },
    )


def _check_parameters(task: Task) -> dict[str, Any]:
    """What the check adds to the body."""
    match task.check:
        case Check.STREAM:
            return {"stream": True}
        case Check.STRUCTURED:
            wanted = {"type": "json_schema", "name": SCHEMA_NAME, "strict": task.strict, "schema": task.schema}
            return {"text": {"format": wanted}}
        case Check.TOOL:
            tools = [
                {"type": "function", **tool.label, "strict": tool.strict, "parameters": tool.parameters}
                for tool in task.tools
            ]
            forced = {"tool_choice": {"type": "function", "name": TOOL_NAME}}
            return {"tools": tools, **(forced if task.forces_tool else {})}
    return {}


def read_reply(body: Mapping[str, Any]) -> Reply:
    """The messages and calls of the output, among its reasoning."""
    if not isinstance(body.get("output"), list):
        raise MalformedError("JSON without a list of output")
    output = as_objects(body["output"])
    content = [part for item in output if item.get("type") == "message" for part in as_objects(item.get("content"))]
    reply = Reply(
        text="".join(as_text(part.get("text")) for part in content if part.get("type") == "output_text"),
        calls=tuple(
            ToolCall(name=as_text(item.get("name")), arguments=as_text(item.get("arguments")))
            for item in output
            if item.get("type") == "function_call"
        ),
        finish=Finish.REFUSED if any(part.get("type") == "refusal" for part in content) else _read_finish(body),
    )
    return _end(reply, body)


def read_event(reply: Reply, event: ServerSentEvent) -> Reply:
    """One typed event; `response.completed` or `.incomplete` ends the stream, unknown types change nothing."""
    if event.data.startswith("[DONE]"):  # some gateways add it; it does not end a response
        return reply
    body = parse(event.data)
    if is_error(body, event.name):
        return replace(reply, error=body)
    return _apply_event(reply, as_text(body.get("type")) or event.name, body)


def _apply_event(reply: Reply, kind: str, body: Mapping[str, Any]) -> Reply:
    response = as_object(body.get("response"))
    match kind:
        case "response.created" | "response.in_progress":
            reply = replace(reply, model=as_text(response.get("model")) or reply.model)
        case "response.output_text.delta":
            reply = replace(reply, text=reply.text + as_text(body.get("delta")))
        case "response.refusal.delta" | "response.refusal.done":
            reply = replace(reply, finish=Finish.REFUSED)
        case "response.completed" | "response.incomplete":
            refused = reply.finish is Finish.REFUSED
            reply = _end(replace(reply, finish=Finish.REFUSED if refused else _read_finish(response)), response)
        case "response.failed":
            failed = openai_chat.with_usage(reply, response.get("usage"))
            reply = replace(failed, error={"error": as_object(response.get("error")) or _UNEXPLAINED_FAILURE})
    return reply


def _end(reply: Reply, response: Mapping[str, Any]) -> Reply:
    model = as_text(response.get("model")) or reply.model
    return openai_chat.with_usage(replace(reply, ended=True, model=model), response.get("usage"))


def _read_finish(response: Mapping[str, Any]) -> Finish:
    """Why it ended; a response that was cancelled, or is still in progress, has failed."""
    reason = read_finish(as_object(response.get("incomplete_details")).get("reason"))
    if reason or response.get("status") == "incomplete":
        return reason or Finish.OTHER
    return Finish.STOP if response.get("status") == "completed" else Finish.FAILED


DIALECT = replace(
    openai_chat.DIALECT,
    name="openai-responses",
    build_request=build_request,
    read_reply=read_reply,
    read_event=read_event,
)
