"""What histories of one service and of a fleet have in common: faults at their times (pure)."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Protocol, Self, TypeVar

#: Faults begin after this time; nothing is known of any target before.
QUIET_S: Final = 15.0
_WHOLE: Final = frozenset({"server_error", "overloaded", "timeout", "unreachable"})


class TimedFault(Protocol):
    """One thing that happens; seconds of virtual time from the start."""

    @property
    def at_s(self) -> float:
        """When it begins."""

    @property
    def until_s(self) -> float:
        """When it is over."""

    @property
    def kind(self) -> Any:
        """What happens."""

    @property
    def outcome(self) -> str:
        """Of an outage: how its probes end."""

    @property
    def share(self) -> float:
        """Of an outage: how many of them."""

    def hits(self, target: str) -> bool:
        """Whether it is a fault of this target or of its provider."""


F = TypeVar("F", bound=TimedFault)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultHistory(Generic[F]):
    """All that happens, in order."""

    seed: int
    faults: tuple[F, ...]

    @property
    def over_s(self) -> float:
        """From when on all is well."""
        return max((fault.until_s for fault in self.faults), default=QUIET_S)

    def has(self, kinds: AbstractSet[Any]) -> bool:
        """Whether any of these happens."""
        return any(fault.kind in kinds for fault in self.faults)

    def near(self, at_s: float, kinds: AbstractSet[Any], *, within_s: float = 0.0) -> bool:
        """Whether any of these goes on then, or has within so many seconds before."""
        return any(fault.kind in kinds and fault.at_s <= at_s <= fault.until_s + within_s for fault in self.faults)

    def whole_s(self, target: str, at_s: float) -> float:
        """For how long everything of this target has failed by then; 0 where it does not."""
        whole = [
            fault
            for fault in self.faults
            if fault.hits(target)
            and fault.share == 1
            and fault.outcome in _WHOLE
            and fault.at_s <= at_s < fault.until_s
        ]
        return max((at_s - fault.at_s for fault in whole), default=0.0)

    def without(self, place: int) -> Self:
        """The same without one of them."""
        return replace(self, faults=(*self.faults[:place], *self.faults[place + 1 :]))
