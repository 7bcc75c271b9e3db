"""Families of models: the token budget and the extra parameters that their names imply, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from probes.checks import DEFINITIONS
from probes.target import Check

#: JSON and calls take about 30 tokens, a word five; an unused budget costs nothing.
_MORE_THAN_A_WORD: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
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

    def budget(self, check: Check) -> int:
        """The token budget for a reply to this check, reasoning included."""
        return self.tokens + (_MORE_THAN_A_WORD if DEFINITIONS[check].asks_for_json else 0)


def family_of(model: str, families: tuple[Family, ...]) -> Family:
    """The first family with a pattern that matches; the default of an unknown model is a large budget."""
    matching = (
        family for family in families if any(fnmatchcase(model, pattern) for pattern in family.patterns.split())
    )
    return next(matching, Family(patterns="*"))
