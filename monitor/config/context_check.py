"""The keys under `context_check`."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from monitor.config.section import Section
from monitor.config.values import duration, tokens
from probes.context_check import ContextCheck
from probes.pricing import known_context
from probes.target import Check, Target

_ASKED: Final = ContextCheck(tokens=1)
#: A larger request would be of several megabytes.
_LARGEST: Final = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextCheckSection(Section):
    """A check with a request of the size that users send: see [the check `context`](probing.md#long-requests)."""

    empty_is_absent: ClassVar = True

    tokens: Annotated[int, tokens(_LARGEST)]
    """About the tokens of its request: `50k`."""
    every_s: Annotated[float, duration(at_least_s=60.0)] = _ASKED.every_s
    """How often it is asked; each time costs its tokens. Change it when the budget allows more."""
    timeout_s: Annotated[float, duration(at_least_s=1.0)] = _ASKED.timeout_s
    """Deadline for the whole answer. Change it when good answers to such requests take longer."""

    def check(self) -> ContextCheck:
        """What is asked, and when."""
        return ContextCheck(tokens=self.tokens, every_s=self.every_s, timeout_s=self.timeout_s)


def context_check_problem(target: Target, known: Container[Check]) -> str | None:
    """Why this target, which can be asked the `known` checks, cannot be asked its check `context`; None where it can.

    For the context of a model that is not configured, the price list is loaded.
    """
    if (asked := target.context_check) is None:
        return None
    if Check.CHAT not in known or target.questions == (Check.EMBEDDING,):
        return f"{target.id} takes no chat, which is what this check asks"
    takes = known_context(target)
    if takes and asked.tokens > takes:
        return f"{asked.tokens:,} tokens are more than {target.id} takes: its context is {takes:,}"
    return None
