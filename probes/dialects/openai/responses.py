"""The `openai-responses` dialect: Responses."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from probes.checks import SCHEMA, SCHEMA_NAME, TOOL_DESCRIPTION, TOOL_NAME, Task
from probes.dialects.base import BaseUrlForm, Dialect
from probes.dialects.openai.chat import bearer
from probes.dialects.openai.embeddings import embedding_body, read_embedding
from probes.dialects.openai.errors import ERRORS, REQUEST_ID_HEADERS, read_error
from probes.dialects.openai.families import openai_family
from probes.dialects.openai.usage import counted
from probes.dialects.presets import OPENAI
from probes.reply import Finish, MalformedError, Reply, Request, ToolCall, error_in, parse, table, tables, text
from probes.streaming.sse import ServerSentEvent
from probes.target import Check, Target

_STATUS: Final = {"completed": Finish.STOP, "incomplete": Finish.OTHER}
_INCOMPLETE: Final = {"max_output_tokens": Finish.LENGTH, "content_filter": Finish.REFUSED}
_SILENT: Final = {"message": "the response failed without a reason"}


def request(target: Target, task: Task) -> Request:
    """Responses with the smallest budget that the model's family needs; nothing is stored."""
    base_url, headers = target.provider.base_url, bearer(target.provider)
    if task.check is Check.EMBEDDING:
        return Request(url=f"{base_url}/embeddings", headers=headers, body=embedding_body(target.model, task))
    family = openai_family(target.model)
    effort = family.extra.get("reasoning_effort")
    return Request(
        url=f"{base_url}/responses",
        headers=headers,
        body={
            "model": target.model,
            "input": task.prompt,
            "max_output_tokens": family.budget(task.check),
            "store": False,
            **({"reasoning": {"effort": effort}} if effort else {}),
            **_asked(task),
        },
    )


def _asked(task: Task) -> dict[str, Any]:
    match task.check:
        case Check.STREAM:
            return {"stream": True}
        case Check.STRUCTURED:
            return {"text": {"format": {"type": "json_schema", "name": SCHEMA_NAME, "strict": True, "schema": SCHEMA}}}
        case Check.TOOL:
            function = {"name": TOOL_NAME, "description": TOOL_DESCRIPTION, "strict": True, "parameters": SCHEMA}
            choice = {"type": "function", "name": TOOL_NAME}
            return {"tools": [{"type": "function", **function}], "tool_choice": choice}
    return {}


def read_reply(body: Mapping[str, Any]) -> Reply:
    """The messages and calls among the output, wherever they stand beside reasoning."""
    if not isinstance(body.get("output"), list):
        raise MalformedError("JSON without a list of output")
    output = tables(body["output"])
    content = [part for item in output if item.get("type") == "message" for part in tables(item.get("content"))]
    reply = Reply(
        text="".join(text(part.get("text")) for part in content if part.get("type") == "output_text"),
        calls=tuple(
            ToolCall(name=text(item.get("name")), arguments=text(item.get("arguments")))
            for item in output
            if item.get("type") == "function_call"
        ),
        finish=Finish.REFUSED if any(part.get("type") == "refusal" for part in content) else _finish(body),
    )
    return _closed(reply, body)


def read_event(reply: Reply, event: ServerSentEvent) -> Reply:
    """One typed event; `response.completed` or `.incomplete` ends the stream, unknown types say nothing."""
    if event.data.startswith("[DONE]"):  # some gateways add it, and it is no end of a response
        return reply
    body = parse(event.data)
    if error_in(body) or event.name == "error":
        return replace(reply, error=body)
    return _told(reply, text(body.get("type")) or event.name, body)


def _told(reply: Reply, kind: str, body: Mapping[str, Any]) -> Reply:
    response = table(body.get("response"))
    match kind:
        case "response.created" | "response.in_progress":
            reply = replace(reply, model=text(response.get("model")) or reply.model)
        case "response.output_text.delta":
            reply = replace(reply, text=reply.text + text(body.get("delta")))
        case "response.refusal.delta" | "response.refusal.done":
            reply = replace(reply, finish=Finish.REFUSED)
        case "response.completed" | "response.incomplete":
            refused = reply.finish is Finish.REFUSED
            reply = _closed(replace(reply, finish=Finish.REFUSED if refused else _finish(response)), response)
        case "response.failed":
            failed = counted(reply, response.get("usage"))
            reply = replace(failed, error={"error": table(response.get("error")) or _SILENT})
    return reply


def _closed(reply: Reply, response: Mapping[str, Any]) -> Reply:
    model = text(response.get("model")) or reply.model
    return counted(replace(reply, ended=True, model=model), response.get("usage"))


def _finish(response: Mapping[str, Any]) -> Finish:
    """Why it ended; a whole response that is cancelled, or still under way, has failed."""
    reason = text(table(response.get("incomplete_details")).get("reason"))
    return _INCOMPLETE.get(reason) or _STATUS.get(text(response.get("status")), Finish.FAILED)


DIALECT = Dialect(
    name="openai-responses",
    default_base_url=OPENAI.default_base_url,
    base_url_form=BaseUrlForm.VERSIONED,
    status_page=OPENAI.status_page,
    checks=frozenset(Check),
    request=request,
    read_reply=read_reply,
    read_embedding=read_embedding,
    read_event=read_event,
    read_error=read_error,
    errors=ERRORS,
    request_id_headers=REQUEST_ID_HEADERS,
)
