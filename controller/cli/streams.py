"""Makes standard output and error usable wherever a command runs: without UTF-8, or closed."""

import codecs
import os
import sys
from pathlib import Path

#: What stands for characters that a terminal cannot show; others are spelled out (`\u2713`).
_PLAIN = str.maketrans(
    {
        "→": "->",
        "–": "-",
        "…": "...",
        "×": "x",
        "“": '"',
        "”": '"',
        "’": "'",
        "✓": "ok",
        "✕": "x",
        "▼": "v",
        "↗": "^",
        "±": "+-",
    }
)
_HANDLER = "hotspare"


def prepare_streams() -> None:
    """Replace closed streams by the null device, and let no character end a command with a traceback."""
    codecs.register_error(_HANDLER, _replace)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # It takes the number of the closed one, so that no file which is opened later is written to by mistake.
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8", errors=_HANDLER))  # noqa: SIM115 - for good
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_HANDLER)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    plain = error.object[error.start : error.end].translate(_PLAIN)
    return plain.encode("ascii", "backslashreplace").decode(), error.end
