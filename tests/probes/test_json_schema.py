"""JSON Schemas that people write, against texts that a provider writes."""

from typing import Any

import pytest

from probes.json_schema import find_flaw, schema_problem

ALTERNATIVES = {"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"items": {"$ref": "#"}, "type": "array"}]}
DEEP: dict[str, Any] = {"not": {}}
for _ in range(3000):
    DEEP = {"not": DEEP}


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "object", "properties": {"next": {"$ref": "#"}}}, None),
        (ALTERNATIVES, None),
        ({"$ref": "#"}, "refers to itself without end"),
        ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#"}}}, "refers to itself without end"),
        ({"$ref": "http://127.0.0.1:1/x"}, "refers to 'http://127.0.0.1:1/x', which it does not hold"),
        ({"$ref": "#here"}, "refers to '#here', which it does not hold"),
        ({"$schema": 5}, "has a $schema that is no text"),
        (DEEP, "is nested too deep"),
    ],
    ids=["recursive", "alternatives", "loop", "longer loop", "remote", "anchor", "dialect", "deep"],
)
def test_a_schema_that_cannot_be_used_is_told(schema: dict[str, Any], problem: str | None) -> None:
    """When the configuration is read, in a phrase; recursion is fine where it ends with the text."""
    assert schema_problem(schema) == problem


@pytest.mark.parametrize(
    ("schema", "text", "flaw"),
    [
        (ALTERNATIVES, "[" * 30 + "1" + "]" * 30, "it is too large to be compared"),
        ({"items": {"$ref": "#"}}, "[" * 900 + "]" * 900, "it is nested too deep to be compared"),
        ({"multipleOf": 0.01}, "1" + "0" * 400, "it is too large to be compared"),
        ({"multipleOf": 0.5}, "Infinity", "it does not parse"),
        ({"maximum": 5}, "NaN", "it does not parse"),
        ({"type": "number"}, "1e999", "it does not parse"),
        ({"type": "integer"}, "30.0", None),
        ({"uniqueItems": True}, "[1, 1.0]", "$: [1, 1] has non-unique elements"),
        ({"uniqueItems": True}, '[1, true, "1", {"a": [1]}, {"a": [2]}]', None),
        ({"pattern": "^a"}, r'"a\ud83d"', None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_hostile_text_is_compared_in_bounded_time(schema: dict[str, Any], text: str, flaw: str | None) -> None:
    """What a provider writes can neither stop the service nor look like a fault of our machine."""
    assert find_flaw(schema, text) == flaw


def test_many_items_that_must_differ_are_compared_once_each() -> None:
    """Not each with each: a reply of 20,000 characters has some thousands."""
    text = f"[{','.join(f'[{number}]' for number in range(3000))}]"

    assert find_flaw({"uniqueItems": True}, text) is None
