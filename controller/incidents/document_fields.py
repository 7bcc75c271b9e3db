"""Types of fields that look different in the stored JSON document of an incident, for pydantic (pure).

Reading is lenient, because the document may be of another version: what cannot be read is left out.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, PlainSerializer, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from monitor.storage.conversions import from_ms, to_ms

T = TypeVar("T")
N = TypeVar("N", int, float)


def readable_fields(part: object, read: ValidatorFunctionWrapHandler) -> Any:
    """The part; a field that cannot be read takes its default. Raises ValidationError for a field without one."""
    try:
        return read(part)
    except ValidationError as error:
        if not isinstance(part, Mapping):
            raise
        unreadable = {problem["loc"][0] for problem in error.errors() if problem["loc"]}
        return read({name: value for name, value in part.items() if name not in unreadable})


def known_or(default: StrEnum) -> BeforeValidator:
    """Takes a word that the enum of the default does not have for the default; null is no word."""
    words = {member.value: member for member in type(default)}
    return BeforeValidator(lambda word: word if word is None else words.get(word, default))


def _readable_items(items: object, read: ValidatorFunctionWrapHandler) -> tuple[Any, ...]:
    readable: list[Any] = []
    for item in items if isinstance(items, list | tuple) else ():
        try:
            readable += read((item,))
        except ValidationError:
            continue
    return tuple(readable)


def _pairs(document: object) -> object:
    return list(document.items()) if isinstance(document, dict) else ()


def _instant(ms: object) -> datetime:
    if type(ms) is not int:
        raise ValueError("an instant is a whole number of milliseconds")
    try:
        return from_ms(ms)
    except OverflowError as error:
        raise ValueError(str(error)) from error


Instant = Annotated[datetime, BeforeValidator(_instant), PlainSerializer(to_ms)]
"""Epoch milliseconds."""
Readable = Annotated[tuple[Annotated[T, WrapValidator(readable_fields)], ...], WrapValidator(_readable_items)]
"""A list; items that cannot be read are left out."""
ByName = Annotated[
    tuple[tuple[T, N], ...], WrapValidator(_readable_items), BeforeValidator(_pairs), PlainSerializer(dict)
]
"""Numbers by name, as a JSON object; those that cannot be read are left out."""
