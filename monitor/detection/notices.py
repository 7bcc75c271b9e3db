"""What people are told once besides health: another model answered, a model will go, a check fails or is mute."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from monitor.detection import check_failures as ailing
from monitor.detection import reasons
from monitor.detection.check_failures import CheckFailures
from monitor.detection.state_machine import MUTE
from monitor.detection.target_state import TargetState
from monitor.formatting import listed
from monitor.health import Health
from probes.observation import Observation
from probes.outcome import Effect
from probes.redaction import one_line

SUBSTITUTED: Final = "model_substituted"
DEPRECATED: Final = "model_deprecated"
CHECK_FAILING: Final = "check_failing"
NEEDS_ATTENTION: Final = "probe_needs_attention"
KINDS: Final = (SUBSTITUTED, DEPRECATED, CHECK_FAILING, NEEDS_ATTENTION)
#: The same text may be told again of these: they are over when the check has been answered.
_AGAIN: Final = frozenset({CHECK_FAILING, NEEDS_ATTENTION})
#: So many new ones of a kind are told per target and day (UTC). A hint may count down the days: that is one a day.
_A_DAY: Final = {SUBSTITUTED: 3, DEPRECATED: 1, CHECK_FAILING: 3, NEEDS_ATTENTION: 3}
#: So many are ever told per target and kind: a provider that names another model each time must not spam.
_EVER: Final = 30
_LAST: Final = {
    SUBSTITUTED: "{} is answered by ever other models: no further one is told",
    DEPRECATED: "the provider says ever other things of the future of {}: nothing further is told",
    CHECK_FAILING: "ever again a check of {} fails while the others are well: no further time is told",
    NEEDS_ATTENTION: "ever again the probes of {} say nothing of it: no further time is told",
}
_DETAIL_CHARS = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetNotice:
    """Something about a target to tell people once; what was told before tells which texts those were."""

    kind: str
    """One of `KINDS`."""
    target: str
    text: str
    at: datetime


class NoticeFilter:
    """Knows what was told, and so what is news.

    Of models the same text is told once per kind and target, for ever: whoever keeps the notices must not forget them.
    """

    def __init__(self, told: Iterable[TargetNotice] = ()) -> None:
        self._told: dict[tuple[str, str], list[tuple[str, date]]] = {}
        for notice in told:
            self.told(notice)

    def due(self, seen: Observation, now: datetime) -> tuple[TargetNotice, ...]:
        """What this observation says of models that people have not been told; the same until `told`."""
        return self._due(seen.target, sentences(seen.target, seen.model, seen.deprecation), now)

    def due_of_checks(self, seen: Observation, record: TargetState, now: datetime) -> tuple[TargetNotice, ...]:
        """What this observation has shown of its check; `record` is its target's, with this observation folded in."""
        sick = ailing.of(record.ailing, seen.check)
        return self._due(seen.target, _of_check(sick, seen, record), now) if sick else ()

    def _due(self, target: str, said: dict[str, str], now: datetime) -> tuple[TargetNotice, ...]:
        texts = ((kind, self._news(kind, target, text, now)) for kind, text in said.items())
        return tuple(TargetNotice(kind=kind, target=target, text=text, at=now) for kind, text in texts if text)

    def told(self, notice: TargetNotice) -> None:
        """People have been told, or will be whatever happens."""
        told = self._told.setdefault((notice.kind, notice.target), [])
        told.append((notice.text, notice.at.astimezone(UTC).date()))

    def _news(self, kind: str, target: str, text: str, now: datetime) -> str | None:
        """The text where it is news, or that it is the last one; None where there is nothing to tell."""
        told = self._told.get((kind, target), [])
        today = sum(day == now.astimezone(UTC).date() for _, day in told)
        known = kind not in _AGAIN and any(text == one for one, _ in told)
        if known or today >= _A_DAY[kind] or len(told) >= _EVER:
            return None
        return text if len(told) < _EVER - 1 else _LAST[kind].format(target)


def sentences(target: str, model: str | None, deprecation: str | None) -> dict[str, str]:
    """What is said by kind, of the model that answered in another's place and of the hint that the model will go."""
    said = {
        SUBSTITUTED: model and f"{target} was answered by {model}",
        DEPRECATED: deprecation and f"the provider says of {target}: {deprecation}",
    }
    return {kind: text for kind, text in said.items() if text}


def _of_check(sick: CheckFailures, seen: Observation, record: TargetState) -> dict[str, str]:
    """What is said by kind, in the very observation that makes it worth saying."""
    target, check = record.target, sick.check
    if seen.outcome.effect is Effect.NOTHING and sick.mute == MUTE:
        detail = one_line(seen.detail, _DETAIL_CHARS)
        said = reasons.inconclusive_probes(f"the check {check} says", seen.outcome, MUTE, detail)
        return {NEEDS_ATTENTION: record.reason if record.health is Health.UNKNOWN else f"{target}: {said}"}
    if sick.told_at != seen.finished_at:
        return {}
    others = [f"{one.check} ({one.outcome})" for one in record.ailing if one is not sick]
    beside = f"but not alone: {listed(others)}" if others else "the others are well"
    said = f"has failed {sick.failed} times in a row ({sick.outcome}), {beside}"
    return {CHECK_FAILING: f"{target}: the check {check} {said}"}
