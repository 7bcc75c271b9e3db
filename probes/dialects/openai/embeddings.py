"""Embeddings in OpenAI's format, shared by its dialects."""

import binascii
import struct
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from probes.checks import Task
from probes.dialects.openai.usage import with_usage
from probes.json_values import MalformedError, as_objects, as_text, as_vector
from probes.reply import Reply


def embedding_body(model: str, task: Task) -> dict[str, Any]:
    """The body of a request. Without `encoding_format`: floats are the default, and some gateways refuse the key."""
    return {"model": model, "input": task.prompt}


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
