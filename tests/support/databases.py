"""On which database a test with `database_url` is run."""

from typing import Final

import pytest

ON_SQLITE: Final = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For a test of what is only so there."""


class Seconds:
    """A monotonic clock that is moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now
