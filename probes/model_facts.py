"""How long the embeddings of well-known models are, as data."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

from probes.target import Target

_LENGTHS: Final[Mapping[str, int]] = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
    "text-embedding-004": 768,
    "text-embedding-005": 768,
    "gemini-embedding-001": 3072,
    "mistral-embed": 1024,
    "embed-v4.0": 1536,
    "embed-english-v3.0": 1024,
    "embed-multilingual-v3.0": 1024,
    "embed-*-light-v3.0": 384,
    "amazon.titan-embed-text-v1*": 1536,
    "amazon.titan-embed-text-v2:*": 1024,
}


def expected_length(target: Target) -> int | None:
    """How long an embedding of this target must be, by its settings or by what its model is known for.

    None, any length will do, for a model that is not known, and for one that is asked with parameters of one's own:
    among them may be the length.
    """
    if target.dimensions is not None:
        return target.dimensions
    if target.parameters:
        return None
    model = target.model.rpartition("/")[2]
    return next((length for pattern, length in _LENGTHS.items() if fnmatchcase(model, pattern)), None)
