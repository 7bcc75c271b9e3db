"""The kinds of values in a YAML file: how each is read, what is wrong with it, and what it is in JSON Schema."""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from monitor.config.addresses import address_problem
from monitor.config.document import Mapping as YamlMapping
from monitor.config.document import Node, Scalar, ScalarKind, Sequence
from monitor.config.reading import ReadContext, ReportedError, file_of, variable_of
from monitor.config.units import DURATION, NUMBER, RATE, SHARE, parse_duration, parse_number, parse_rate, parse_share
from monitor.formatting import format_duration, format_rate, format_share
from probes.target import Secret

_HEADER_VALUE = re.compile(r"[!-~]+")
_FOREVER = "forever"
_QUOTES = frozenset("'\"`")
_UNEXPANDED = re.compile(r"\$\{?\w+\}?|(export )?[A-Z][A-Z0-9_]*_(KEY|TOKEN)=.*")
#: In JSON Schema: what any value may be instead, the name of a variable.
_VARIABLE_PATTERN = r"\$\{"
_TOKENS = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)([kM]?)")
_THOUSANDS = {"": 1, "k": 1_000, "M": 1_000_000}
_DECIMAL_PATTERN = r"[+-]?[0-9]+(\.[0-9]+)?"


@dataclass(frozen=True, kw_only=True)
class Value:
    """Metadata of a field (`Annotated[float, duration()]`): how its value is read and described."""

    expected: str
    """What to write, for messages."""
    read: Callable[[Node, ReadContext], Any]
    """The value of a node; reports what is wrong and raises ReportedError."""
    schema: Mapping[str, Any]
    """The JSON Schema of what may be written."""
    show: Callable[[Any], Any] = lambda value: value
    """How a value (a default) is written in the file."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # What was read becomes what the field is declared as: a text a time, words a set of states.
        return core_schema.with_info_before_validator_function(
            lambda node, info: self.read(node, info.context), handler(source)
        )

    def then(self, convert: Callable[[Any], Any]) -> "Value":
        """The same value, converted after it was read."""
        return replace(self, read=lambda node, context: convert(self.read(node, context)))


def must(holds: Callable[[Any], Any], text: str) -> Callable[[Any], str | None]:
    """A check: the text, with the value in place of `{}`, where the condition does not hold."""
    return lambda value: None if holds(value) else text.format(value)


def text(
    expected: str,
    check: Callable[[str], str | None] | None = None,
    *,
    pattern: str = "",
    wrong: str = "",
    shown: bool = True,
    any_kind: bool = False,
    placed: bool = False,
) -> Value:
    """A text; `check` returns a phrase about a wrong value, which is `shown` unless it may be secret.

    Without a check it must match the pattern, if any; `wrong` is the phrase. With `any_kind`, what YAML takes for a
    number or a date is a text too. One that is `placed` is read as `Text`.
    """
    good = check or must(re.compile(pattern or "(?s).*").fullmatch, wrong or f"is not {expected}")

    def read(node: Node, context: ReadContext) -> str:
        value = context.scalar(node, expected) if any_kind else context.text(node, expected)
        if problem := good(value):
            raise context.refuse(value, problem) if shown else context.report(node.place, problem)
        return value if placed else str(value)

    schema = {"pattern": rf"^({pattern})$|{_VARIABLE_PATTERN}"} if pattern else {}
    return Value(expected=expected, read=read, schema={"type": "string", **schema})


def address(expected: str = "an http(s) address", *, userinfo: bool = False, instead: str = "") -> Value:
    """An http(s) address, or the one word `instead` of it; it may hold a secret and is never shown."""

    def check(value: str) -> str | None:
        return None if value == instead else address_problem(value, userinfo=userinfo)

    pattern = f"https?://.*|{instead}" if instead else "https?://.*"
    return text(expected, check, shown=False, pattern=pattern)


def choice(known: Iterable[str], what: str, expected: str = "") -> Value:
    """One of some words."""
    allowed = tuple(known)
    expected = expected or f"{what} such as {allowed[0]}"

    def read(node: Node, context: ReadContext) -> str:
        value = context.text(node, expected)
        if value not in allowed:
            raise context.unknown(value.place, value.written, what, allowed)
        return str(value)

    return Value(expected=expected, read=read, schema=_one_of(allowed))


def choices(known: Iterable[str], what: str) -> Value:
    """A list of some words, not empty and without repetition; without those that are wrong."""
    allowed = tuple(known)
    expected = f"a list such as [{allowed[0]}]"

    def read(node: Node, context: ReadContext) -> tuple[str, ...]:
        if not isinstance(node, Sequence):
            raise context.reject(node, expected)
        good: list[str] = []
        for value in context.texts(node, what):
            if value not in allowed:
                context.unknown(value.place, value.written, what, allowed)
            elif value in good:
                context.refuse(value, "is here twice")
            else:
                good.append(str(value))
        if not node.items:
            context.report(node.place, f"is empty; expected one or more of {', '.join(allowed)}")
        if not good:
            raise ReportedError
        return tuple(good)

    schema = {"type": "array", "items": _one_of(allowed), "minItems": 1, "uniqueItems": True}
    return Value(expected=expected, read=read, schema=schema, show=list)


def flag() -> Value:
    """`true` or `false`, in these spellings only."""
    expected = "true or false (without quotes)"

    def read(node: Node, context: ReadContext) -> bool:
        value = context.scalar(node, expected)
        typed = value.expanded or (isinstance(node, Scalar) and node.kind is ScalarKind.FLAG)
        if not typed or value not in {"true", "false"}:
            raise context.report(value.place, f"expected {expected}, found {context.problems.shown(value.written)}")
        return value == "true"

    return Value(expected=expected, read=read, schema=_or_variable({"type": "boolean"}))


def items(
    of: Value,
    expected: str,
    check: Callable[[tuple[Any, ...]], str | None] | None = None,
    *,
    length: int | None = None,
) -> Value:
    """A list; what is wrong is reported and left out, or with a `check` of the whole list it is not used at all."""

    def read(node: Node, context: ReadContext) -> tuple[Any, ...]:
        if not isinstance(node, Sequence):
            raise context.reject(node, expected)
        good = []
        for item in node.items:
            with suppress(ReportedError):
                good.append(of.read(item, context))
        if check and len(good) < len(node.items):
            raise ReportedError(expected)
        if check and (problem := check(tuple(good))):
            raise context.report(node.place, problem)
        return tuple(good)

    bounds = {"minItems": length, "maxItems": length} if length else {}
    schema = {"type": "array", "items": of.schema, **bounds}
    return Value(expected=expected, read=read, schema=schema, show=lambda values: [of.show(value) for value in values])


def measure(
    expected: str,
    parse: Callable[[str], float],
    check: Callable[[float], str | None] | None = None,
    *,
    show: Callable[[Any], Any] = lambda value: value,
    schema: Mapping[str, Any],
) -> Value:
    """A number with a unit; `check` says what is wrong with its size."""

    def read(node: Node, context: ReadContext) -> float:
        number = context.parse(node, expected, parse)
        problem = check(number) if check else None
        if problem:
            raise context.report(node.place, problem)
        return number

    return Value(expected=expected, read=read, schema=schema, show=show)


def duration(*, at_least_s: float = 0.0, zero: bool = False, endless: bool = False, advice: str = "") -> Value:
    """Seconds from `30s`, at least `at_least_s` and more than zero, or zero where `zero` allows it.

    Where it may be `endless`, the word `forever` is infinitely many seconds.
    """

    def check(seconds: float) -> str | None:
        shown = format_duration(seconds)
        if seconds < 0 or (seconds == 0 and not zero):
            return f"{shown} is not {'zero or more' if zero else 'more than zero'}"
        if 0 < seconds < at_least_s:
            return f"{shown} is too short; the shortest is {format_duration(at_least_s)}{advice}"
        return None

    if not endless:
        return measure(DURATION, parse_duration, check, show=format_duration, schema=_pattern("(ms|s|m|h|d)"))

    expected = f"{DURATION}, or {_FOREVER}"

    def parse(text: str) -> float:
        if text == _FOREVER:
            return inf
        try:
            return parse_duration(text)
        except ValueError as error:
            raise ValueError(str(error).replace(DURATION, expected)) from None

    def show(seconds: float) -> str:
        return _FOREVER if seconds == inf else format_duration(seconds)

    schema = {"anyOf": [{"const": _FOREVER}, _pattern("(ms|s|m|h|d)")]}
    return measure(expected, parse, check, show=show, schema=schema)


def share(check: Callable[[float], str | None] | None = None) -> Value:
    """A fraction from `30%`."""
    return measure(SHARE, parse_share, check, show=format_share, schema=_pattern("%"))


def rate(check: Callable[[float], str | None]) -> Value:
    """Events per day from `1 per 90d`."""
    schema = _pattern(f" +per +{_DECIMAL_PATTERN}(ms|s|m|h|d)")
    return measure(RATE, parse_rate, check, show=format_rate, schema=schema)


def number(check: Callable[[float], str | None], expected: str = NUMBER, **schema: Any) -> Value:
    """A plain number; `schema` bounds it for editors."""
    described = _or_variable({"type": "number", **schema})
    return measure(expected, parse_number, check, show=_plain_number, schema=described)


def whole_number(least: int, most: int) -> Value:
    """A whole number from the least to the most."""
    expected = f"a whole number from {least} to {most:,}"

    def parse(text: str) -> float:
        try:
            return parse_number(text)
        except ValueError:
            raise ValueError(f"is not {expected}") from None

    def check(value: float) -> str | None:
        return None if value == int(value) and least <= value <= most else f"{value:g} is not {expected}"

    schema = _or_variable({"type": "integer", "minimum": least, "maximum": most})
    return measure(expected, parse, check, schema=schema)


def tokens(most: int) -> Value:
    """A number of tokens: `200000`, `200k` or `1M`."""
    expected, whole = "a number of tokens such as 200k", whole_number(1, most)

    def parse(text: str) -> float:
        match = _TOKENS.fullmatch(text)
        value = float(match[1]) * _THOUSANDS[match[2]] if match else 0.0
        if value != int(value) or not 1 <= value <= most:
            raise ValueError(f"is not {expected}")
        return value

    pattern = rf"^({_TOKENS.pattern})$|{_VARIABLE_PATTERN}"
    schema = {"anyOf": [dict(whole.schema), {"type": "string", "pattern": pattern}]}
    return measure(expected, parse, None, schema=schema)


def secret(
    variable: str,
    what: str,
    *,
    expected: str = "a variable such as ${{{}}}",
    check: Callable[[str], str | None] | None = None,
    is_secret: Callable[[str], bool] = bool,
    header: bool = True,
) -> Value:
    """A text that can be sent in a header (unless `header` is false), read as a `Secret` and never shown.

    Where keys are not needed, whatever stands there is accepted. One that stands in the file itself is warned of where
    `is_secret` says so. An empty `variable` is named after the provider in the place: `OPENAI_API_KEY`.
    """

    def read(node: Node, context: ReadContext) -> Secret:
        name = variable or key_variable(str(node.place.steps[1]))
        if not context.keys and isinstance(node, Scalar):
            return Secret("not-read")
        value = context.text(node, expected.format(name))
        known = variable_of(node) or file_of(node)
        whose = f"the value of {known}" if known else "its value"
        if header and not _HEADER_VALUE.fullmatch(value):
            unsendable = f"{whose} cannot be sent in a header: it holds a space, a line break or a non-ASCII character"
            raise context.report(value.place, unsendable)
        ends = [word for word, mark in (("begins", value[:1]), ("ends", value[-1:])) if mark in _QUOTES]
        if header and ends:
            quoted = f"{' and '.join(ends)} with a quotation mark; leave {'both' if len(ends) > 1 else 'it'} out"
            alone = "is a quotation mark alone"
            raise context.report(value.place, f"{whose} {quoted if len(value) > 1 else alone}")
        if header and _UNEXPANDED.fullmatch(value):
            raise context.report(value.place, f"{whose} is a variable itself, not what it holds")
        if check and (problem := check(value)):
            raise context.report(value.place, problem)
        if is_secret(value) and not value.expanded:
            text = f"the {what} is in the file itself; keep it in a variable and write ${{{name}}}"
            context.problems.warn(node.place, text)
        return Secret(str(value))

    return Value(expected=expected.format(variable), read=read, schema={"type": "string"})


def key_variable(provider: str) -> str:
    """The variable that usually holds a provider's key: `OPENAI_API_KEY`."""
    return re.sub("[^A-Z0-9]", "_", provider.upper()) + "_API_KEY"


