"""The `openai-chat` dialect: Chat Completions and Embeddings of OpenAI and of compatible providers."""

import binascii
import math
import struct
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from probes.checks import SCHEMA_NAME, TOOL_NAME, Task
from probes.dialects.base import VERSIONED, Dialect
from probes.dialects.error_envelope import is_error
from probes.dialects.finish_reasons import read_finish
from probes.dialects.model_families import ModelFamily, family_of
from probes.dialects.presets import OPENAI, Preset, preset_of
from probes.json_values import MalformedError, as_count, as_object, as_objects, as_text, as_vector, parse, to_json
from probes.question import Tool
from probes.request_reply import Finish, Reply, Request, ToolCall
from probes.streaming.sse import ServerSentEvent
from probes.target import Check, Provider, Target

#: The parameters with which a model that reasons does so least.
_NO_EFFORT: Final = {"reasoning_effort": "none"}
_LOW_EFFORT: Final = {"reasoning_effort": "low"}


def _exactly(models: str) -> str:
    """Patterns of these models and their dated snapshots; `gpt-5.4-pro` is another family than `gpt-5.4`."""
    return " ".join(f"{model} {model}-20[0-9][0-9]-*" for model in models.split())


#: Sampling parameters are never sent: none of these models takes them.
_FAMILIES: Final = (
    ModelFamily(patterns="gpt-6-luna* gpt-5.6-luna* gpt-5.4-nano* gpt-5.4-mini*", tokens=64, extra=_NO_EFFORT),
    ModelFamily(
        patterns=_exactly("gpt-6-sol gpt-6.1-terra gpt-5.6 gpt-5.6-sol gpt-5.6-terra gpt-5.5 gpt-5.4 gpt-5.2 gpt-5.1"),
        tokens=64,
        extra=_NO_EFFORT,
    ),
    ModelFamily(
        patterns=f"gpt-5-nano* gpt-5-mini* {_exactly('gpt-5')}", tokens=512, extra={"reasoning_effort": "minimal"}
    ),
    ModelFamily(patterns=_exactly("o1 o3 o3-mini o4-mini"), extra=_LOW_EFFORT),
    ModelFamily(patterns="gpt-oss-*", tokens=512, extra=_LOW_EFFORT),
    ModelFamily(patterns="gpt-4o* gpt-4.1* gpt-4-turbo* gpt-3.5-turbo*", tokens=64),
    ModelFamily(patterns="grok-*non-reasoning* ministral-* open-mistral-*", tokens=64),
    # Some of these can reason, but only on request.
    ModelFamily(patterns="mistral-* codestral-* devstral-* llama*", tokens=256),
    ModelFamily(patterns="gemini-*flash-lite*", tokens=512),
    ModelFamily(patterns="gemini-*", tokens=2048, extra=_LOW_EFFORT),
)

#: A provider that claims more than this for one probe is not believed.
_MOST_USD: Final = 10.0
_TICKS_PER_USD: Final = 10_000_000_000

#: Of OpenAI, Azure, Groq, Mistral, OpenRouter and LiteLLM.
REQUEST_ID_HEADERS: Final = (
    "x-request-id",
    "apim-request-id",
    "x-groq-id",
    "mistral-correlation-id",
    "x-generation-id",
    "x-litellm-call-id",
)


def build_request(target: Target, task: Task) -> Request:
    """Chat Completions, with the smallest token budget that the model's family needs and no sampling parameters."""
    method, body = method_and_body(target.model, task, preset_of(target.provider.preset))
    return Request(url=f"{target.provider.base_url}/{method}", headers=bearer_header(target.provider), body=body)


def openai_family(model: str, first: tuple[ModelFamily, ...] = ()) -> ModelFamily:
    """The family of a model, without the path before its name (`openai/gpt-oss-20b`); those in `first` precede."""
    return family_of(model.rpartition("/")[2].lower(), (*first, *_FAMILIES))


def bearer_header(provider: Provider) -> dict[str, str]:
    """The header with the key; none without a key, which servers of one's own often do not need."""
    key = provider.api_key.reveal()
    return {"Authorization": f"Bearer {key}"} if key else {}


def method_and_body(model: str, task: Task, preset: Preset) -> tuple[str, dict[str, Any]]:
    """The path behind the base URL, and the body that puts a task to a model, as the preset wants it."""
    if task.check == Check.EMBEDDING:
        # Without `encoding_format`: floats are the default, and some gateways refuse the key.
        return "embeddings", {"model": model, "input": task.prompt}
    family = openai_family(model, preset.families)
    return "chat/completions", {
        "model": model,
        "messages": [*_system_messages(task, preset), {"role": "user", "content": task.prompt}],
        preset.budget_key: family.budget(task),
        **family.extra,
        **_check_parameters(task, preset),
    }


def _system_messages(task: Task, preset: Preset) -> list[dict[str, str]]:
    """The schema as a system message, for providers that do not enforce one."""
    if task.check != Check.STRUCTURED or preset.strict_schema:
        return []
    return [{"role": "system", "content": f"Reply with one JSON object under this schema: {to_json(task.schema)}"}]


def _check_parameters(task: Task, preset: Preset) -> dict[str, Any]:
    match task.check:
        case Check.STREAM:
            options = {"stream_options": {"include_usage": True}} if preset.stream_usage else {}
            return {"stream": True, **options}
        case Check.STRUCTURED if preset.strict_schema:
            schema = {"name": SCHEMA_NAME, "strict": task.strict, "schema": task.schema}
            return {"response_format": {"type": "json_schema", "json_schema": schema}}
        case Check.STRUCTURED:
            return {"response_format": {"type": "json_object"}}
        case Check.TOOL:
            tools = [{"type": "function", "function": _function(tool, preset)} for tool in task.tools]
            forced = {"tool_choice": {"type": "function", "function": {"name": TOOL_NAME}}}
            return {"tools": tools, **(forced if task.forces_tool else {})}
    return {}


