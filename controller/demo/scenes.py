"""The scenes of the demo as data: what befalls the simulated providers, what ends each step, what users feel (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from controller.demo.providers import CANDIDATES, PROVIDERS, Fault

_OPENAI, _ANTHROPIC, _GEMINI = (provider.name for provider in PROVIDERS)
#: Twenty probe intervals.
_LEAVE_WITHIN_S = 40.0
_RETURN_WITHIN_S = 60.0
#: How much longer an outage lasts once the route has left, to show that users are served.
_AFTER_MOVE_S = 14.0


class Awaited(StrEnum):
    """What ends a step; the value says what has gone wrong where it does not come."""

    SERVED = "the route did not leave the failing provider"
    STUCK = "no incident says that the route has nowhere to go"
    HOME = "the route did not come back to its first candidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of the world, and what it leads to. Seconds are those of the demo."""

    text: str
    """What has changed, as a person with the providers' eyes would say it."""
    event: str
    """The same as a clause after "seconds after"."""
    faults: Mapping[str, Fault] = field(default_factory=dict)
    """How providers fail from now on, by name; all others are well."""
    awaited: Awaited
    within_s: float
    """The scene has failed where it takes longer."""
    then_s: float = 0.0
    """How long the step goes on once it has come."""
    lasts_s: float = 0.0
    """The least that the step takes."""

    def is_over(self, serving: str | None, *, stuck: bool) -> bool:
        """Whether what it waits for has come: where the routing file points, and whether an incident calls it stuck."""
        if self.awaited is Awaited.STUCK:
            return stuck
        if self.awaited is Awaited.HOME:
            return serving == CANDIDATES[0]
        return serving is not None and serving.partition("/")[0] not in self.faults and not stuck


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A story: quiet, its steps, and quiet again until every incident is resolved and told."""

    name: str
    title: str
    """What it shows, in a clause."""
    steps: tuple[Step, ...]


def _fails(*names: str, status: int, share: float = 1.0) -> dict[str, Fault]:
    return {name: Fault(status=status, share=share) for name in names}


def _outage(text: str, faults: Mapping[str, Fault], *, lasts_s: float = 0.0, event: str = "the outage began") -> Step:
    return Step(
        text=text,
        event=event,
        faults=faults,
        awaited=Awaited.SERVED,
        within_s=_LEAVE_WITHIN_S,
        then_s=_AFTER_MOVE_S,
        lasts_s=lasts_s,
    )


def _end(text: str, *, then_s: float = 0.0, within_s: float = _RETURN_WITHIN_S) -> Step:
    return Step(text=text, event="the outage ended", awaited=Awaited.HOME, within_s=within_s, then_s=then_s)


_WELL = f"{_OPENAI} is well again and answers everything"
_DOWN = _outage(f"{_OPENAI} begins to answer all requests with HTTP 500", _fails(_OPENAI, status=500))
_SHORTLY_DOWN = replace(_DOWN, then_s=6.0)
_HALF = _outage(
    f"{_OPENAI} begins to answer 50% of all requests with HTTP 500",
    _fails(_OPENAI, status=500, share=0.5),
    lasts_s=26.0,
)

#: In the order of the documents; the first is the default.
SCENES: Final = (
    Scene(name="outage", title="one provider fails half of its requests", steps=(_HALF, _end(_WELL))),
    Scene(
        name="key",
        title="a provider refuses our key",
        steps=(
            _outage(f"the key for {_OPENAI} is revoked: every request ends in HTTP 401", _fails(_OPENAI, status=401)),
            _end(f"the key for {_OPENAI} is valid again"),
        ),
    ),
    Scene(
        name="throttle",
        title="a provider refuses most of our requests as too many",
        steps=(
            _outage(
                f"{_OPENAI} begins to refuse 80% of all requests with HTTP 429",
                _fails(_OPENAI, status=429, share=0.8),
                lasts_s=26.0,
            ),
            _end(_WELL),
        ),
    ),
    Scene(
        name="all-down",
        title="all providers fail at once; then one comes back before the others",
        steps=(
            Step(
                text="all providers begin to answer all requests with HTTP 503",
                event="the outage began",
                faults=_fails(_OPENAI, _ANTHROPIC, _GEMINI, status=503),
                awaited=Awaited.STUCK,
                within_s=_LEAVE_WITHIN_S,
                then_s=_AFTER_MOVE_S,
            ),
            _outage(
                f"{_ANTHROPIC} is well again, the others are not",
                _fails(_OPENAI, _GEMINI, status=503),
                event=f"{_ANTHROPIC} came back",
            ),
            _end("all providers are well again"),
        ),
    ),
    Scene(
        name="flapping",
        title="one provider fails three times, soon after each recovery",
        steps=(
            *(_SHORTLY_DOWN, _end(_WELL, then_s=8)),
            *(_SHORTLY_DOWN, _end(_WELL, then_s=8)),
            *(_SHORTLY_DOWN, _end(_WELL, within_s=2 * _RETURN_WITHIN_S)),  # it is held four times as long
        ),
    ),
    Scene(
        name="second-outage",
        title="the provider that the route has moved to fails as well",
        steps=(
            _DOWN,
            _outage(
                f"{_ANTHROPIC} begins to answer all requests with HTTP 503",
                _fails(_OPENAI, status=500) | _fails(_ANTHROPIC, status=503),
                event="the second outage began",
            ),
            _end(f"{_OPENAI} and {_ANTHROPIC} are well again"),
        ),
    ),
)
BY_NAME: Final = {scene.name: scene for scene in SCENES}
