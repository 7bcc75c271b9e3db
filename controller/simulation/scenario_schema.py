"""Every key of a scenario: what may be written, its default, and what it means.

`docs/simulation.md` and `hotspare simulate --schema` are made from this; rules that concern several keys are in
`controller.simulation.scenario_file`.
"""

import re
from typing import Annotated, Final

from controller.simulation.scenario import BlipScope, BlipStream, QuietBehaviour
from monitor.config.document import Node, Sequence
from monitor.config.reading import ReadContext, Text
from monitor.config.schema import BLIP_LENGTH, NOT_NEGATIVE
from monitor.config.section_base import ListItems, Section, key
from monitor.config.units import parse_number, parse_share
from monitor.config.values import Value, choice, duration, flag, measure, must, number, text
from probes.outcome import Outcome

_CHANCE: Final = "a failure rate such as 0.5 or 50%"
_FREQUENCY: Final = "a rate such as 10/s, 90/m or 5/h"
_TARGETS: Final = "a target or a pattern such as openai/*, or a list of them"
_PER_S: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}
_OUTCOMES: Final = tuple(str(outcome) for outcome in Outcome if outcome is not Outcome.OK)
_BACKGROUND: Final = QuietBehaviour()
_BLIPS: Final = BlipStream()


def _chance(*, zero: bool = False) -> Value:
    """A probability from `0.5` or `50%`."""
    least = "0 or more" if zero else "more than 0"
    check = must(lambda chance: 0 <= chance <= 1 and (chance or zero), f"{{:g}} is not {least} and at most 1")
    schema = {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "pattern": r"%$|\$\{"}]}
    return measure(_CHANCE, _parse_chance, check, show=float, schema=schema)


def _parse_chance(text: str) -> float:
    try:
        return parse_share(text) if text.endswith("%") else parse_number(text)
    except ValueError:
        raise ValueError(f"is not {_CHANCE}") from None


def _parse_frequency(text: str) -> float:
    """Events a second from `10/s`."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)/([smh])", text)
    if match is None:
        raise ValueError(f"is not {_FREQUENCY}")
    return float(match[1]) / _PER_S[match[2]]


def _read_targets(node: Node, context: ReadContext) -> tuple[Text, ...]:
    if not isinstance(node, Sequence):
        return (context.text(node, _TARGETS),)
    if not node.items:
        raise context.reject(node, _TARGETS)
    return context.texts(node, "a target or a pattern")


_FACTOR: Final = number(must(lambda factor: factor >= 1, "{:g} is not 1 or more"), minimum=1)
_RATE: Final = measure(_FREQUENCY, _parse_frequency, schema={"type": "string", "pattern": r"/[smh]$|\$\{"})
_OUTCOME: Final = choice(_OUTCOMES, "a way to fail")
_TEXT_OR_LIST: Final = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}


class LatencySection(Section):
    """How long a good answer takes: lognormal."""

    median: Annotated[float, duration()] = key(_BACKGROUND.latency.median_s)
    """Half of all answers take less."""
    p99: Annotated[float | None, duration()] = key(None, shown=_BACKGROUND.latency.p99_s)
    """99 of 100 answers take less."""


class BackgroundSection(Section):
    """What every target does while nothing is wrong with it."""

    failure_rate: Annotated[float, _chance(zero=True)] = key(_BACKGROUND.failure_rate)
    """The share of probes that get a server error, independent from probe to probe."""
    latency: LatencySection


class BlipStreamSection(Section):
    """Short disturbances: Poisson in time, of uniformly distributed length; those that overlap are one."""

    per_day: Annotated[float, number(NOT_NEGATIVE, minimum=0)] = key(_BLIPS.per_day)
    """How many begin in a day."""
    length: Annotated[list[Annotated[float, duration()]], BLIP_LENGTH] = key([_BLIPS.shortest_s, _BLIPS.longest_s])
    """The shortest and the longest."""
    failure_rate: Annotated[float, _chance()] = key(_BLIPS.failure_rate)
    """The share of requests that fail meanwhile."""
    outcome: Annotated[str, _OUTCOME] = key(str(_BLIPS.outcome))
    """How they fail: any [outcome](outcomes.md) but `ok`."""
    scope: Annotated[str, choice(map(str, BlipScope), "a scope of blips")] = key(str(_BLIPS.scope))
    """Whether `per_day` is for each `provider`, each `target`, or the `world`."""


class FlapSection(Section):
    """An outage that comes and goes: down first, then up, and again until its end."""

    up: Annotated[float, duration()]
    """How long the targets answer."""
    down: Annotated[float, duration()]
    """How long they fail."""


class OutageSection(Section):
    """Some targets failing for some time."""

    at_s: Annotated[float | None, duration(zero=True)] = key(None, alias="at", required=True)
    """The onset, from the start of the scenario."""
    for_s: Annotated[float | None, duration()] = key(None, alias="for", required=True)
    """How long it lasts; it must end before the scenario does."""
    targets: Annotated[tuple[Text, ...], Value(expected=_TARGETS, read=_read_targets, schema=_TEXT_OR_LIST)] = key(
        (), required=True
    )
    """A target or a pattern such as `openai/*`, or a list of them."""
    failure_rate: Annotated[float, _chance()] = key(0.0, default_text="required, unless there is a `latency_factor`")
    """The share of requests that fail."""
    outcome: Annotated[str | None, _OUTCOME] = key(
        None, default_text="`server_error`; `unreachable` with `own_network`"
    )
    """How they fail: any [outcome](outcomes.md) but `ok`."""
    own_network: Annotated[bool, flag()] = key(False)
    """Our own network fails: the neutral endpoints are as unlikely to answer as the targets. Goes with
    `unreachable` and `timeout`."""
    ramp: Annotated[float, duration()] = key(0.0)
    """How long the failure rate takes from zero to its height, in sixty steps (a latency factor from 1 to its)."""
    flap: FlapSection | None = None
    latency_factor: Annotated[float, _FACTOR] = key(1.0)
    """How many times as long as usual the answers take."""
    retry_after: Annotated[float | None, duration()] = key(None)
    """What a `rate_limited` answer asks for."""


class TrafficSection(Section):
    """The application's requests."""

    rate: Annotated[float, _RATE] = key(0.0, default_text="none")
    """How many for each route, such as `10/s`."""


class ScenarioDocument(Section):
    """A made-up world for `hotspare simulate`, with the configuration that is to live in it."""

    config: Annotated[Text | None, text("the path of a configuration, relative to this file")] = key(
        None, required=True
    )
    """The configuration under test, relative to the scenario. No key need be set; its database is not touched, and
    may be `"sqlite:///:memory:"`."""
    duration_s: Annotated[float | None, duration()] = key(None, alias="duration", required=True)
    """How long each seed lasts."""
    background: BackgroundSection
    blips: BlipStreamSection | None = None
    outages: Annotated[list[OutageSection], ListItems("a list of outages")] = key([], default_text="none")
    """What happens. A target can have one outage at a time."""
    traffic: TrafficSection
