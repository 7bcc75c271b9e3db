"""Whether failures are our own network's fault, from the answers of neutral endpoints and of the providers (pure).

A failure of blame *undecided* is attributed to our own network (it is *blind*) when its probe overlaps a *dark* time:

1. Times in which no trusted endpoint answered are dark: from the last answer of anybody before to the next answer of an
   endpoint.
2. A minute in which endpoints stop answering twice or more, different ones or one repeatedly, is dark too: our network
   loses packets. A single endpoint that stops answering for good, or that never answered, does not count.
3. Where no endpoint has answered within the hour, the providers decide alone: the failures of one are its own once
   another has answered after they began.

The endpoints are checked so often that a dark time is noticed while it lasts, and not only when a probe that hung
through it times out: when an undecided failure comes in, every 2 s for half a minute and then every 5 s until a minute
after the last one; every 10 s while failures of other kinds come in; whenever no answer has come from anybody for
longer than usual; and every 10 min in any case.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from monitor.connectivity.messages import ConnectivityMessages, instant_of
from monitor.connectivity.state import ConnectivityObservation, ConnectivityState
from probes.observation import LOCAL, Observation
from probes.outcome import Blame, Effect, Outcome

#: The result of a check of the endpoints is valid for this long.
FRESH_S: Final = 2.0
_DISTURBED_S: Final = 5.0
_FAILING_S: Final = 10.0
_QUIET_S: Final = 600.0
#: In the first part of a disturbance, checks are `FRESH_S` apart.
_FIRST_S: Final = 30.0
#: For so long after a failure, the endpoints are checked more often.
_WATCHED_S: Final = 60.0
#: Endpoints may have stopped answering so long before a check found it.
_MARGIN_S: Final = 5.0
#: Endpoints that stop answering this often within the window mean that our network loses packets.
_LOSSES: Final = 2
_LOSS_WINDOW_S: Final = 60.0
#: Silence that is longer than the usual by this causes a check.
_SILENCE_MARGIN_S: Final = 5.0
_USUAL_FADES: Final = 0.01
#: Failures of a provider further apart than this belong to different disturbances.
_SEPARATE_S: Final = 120.0
#: Dark times are remembered for longer than any probe lasts.
_REMEMBERED_S: Final = 1800.0
_STEP_S: Final = 2.0
#: Silence means something while any endpoint has answered within this time.
_TRUSTED_S: Final = 3600.0
_NEVER: Final = float("-inf")
_FAILURES: Final = frozenset(outcome for outcome in Outcome if outcome.effect is Effect.DOWN)
_UNDECIDED: Final = frozenset(outcome for outcome in Outcome if outcome.blame is Blame.UNDECIDED)


@dataclass(slots=True)
class _Disturbance:
    """The recent undecided failures of one provider; epoch seconds."""

    begun_s: float
    """When the first of those probes started."""
    last_s: float
    """When the last of them ended."""


class NetworkLossDetector:
    """Finds the failures that are our own network's; the service, `simulate` and `replay` drive the same object.

    Per batch of observations: call `add_batch`; where it returns True, check the endpoints and call `add_check`; then
    call `find_blind`. Apart from that, check the endpoints whenever it is `due`. Instants must be aware; a clock
    that is set back is noticed.
    """

    def __init__(self, endpoints: Sequence[str], providers: frozenset[str]) -> None:
        self._endpoints = tuple(endpoints)
        self._providers = providers
        self._endpoint_answered_s = _NEVER
        self._state = ConnectivityState.ONLINE if endpoints else ConnectivityState.UNTRUSTED
        self._answering: frozenset[str] = frozenset()
        self._losses: list[float] = []
        """When endpoints stopped answering, of the last minute."""
        self._now_s = self._last_check_s = self._last_sign_s = self._last_answer_s = self._unusual_s = _NEVER
        self._usual_gap_s = 0.0
        """The longest usual time without an answer from anybody."""
        self._disturbed_s: tuple[float, float] = (_NEVER, _NEVER)
        """When the present undecided failures began, and when the last of them came in."""
        self._failed_s = _NEVER
        self._watch_s = self._due_s = _NEVER if endpoints else float("inf")
        self._dark_since_s: float | None = None
        self._dark_times: list[tuple[float, float]] = []
        self._silent_since_s: float | None = None
        """Since when no provider has answered, where no endpoint is trusted."""
        self._disturbances: dict[str, _Disturbance] = {}
        self._answered_s: dict[str, float] = {}
        self.messages = ConnectivityMessages(self._endpoints)

    def watch_providers(self, providers: frozenset[str]) -> None:
        """Judge by these providers from now on."""
        self._providers = providers

    def due(self, now: datetime) -> bool:
        """Whether the endpoints should be checked although no failure needs it."""
        return now.timestamp() >= self._due_s

    def add_batch(self, batch: Sequence[Observation], now: datetime) -> bool:
        """Take in observations; True when the endpoints must be checked before this batch is judged."""
        return self._add_batch([each for each in batch if each.region == LOCAL], now.timestamp())

    def _add_batch(self, batch: Sequence[Observation], now_s: float) -> bool:
        if now_s < self._now_s - _STEP_S:
            self._set_clock_back(now_s)
        self._now_s = now_s
        failing = False
        for observation in batch:
            at_s = observation.started_at.timestamp() + observation.duration_s
            name = observation.target.partition("/")[0]
            if observation.outcome in _UNDECIDED:
                failing = True
                self._add_undecided(name, at_s - observation.duration_s, at_s)
                continue
            if observation.outcome in _FAILURES:
                self._failed_s = at_s
                self._watch_s = min(self._watch_s, self._last_check_s + self._spacing_s(at_s))
            self._answered_s[name] = at_s - observation.duration_s
            gap_s = at_s - self._last_answer_s
            if gap_s > 0:
                if gap_s <= self._usual_gap_s:
                    self._usual_gap_s += (gap_s - self._usual_gap_s) * _USUAL_FADES
                elif self._last_answer_s > self._unusual_s:
                    self._usual_gap_s = gap_s
                self._last_answer_s = at_s
                if at_s > self._last_sign_s:
                    self._last_sign_s = at_s
                    self._plan()
        self.messages.advance(now_s)
        if not failing or not self._endpoints or self._dark_since_s is not None:
            return False
        return now_s >= (
            self._last_check_s + _FAILING_S if self._state is ConnectivityState.UNTRUSTED else self._watch_s
        )

    def add_check(self, answered: frozenset[str], now: datetime) -> ConnectivityObservation:
        """Take in which endpoints answered a check at `now`; returns the value to store."""
        at_s = now.timestamp()
        trusted = at_s - self._endpoint_answered_s <= _TRUSTED_S
        silent = ConnectivityState.BLIND if trusted else ConnectivityState.UNTRUSTED
        state = ConnectivityState.ONLINE if answered else silent
        stopped = len(self._answering - answered) if answered else min(1, len(self._answering))
        self._losses = [s for s in self._losses if 0 <= at_s - s <= _LOSS_WINDOW_S] + [at_s] * stopped
        self._answering = answered
        self._endpoint_answered_s = at_s if answered else self._endpoint_answered_s
        self._last_check_s = at_s
        if state is ConnectivityState.BLIND:
            # What answered in these last seconds may be on our side of the fault.
            since_s = at_s - _MARGIN_S
            if self._last_sign_s > _NEVER:  # not since the clock was set back
                since_s = min(since_s, self._last_sign_s)
            self._begin_dark(since_s, "no neutral endpoint answers")
        elif state is ConnectivityState.ONLINE and len(self._losses) >= _LOSSES:
            self._begin_dark(
                self._losses[0] - _MARGIN_S, "neutral endpoints come and go, so that our network loses packets"
            )
        else:
            self._end_dark(at_s)
            if state is ConnectivityState.ONLINE:
                self.messages.end_loss(at_s)
        if state is ConnectivityState.ONLINE:
            self._last_sign_s = max(self._last_sign_s, at_s)
        self._state = state if self._dark_since_s is None else ConnectivityState.BLIND
        self._watch_s = at_s + self._spacing_s(at_s)
        self._plan()
        return ConnectivityObservation(at=now, state=self._state, asked=self._endpoints, answered=answered)

    def find_blind(self, batch: Iterable[Observation]) -> frozenset[Observation]:
        """The observations of this batch whose failure is our own network's; call it once after `add_batch`.

        Of those that another machine has made, it has found that out.
        """
        undecided = [observation for observation in batch if observation.outcome in _UNDECIDED]
        elsewhere = frozenset(each for each in undecided if each.region != LOCAL and each.failed_here)
        suspects = [observation for observation in undecided if observation.region == LOCAL]
        if not suspects:
            return elsewhere
        is_blind = self._is_unconfirmed if self._state is ConnectivityState.UNTRUSTED else self._is_in_the_dark
        blind = frozenset(observation for observation in suspects if is_blind(observation))
        if self._state is ConnectivityState.UNTRUSTED:
            self.messages.add_untrusted()
        self.messages.add_uncounted(observation.target.partition("/")[0] for observation in blind)
        return blind | elsewhere

    def follow(self, observation: Observation, answering: Callable[[datetime], frozenset[str]]) -> bool:
        """Whether this observation is blind, in virtual time: makes the checks that are due until then, and its own.

        `answering` returns the endpoints that answer at an instant. Observations must come in order of `finished_at`.
        """
        at_s = observation.started_at.timestamp() + observation.duration_s
        while self._due_s <= at_s:
            due_at = instant_of(self._due_s if self._due_s > _NEVER else at_s)
            self.add_check(answering(due_at), due_at)
        if self._add_batch((observation,), at_s):
            self.add_check(answering(observation.finished_at), observation.finished_at)
        return observation.outcome in _UNDECIDED and bool(self.find_blind((observation,)))

    def replay(
        self, observations: Iterable[Observation], stored: Iterable[ConnectivityObservation]
    ) -> Iterator[tuple[Observation, bool]]:
        """Each observation and whether it was blind, by the stored checks of the endpoints.

        Both in order of time, `observations` by `finished_at`. An undecided failure counts as blind where no check was
        made when it came in.
        """
        checks = deque(stored)
        for observation in observations:
            if observation.region != LOCAL:
                yield observation, bool(self.find_blind((observation,)))
                continue
            at_s = observation.finished_at.timestamp()
            while checks and checks[0].at.timestamp() <= at_s:
                self._replay_check(checks.popleft())
            if self.add_batch((observation,), observation.finished_at):
                soon = bool(checks) and checks[0].at.timestamp() - at_s <= _MARGIN_S
                if not (soon and self._replay_check(checks.popleft())):
                    yield observation, True
                    continue
            yield observation, observation.outcome in _UNDECIDED and bool(self.find_blind((observation,)))
        for check in checks:
            self._replay_check(check)

    def resume(self, stored: Sequence[ConnectivityObservation]) -> None:
        """Go on from the checks of the last service; what it has told people is not told again."""
        for check in stored:
            self._replay_check(check)
        if stored:
            self.messages.advance(stored[-1].at.timestamp())
        self.messages.resumed()

    def _replay_check(self, check: ConnectivityObservation) -> bool:
        """Take in a stored check; False when it was of none of our endpoints."""
        ours = frozenset(self._endpoints)
        if ours.isdisjoint(check.asked):
            return False
        self.add_check(check.answered & ours, check.at)
        return True

    def _add_undecided(self, name: str, started_s: float, at_s: float) -> None:
        disturbance = self._disturbances.get(name)
        if disturbance is None or at_s - disturbance.last_s > _SEPARATE_S:
            self._disturbances[name] = _Disturbance(begun_s=started_s, last_s=at_s)
        else:
            disturbance.last_s = max(disturbance.last_s, at_s)
        self._unusual_s = max(self._unusual_s, at_s)
        begun_s, last_s = self._disturbed_s
        self._disturbed_s = (begun_s if at_s - last_s < _WATCHED_S else at_s, max(last_s, at_s))
        if self._state is not ConnectivityState.UNTRUSTED:
            self._watch_s = min(self._watch_s, self._last_check_s + self._spacing_s(at_s))
            self._plan()

    def _spacing_s(self, at_s: float) -> float:
        begun_s, last_s = self._disturbed_s
        if self._state is ConnectivityState.UNTRUSTED:
            return _QUIET_S
        if at_s - last_s < _WATCHED_S:
            return FRESH_S if at_s - begun_s < _FIRST_S else _DISTURBED_S
        if self._dark_since_s is not None:
            return _DISTURBED_S
        return _FAILING_S if at_s - self._failed_s < _WATCHED_S else _QUIET_S

    def _plan(self) -> None:
        if not self._endpoints:
            return
        silent_since_s = max(self._last_sign_s, self._last_check_s)
        self._due_s = min(self._watch_s, silent_since_s + self._usual_gap_s + _SILENCE_MARGIN_S)

    def _is_in_the_dark(self, observation: Observation) -> bool:
        began_s = observation.started_at.timestamp()
        ended_s = began_s + observation.duration_s
        if self._dark_since_s is not None and ended_s >= self._dark_since_s:
            return True
        return any(began_s <= until_s and ended_s >= since_s for since_s, until_s in self._dark_times)

    def _is_unconfirmed(self, observation: Observation) -> bool:
        """Whether no other provider has answered since this one's failures began."""
        name = observation.target.partition("/")[0]
        begun_s = self._disturbances[name].begun_s
        others_answer = any(at_s > begun_s for other, at_s in self._answered_s.items() if other != name)
        if len(self._providers) > 1:
            self._note_if_all_silent()
        return len(self._providers) > 1 and (not others_answer or self._is_in_the_dark(observation))

    def _note_if_all_silent(self) -> None:
        """Note a dark time while no provider answers and no endpoint is trusted: from first failure to first answer."""
        begun_s = {name: disturbance.begun_s for name, disturbance in self._disturbances.items()}
        if all(self._answered_s.get(name, _NEVER) < begun_s.get(name, _NEVER) for name in self._providers):
            since_s = min(begun_s.values())
            self._silent_since_s = self._silent_since_s or since_s
            self.messages.begin_loss(since_s, "no provider answers, and there is no neutral endpoint to ask")
            return
        if self._silent_since_s is not None:
            until_s = min((s for s in self._answered_s.values() if s >= self._silent_since_s), default=self._now_s)
            self._dark_times.append((self._silent_since_s, until_s))
            self._silent_since_s = None
        self.messages.end_loss(self._now_s)

    def _begin_dark(self, since_s: float, reason: str) -> None:
        self._dark_since_s = since_s if self._dark_since_s is None else self._dark_since_s
        self.messages.begin_loss(since_s, reason)

    def _end_dark(self, at_s: float) -> None:
        if self._dark_since_s is not None:
            self._dark_times = [dark for dark in self._dark_times if at_s - dark[1] < _REMEMBERED_S]
            self._dark_times.append((self._dark_since_s, at_s))
            self._dark_since_s = None
            self._unusual_s = max(self._unusual_s, at_s)

    def _set_clock_back(self, now_s: float) -> None:
        self._disturbed_s = (_NEVER, _NEVER)
        self._failed_s = self._last_sign_s = self._last_answer_s = self._last_check_s = self._unusual_s = _NEVER
        self._dark_times, self._losses, self._silent_since_s = [], [], None
        self._disturbances.clear()
        self._answered_s.clear()
        if self._dark_since_s is not None:
            self._dark_since_s = min(self._dark_since_s, now_s)
        self.messages.set_clock_back(now_s)
        if self._endpoints:
            self._watch_s = self._due_s = _NEVER
