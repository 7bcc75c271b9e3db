"""The `openai-chat` dialect: Chat Completions of OpenAI and of compatible providers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from probes.checks import SCHEMA, SCHEMA_NAME, TOOL_DESCRIPTION, TOOL_NAME, Task
from probes.dialects.base import VERSIONED, Dialect, finish_reasons, read_finish
from probes.dialects.error_rules import is_error
from probes.dialects.openai.embeddings import embedding_body, read_embedding
from probes.dialects.openai.errors import ERRORS, REQUEST_ID_HEADERS, read_error
from probes.dialects.openai.families import openai_family
from probes.dialects.openai.usage import with_usage
from probes.dialects.presets import OPENAI, Preset, preset_of
from probes.json_values import MalformedError, as_object, as_objects, as_text, parse, to_json
from probes.reply import Finish, Reply, Request, ToolCall
from probes.streaming.sse import ServerSentEvent
from probes.target import Check, Provider, Target

_FINISH: Final = finish_reasons(
    {
        Finish.STOP: "stop",
        Finish.LENGTH: "length model_length",
        Finish.REFUSED: "content_filter",
        Finish.FAILED: "error",
    }
)


def build_request(target: Target, task: Task) -> Request:
    """Chat Completions, with the smallest token budget that the model's family needs and no sampling parameters."""
    base_url, headers = target.provider.base_url, bearer_header(target.provider)
    if task.check is Check.EMBEDDING:
        return Request(url=f"{base_url}/embeddings", headers=headers, body=embedding_body(target.model, task))
    body = chat_body(target.model, task, preset_of(target.provider.preset))
    return Request(url=f"{base_url}/chat/completions", headers=headers, body=body)


def bearer_header(provider: Provider) -> dict[str, str]:
    """The header with the key; none without a key, which servers of one's own often do not need."""
    key = provider.api_key.reveal()
    return {"Authorization": f"Bearer {key}"} if key else {}


def chat_body(model: str, task: Task, preset: Preset) -> dict[str, Any]:
    """The body that puts a task to a model, as the preset wants it."""
    family = openai_family(model, preset.families)
    return {
        "model": model,
        "messages": [*_system_messages(task, preset), {"role": "user", "content": task.prompt}],
        preset.budget_key: family.budget(task.check),
        **family.extra,
        **_check_parameters(task, preset),
    }


def _system_messages(task: Task, preset: Preset) -> list[dict[str, str]]:
    """The schema as a system message, for providers that do not enforce one."""
    if task.check is not Check.STRUCTURED or preset.strict_schema:
        return []
    return [{"role": "system", "content": f"Reply with one JSON object under this schema: {to_json(SCHEMA)}"}]


def _check_parameters(task: Task, preset: Preset) -> dict[str, Any]:
    match task.check:
        case Check.STREAM:
            options = {"stream_options": {"include_usage": True}} if preset.stream_usage else {}
            return {"stream": True, **options}
        case Check.STRUCTURED if preset.strict_schema:
            schema = {"name": SCHEMA_NAME, "strict": True, "schema": SCHEMA}
            return {"response_format": {"type": "json_schema", "json_schema": schema}}
        case Check.STRUCTURED:
            return {"response_format": {"type": "json_object"}}
        case Check.TOOL:
            return _tool_parameters(preset)
    return {}


def _tool_parameters(preset: Preset) -> dict[str, Any]:
    function = {"name": TOOL_NAME, "description": TOOL_DESCRIPTION, "parameters": SCHEMA}
    strict = {"strict": True} if preset.strict_tools else {}
    return {
        "tools": [{"type": "function", "function": {**function, **strict}}],
        "tool_choice": {"type": "function", "function": {"name": TOOL_NAME}},
    }


def read_reply(body: Mapping[str, Any]) -> Reply:
    """The first choice's message."""
    choices = as_objects(body.get("choices"))
    if not choices or not isinstance(choices[0].get("message"), dict):
        raise MalformedError("JSON without choices[0].message")
    message = choices[0]["message"]
    reply = Reply(
        text=_read_text(message.get("content")),
        calls=tuple(map(_read_call, as_objects(message.get("tool_calls")))),
        finish=_read_finish(choices[0].get("finish_reason"), message),
        ended=True,
        model=as_text(body.get("model")) or None,
    )
    return with_usage(reply, body.get("usage"))


def read_event(reply: Reply, event: ServerSentEvent) -> Reply:
    """One `data:` frame; `[DONE]` ends the stream, and frames without choices carry usage or filter results only."""
    if event.data.startswith("[DONE]"):
        return replace(reply, ended=True)
    body = parse(event.data)
    choice = next(iter(as_objects(body.get("choices"))), {})
    if is_error(body) or event.name == "error":
        return replace(reply, error=body)
    groq = as_object(body.get("x_groq"))
    late_error = choice.get("error") or groq.get("error")
    if late_error:
        return replace(reply, error={"error": late_error})
    reply = replace(reply, model=as_text(body.get("model")) or reply.model)
    return _with_choice(with_usage(reply, body.get("usage") or groq.get("usage")), choice)


def _with_choice(reply: Reply, choice: Mapping[str, Any]) -> Reply:
    delta = as_object(choice.get("delta"))
    finish = _read_finish(choice.get("finish_reason"), delta)
    return replace(
        reply,
        text=reply.text + _read_text(delta.get("content")),
        finish=Finish.REFUSED if reply.finish is Finish.REFUSED else finish or reply.finish,
    )


def _read_text(value: object) -> str:
    """A string, or a list of typed parts (Mistral), of which only the text is visible."""
    if isinstance(value, list):
        return "".join(as_text(part.get("text")) for part in as_objects(value) if part.get("type") == "text")
    return as_text(value)


def _read_call(call: Mapping[str, Any]) -> ToolCall:
    """A function called; its arguments are JSON in a string, though some providers send the object itself."""
    function = as_object(call.get("function"))
    arguments = function.get("arguments")
    text = to_json(arguments) if isinstance(arguments, dict) else as_text(arguments)
    return ToolCall(name=as_text(function.get("name")), arguments=text)


def _read_finish(reason: object, message: Mapping[str, Any]) -> Finish | None:
    if message.get("refusal"):
        return Finish.REFUSED
    return read_finish(reason, _FINISH)


DIALECT = Dialect(
    name="openai-chat",
    default_base_url=OPENAI.default_base_url,
    base_url_rule=VERSIONED,
    status_page=OPENAI.status_page,
    build_request=build_request,
    read_reply=read_reply,
    read_embedding=read_embedding,
    read_event=read_event,
    read_error=read_error,
    errors=ERRORS,
    request_id_headers=REQUEST_ID_HEADERS,
)
