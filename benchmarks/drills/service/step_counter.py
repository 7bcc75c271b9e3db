"""Counts the steps that processes make with their files, and ends one at a step that is wanted.

A library that they load before the others (`steps.c`) sees what they write, sync, rename, remove, cut and make.
"""

import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Final

from benchmarks.reliability.preload import build_library

#: The counters of `steps.c`: steps made, steps left, whether it ends in the midst of a write.
_COUNTERS: Final = struct.Struct("=qqq")
#: A phase is over once so many in succession came to its end alive: their steps vary a little.
_SURVIVORS: Final = 3


class StepCounter:
    """Counts the steps of the processes that run in its environment."""

    def __init__(self, folder: Path) -> None:
        """Steps with files below the folder count; the library and the counters are kept there, too."""
        path = folder / "steps"
        path.write_bytes(bytes(_COUNTERS.size))
        library = build_library(Path(__file__).with_name("steps.c"), folder)
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(library),
            "STEPS": str(path),
            "STEPS_IN": f"{folder}/",
        }
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _COUNTERS.size)

    @property
    def steps(self) -> int:
        """How many there were."""
        return int(_COUNTERS.unpack(self._memory)[0])

    def kill_at(self, step: int, *, is_torn: bool = False) -> None:
        """End the process at the so manieth step from now on, or in the midst of the so manieth write; 0: at none."""
        self._memory[8:] = struct.pack("=qq", step, is_torn)

    def call_off(self) -> bool:
        """End it at none; whether it has made the step that was wanted, of which it dies, if it has not yet."""
        _, left, _ = _COUNTERS.unpack(self._memory)
        self.kill_at(0)
        return int(left) == 0


class Enumeration:
    """The steps of a phase, one after another; several may take of them at once."""

    def __init__(self, steps: range) -> None:
        """Of these, from 1."""
        self.deaths = 0
        self._steps, self._survivors, self._lock = steps, 0, Lock()

    @property
    def is_over(self) -> bool:
        """Whether no step is left."""
        return self._survivors >= _SURVIVORS or not self._steps

    def end(self) -> None:
        """Leave out what is left."""
        with self._lock:
            self._steps = range(0)

    def take(self) -> int:
        """The next step; 0 when none is left."""
        with self._lock:
            if self.is_over:
                return 0
            step, self._steps = self._steps[0], self._steps[1:]
            return step

    def note(self, *, died: bool) -> None:
        """Whether that step came before the end of the phase."""
        with self._lock:
            self.deaths += died
            self._survivors = 0 if died else self._survivors + 1
