"""Options and fixtures of all tests."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes depends on what else the machine does.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--rewrite-golden` writes the expected texts instead of comparing with them (`make golden`)."""
    parser.addoption("--rewrite-golden", action="store_true", help="write the expected texts of tests/data anew")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compares a text with the file that holds what is expected; `make golden` rewrites that file for review."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--rewrite-golden"):
            path.write_text(text + "\n", encoding="utf-8")
        assert text == path.read_text(encoding="utf-8").rstrip("\n")

    return compare
