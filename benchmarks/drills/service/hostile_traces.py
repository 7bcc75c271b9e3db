"""What the service left behind: keys in what it wrote, and files that others may read."""

import base64
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

#: A shorter piece of a key may be shown.
_PIECE: Final = 8
#: For those who route, those who look at the page, and those who ask who holds a lock. All others are private.
_FOR_OTHERS: Final = frozenset({"routing.json", "index.html", "hotspare.db.lock", "routing.json.lock"})
#: Half written, on the way to what others may read.
_UNFINISHED: Final = frozenset({".tmp", ".part"})
_OURS: Final = frozenset({"hotspare.yaml", "log"})


def files_of_service(folder: Path) -> Iterator[Path]:
    """Every file below the folder that the service has made."""
    return (path for path in folder.rglob("*") if path.name not in _OURS and path.is_file())


def wrong_modes(folder: Path) -> Iterator[str]:
    """Which of them are not 0600, or 0644 where others need them."""
    for path in files_of_service(folder):
        expected = 0o644 if path.name in _FOR_OTHERS else 0o600
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except FileNotFoundError:
            continue
        if mode != expected and path.suffix not in _UNFINISHED:
            yield f"{path.name} has the mode {mode:o}, expected {expected:o}"


def found_keys(texts: Mapping[str, bytes], keys: Collection[str]) -> Iterator[str]:
    """In which of the texts a key stands, or a piece of one: at most once for each text."""
    pattern = re.compile(b"|".join(sorted({re.escape(form) for key in keys for form in _forms(key)})))
    for name, text in texts.items():
        if found := pattern.search(text):
            around = text[max(0, found.start() - 60) : found.end() + 20]
            yield f"a key stands in {name}: {around!r}"


def _forms(key: str) -> Iterator[bytes]:
    """Every eight characters of it, as they are and percent-encoded, and it all in base64 at each of three offsets."""
    for start in range(0, len(key) - _PIECE + 1, _PIECE):
        piece = key[start : start + _PIECE]
        yield piece.encode()
        yield quote(piece, safe="").encode()
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + key.encode())
        yield encoded[4 if offset else 0 : -4]
