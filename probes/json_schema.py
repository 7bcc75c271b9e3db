"""JSON Schemas that people write: what is wrong with one, and with a text that should fit it. Slow to import."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from typing import Any, Final

from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.validators import extend, validator_for
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from probes.patterns import matches, regex_problem

#: The keywords of a schema that are compared with one text: recursive alternatives can take time without end, and a
#: provider that writes the text may want them to. About a second.
_MOST_STEPS: Final = 10_000
_TOO_DEEP: Final = "it is nested too deep to be compared"


def schema_problem(schema: Mapping[str, Any]) -> str | None:
    """Why a JSON Schema cannot be used, in a phrase that goes on from it.

    It must hold what it refers to, because nothing is fetched, and no `patternProperties`.
    """
    try:
        keywords = list(_keywords(schema))
        if problem := _structure_problem(schema, keywords) or _pattern_problem(keywords):
            return problem
        loops = any(find_flaw(schema, text) == _TOO_DEEP for text in ("{}", "[]", "0", '""'))
    except RecursionError:
        return "is nested too deep"
    return "refers to itself without end" if loops else None


def _structure_problem(schema: Mapping[str, Any], keywords: list[tuple[str, Any]]) -> str | None:
    if not isinstance(schema.get("$schema", ""), str):
        return "has a $schema that is no text"
    try:
        validator_for(schema).check_schema(dict(schema))
        resolver = Registry().with_resource("", Resource.from_contents(schema, DRAFT202012)).resolver()
        for keyword, value in keywords:
            if keyword in {"$ref", "$dynamicRef"}:
                resolver.lookup(value)
    except SchemaError as error:
        return f"is not a JSON Schema: {error.json_path}: {error.message}"[:300]
    except Unresolvable:
        return f"refers to {value[:100]!r}, which it does not hold"
    return None


def _pattern_problem(keywords: list[tuple[str, Any]]) -> str | None:
    if "patternProperties" in dict(keywords):
        return "holds patternProperties, which are not supported"
    problems = (regex_problem(value) for keyword, value in keywords if keyword == "pattern")
    return next((f"has a pattern that {problem}" for problem in problems if problem), None)


def find_flaw(schema: Mapping[str, Any], text: str) -> str | None:
    """The first place where a text is not JSON of the schema, and how; in bounded time, whatever the text."""
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        return "it does not parse"
    steps = count(1)

    def counted(keyword: Callable[..., Iterable[ValidationError] | None]) -> Callable[..., Iterator[ValidationError]]:
        def check(*args: Any) -> Iterator[ValidationError]:
            if next(steps) > _MOST_STEPS:
                raise OverflowError
            yield from keyword(*args) or ()

        return check

    base = validator_for(schema)
    keywords = base.VALIDATORS | {"pattern": _check_pattern, "uniqueItems": _check_unique}
    validator = extend(base, {name: counted(keyword) for name, keyword in keywords.items()})  # type: ignore[no-untyped-call]
    try:
        # The empty registry keeps references from being fetched.
        mistake = best_match(validator(schema, registry=Registry()).iter_errors(value))
    except OverflowError:
        return "it is too large to be compared"
    except RecursionError:
        return _TOO_DEEP
    return f"{mistake.json_path}: {mistake.message}"[:200] if mistake else None


def _finite(number: str) -> int | float:
    """A number as JSON allows it; raises ValueError for what is none, or too large: `NaN`, `1e999`."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError
    return int(value) if value.is_integer() else value


def _check_pattern(validator: Any, pattern: str, value: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "string") and not matches(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _check_unique(validator: Any, unique: bool, value: Any, _: Any) -> Iterator[ValidationError]:
    """In linear time; the library's own compares each item with each."""
    items = value if unique and validator.is_type(value, "array") else []
    if len({json.dumps(item, sort_keys=True) for item in items}) < len(items):
        yield ValidationError(f"{value!r} has non-unique elements")


def _keywords(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every key that has a text, and `patternProperties`, however deep."""
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if isinstance(value, str) or key == "patternProperties":
                yield key, value
            yield from _keywords(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _keywords(item)
