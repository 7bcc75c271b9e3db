"""The keys under `checks`: which checks a target is asked, how often, and what those of people's own ask."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Final

from pydantic import ValidationError

from monitor.config.document import Mapping as YamlMapping
from monitor.config.document import Node
from monitor.config.reading import ReadContext, ReportedError
from monitor.config.section import Key, Section, reference_to
from monitor.config.values import Value, as_written, choices, must, text, whole_number
from probes.context_check import CONTEXT
from probes.custom_check import NONCE_MARK, CustomCheck
from probes.patterns import regex_problem
from probes.target import Check

#: More would make a round of checks last for days.
HEAVIEST: Final = 100
_MOST_TOKENS: Final = 100_000
_NAME: Final = r"[A-Za-z0-9_-]{1,40}"
_KNOWN: Final = tuple(map(str, Check))
_WHAT: Final = "a check of this version"
_WEIGHT: Final = whole_number(1, HEAVIEST)
_SCHEMA: Final = as_written("a JSON Schema such as {type: object, required: [days]}")


def _read_schema(node: Node, context: ReadContext) -> Mapping[str, Any]:
    from probes.json_schema import schema_problem  # noqa: PLC0415 - slow to import, and seldom needed

    schema: Mapping[str, Any] = _SCHEMA.read(node, context)
    if problem := schema_problem(schema):
        raise context.report(node.place, problem)
    return schema


def _pattern_problem(regex: str) -> str | None:
    return regex_problem(regex.replace(NONCE_MARK, "k7f3q9x2"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationSection(Section):
    """What a good reply has: at least one of these, or all of those that are there."""

    empty_is_absent: ClassVar = True

    contains: Annotated[
        str | None, text("a text", must(re.compile(r"(?s).*\S.*").fullmatch, "is empty"), any_kind=True)
    ] = None
    """A text that the reply holds, whatever its case."""
    regex: Annotated[str | None, text("a regular expression", _pattern_problem)] = None
    """A regular expression (RE2's syntax) that matches somewhere in the first 20,000 characters."""
    json_schema: Annotated[dict[str, Any] | None, replace(_SCHEMA, read=_read_schema)] = None
    """The schema of the JSON that the whole reply is, at most 20,000 characters. It refers to nothing outside itself
    and holds no `patternProperties`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomCheckSection(Section):
    """A check of your own, under a name of your choice."""

    prompt: Annotated[str, text("what to ask, as a text")]
    """The user message. `{nonce}` stands for a random word, here and under `expect`; where the prompt does not have
    it, it is added at the end."""
    expect: ExpectationSection
    max_tokens: Annotated[int | None, whole_number(1, _MOST_TOKENS), Key(default_text="128 more than for `chat`")] = (
        None
    )
    """The token budget of the reply, reasoning included. Change it when good replies are cut off (`budget_spent`)."""
    weight: Annotated[int, _WEIGHT] = 1
    """How often it is asked, against the weights of the other checks."""

    def check_keys(self, node: Node, context: ReadContext) -> None:
        """Something must be expected."""
        if node.has("expect") and not node.child("expect").values:
            context.report(node.at("expect"), "is empty; expected contains, regex or json_schema")

    def definition(self) -> CustomCheck:
        """What a probe asks and expects."""
        expect = self.expect
        return CustomCheck(
            prompt=self.prompt,
            contains=expect.contains,
            regex=expect.regex,
            json_schema=expect.json_schema,
            max_tokens=self.max_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTurns:
    """The checks of a target: their order, and what those of people's own ask."""

    order: tuple[str, ...]
    custom: Mapping[str, CustomCheck]


@dataclass(frozen=True, kw_only=True)
class CheckTurnsValue(Value):
    """Reads `[chat, stream]`, `{chat: 3, stream: 1}`, and with a custom check `{chat: 3, mine: {prompt: …}}`."""

    kind: type[Section] = CustomCheckSection
    """What stands under a name of people's own."""


def _read_turns(node: Node, context: ReadContext) -> CheckTurns:
    if not isinstance(node, YamlMapping):
        return CheckTurns(order=tuple(map(Check, _LIST.read(node, context))), custom={})
    if not node.entries:
        context.report(node.place, f"is empty; expected one or more of {', '.join(_KNOWN)}")
    weights: dict[str, int] = {}
    custom: dict[str, CustomCheck] = {}
    for name, value in node.values.items():
        with suppress(ReportedError):
            if not isinstance(value, YamlMapping):
                weights[_known(name, value, context)] = int(_WEIGHT.read(value, context))
                continue
            section = _read_custom(name, value, context)
            weights[name], custom[name] = section.weight, section.definition()
    if not weights:
        raise ReportedError
    return CheckTurns(order=turns(weights), custom=custom)


def _known(name: str, node: Node, context: ReadContext) -> Check:
    if name not in _KNOWN:
        raise context.unknown(node.place, name, _WHAT, _KNOWN)
    return Check(name)


def _read_custom(name: str, node: Node, context: ReadContext) -> CustomCheckSection:
    if name in _KNOWN:
        raise context.report(node.place, f"{name} is a check of Hotspare: expected its weight, or another name")
    if name == CONTEXT:
        raise context.report(node.place, f"{name} is a check of Hotspare: see context_check; expected another name")
    if not re.fullmatch(_NAME, name):
        expected = "expected at most 40 letters, digits, - and _"
        raise context.report(node.place, f"{context.problems.shown(name)} cannot name a check; {expected}")
    try:
        return CustomCheckSection.adapter().validate_python(node, context=context)
    except ValidationError:
        raise ReportedError from None  # all that is wrong has been reported


def turns(weights: Mapping[str, int]) -> tuple[str, ...]:
    """One round of checks: each as often as it weighs, spread evenly (smooth weighted round-robin).

    `{chat: 3, stream: 1}` gives chat, chat, stream, chat.
    """
    credit = dict.fromkeys(weights, 0)
    total = sum(weights.values())
    order = []
    for _ in range(total):
        for check, weight in weights.items():
            credit[check] += weight
        due = max(credit, key=lambda check: credit[check])
        credit[due] -= total
        order.append(due)
    return tuple(order)


_LIST: Final = choices(_KNOWN, _WHAT)
_WEIGHED: Final = {
    "type": "object",
    "properties": dict.fromkeys(_KNOWN, _WEIGHT.schema),
    "additionalProperties": reference_to(CustomCheckSection),
    "minProperties": 1,
}
CHECK_TURNS: Final = CheckTurnsValue(
    expected=_LIST.expected,
    read=_read_turns,
    schema={"anyOf": [_LIST.schema, _WEIGHED]},
    show=list,
)
