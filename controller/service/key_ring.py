"""Which of a provider's keys is used: the first that is not refused; a refused one is tried again once an hour (pure).

In come the outcomes of probes by key, out goes the number of the key to ask with next.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from probes.outcome import Outcome

#: What says that a key is refused, or that its account is exhausted.
REFUSALS: Final = frozenset({Outcome.AUTH, Outcome.QUOTA})
AGAIN_AFTER: Final = timedelta(hours=1)


@dataclass(kw_only=True)
class KeyRing:
    """The keys of one provider, by their numbers in the order of the configuration."""

    count: int
    _again_at: dict[int, datetime] = field(default_factory=dict)
    """When each refused key is tried again."""
    _turn: int = 0

    @property
    def refused(self) -> tuple[int, ...]:
        """Those that were refused when last asked."""
        return tuple(sorted(self._again_at))

    @property
    def in_use(self) -> int | None:
        """The first that is not refused; None where all are."""
        return next((number for number in range(self.count) if number not in self._again_at), None)

    def next_key(self, now: datetime) -> int:
        """The key to ask with: one that is due again, once; else the one in use.

        Where all are refused, each in turn.
        """
        for number, at in self._again_at.items():
            # A clock that was set back must not keep a key away.
            if now >= at or at - now > AGAIN_AFTER:
                self._again_at[number] = now + AGAIN_AFTER
                return number
        if (works := self.in_use) is not None:
            return works
        self._turn = (self._turn + 1) % self.count
        return self._turn

    def refuse(self, number: int, now: datetime) -> bool:
        """Put a key aside; False where it was already."""
        known = number in self._again_at
        self._again_at[number] = now + AGAIN_AFTER
        return not known

    def accept(self, number: int) -> bool:
        """Note that a key works; False where that was known."""
        return self._again_at.pop(number, None) is not None
