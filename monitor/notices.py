"""What people are told once of replies that may be right all the same: another model answered, or the model will go."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from probes.observation import Observation

SUBSTITUTED: Final = "model_substituted"
DEPRECATED: Final = "model_deprecated"
KINDS: Final = (SUBSTITUTED, DEPRECATED)
#: So many new ones of a kind are told per target and day (UTC). A hint may count down the days: that is one a day.
_A_DAY: Final = {SUBSTITUTED: 3, DEPRECATED: 1}
#: So many are ever told per target and kind: a provider that names another model each time must not spam.
_EVER: Final = 30
_LAST: Final = {
    SUBSTITUTED: "{} is answered by ever other models: no further one is told",
    DEPRECATED: "the provider says ever other things of the future of {}: nothing further is told",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something about a target to tell people once; what was told before tells which texts those were."""

    kind: str
    """One of `KINDS`."""
    target: str
    text: str
    at: datetime


class Notices:
    """Knows what was told, and so what is news.

    The same text is told once per kind and target, for ever: whoever keeps the notices must not forget them.
    """

    def __init__(self, told: Iterable[Notice] = ()) -> None:
        self._told: dict[tuple[str, str], dict[str, date]] = {}
        for notice in told:
            self.told(notice)

    def due(self, seen: Observation, now: datetime) -> tuple[Notice, ...]:
        """What this observation says that people have not been told; the same until `told`."""
        said = sentences(seen.target, seen.model, seen.deprecation)
        texts = ((kind, self._news(kind, seen.target, text, now)) for kind, text in said.items())
        return tuple(Notice(kind=kind, target=seen.target, text=text, at=now) for kind, text in texts if text)

    def told(self, notice: Notice) -> None:
        """People have been told, or will be whatever happens."""
        days = self._told.setdefault((notice.kind, notice.target), {})
        days[notice.text] = notice.at.astimezone(UTC).date()

    def _news(self, kind: str, target: str, text: str, now: datetime) -> str | None:
        """The text where it is news, or that it is the last one; None where there is nothing to tell."""
        days = self._told.get((kind, target), {})
        today = sum(day == now.astimezone(UTC).date() for day in days.values())
        if text in days or today >= _A_DAY[kind] or len(days) >= _EVER:
            return None
        return text if len(days) < _EVER - 1 else _LAST[kind].format(target)


def sentences(target: str, model: str | None, deprecation: str | None) -> dict[str, str]:
    """What is said by kind, of the model that answered in another's place and of the hint that the model will go."""
    said = {
        SUBSTITUTED: model and f"{target} was answered by {model}",
        DEPRECATED: deprecation and f"the provider says of {target}: {deprecation}",
    }
    return {kind: text for kind, text in said.items() if text}
