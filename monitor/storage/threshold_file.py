"""Thresholds that were once found, kept for the next start: some take half a second to calculate."""

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from monitor.detection import threshold

#: A line is a key, a blank and a threshold.
_LONGEST = 1_000_000


class ThresholdFile(dict[str, float]):
    """The thresholds of a file, to which new ones are appended at once, so that any number of processes may share it.

    A file that cannot be read or written is none; a line that is none, such as one just being written, is left out.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        with suppress(OSError):
            if path.stat().st_size > _LONGEST:
                path.unlink()
            for line in path.read_text(encoding="ascii", errors="replace").splitlines():
                key, _, value = line.partition(" ")
                with suppress(ValueError):
                    super().__setitem__(key, float(value))

    def __setitem__(self, key: str, value: float) -> None:
        """Keep it here and in the file."""
        super().__setitem__(key, value)
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="ascii") as file:
                file.write(f"{key} {value!r}\n")


def keep_thresholds() -> None:
    """Keep thresholds in `hotspare/` of the user's cache, in a file for each version of the calculation."""
    with suppress(OSError, RuntimeError):
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        rule = sha256(Path(threshold.__file__).read_bytes()).hexdigest()[:12]
        threshold.keep_in(ThresholdFile(cache / "hotspare" / f"thresholds-{rule}"))
