"""JSON Schemas that people write: what is wrong with one, and with a text that should fit it. Slow to import."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.validators import extend, validator_for
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from probes.patterns import matches, regex_problem


def schema_problem(schema: Mapping[str, Any]) -> str | None:
    """Why a JSON Schema cannot be used, in a phrase that goes on from it.

    It must hold what it refers to, because nothing is fetched, and no `patternProperties`.
    """
    keywords = list(_keywords(schema))
    try:
        validator_for(schema).check_schema(dict(schema))
        resolver = Registry().with_resource("", Resource.from_contents(schema, DRAFT202012)).resolver()
        for keyword, value in keywords:
            if keyword in {"$ref", "$dynamicRef"}:
                resolver.lookup(value)
    except SchemaError as error:
        return f"is not a JSON Schema: {error.json_path}: {error.message}"[:300]
    except Unresolvable as error:
        return f"refers to {error.ref[:100]!r}, which it does not hold"
    if "patternProperties" in dict(keywords):
        return "holds patternProperties, which are not supported"
    problems = (regex_problem(value) for keyword, value in keywords if keyword == "pattern")
    return next((f"has a pattern that {problem}" for problem in problems if problem), None)


def find_flaw(schema: Mapping[str, Any], text: str) -> str | None:
    """The first place where a text is not JSON of the schema, and how."""

    def check_pattern(validator: Any, pattern: str, value: Any, _: Any) -> Iterator[ValidationError]:
        if validator.is_type(value, "string") and not matches(pattern, value):
            yield ValidationError(f"{value!r} does not match {pattern!r}")

    validator = extend(validator_for(schema), {"pattern": check_pattern})  # type: ignore[no-untyped-call]
    try:
        # The empty registry keeps references from being fetched.
        mistake = best_match(validator(schema, registry=Registry()).iter_errors(json.loads(text)))
    except (ValueError, RecursionError):
        return "it does not parse"
    return f"{mistake.json_path}: {mistake.message}"[:200] if mistake else None


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
