"""The `openai-chat` dialect: Chat Completions, spoken by OpenAI and by everybody who calls themselves compatible."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

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
    Family(pattern="gpt-6-luna*", tokens=64, extra={"reasoning_effort": "none"}),
    Family(pattern="gpt-5.6-luna*", tokens=64, extra={"reasoning_effort": "none"}),
    Family(pattern="gpt-5.4-nano*", tokens=64, extra={"reasoning_effort": "none"}),
    Family(pattern="gpt-5-nano*", tokens=512, extra={"reasoning_effort": "minimal"}),
    Family(pattern="gpt-5-mini*", tokens=512, extra={"reasoning_effort": "minimal"}),
    Family(pattern="gpt-4o*", tokens=64, extra={}),
    Family(pattern="gpt-4.1*", tokens=64, extra={}),
)

_FINISH = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "model_length": Finish.LENGTH,
    "content_filter": Finish.REFUSED,
    "error": Finish.FAILED,
}


def request(target: Target, task: Task) -> Request:
    """Chat Completions with the smallest budget that the model's family needs, and no sampling parameters."""
    family = family_of(target.model, _FAMILIES, unknown_tokens=1024)
    stream = {"stream": True, "stream_options": {"include_usage": True}} if task.check is Check.STREAM else {}
    return Request(
        url=f"{target.provider.base_url}/chat/completions",
        headers={"Authorization": f"Bearer {target.provider.api_key.reveal()}"},
        body={
            "model": target.model,
            "messages": [{"role": "user", "content": task.prompt}],
            "max_completion_tokens": family.tokens,
            **family.extra,
            **stream,
        },
    )


def read_reply(body: Mapping[str, Any]) -> Reply:
    """The first choice's message."""
    choices = tables(body.get("choices"))
    if not choices or not isinstance(choices[0].get("message"), dict):
        raise MalformedError("JSON without choices[0].message")
    message = choices[0]["message"]
    return _counted(
        Reply(
            text=_content(message.get("content")),
            finish=_finish(choices[0].get("finish_reason"), message),
            ended=True,
            model=text(body.get("model")) or None,
        ),
        body,
    )


def read_event(reply: Reply, event: Event) -> Reply:
    """One `data:` frame; `[DONE]` ends the stream, and chunks without choices carry usage or filter results only."""
    if event.data.startswith("[DONE]"):
        return replace(reply, ended=True)
    body = parse(event.data)
    if error_in(body) or event.name == "error":
        return replace(reply, error=body)
    reply = _counted(replace(reply, model=text(body.get("model")) or reply.model), body)
    choices = tables(body.get("choices"))
    if not choices:
        return reply
    delta = table(choices[0].get("delta"))
    finish = _finish(choices[0].get("finish_reason"), delta)
    return replace(
        reply,
        text=reply.text + _content(delta.get("content")),
        finish=Finish.REFUSED if reply.finish is Finish.REFUSED else finish or reply.finish,
    )


def read_error(body: Mapping[str, Any]) -> ErrorWords:
    """`{"error": {…}}`, the flat forms of xAI, Mistral and older vLLM, and FastAPI's `detail`."""
    error = body.get("error")
    inner = error if isinstance(error, dict) else body
    words = (text(inner.get(key)) for key in ("code", "type", "status"))
    message = text(inner.get("message")) or text(error) or text(body.get("detail"))
    problems = tables(body.get("detail"))
    return ErrorWords(
        codes=tuple(word for word in words if word),
        message=message or (text(problems[0].get("msg")) if problems else ""),
        status=status_code(inner.get("code")),
        request_id=text(body.get("request_id")) or None,
    )


def _content(value: object) -> str:
    """A string, or a list of typed chunks (Mistral) of which only the text is visible."""
    if isinstance(value, list):
        return "".join(text(part.get("text")) for part in tables(value) if part.get("type") == "text")
    return text(value)


def _finish(reason: object, message: Mapping[str, Any]) -> Finish | None:
    if message.get("refusal"):
        return Finish.REFUSED
    return _FINISH.get(text(reason), Finish.OTHER) if reason else None


