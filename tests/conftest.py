"""Options and fixtures of all tests."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from probes.loop_lag import LagMeasuringLoop

if TYPE_CHECKING:
    from tests.support.postgres import PostgresServer

# How long an example takes depends on what else the machine does.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--rewrite-golden` writes the expected texts instead of comparing with them (`make golden`)."""
    parser.addoption("--rewrite-golden", action="store_true", help="write the expected texts of tests/data anew")


@pytest.hookimpl
def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Every test runs in a loop that probes can run in."""
    return {"lag": LagMeasuringLoop}


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compares a text with the file that holds what is expected; `make golden` rewrites that file for review."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--rewrite-golden"):
            path.write_text(text + "\n", encoding="utf-8")
        assert text == path.read_text(encoding="utf-8").rstrip("\n")

    return compare


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> "Iterator[PostgresServer]":
    """The server of this run, which all its processes share; it ends with the last of them."""
    from tests.support.postgres import PostgresServer, server_folder  # noqa: PLC0415 - most tests need none

    worker = getattr(request.config, "workerinput", {"testrunuid": None})
    server = PostgresServer(server_folder(worker["testrunuid"]))
    server.be_fast()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new database may be made: each test is run on a file, and on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/hotspare.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()
