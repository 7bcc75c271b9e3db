"""What is reported once besides health: another model answered, a model will be retired, one check fails (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from monitor.config.controller_settings import LARGEST_BACKGROUND
from monitor.detection import reasons
from monitor.detection.target_state import CheckFailures, TargetState
from monitor.detection.verdict_rules import REPORTED_INCONCLUSIVE
from monitor.formatting import format_elapsed, format_share, listed
from monitor.health import Health
from probes.observation import Observation
from probes.outcome import Effect, Outcome
from probes.redaction import one_line

SUBSTITUTED: Final = "model_substituted"
DEPRECATED: Final = "model_deprecated"
CHECK_FAILING: Final = "check_failing"
NEEDS_ATTENTION: Final = "probe_needs_attention"
WELL_AGAIN: Final = "probes_work_again"
NOISY: Final = "background_needs_attention"
KINDS: Final = (SUBSTITUTED, DEPRECATED, CHECK_FAILING, NEEDS_ATTENTION, WELL_AGAIN, NOISY)
#: The same text may be reported again of these kinds: they are over once the check has passed.
_REPEATED: Final = frozenset({CHECK_FAILING, NEEDS_ATTENTION})
#: The most notices of a kind per target and day (UTC). A deprecation may count down the days: that is one a day.
_MOST_A_DAY: Final = {SUBSTITUTED: 3, DEPRECATED: 1, CHECK_FAILING: 3, NEEDS_ATTENTION: 3, NOISY: 1}
#: The most notices of a kind per target for ever, in case a provider names another model each time.
_MOST_EVER: Final = 30
#: The text of the last of them.
_LAST: Final = {
    SUBSTITUTED: "{} keeps being answered by different models; further changes are not reported",
    NOISY: "{} keeps failing in quiet times; further times are not reported",
    DEPRECATED: "the provider keeps announcing other things about {}; further ones are not reported",
    CHECK_FAILING: "a check of {} keeps failing while the others are well; further failures are not reported",
    NEEDS_ATTENTION: "the probes of {} keep being inconclusive; further times are not reported",
}
_DETAIL_CHARS = 160
#: What a notice of several targets is about.
_THIS_MACHINE: Final = "this machine"
#: It is over once no probe has failed on this machine for so long: what flickers is one fact.
_WELL_FOR: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetNotice:
    """Something about a target that is reported to people once."""

    kind: str
    target: str
    text: str
    at: datetime


def noisy_background(state: TargetState) -> str | None:
    """That a target usually fails more often than any background that is allowed for; None where it does not."""
    background = state.down.background
    if background.failures <= LARGEST_BACKGROUND * background.probes or background.usual <= LARGEST_BACKGROUND:
        return None
    largest = format_share(LARGEST_BACKGROUND)
    return f"{state.target} fails more than {largest} of its probes in quiet times: it may move routes for nothing"


def longer_blips(target: str, learned_s: float) -> str:
    """That the blips of its provider last longer than they are configured, and what follows from it."""
    lasting = format_elapsed(learned_s)
    return f"blips of {target} last up to {lasting}, as was learned: what fails within them counts as one failure"


class NoticeFilter:
    """Finds the new notices. A text about models is reported once per kind and target, so keep all reported ones."""

    def __init__(self, reported: Iterable[TargetNotice] = ()) -> None:
        self._reported: dict[tuple[str, str], list[tuple[str, date]]] = {}
        self._failing_here: dict[str, tuple[int, str]] = {}
        """By target, how many probes in a row have failed on this machine, and the detail of the last."""
        self._busy: TargetNotice | None = None
        """What people were told of that, until they are told that it is over."""
        self._well_since: datetime | None = None
        """Since when no target's probes fail here; None while any do."""
        for notice in reported:
            self.mark_reported(notice)

    def due_of_models(self, observation: Observation, now: datetime) -> tuple[TargetNotice, ...]:
        """The new notices about models in this observation; the same again until `mark_reported`."""
        texts = model_texts(observation.target, observation.model, observation.deprecation)
        return self._due(observation.target, texts, now)

    def due_of_checks(self, observation: Observation, state: TargetState, now: datetime) -> tuple[TargetNotice, ...]:
        """The new notices about the check of this observation; `state` is its target's after the observation."""
        if observation.failed_here and observation.outcome is Outcome.BAD_REQUEST:
            times, _ = self._failing_here.get(state.target, (0, ""))
            self._failing_here[state.target] = times + 1, one_line(observation.detail, _DETAIL_CHARS)
            return ()
        self._failing_here.pop(state.target, None)
        failures = state.failures_of(observation.check)
        return self._due(state.target, _check_texts(failures, observation, state), now) if failures else ()

    def due_of_background(self, state: TargetState, now: datetime) -> tuple[TargetNotice, ...]:
        """The notice, once, that a target usually fails more often than any background that is allowed for."""
        text = noisy_background(state)
        return self._due(state.target, {NOISY: text}, now) if text else ()

    def due_of_machine(self, now: datetime) -> tuple[TargetNotice, ...]:
        """The notice that probes fail on this machine, one for all targets, or that it is over; after the checks'."""
        self._well_since = None if self._failing_here else self._well_since or now
        if self._busy:
            return self._due_when_well(self._busy, now)
        details = [detail for times, detail in self._failing_here.values() if times >= REPORTED_INCONCLUSIVE]
        if not details:
            return ()
        names = sorted(self._failing_here)
        text = reasons.failing_here(names, details[-1])
        return self._due(names[0] if len(names) == 1 else _THIS_MACHINE, {NEEDS_ATTENTION: text}, now)

    def _due_when_well(self, busy: TargetNotice, now: datetime) -> tuple[TargetNotice, ...]:
        if self._well_since is None or now - self._well_since < _WELL_FOR:
            return ()
        text = f"no probe fails on this machine any more; they had since {busy.at.astimezone(UTC):%H:%M} UTC"
        return (TargetNotice(kind=WELL_AGAIN, target=busy.target, text=text, at=now),)

    def _due(self, target: str, texts: dict[str, str], now: datetime) -> tuple[TargetNotice, ...]:
        new = ((kind, self._new_text(kind, target, text, now)) for kind, text in texts.items())
        return tuple(TargetNotice(kind=kind, target=target, text=text, at=now) for kind, text in new if text)

    def mark_reported(self, notice: TargetNotice) -> None:
        """Count this notice as reported."""
        if notice.kind == WELL_AGAIN:
            self._busy = None
        elif notice.kind == NEEDS_ATTENTION and reasons.FAILS_HERE in notice.text:
            self._busy = notice
        reported = self._reported.setdefault((notice.kind, notice.target), [])
        reported.append((notice.text, notice.at.astimezone(UTC).date()))

    def _new_text(self, kind: str, target: str, text: str, now: datetime) -> str | None:
        """The text to report, which may be that this is the last one; None where it is not new or too many."""
        reported = self._reported.get((kind, target), [])
        today = sum(day == now.astimezone(UTC).date() for _, day in reported)
        known = kind not in _REPEATED and any(text == earlier for earlier, _ in reported)
        if known or today >= _MOST_A_DAY[kind] or len(reported) >= _MOST_EVER:
            return None
        return text if len(reported) < _MOST_EVER - 1 else _LAST[kind].format(target)


