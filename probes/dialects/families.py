"""Which extra parameters a model wants: small tables of patterns, so that models come and go as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from probes.target import Check

#: JSON and calls take about 30 tokens where a word takes five; room that is not used costs nothing.
_MORE_THAN_A_WORD: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Models of one behaviour."""

    pattern: str
    """Of the model's name, as a shell would match it."""
    tokens: int
    """The most that a reply of one word may cost, reasoning included."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Parameters that keep the model from reasoning, in the dialect's own words."""

    def budget(self, check: Check) -> int:
        """The most tokens that a reply to this check may cost, reasoning included."""
        return self.tokens + (_MORE_THAN_A_WORD if check in {Check.STRUCTURED, Check.TOOL} else 0)


def family_of(model: str, families: tuple[Family, ...], *, unknown_tokens: int) -> Family:
    """The first family that the model's name matches; an unknown model gets no parameter and a budget for reasoning."""
    for family in families:
        if fnmatchcase(model, family.pattern):
            return family
    return Family(pattern="*", tokens=unknown_tokens)
