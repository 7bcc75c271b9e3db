"""What every test of alerts needs."""

import pytest


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the machine must not stand between a client and a server on loopback."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
