"""Did another model answer than the one that was asked for: names compared as vendors write them."""

import re

_LATEST = re.compile(r"[-:]latest$")
_VERSION = re.compile(r"[-@:](20\d{2}-?\d{2}-?\d{2}|\d{3,4}|latest)$")


def substituted(asked: str, answered: str) -> bool:
    """True when the names differ by more than vendors' habits.

    Those are a path before the name, its case, and a date, a version or `latest` after a name that was asked for
    without one: `gpt-4o-mini` answers as `gpt-4o-mini-2024-07-18`, `mistral-small-latest` as `mistral-small-2503`.
    """
    wanted, found = _bare(asked), _bare(answered)
    return found != wanted and _VERSION.sub("", found) != _LATEST.sub("", wanted)


def _bare(name: str) -> str:
    return name.rpartition("/")[2].lower()
