"""What must not grow: figures of the beginning beside those of the end."""

import resource
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, ParamSpec

P = ParamSpec("P")

ROUNDS: Final = 3
"""How often what is quick is measured."""
_SHARE: Final = 1.3
#: What is too small to be told from noise, by unit.
_NOISE: Final = {"s": 0.1, "MiB": 16.0, "": 16.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One of them; `unit` is `s`, `MiB`, or nothing for a count."""

    value: float
    unit: str
    is_bounded: bool = True
    """Else it may grow, and is only told."""

    def __str__(self) -> str:
        return f"{self.value:.3f} s" if self.unit == "s" else f"{self.value:,.0f} {self.unit}".rstrip()


def grown(before: Mapping[str, Figure], after: Mapping[str, Figure]) -> Iterator[str]:
    """Which of them are more than 1.3 times what they were, beyond what is noise."""
    for name, first in before.items():
        last = after[name]
        if first.is_bounded and last.value > _SHARE * first.value + _NOISE[first.unit]:
            yield f"{name} grew from {first} to {last}"


def growth_lines(before: Mapping[str, Figure], after: Mapping[str, Figure]) -> Iterator[str]:
    """Each with its beginning and its end."""
    for name, first in before.items():
        yield f"{name}: {first}, in the end {after[name]}"


def least_s(rounds: int, work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> float:
    """The least of so many times that it takes, as `cpu_of`."""
    return min(cpu_of(work, *args, **kwargs) for _ in range(rounds))


def cpu_of(work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> float:
    """Processor time in seconds, of this process and its children: the machine may be busy with something else."""
    before_s = _used_s()
    work(*args, **kwargs)
    return _used_s() - before_s


def _used_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
