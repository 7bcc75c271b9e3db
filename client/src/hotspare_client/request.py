"""One request of the application: which targets it has asked, what they said, and which one is next."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from hotspare_client.failure import Failure, read_failure
from hotspare_client.memory import Memory
from hotspare_client.policy import Situation, Step, choose_first, choose_hedge, choose_next, hedge_after_s, is_final
from hotspare_client.reporter import Reporter
from hotspare_client.status import Status
from hotspare_client.target import Target

#: What an answer, or a piece of a stream, may take where neither the caller nor the file says more.
USUAL_LIMIT_S = 10.0
#: What each of the terms in seconds is at least; a deadline may have passed.
_LOWEST = (("deadline_s", -math.inf), ("first_token_s", 0.001), ("answer_s", 0.001), ("wait_s", 0.0))


class NoTargetError(LookupError):
    """Nothing is known about the route; the message says why."""


class DeadlineError(TimeoutError):
    """The deadline had passed before anything could be asked."""


class Terms(NamedTuple):
    """What the application asks for; `Routing.attempts` says what each means."""

    route: str
    key: str | None
    deadline_s: float | None
    first_token_s: float | None
    answer_s: float | None
    wait_s: float
    stateful: bool
    hedge: bool
    restarts: bool
    """Whether a stream that breaks off after its first piece is begun anew at another target."""
    tag: str = ""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_terms(terms: Terms, on_cut: str) -> None:
    """Raise ValueError, naming the argument, where the terms make no sense."""
    for name, lowest in _LOWEST:
        value = getattr(terms, name)
        if value is not None and not (_is_number(value) and value >= lowest):
            bound = f", {lowest:g} or more" if math.isfinite(lowest) else ""
            raise ValueError(f"{name}: expected seconds{bound}, found {value!r}")
    if on_cut not in {"raise", "restart"}:
        raise ValueError(f"on_cut: expected 'raise' or 'restart', found {on_cut!r}")


@dataclass(frozen=True)
class Asked:
    """A target that was asked and failed, as `hotspare_attempts` of the last error lists them."""

    target: str
    """`provider/model`."""
    outcome: str
    """A word of Hotspare's outcomes: `server_error`, `timeout`, `rate_limited`, …"""
    detail: str
    """The class of the exception and the beginning of its message."""
    status: int | None
    """Of HTTP; None where none came."""
    took_s: float
    """From the start of the attempt to its error."""


class World(Protocol):
    """Where a request takes place: a `Routing`."""

    monotonic: Callable[[], float]
    draw: Callable[[], float]
    memory: Memory
    reporter: Reporter

    @property
    def status(self) -> Status: ...  # noqa: D102

    def route(self, name: str, key: str | None = None) -> Target | None: ...  # noqa: D102

    def candidates(self, name: str) -> tuple[Target, ...]: ...  # noqa: D102


