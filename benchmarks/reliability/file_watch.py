"""Reads the routing file all the time, as an application does, and notes what must never be seen."""

import json
import threading
from pathlib import Path
from typing import Final

EVERY_S: Final = 0.003


class FileWatch:
    """A thread that reads until it is closed."""

    def __init__(self, path: Path, *, may_vanish: bool, every_s: float = EVERY_S) -> None:
        """`may_vanish`: the file may be taken away for a moment, as by a fault of its folder."""
        self._path, self._may_vanish, self._every_s = path, may_vanish, every_s
        self.wrong: list[str] = []
        """What was torn, gone, or of another target or an earlier generation than before."""
        self.reads = 0
        self.targets: dict[tuple[int, int], str] = {}
        """The target of the route by (epoch, generation), of every file that was seen."""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read_on, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Read no more."""
        self._closing.set()
        self._thread.join()

    def _read_on(self) -> None:
        while not self._closing.wait(self._every_s):
            try:
                text = self._path.read_bytes()
            except OSError:
                if self.reads and not self._may_vanish:
                    self.wrong.append("the routing file is gone")
                continue
            self.reads += 1
            try:
                table = json.loads(text)
                at = int(table.get("epoch", 0)), int(table["generation"])
                target = str(table["routes"]["chat"]["target"])
            except (ValueError, KeyError, TypeError):
                self.wrong.append(f"the routing file is torn: {text[:80]!r}")
                continue
            if self.targets.setdefault(at, target) != target:
                self.wrong.append(f"two targets under generation {at}")
            if at < (latest := max(self.targets)):
                self.wrong.append(f"generation {at} after {latest}")
