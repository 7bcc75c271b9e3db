"""Values of the configuration that are passed on as they are: what a provider takes, in the provider's own words."""

from typing import Any

from monitor.config.config_values import Reader, is_nothing
from monitor.config.document import Broken, Kind, Mapping, Node, Scalar, Sequence
from monitor.config.units import parse_number


def free(reader: Reader, node: Node) -> Any:
    """The value as JSON would hold it: text with its variables expanded, numbers, true and false, lists, sections.

    What is written with nothing after it (`key:` or `key: null`) is None. Dates stay the text that they are.
    """
    match node:
        case Mapping():
            return {key.text: free(reader, value) for key, value in node.entries}
        case Sequence():
            return [free(reader, item) for item in node.items]
        case Scalar() if not is_nothing(node):
            return _single(reader, node)
        case Broken() | Scalar():
            return None


def _single(reader: Reader, node: Scalar) -> Any:
    text = reader.scalar(node, "a value")
    if text is None:
        return None
    if node.kind is Kind.FLAG and text.value not in {"true", "false"}:
        reader.wrong(node, "true or false; put a text in quotes")
        return None
    if node.kind is Kind.FLAG:
        return text.value == "true"
    if node.kind is Kind.NUMBER:
        return _number(reader, node)
    return text.value


def _number(reader: Reader, node: Scalar) -> int | float | None:
    try:
        number = parse_number(node.text)
    except ValueError as error:
        reader.findings.problem(node.place, f"{reader.findings.shown(node.text)} {error}")
        return None
    return int(number) if number == int(number) and "." not in node.text else number