class Request:
    """The course of one request; its clock and its memory are those of the `Routing` that it came from."""

    __slots__ = ("_asked", "_candidates", "_deadline", "_next", "_repeated", "_tried", "number", "routing", "terms")

    def __init__(self, routing: World, terms: Terms) -> None:
        self.routing = routing
        self.terms = terms
        self.number = 0
        """Of the attempts that have begun."""
        self._deadline = None if terms.deadline_s is None else routing.monotonic() + terms.deadline_s
        self._asked: list[Asked] = []
        self._tried: set[str] = set()
        self._repeated = False
        self._candidates: tuple[Target, ...] = ()
        self._next: Step | None = None

    def left_s(self) -> float:
        """Seconds until the deadline; below zero after it, endless where there is none."""
        return float("inf") if self._deadline is None else self._deadline - self.routing.monotonic()

    def start(self) -> Step:
        """The first step. Raises NoTargetError or DeadlineError where there can be none."""
        routing, terms = self.routing, self.terms
        now = routing.monotonic()
        pick = routing.route(terms.route, terms.key)
        if pick is None:
            problem = routing.status.problem or "the routing file does not have it"
            raise NoTargetError(f"no target for route {terms.route!r}: {problem}")
        if self._deadline is not None and now >= self._deadline:
            raise DeadlineError(f"the deadline of {terms.deadline_s} s had passed before {pick.id} could be asked")
        memory = routing.memory
        memory.count_request(now)
        if not terms.stateful and memory.is_failing(pick.id, now):
            pick = choose_first(pick, self._current(), self._is_failing)
        return Step(pick)

    def next_step(self) -> Step | None:
        """What `fail` has decided; None when no request is to follow."""
        step, self._next = self._next, None
        return step

    def note(self, error: BaseException, target: Target, began_at: float, *, in_stream: bool = False) -> Failure:
        """Remember a failure of `target`, without deciding what follows."""
        now = self.routing.monotonic()
        failure = read_failure(error, in_stream=in_stream)
        self._repeated = self._repeated or target.id in self._tried
        self._tried.add(target.id)
        self._asked.append(Asked(target.id, failure.outcome, failure.detail, failure.status, now - began_at))
        if failure.known:
            self._report(target, failure.outcome, now - began_at)
        if failure.known and not is_final(failure) and not failure.too_long:
            self.routing.memory.note_failure(target.id, now)
        return failure

    def succeed(self, target: Target, began_at: float, **known: Any) -> None:
        """Report that `target` has answered, with what is known of the answer."""
        if self.routing.reporter.is_on:
            self._report(target, "ok", self.routing.monotonic() - began_at, **known)

    def _report(self, target: Target, outcome: str, took_s: float, **known: Any) -> None:
        self.routing.reporter.report(target.id, outcome, took_s, route=self.terms.route, tag=self.terms.tag, **known)

    def fail(self, error: Exception, target: Target, began_at: float, *, in_stream: bool, has_begun: bool) -> bool:
        """Decide what follows `error`; False when it is the answer, which then carries `hotspare_attempts`."""
        routing, now = self.routing, self.routing.monotonic()
        failed_elsewhere = target.id not in self._tried and routing.memory.is_failing(target.id, now)
        failure = self.note(error, target, began_at, in_stream=in_stream)
        if not has_begun or self.terms.restarts:
            candidates = self._current()
            situation = Situation(
                pick=routing.route(self.terms.route, self.terms.key),
                candidates=candidates,
                failed=next((each for each in candidates if each.id == target.id), target),
                tried=self._tried,
                was_repeated=self._repeated,
                failed_elsewhere=failed_elsewhere,
                has_begun=has_begun,
                left_s=self.left_s(),
                wait_s=self.terms.wait_s,
                stateful=self.terms.stateful,
            )
            self._next = choose_next(
                failure,
                situation,
                is_failing=self._is_failing,
                may_repeat=lambda: routing.memory.take_extra(now),
                draw=routing.draw,
            )
        if self._next is None:
            self._attach(error)
        return self._next is not None

    def hedge_after_s(self, target: Target) -> float | None:
        """When to ask another target as well; None for never."""
        return hedge_after_s(target) if self.terms.hedge and not self.terms.stateful else None

    def choose_hedge(self, target: Target) -> Target | None:
        """The other target, while `target` is late; None where there is none, or the budget is spent."""
        other = choose_hedge(self._current(), {*self._tried, target.id}, self._is_failing)
        return other if other and self.routing.memory.take_extra(self.routing.monotonic()) else None

    def _is_failing(self, target: str) -> bool:
        return self.routing.memory.is_failing(target, self.routing.monotonic())

    def _current(self) -> tuple[Target, ...]:
        """The candidates now; the last known ones where the route has vanished meanwhile."""
        self._candidates = self.routing.candidates(self.terms.route) or self._candidates
        return self._candidates

    def _attach(self, error: Exception) -> None:
        # An exception that takes no attributes is raised as it is.
        with contextlib.suppress(Exception):
            error.hotspare_attempts = tuple(self._asked)  # type: ignore[attr-defined]
