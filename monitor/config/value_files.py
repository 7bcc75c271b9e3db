"""Reads the small files that hold one value, as containers mount secrets: `${file:/run/secrets/openai}`."""

import os
import stat
from typing import Final

LARGEST_BYTES: Final = 16 * 1024


class UnreadableValueError(ValueError):
    """A file holds no value; the text goes on from its name."""


def read_value_file(path: str) -> str:
    """The text of the file without the line end that closes it; raises UnreadableValueError."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a pipe must not hold us up
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UnreadableValueError("is no file; expected a file")
            data = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise UnreadableValueError("is not there; mount it, or remove this entry") from None
    except IsADirectoryError:
        raise UnreadableValueError("is a folder; expected a file") from None
    except OSError as error:
        raise UnreadableValueError(f"cannot be read ({error.strerror})") from None
    except ValueError as error:
        if isinstance(error, UnreadableValueError):
            raise
        raise UnreadableValueError("is not a file name") from None
    if len(data) > LARGEST_BYTES:
        raise UnreadableValueError("is larger than 16 KiB; expected a file that holds one value")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise UnreadableValueError("is not UTF-8") from None
    value = text.removesuffix("\n").removesuffix("\r")
    if not value.strip():
        raise UnreadableValueError("is empty; expected a value")
    return value