def _function(tool: Tool, preset: Preset) -> dict[str, Any]:
    mode = {"strict": True} if preset.strict_tools and tool.strict else {}
    return {**tool.label, "parameters": tool.parameters, **mode}


def read_reply(body: Mapping[str, Any]) -> Reply:
    """The first choice's message."""
    choices = as_objects(body.get("choices"))
    if not choices or not isinstance(choices[0].get("message"), dict):
        raise MalformedError("JSON without choices[0].message")
    message = choices[0]["message"]
    reply = Reply(
        text=read_text(message.get("content")),
        calls=tuple(map(_read_call, as_objects(message.get("tool_calls")))),
        finish=_read_finish(choices[0].get("finish_reason"), message),
        ended=True,
        model=as_text(body.get("model")) or None,
    )
    return with_usage(reply, body.get("usage"))


def read_embedding(body: Mapping[str, Any]) -> Reply:
    """The first vector, given as numbers or as base64 of little-endian 32-bit floats; raises MalformedError."""
    vectors = as_objects(body.get("data"))
    if not vectors:
        raise MalformedError("JSON without data[0].embedding")
    given = vectors[0].get("embedding")
    vector = _decode_base64(given) if isinstance(given, str) else as_vector(given)
    return with_usage(Reply(embedding=vector, ended=True, model=as_text(body.get("model")) or None), body.get("usage"))


def _decode_base64(packed: str) -> tuple[float, ...]:
    try:
        raw = b64decode(packed, validate=True)
        return struct.unpack(f"<{len(raw) // 4}f", raw)
    except (binascii.Error, ValueError, struct.error) as error:
        raise MalformedError("an embedding that is not base64 of 32-bit floats") from error


def read_event(reply: Reply, event: ServerSentEvent) -> Reply:
    """One `data:` frame; `[DONE]` ends the stream, and frames without choices carry usage or filter results only."""
    if event.data.startswith("[DONE]"):
        return replace(reply, ended=True)
    body = parse(event.data)
    if is_error(body, event.name):
        return replace(reply, error=body)
    choice, groq = next(iter(as_objects(body.get("choices"))), {}), as_object(body.get("x_groq"))
    if late_error := choice.get("error") or groq.get("error"):
        return replace(reply, error={"error": late_error})
    reply = replace(reply, model=as_text(body.get("model")) or reply.model)
    reply, delta = with_usage(reply, body.get("usage") or groq.get("usage")), as_object(choice.get("delta"))
    finish = _read_finish(choice.get("finish_reason"), delta)
    return replace(
        reply,
        text=reply.text + read_text(delta.get("content")),
        finish=Finish.REFUSED if reply.finish is Finish.REFUSED else finish or reply.finish,
    )


def read_text(value: object) -> str:
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
    return Finish.REFUSED if message.get("refusal") else read_finish(reason)


def with_usage(reply: Reply, usage: object) -> Reply:
    """The reply with its usage, by the names of Chat Completions or of Responses; unchanged without any.

    Some providers exclude reasoning from `completion_tokens`; their total shows it.
    """
    counts = as_object(usage)
    if not counts:
        return reply
    read = _first(counts, "prompt_tokens", "input_tokens")
    written = _first(counts, "completion_tokens", "output_tokens")
    thought = _first(_either(counts, "completion_tokens_details", "output_tokens_details"), "reasoning_tokens")
    total = as_count(counts.get("total_tokens"))
    if read is not None and written is not None and thought and total == read + written + thought:
        written += thought
    cached = _first(_either(counts, "prompt_tokens_details", "input_tokens_details"), "cached_tokens")
    reply = reply.with_tokens(
        input_tokens=read,
        output_tokens=written,
        cached_tokens=as_count(counts.get("prompt_cache_hit_tokens")) if cached is None else cached,
        reasoning_tokens=as_count(counts.get("reasoning_tokens")) if thought is None else thought,
    )
    return replace(reply, cost_usd=_cost_usd(counts))


def _first(counts: Mapping[str, Any], *names: str) -> int | None:
    numbers = (as_count(counts.get(name)) for name in names)
    return next((number for number in numbers if number is not None), None)


def _either(counts: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return next((details for name in names if (details := as_object(counts.get(name)))), {})


def _cost_usd(counts: Mapping[str, Any]) -> float | None:
    """By xAI's ticks, OpenRouter's `cost` or Perplexity's total cost."""
    ticks = _believable(counts.get("cost_in_usd_ticks"), _MOST_USD * _TICKS_PER_USD)
    if ticks is not None:
        return ticks / _TICKS_PER_USD
    cost = counts.get("cost")
    stated = _believable(as_object(cost).get("total_cost") if isinstance(cost, dict) else cost, _MOST_USD)
    if stated is None or counts.get("is_byok") is not True:
        return stated
    # With a key of another provider, that provider is paid too.
    upstream = _believable(as_object(counts.get("cost_details")).get("upstream_inference_cost"), _MOST_USD)
    return None if upstream is None else stated + upstream


def _believable(value: object, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= most and math.isfinite(value) else None


DIALECT = Dialect(
    name="openai-chat",
    default_base_url=OPENAI.default_base_url,
    base_url_rule=VERSIONED,
    status_page=OPENAI.status_page,
    build_request=build_request,
    read_reply=read_reply,
    read_embedding=read_embedding,
    read_event=read_event,
    request_id_headers=REQUEST_ID_HEADERS,
)