def model_texts(target: str, model: str | None, deprecation: str | None) -> dict[str, str]:
    """By kind, the texts about a model that answered in another's place, and that the model will be retired."""
    texts = {
        SUBSTITUTED: model and f"{target} was answered by {model}",
        DEPRECATED: deprecation and f"the provider says of {target}: {deprecation}",
    }
    return {kind: text for kind, text in texts.items() if text}


def _is_reportable(failures: CheckFailures, observation: Observation, state: TargetState) -> bool:
    """Whether this inconclusive probe is the one to report; refusals of all probes are reported with their verdict."""
    if state.health is Health.UNKNOWN and state.since == observation.finished_at:
        return failures.inconclusive >= REPORTED_INCONCLUSIVE
    return failures.inconclusive == REPORTED_INCONCLUSIVE and not state.refused_since


def _check_texts(failures: CheckFailures, observation: Observation, state: TargetState) -> dict[str, str]:
    """By kind, the text about this check; empty except at the observation that makes it worth reporting."""
    target, check = state.target, failures.check
    if observation.outcome.effect is Effect.NOTHING and _is_reportable(failures, observation, state):
        if state.health is Health.UNKNOWN:
            return {NEEDS_ATTENTION: state.reason}
        whose, detail = f"{target}: the check {check} is", one_line(observation.detail, _DETAIL_CHARS)
        return {NEEDS_ATTENTION: reasons.inconclusive_probes(whose, observation.outcome, failures.inconclusive, detail)}
    if failures.reported_at != observation.finished_at:
        return {}
    others = [f"{other.check} ({other.outcome})" for other in state.check_failures if other is not failures]
    beside = f"but not alone: {listed(others)}" if others else "the others are well"
    text = f"has failed {failures.failed} times in a row ({failures.outcome}), {beside}"
    return {CHECK_FAILING: f"{target}: the check {check} {text}"}