def _counted(reply: Reply, body: Mapping[str, Any]) -> Reply:
    usage = table(body.get("usage"))
    return replace(
        reply,
        input_tokens=count(usage.get("prompt_tokens")) if usage else reply.input_tokens,
        output_tokens=count(usage.get("completion_tokens")) if usage else reply.output_tokens,
    )


_OUT_OF_MONEY = re.compile(
    r"used all available credits|monthly spending limit|no credits remaining|insufficient (balance|credits?|funds)"
    r"|exceeded your current quota",
    re.IGNORECASE,
)
_NO_CAPACITY = re.compile(r"overloaded|high demand|at capacity|over capacity", re.IGNORECASE)
_BAD_KEY = re.compile(r"incorrect api key|invalid api key|api key .{0,40}(invalid|not valid|expired)", re.IGNORECASE)
_NO_MODEL = re.compile(
    r"model.{0,200}(does not exist|not found|not exist|deprecated|decommissioned|retired|not available)"
    r"|no such model|unknown model|invalid model",
    re.IGNORECASE | re.DOTALL,
)
_BUDGET = re.compile(r"max_tokens or model output limit was reached", re.IGNORECASE)

_ERRORS = ErrorRules(
    rules=(
        Rule(
            outcome=Outcome.QUOTA,
            codes=frozenset(
                {"insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached", "billing_not_active"}
            ),
        ),
        Rule(outcome=Outcome.QUOTA, statuses=frozenset({200, 400, 402, 403, 429}), message=_OUT_OF_MONEY),
        Rule(
            outcome=Outcome.OVERLOADED,
            codes=frozenset({"slow_down", "server_is_overloaded", "capacity_exceeded", "overloaded_error"}),
        ),
        Rule(outcome=Outcome.OVERLOADED, statuses=frozenset({200, 429, 500}), message=_NO_CAPACITY),
        Rule(outcome=Outcome.RATE_LIMITED, codes=frozenset({"rate_limit_exceeded"})),
        Rule(
            outcome=Outcome.REFUSED,
            codes=frozenset({"content_filter", "content_policy_violation", "responsibleaipolicyviolation"}),
        ),
        Rule(
            outcome=Outcome.MODEL_GONE,
            codes=frozenset(
                {"model_not_found", "model_decommissioned", "deploymentnotfound", "unknown_model", "invalid_model"}
            ),
        ),
        Rule(outcome=Outcome.AUTH, codes=frozenset({"invalid_api_key"})),
        Rule(outcome=Outcome.AUTH, statuses=frozenset({200, 400}), message=_BAD_KEY),
        Rule(outcome=Outcome.BUDGET_SPENT, statuses=frozenset({200, 400}), message=_BUDGET),
        Rule(outcome=Outcome.MODEL_GONE, statuses=frozenset({200, 400, 404}), message=_NO_MODEL),
    ),
    kinds={
        "authentication_error": Outcome.AUTH,
        "permission_error": Outcome.AUTH,
        "rate_limit_error": Outcome.RATE_LIMITED,
        "requests": Outcome.RATE_LIMITED,
        "tokens": Outcome.RATE_LIMITED,
        "service_unavailable_error": Outcome.OVERLOADED,
        "not_found_error": Outcome.MODEL_GONE,
        "notfounderror": Outcome.MODEL_GONE,
        "invalid_request_error": Outcome.BAD_REQUEST,
        "badrequesterror": Outcome.BAD_REQUEST,
    },
)

DIALECT = Dialect(
    name="openai-chat",
    base_url="https://api.openai.com/v1",
    checks=frozenset({Check.CHAT, Check.STREAM}),
    request=request,
    read_reply=read_reply,
    read_event=read_event,
    read_error=read_error,
    errors=_ERRORS,
    request_id_headers=("x-request-id", "apim-request-id", "x-groq-id", "mistral-correlation-id", "x-generation-id"),
)
