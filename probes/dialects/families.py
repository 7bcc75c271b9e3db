"""Which extra parameters a model wants: small tables of patterns, so that models come and go as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Models of one behaviour."""

    pattern: str
    """Of the model's name, as a shell would match it."""
    tokens: int
    """The most that a reply may cost, reasoning included."""
    extra: Mapping[str, Any]
    """Parameters that keep the model from reasoning, in the dialect's own words."""


def family_of(model: str, families: tuple[Family, ...], *, unknown_tokens: int) -> Family:
    """The first family that the model's name matches; an unknown model gets no parameter and a budget for reasoning."""
    for family in families:
        if fnmatchcase(model, family.pattern):
            return family
    return Family(pattern="*", tokens=unknown_tokens, extra={})
