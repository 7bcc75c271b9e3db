"""Values that are made by the million: one or more for every probe, a simulated one included."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def hot_dataclass(cls: type[T]) -> type[T]:
    """A dataclass of keywords and slots that is compared and hashed by what it holds.

    The type checker keeps it frozen. At run time nothing does: a frozen one takes three times as long to make, and
    `hotspare simulate` a fifth longer.
    """
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)
