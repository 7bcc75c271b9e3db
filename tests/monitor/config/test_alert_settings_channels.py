"""The configuration of what is told besides Slack: every key is read, and no address or secret is ever shown."""

import sys
from datetime import time
from pathlib import Path
from typing import Any

import pytest

from monitor.config.alert_settings import AlertSettings, WeeklyDigest
from monitor.config.loader import load
from probes.target import Secret
from tests.support.configurations import ENVIRON, problems_of, write

TOKEN = "correct-horse-battery"
ALERTS: dict[str, Any] = {
    "webhook_url": "https://hooks.example/${OTHER_SECRET}?x=1",
    "webhook_secret": "${OTHER_SECRET}",
    "apprise": ["json://127.0.0.1/${OTHER_SECRET}", "ntfys://127.0.0.1/${OTHER_SECRET}"],
    "heartbeat_url": "https://beats.example/${OTHER_SECRET}",
    "heartbeat_every": "2m",
    "digest": {"day": "friday", "at": "17:30", "zone": "Europe/Berlin"},
}


def test_every_setting_is_read(tmp_path: Path) -> None:
    """Each key ends up in its setting, with its variables expanded, and without a warning."""
    loaded = load(write(tmp_path, alerts=ALERTS), ENVIRON)
    assert loaded.alerts == AlertSettings(
        webhook_url=Secret(f"https://hooks.example/{TOKEN}?x=1"),
        webhook_secret=Secret(TOKEN),
        apprise=(Secret(f"json://127.0.0.1/{TOKEN}"), Secret(f"ntfys://127.0.0.1/{TOKEN}")),
        heartbeat_url=Secret(f"https://beats.example/{TOKEN}"),
        heartbeat_every_s=120.0,
        digest=WeeklyDigest(weekday=4, at=time(17, 30), zone="Europe/Berlin"),
    )
    assert not [one for one in loaded.warnings if "alerts" in one]
    assert TOKEN not in repr(loaded)


def test_who_only_reads_needs_no_variable(tmp_path: Path) -> None:
    """`status` and the page work without the secrets, and without the library."""
    environ = {name: value for name, value in ENVIRON.items() if name != "OTHER_SECRET"}
    loaded = load(write(tmp_path, alerts=ALERTS), environ, keys=False)
    assert loaded.alerts.webhook_url is not None
    assert loaded.alerts.apprise == ()


def test_a_missing_library_is_named_with_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apprise is an optional extra."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    [problem] = problems_of(write(tmp_path, alerts={"apprise": ["${OTHER_SECRET}"]}))
    assert problem.endswith(
        "alerts.apprise: needs the library Apprise, which is not installed: pip install 'hotspare[apprise]'"
    )


@pytest.mark.parametrize("key", ["webhook_url", "heartbeat_url", "apprise"])
def test_an_address_that_is_refused_is_not_shown(tmp_path: Path, key: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither by the message, nor by the library that refuses it."""
    bad = f"nosuch://{TOKEN}.example/{TOKEN}"
    for value in (bad, "${BAD_URL}"):
        given = [value] if key == "apprise" else value
        problems = problems_of(write(tmp_path, alerts={key: given}), {**ENVIRON, "BAD_URL": bad})
        assert len(problems) == 1
        assert TOKEN not in str(problems) + str(capfd.readouterr())


def test_without_any_of_it_there_is_none(tmp_path: Path) -> None:
    """The defaults tell nobody."""
    assert load(write(tmp_path), ENVIRON).alerts == AlertSettings()