def as_written(expected: str) -> Value:
    """A mapping that is passed on with the types of JSON, variables expanded; a key without a value is None."""

    def read(node: Node, context: ReadContext) -> Any:
        if not isinstance(node, YamlMapping):
            raise context.reject(node, expected)
        return _as_json(node, context)

    return Value(expected=expected, read=read, schema={"type": ["object", "null"]})


def _as_json(node: Node, context: ReadContext) -> Any:
    if isinstance(node, YamlMapping):
        return {name: _as_json(value, context) for name, value in node.values.items()}
    if isinstance(node, Sequence):
        return [_as_json(item, context) for item in node.items]
    with suppress(ReportedError):
        if isinstance(node, Scalar) and not node.is_nothing():
            return _single(node, context)
    return None


def _single(node: Scalar, context: ReadContext) -> str | bool | float:
    if node.kind is ScalarKind.NUMBER:
        number = context.parse(node, NUMBER, parse_number)
        return number if "." in node.text else _plain_number(number)
    value = str(context.scalar(node, "a value"))
    if node.kind is ScalarKind.FLAG and value not in {"true", "false"}:
        raise context.reject(node, "true or false; put a text in quotes")
    return value == "true" if node.kind is ScalarKind.FLAG else value


def _plain_number(number: float) -> float:
    return int(number) if number == int(number) else number


def _one_of(allowed: tuple[str, ...]) -> dict[str, Any]:
    return {"anyOf": [{"enum": list(allowed)}, {"type": "string", "pattern": _VARIABLE_PATTERN}]}


def _or_variable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "string", "pattern": _VARIABLE_PATTERN}]}


def _pattern(unit: str) -> dict[str, Any]:
    return {"type": "string", "pattern": rf"^{_DECIMAL_PATTERN}{unit}$|{_VARIABLE_PATTERN}"}
