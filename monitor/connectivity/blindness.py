"""Whether failures are our own network's: what neutral endpoints and providers say together (pure).

A failure of blame *undecided* is taken for our own network's when its probe overlaps a *dark* time:

1. Dark are the times in which no trusted endpoint answered: from the last sign of sight before (an answer of anybody)
   to the next answer of an endpoint.
2. Dark is also a minute in which endpoints stop answering twice or more, be it different ones or one again and again:
   our network then loses packets. One endpoint that goes and stays away is its own trouble, and so is one that never
   answered.
3. Where no endpoint has answered within the hour, the providers decide alone: one's failures are its own once another
   has answered after they began.

So that darkness is seen while it lasts, and not only when a probe that hung through it gives up, the endpoints are
asked when such a failure comes in, every 2 s for half a minute and then every 5 s until a minute after the last one;
every 10 s while failures of other kinds come in; whenever nobody has been heard of for longer than is usual; and every
10 min in any case.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from monitor.connectivity.messages import ConnectivityMessages, ConnectivityNote, NetworkLoss, instant_of
from monitor.connectivity.state import ConnectivityObservation, ConnectivityState, EndpointHistory
from probes.observation import Observation
from probes.outcome import Blame, Effect, Outcome

#: An asking says how things are for this long.
FRESH_S: Final = 2.0
_TROUBLED_S: Final = 5.0
_FAILING_S: Final = 10.0
_QUIET_S: Final = 600.0
#: The first this long of a trouble decides most: askings are then `FRESH_S` apart.
_FIRST_S: Final = 30.0
#: After a failure the endpoints are watched for this long.
_WATCHED_S: Final = 60.0
#: Endpoints may have gone silent so long before they were found silent.
_MARGIN_S: Final = 5.0
#: Endpoints that stop answering this often within the window mean that our network loses packets.
_LOSSES: Final = 2
_LOSS_WINDOW_S: Final = 60.0
#: Silence that is longer than the usual by this is looked into.
_PATIENCE_S: Final = 5.0
_USUAL_FADES: Final = 0.01
#: Failures of a provider further apart than this have nothing to do with each other.
_FORGOTTEN_S: Final = 120.0
#: Longer than any probe lasts: dark times before that can overlap none.
_REMEMBERED_S: Final = 1800.0
_STEP_S: Final = 2.0
_NEVER: Final = float("-inf")
_FAILURES: Final = frozenset(outcome for outcome in Outcome if outcome.effect is Effect.DOWN)
_UNDECIDED: Final = frozenset(outcome for outcome in Outcome if outcome.blame is Blame.UNDECIDED)


@dataclass(slots=True)
class _Trouble:
    """A provider's failures of late that may be our own network's; epoch seconds."""

    begun_s: float
    """When the first of those probes started."""
    last_s: float


class Blindness:
    """What is known of our own network; the service, `simulate` and `replay` drive the same.

    Per batch of observations: `heed`; when that says so, ask the endpoints and hand in what they said with `asked`;
    then `blind`. Apart from that, ask whenever `due_at` has come. Instants must be aware; a clock that is set back
    is noticed.
    """

    def __init__(self, endpoints: Sequence[str], providers: frozenset[str]) -> None:
        self._endpoints = tuple(endpoints)
        self._providers = providers
        self._known = EndpointHistory()
        self._sight = ConnectivityState.ONLINE if endpoints else ConnectivityState.UNTRUSTED
        self._answering: frozenset[str] = frozenset()
        self._losses: list[float] = []
        """When endpoints stopped answering, of the last minute."""
        self._now_s = self._asked_s = self._sighted_s = self._heard_s = self._unusual_s = _NEVER
        self._usual_s = 0.0
        """How long nobody is heard of, at the most, in quiet times."""
        self._troubled_s: tuple[float, float] = (_NEVER, _NEVER)
        """When the failures that may be our own network's began, and the last of them."""
        self._failed_s = _NEVER
        """When the last failure of any kind came in."""
        self._watch_s = self._due_s = _NEVER if endpoints else float("inf")
        self._dark_since_s: float | None = None
        self._darks: list[tuple[float, float]] = []
        self._silent_since_s: float | None = None
        """Since when no provider has answered, where no endpoint is trusted."""
        self._trouble: dict[str, _Trouble] = {}
        self._answered_s: dict[str, float] = {}
        self._provider: dict[str, str] = {}
        self._news = ConnectivityMessages(self._endpoints)

    @property
    def due_at(self) -> datetime | None:
        """When the endpoints should be asked next if nothing happens; None: never, or at once before the first."""
        return instant_of(self._due_s) if abs(self._due_s) != float("inf") else None

    def due(self, now: datetime) -> bool:
        """Whether the endpoints should be asked although no failure needs it."""
        return now.timestamp() >= self._due_s

    def heed(self, batch: Sequence[Observation], now: datetime) -> bool:
        """Take note of what was seen; True when the endpoints must be asked before this batch is judged."""
        return self._heeded(batch, now.timestamp())

    def _heeded(self, batch: Sequence[Observation], now_s: float) -> bool:
        if now_s < self._now_s - _STEP_S:
            self._set_back(now_s)
        self._now_s = now_s
        failing = False
        for seen in batch:
            at_s = seen.started_at.timestamp() + seen.duration_s
            name = self._provider.get(seen.target) or self._named(seen.target)
            if seen.outcome in _UNDECIDED:
                failing = True
                self._failed(name, at_s - seen.duration_s, at_s)
                continue
            if seen.outcome in _FAILURES:
                self._failed_s = at_s
                self._watch_s = min(self._watch_s, self._asked_s + self._spacing_s(at_s))
            self._answered_s[name] = at_s - seen.duration_s
            gap_s = at_s - self._heard_s
            if gap_s > 0:
                if gap_s <= self._usual_s:
                    self._usual_s += (gap_s - self._usual_s) * _USUAL_FADES
                elif self._heard_s > self._unusual_s:
                    self._usual_s = gap_s
                self._heard_s = at_s
                if at_s > self._sighted_s:
                    self._sighted_s = at_s
                    self._plan()
        self._news.passed(now_s)
        if not failing or not self._endpoints or self._dark_since_s is not None:
            return False
        return now_s >= (self._asked_s + _FAILING_S if self._sight is ConnectivityState.UNTRUSTED else self._watch_s)

    def asked(self, answered: frozenset[str], now: datetime) -> ConnectivityObservation:
        """Take note of which endpoints answered when they were asked at `now`; the value to store."""
        at_s = now.timestamp()
        total = self._known.sight(answered, now=now)
        went = len(self._answering - answered) if answered else min(1, len(self._answering))
        self._losses = [s for s in self._losses if 0 <= at_s - s <= _LOSS_WINDOW_S] + [at_s] * went
        self._answering = answered
        self._known = self._known.after(answered, now=now)
        self._asked_s = at_s
        if total is ConnectivityState.BLIND:
            # Whoever answered in these last seconds may sit on our side of the fault.
            self._darken(min(self._sighted_s, at_s - _MARGIN_S), "no neutral endpoint answers")
        elif total is ConnectivityState.ONLINE and len(self._losses) >= _LOSSES:
            self._darken(
                self._losses[0] - _MARGIN_S, "neutral endpoints come and go, so that our network loses packets"
            )
        else:
            self._lighten(at_s)
            if total is ConnectivityState.ONLINE:
                self._news.found(at_s)
        if total is ConnectivityState.ONLINE:
            self._sighted_s = max(self._sighted_s, at_s)
        self._sight = total if self._dark_since_s is None else ConnectivityState.BLIND
        self._watch_s = at_s + self._spacing_s(at_s)
        self._plan()
        return ConnectivityObservation(at=now, sight=self._sight, asked=self._endpoints, answered=answered)

    def blind(self, batch: Iterable[Observation]) -> frozenset[Observation]:
        """Those of a batch that was heeded whose failure is taken for our own network's; call it once per batch."""
        suspects = [seen for seen in batch if seen.outcome in _UNDECIDED]
        if not suspects:
            return frozenset()
        blind = self._alone if self._sight is ConnectivityState.UNTRUSTED else self._in_the_dark
        found = frozenset(seen for seen in suspects if blind(seen))
        if self._sight is ConnectivityState.UNTRUSTED:
            self._news.untrusted()
        self._news.held(self._provider[seen.target] for seen in found)
        return found

    def follow(self, seen: Observation, answering: Callable[[datetime], frozenset[str]]) -> bool:
        """Whether this observation is blind, in virtual time: what is due until then is asked, then what it needs.

        `answering` says which endpoints answer at an instant. Observations must come in order of `finished_at`.
        """
        at_s = seen.started_at.timestamp() + seen.duration_s
        while self._due_s <= at_s:
            due_at = instant_of(self._due_s if self._due_s > _NEVER else at_s)
            self.asked(answering(due_at), due_at)
        if self._heeded((seen,), at_s):
            self.asked(answering(seen.finished_at), seen.finished_at)
        return seen.outcome in _UNDECIDED and bool(self.blind((seen,)))

    def recall(
        self, observations: Iterable[Observation], stored: Iterable[ConnectivityObservation]
    ) -> Iterator[tuple[Observation, bool]]:
        """Each observation and whether it was blind, by what the endpoints said then.

        Both in order of time, `observations` by `finished_at`. A failure that may be our own network's counts for
        blind where nobody asked the endpoints when it came in: nobody knows any more.
        """
        said = deque(stored)
        for seen in observations:
            at_s = seen.finished_at.timestamp()
            while said and said[0].at.timestamp() <= at_s:
                self._retold(said.popleft())
            if self.heed((seen,), seen.finished_at):
                told = bool(said) and said[0].at.timestamp() - at_s <= _MARGIN_S and self._retold(said.popleft())
                if not told:
                    yield seen, True
                    continue
            yield seen, seen.outcome in _UNDECIDED and bool(self.blind((seen,)))
        for one in said:
            self._retold(one)

    def resume(self, stored: Sequence[ConnectivityObservation]) -> None:
        """Go on from what the endpoints said to the last service; what it has told people is not told again."""
        for one in stored:
            self._retold(one)
        if stored:
            self._news.passed(stored[-1].at.timestamp())
        self._news.resumed()

    def said(self) -> tuple[ConnectivityNote, ...]:
        """What people have not been told yet; each note is given once."""
        return self._news.said()

    @property
    def loss(self) -> NetworkLoss | None:
        """The present time without our own network, or the last one until it has been over for a minute."""
        return self._news.loss

    def _retold(self, one: ConnectivityObservation) -> bool:
        """Take note of an answer of the past; False when none of our endpoints was asked then."""
        ours = frozenset(self._endpoints)
        if ours.isdisjoint(one.asked):
            return False
        self.asked(one.answered & ours, one.at)
        return True

    def _named(self, target: str) -> str:
        name = self._provider[target] = target.partition("/")[0]
        return name

    def _failed(self, name: str, started_s: float, at_s: float) -> None:
        trouble = self._trouble.get(name)
        if trouble is None or at_s - trouble.last_s > _FORGOTTEN_S:
            self._trouble[name] = _Trouble(begun_s=started_s, last_s=at_s)
        else:
            trouble.last_s = max(trouble.last_s, at_s)
        self._unusual_s = max(self._unusual_s, at_s)
        begun_s, last_s = self._troubled_s
        self._troubled_s = (begun_s if at_s - last_s < _WATCHED_S else at_s, max(last_s, at_s))
        if self._sight is not ConnectivityState.UNTRUSTED:
            self._watch_s = min(self._watch_s, self._asked_s + self._spacing_s(at_s))
            self._plan()

    def _spacing_s(self, at_s: float) -> float:
        """How long after an asking at this time the next one is due."""
        begun_s, last_s = self._troubled_s
        if self._sight is ConnectivityState.UNTRUSTED:
            return _QUIET_S
        if at_s - last_s < _WATCHED_S:
            return FRESH_S if at_s - begun_s < _FIRST_S else _TROUBLED_S
        if self._dark_since_s is not None:
            return _TROUBLED_S
        return _FAILING_S if at_s - self._failed_s < _WATCHED_S else _QUIET_S

    def _plan(self) -> None:
        if not self._endpoints:
            return
        silent_since_s = max(self._sighted_s, self._asked_s)
        self._due_s = min(self._watch_s, silent_since_s + self._usual_s + _PATIENCE_S)

    def _in_the_dark(self, seen: Observation) -> bool:
        began_s = seen.started_at.timestamp()
        ended_s = began_s + seen.duration_s
        if self._dark_since_s is not None and ended_s >= self._dark_since_s:
            return True
        return any(began_s <= until_s and ended_s >= since_s for since_s, until_s in self._darks)

    def _alone(self, seen: Observation) -> bool:
        """Whether nobody else has been heard of since this provider's failures began."""
        name = self._provider[seen.target]
        begun_s = self._trouble[name].begun_s
        heard = any(at_s > begun_s for other, at_s in self._answered_s.items() if other != name)
        if len(self._providers) > 1:
            self._note_all_silent()
        return len(self._providers) > 1 and (not heard or self._in_the_dark(seen))

    def _note_all_silent(self) -> None:
        """Without endpoints, it is dark from the first failure to the first answer where no provider answers."""
        if all(self._silent(provider) for provider in self._providers):
            since_s = min(trouble.begun_s for trouble in self._trouble.values())
            self._silent_since_s = self._silent_since_s or since_s
            self._news.lost(since_s, "no provider answers, and there is no neutral endpoint to ask")
            return
        if self._silent_since_s is not None:
            until_s = min((s for s in self._answered_s.values() if s >= self._silent_since_s), default=self._now_s)
            self._darks.append((self._silent_since_s, until_s))
            self._silent_since_s = None
        self._news.found(self._now_s)

    def _silent(self, name: str) -> bool:
        """Whether a provider has failed, perhaps through us, and not answered since."""
        trouble = self._trouble.get(name)
        return trouble is not None and self._answered_s.get(name, _NEVER) < trouble.begun_s

    def _darken(self, since_s: float, why: str) -> None:
        if self._dark_since_s is None:
            self._dark_since_s = since_s
        self._news.lost(since_s, why)

    def _lighten(self, at_s: float) -> None:
        if self._dark_since_s is not None:
            self._darks = [dark for dark in self._darks if at_s - dark[1] < _REMEMBERED_S]
            self._darks.append((self._dark_since_s, at_s))
            self._dark_since_s = None
            self._unusual_s = max(self._unusual_s, at_s)

    def _set_back(self, now_s: float) -> None:
        """The clock was set back: nothing may lie in the future."""
        self._troubled_s = (_NEVER, _NEVER)
        self._failed_s = self._sighted_s = self._heard_s = self._asked_s = self._unusual_s = _NEVER
        self._darks, self._losses, self._silent_since_s = [], [], None
        self._trouble.clear()
        self._answered_s.clear()
        if self._dark_since_s is not None:
            self._dark_since_s = min(self._dark_since_s, now_s)
        self._news.set_back(now_s)
        if self._endpoints:
            self._watch_s = self._due_s = _NEVER
