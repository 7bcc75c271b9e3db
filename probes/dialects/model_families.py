"""What the names of models imply, as data: token budgets, parameters, lengths of embeddings, aliases."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final

from probes.checks import Task
from probes.target import Target

#: JSON and calls take about 30 tokens, a word five; an unused budget costs nothing.
_MORE_THAN_A_WORD: Final = 128
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
#: A route to a model, not a model: OpenRouter's `:nitro`, `:online`, the provider's name at Hugging Face.
_VARIANT: Final = re.compile(r":[a-z][a-z-]*$")
_VERSION: Final = re.compile(r"-(20\d{2}-?\d{2}-?\d{2}|\d{2}-(20)?\d{2}|\d{3,4}|\d{6}|latest)$")
#: Anthropic's `claude-sonnet-4-0` is `claude-sonnet-4` with any date.
_ALIAS: Final = re.compile(r"-(latest|0)$")
#: Names that are no model's: of routers, which choose one, of servers that have only one, of endpoints (Volcengine).
_ANY_MODEL: Final = re.compile(r"auto|router|model-router|default|tgi|ep-\d{8,}-\w+")
#: Response headers of gateways and clouds in which a model is named by its owner: LiteLLM, Azure.
_OWNER_NAMES_MODELS: Final = ("x-litellm-", "x-ms-deployment-name", "apim-request-id")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelFamily:
    """Models that want the same parameters."""

    patterns: str
    """Shell patterns for the models' names, with spaces between."""
    tokens: int = 1024
    """The token budget for a reply of one word, reasoning included."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the dialect that minimise reasoning."""
    forces_tool: bool = False
    """Whether a request may force a call, where the dialect knows models that refuse it; others call a function because
    the prompt asks for it."""

    def budget(self, task: Task) -> int:
        """The token budget for a reply to this task, reasoning included."""
        more = _MORE_THAN_A_WORD if task.has_long_reply else task.answer_tokens
        return task.max_tokens or self.tokens + more


@lru_cache(maxsize=4096)  # every probe asks
def family_of(model: str, families: tuple[ModelFamily, ...]) -> ModelFamily:
    """The first family with a pattern that matches; the default of an unknown model is a large budget."""
    matching = (
        family for family in families if any(fnmatchcase(model, pattern) for pattern in family.patterns.split())
    )
    return next(matching, ModelFamily(patterns="*"))


def expected_length(target: Target) -> int | None:
    """The length that an embedding of this target must have, by its settings, else by its model.

    None, any length will do, for an unknown model and for a target with its own parameters, which may set the length.
    """
    if target.dimensions is not None:
        return target.dimensions
    if target.parameters:
        return None
    return _length_of(target.model.rpartition("/")[2])


@lru_cache(maxsize=4096)
def _length_of(model: str) -> int | None:
    return next((length for pattern, length in _LENGTHS.items() if fnmatchcase(model, pattern)), None)


def is_substitute(requested: str, answered: str) -> bool:
    """Whether another model answered than the one that was requested.

    These differences do not count: a path before the name, its case, a route after it (`:nitro`), and a date, a version
    or `latest` after a name that was requested without one: `gpt-4o-mini` answers as `gpt-4o-mini-2024-07-18`,
    `mistral-small-latest` as `mistral-small-2503`. Nor do names that are no model's, such as those of routers.
    """
    wanted, given = _bare_name(requested), _bare_name(answered)
    return not _ANY_MODEL.fullmatch(wanted) and given != wanted and _VERSION.sub("", given) != _ALIAS.sub("", wanted)


def owner_names_models(headers: Iterable[str]) -> bool:
    """Whether headers with these names (in lower case) come from where a model's name is chosen by its owner."""
    return any(name.startswith(_OWNER_NAMES_MODELS) for name in headers)


def _bare_name(name: str) -> str:
    return re.sub("[@.:]", "-", _VARIANT.sub("", name.rpartition("/")[2].lower()))
