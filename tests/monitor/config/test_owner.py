"""The section `owner` of a provider and of a route."""

from pathlib import Path
from typing import Any

import pytest

from controller.alerts.owners import owners_of
from monitor.config.loader import load
from probes.target import Owner
from tests.support.configurations import ENVIRON, problems_of, write

RUNBOOK = "https://wiki.example/openai?a=1#outage"


def document(owner: dict[str, Any]) -> dict[str, Any]:
    """A small configuration whose provider and route have this owner."""
    models: dict[str, Any] = {"m": {}, "n": {}}
    provider = {"dialect": "openai-chat", "base_url": "https://h/v1", "api_key": "${OPENAI_API_KEY}", "models": models}
    return {
        "providers": {"openai": provider | {"owner": owner}},
        "routes": {"chat": {"candidates": ["openai/m", "openai/n"], "owner": owner}},
    }


def test_an_owner_is_read(tmp_path: Path) -> None:
    """Mentions as Slack writes them, of the provider and of the route."""
    owner = {"channel": "#ml", "mention": ["here", "<@U012AB3CD>"], "runbook": RUNBOOK}
    settings = load(write(tmp_path, **document(owner)), ENVIRON)
    expected = Owner(channel="#ml", mention=("<!here>", "<@U012AB3CD>"), runbook=RUNBOOK)
    owners = owners_of(settings)
    assert (owners.providers, owners.routes) == ({"openai": expected}, {"chat": expected})


@pytest.mark.parametrize(
    "runbook",
    [
        *("wiki/openai", "javascript:alert(1)", "https://w/<script>", "https://w/a|b", "https://w/a b", "https://"),
        *("http://[::1", "https://w:99999/", "https://ana:secret@w/", "https://:80/"),
    ],
)
def test_a_runbook_is_an_address(tmp_path: Path, runbook: str) -> None:
    """One that could break out of a link, or is none, is refused."""
    path = write(tmp_path, **document({"runbook": runbook}))
    assert len([problem for problem in problems_of(path) if "owner.runbook" in problem]) == 2
    assert "secret" not in str(problems_of(path))
