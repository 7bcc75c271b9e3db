"""The `bedrock` dialect: Converse of AWS, and Titan's embeddings."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from probes.checks import SCHEMA_NAME, TOOL_NAME, Task
from probes.dialects import error_envelope
from probes.dialects.base import ConfigField, Dialect, VendorStatusPage
from probes.dialects.error_rules import ErrorRule
from probes.dialects.finish_reasons import read_finish
from probes.dialects.model_families import ModelFamily, family_of
from probes.json_values import MalformedError, as_count, as_object, as_objects, as_text, as_vector, parse, to_json
from probes.outcome import Outcome
from probes.request_reply import ErrorDetails, Finish, Reply, Request, ToolCall
from probes.streaming import aws_eventstream as eventstream
from probes.streaming.sse import ServerSentEvent
from probes.target import Check, Target

#: The id of a model may have a region as prefix, and may end an ARN.
_FAMILIES = (
    ModelFamily(
        patterns="*claude-haiku-5[-.]5*", tokens=64, extra={"thinking": {"type": "disabled"}}, forces_tool=True
    ),
    ModelFamily(patterns="*claude-*-5[-.]5*", tokens=2048),
    ModelFamily(patterns="*amazon.nova-* *claude-*-4[-.]* *claude-3*", tokens=64, forces_tool=True),
    ModelFamily(patterns="*openai.gpt-oss-*", tokens=512, extra={"reasoning_effort": "low"}, forces_tool=True),
    ModelFamily(patterns="*openai.gpt-*-luna*", tokens=64, extra={"reasoning": {"effort": "none"}}, forces_tool=True),
)


def build_request(target: Target, task: Task) -> Request:
    """Converse, with the smallest token budget that the model's family needs, or Titan's embedding.

    It has no key where requests are signed: that is done to the request as a whole.
    """
    provider = target.provider
    headers = {} if provider.signing else {"Authorization": f"Bearer {provider.api_key.reveal()}"}
    method, body = "converse", _converse_body(family_of(target.model, _FAMILIES), task)
    if task.check == Check.STREAM:
        method = "converse-stream"
        headers["accept"] = "*/*"  # as AWS's own clients do; a server may refuse other types
    elif task.check == Check.EMBEDDING:
        method, body = "invoke", {"inputText": task.prompt}
        if task.dimensions:
            body["dimensions"] = task.dimensions
    return Request(url=f"{provider.base_url}/model/{quote(target.model, safe='')}/{method}", headers=headers, body=body)


def read_reply(body: Mapping[str, Any]) -> Reply:
    """The text and the tool calls of a message, among blocks of reasoning."""
    content = as_object(as_object(body.get("output")).get("message")).get("content")
    if not isinstance(content, list):
        raise MalformedError("JSON without a list of content in output.message")
    blocks = as_objects(content)
    calls = [block["toolUse"] for block in blocks if isinstance(block.get("toolUse"), dict)]
    reply = Reply(
        text="".join(as_text(block.get("text")) for block in blocks),
        calls=tuple(ToolCall(name=as_text(call.get("name")), arguments=to_json(call.get("input"))) for call in calls),
        finish=read_finish(body.get("stopReason")),
        ended=True,
    )
    return _with_usage(reply, body)


def read_embedding(body: Mapping[str, Any]) -> Reply:
    """`{"embedding": [...], "inputTextTokenCount": n}`."""
    return Reply(
        embedding=as_vector(body.get("embedding")), ended=True, input_tokens=as_count(body.get("inputTextTokenCount"))
    )


def read_event(reply: Reply, event: ServerSentEvent) -> Reply:
    """One frame. After `messageStop` comes `metadata` with the usage; a stream that ends without that has ended too."""
    if event.name.startswith(eventstream.EXCEPTION):
        return replace(reply, error=_read_exception(event))
    match event.name:
        case "contentBlockDelta":
            return replace(reply, text=reply.text + as_text(as_object(parse(event.data).get("delta")).get("text")))
        case "messageStop":
            return replace(reply, finish=read_finish(parse(event.data).get("stopReason")) or Finish.OTHER)
        case "metadata":
            reply = _with_usage(reply, parse(event.data))
            return replace(reply, ended=reply.finish is not None)
        case eventstream.END:
            return replace(reply, ended=reply.finish is not None)
    return reply


def read_error(body: Mapping[str, Any]) -> ErrorDetails:
    """As for all dialects, but without the explanation of how to sign, which quotes the session token."""
    details = error_envelope.read_error(body)
    return replace(details, message=details.message.partition("The Canonical String for this request")[0].strip())


def _converse_body(family: ModelFamily, task: Task) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": [{"text": task.prompt}]}],
        "inferenceConfig": {"maxTokens": family.budget(task)},
        **({"additionalModelRequestFields": family.extra} if family.extra else {}),
        **({"outputConfig": _structured_output(task)} if task.check == Check.STRUCTURED else {}),
        **({"toolConfig": _tool_config(family, task)} if task.check == Check.TOOL else {}),
    }


def _structured_output(task: Task) -> dict[str, Any]:
    schema = {"name": SCHEMA_NAME, "schema": json.dumps(task.schema)}
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


def _tool_config(family: ModelFamily, task: Task) -> dict[str, Any]:
    tools = [{"toolSpec": {**tool.label, "inputSchema": {"json": tool.parameters}}} for tool in task.tools]
    forced = family.forces_tool and task.forces_tool
    return {"tools": tools, **({"toolChoice": {"tool": {"name": TOOL_NAME}}} if forced else {})}


def _with_usage(reply: Reply, body: Mapping[str, Any]) -> Reply:
    """Adds the usage. `inputTokens` excludes cached input; `outputTokens` includes reasoning."""
    usage = as_object(body.get("usage"))
    uncached = as_count(usage.get("inputTokens"))
    cached, cache_written = (as_count(usage.get(f"cache{way}InputTokens")) for way in ("Read", "Write"))
    return reply.with_tokens(
        input_tokens=None if uncached is None else uncached + (cached or 0) + (cache_written or 0),
        output_tokens=as_count(usage.get("outputTokens")),
        cached_tokens=cached,
    )


def _read_exception(event: ServerSentEvent) -> Mapping[str, Any]:
    kind = event.name.removeprefix(eventstream.EXCEPTION)
    try:
        return {**parse(event.data), "__type": kind}
    except MalformedError:
        return {"message": event.data[:500], "__type": kind}


DIALECT = Dialect(
    name="bedrock",
    default_base_url="https://bedrock-runtime.{region}.amazonaws.com",
    config_fields=(
        ConfigField(name="region", pattern=re.compile(r"[a-z0-9-]{2,40}"), expected="a region such as us-east-1"),
        ConfigField(name="signing"),
    ),
    status_page=VendorStatusPage(
        host=r"bedrock-runtime(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com|api\.aws)",
        url="https://health.aws.amazon.com/public/currentevents",
        components=("bedrock-{region}",),
    ),
    price_list_id="aws",
    build_request=build_request,
    read_reply=read_reply,
    read_embedding=read_embedding,
    read_event=read_event,
    read_error=read_error,
    errors=(
        ErrorRule(Outcome.QUOTA, message=r"(tokens|requests) per day|payment.instrument"),
        ErrorRule(Outcome.MODEL_GONE, "ResourceNotFoundException"),
        # Also a model that only an inference profile leads to, and one that this account was not given: the key works,
        # the model's name does not, and no other target of the provider is affected.
        ErrorRule(
            Outcome.MODEL_GONE,
            statuses={200, 400, 403, 404},
            message=r"model identifier is invalid|on-demand throughput|model access is denied|doesn.t support the model"
            r"|use case details",
        ),
        ErrorRule(
            Outcome.AUTH,
            "ExpiredToken ExpiredTokenException IncompleteSignature IncompleteSignatureException "
            "InvalidSignatureException InvalidClientTokenId MissingAuthenticationToken "
            "MissingAuthenticationTokenException RequestExpired SignatureDoesNotMatch UnrecognizedClientException",
        ),
        ErrorRule(Outcome.AUTH, statuses={400}, message=r"^operation not allowed"),
    ),
    request_id_headers=("x-amzn-requestid",),
    error_header="x-amzn-errortype",
    stream_parser=eventstream.AwsEventStreamParser,
)
