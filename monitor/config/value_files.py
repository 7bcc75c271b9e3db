"""Reads small files whole, such as those that hold one value, as containers mount secrets: `${file:/run/secrets/x}`."""

import os
import stat
from pathlib import Path
from typing import Final

LARGEST_BYTES: Final = 16 * 1024


class UnreadableFileError(Exception):
    """The file cannot be read; the message continues a sentence that begins with the file's name."""


def read_bounded(path: Path | str, *, largest_bytes: int, expected: str, missing: str) -> bytes:
    """The bytes of a file of at most so many; a pipe, which could hold us up, is none.

    Raises UnreadableFileError, which says what was `expected`, or `missing` where nothing is there.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise UnreadableFileError(f"is {'a folder' if stat.S_ISDIR(mode) else 'no file'}; expected {expected}")
            data = file.read(largest_bytes + 1)
    except FileNotFoundError:
        raise UnreadableFileError(missing) from None
    except IsADirectoryError:
        raise UnreadableFileError(f"is a folder; expected {expected}") from None
    except OSError as error:
        raise UnreadableFileError(f"cannot be read ({error.strerror})") from None
    except ValueError:
        raise UnreadableFileError("cannot be read (its name is not a file name)") from None
    if len(data) > largest_bytes:
        kib = largest_bytes // 1024
        size = f"{kib} KiB" if kib < 1024 else f"{kib // 1024} MiB"
        raise UnreadableFileError(f"is larger than {size}; expected {expected}")
    return data


def read_value_file(path: str) -> str:
    """The text of the file without the line end that closes it; raises UnreadableFileError."""
    missing = "is not there; mount it, or remove this entry"
    data = read_bounded(path, largest_bytes=LARGEST_BYTES, expected="a file that holds one value", missing=missing)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise UnreadableFileError("is not UTF-8") from None
    value = text.removesuffix("\n").removesuffix("\r")
    if not value.strip():
        raise UnreadableFileError("is empty; expected a value")
    return value
