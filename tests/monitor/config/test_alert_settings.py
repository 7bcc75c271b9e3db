"""The configuration of Slack: everything that can be said is read, and what is left out has its default."""

from datetime import time
from pathlib import Path
from typing import Any

import pytest

from monitor.config.alert_settings import QuietHours, Severity, SlackSettings
from monitor.config.loader import load
from probes.target import Secret
from tests.support.configurations import ENVIRON, problems_of, write

BOT = {"token": "${SLACK_BOT_TOKEN}", "channel": "#ops"}
TOLD = SlackSettings(token=Secret(ENVIRON["SLACK_BOT_TOKEN"]), channel="#ops")


def slack(folder: Path, section: dict[str, Any]) -> SlackSettings | None:
    """What such a section becomes."""
    return load(write(folder, alerts={"slack": section}), ENVIRON).alerts.slack


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    """A token and a channel are enough: nobody is mentioned, no hour is quiet."""
    assert slack(tmp_path, BOT) == TOLD
    assert (TOLD.remind_s, TOLD.most_per_hour, TOLD.quiet_hours, TOLD.mention) == (1800.0, 30, None, ())


def test_everything_is_read(tmp_path: Path) -> None:
    """Every key besides the buttons' own."""
    told = slack(
        tmp_path,
        BOT
        | {
            "channels": {"critical": "#oncall", "info": "C0123456789"},
            "mention": ["<@U012AB3CD>", "<!subteam^S012AB3CD>", "here"],
            "remind": "1h",
            "quiet_hours": {"from": "22:00", "to": "07:30", "zone": "Europe/Berlin"},
            "most_per_hour": 5,
        },
    )
    assert told is not None
    assert [told.channel_of(severity) for severity in Severity] == ["#oncall", "#ops", "C0123456789"]
    assert told.mention == ("<@U012AB3CD>", "<!subteam^S012AB3CD>", "<!here>")
    assert (told.remind_s, told.most_per_hour) == (3600.0, 5)
    assert told.quiet_hours == QuietHours(begin=time(22), end=time(7, 30), zone="Europe/Berlin")


def test_reminders_can_be_switched_off(tmp_path: Path) -> None:
    """By no time at all."""
    told = slack(tmp_path, BOT | {"remind": "0s"})
    assert told is not None
    assert told.remind_s == 0.0


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://hooks.slack.com/services/T0/B0/abc", id="Slack's"),
        pytest.param("http://127.0.0.1:8080/services/T0/B0/abc", id="a stand-in on this machine"),
    ],
)
def test_a_webhook_needs_no_token(tmp_path: Path, url: str) -> None:
    """Its address is a secret, and is treated as one."""
    told = slack(tmp_path, {"webhook_url": url})
    assert told == SlackSettings(webhook_url=Secret(url))
    assert url not in repr(told)


def test_a_webhook_in_the_file_is_warned_of(tmp_path: Path) -> None:
    """Whoever reads the file could post."""
    path = write(tmp_path, alerts={"slack": {"webhook_url": "https://hooks.slack.com/services/T0/B0/abc"}})
    advice = "the webhook is in the file itself; keep it in a variable and write ${SLACK_WEBHOOK_URL}"
    assert [warning.endswith(f"alerts.slack.webhook_url: {advice}") for warning in load(path, ENVIRON).warnings].count(
        True
    ) == 1
    path = write(tmp_path, alerts={"slack": {"webhook_url": "${SLACK_WEBHOOK}"}})
    assert "alerts.slack" not in str(load(path, ENVIRON).warnings)


def test_a_webhook_in_a_variable_is_never_shown(tmp_path: Path) -> None:
    """Also where it is none."""
    path = write(tmp_path, alerts={"slack": {"webhook_url": "${OTHER_SECRET}"}})
    (problem,) = problems_of(path)
    assert problem.endswith("is not a webhook's address; expected https://hooks.slack.com/services/…")
    assert ENVIRON["OTHER_SECRET"] not in problem
