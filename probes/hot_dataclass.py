"""A faster dataclass, for values that a simulation creates by the million."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def hot_dataclass(cls: type[T]) -> type[T]:
    """A keyword-only dataclass with slots, compared and hashed by value.

    Frozen for the type checker alone: at run time, a frozen one takes three times as long to create, and `hotspare
    simulate` a fifth longer.
    """
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)
