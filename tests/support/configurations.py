"""What the tests of the configuration share: an environment, a small good file and a full one that is not."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from monitor.config.loader import load
from monitor.config.problems import ConfigError

ENVIRON = {
    "OPENAI_API_KEY": "sk-openai-0123456789",
    "ANTHROPIC_API_KEY": "sk-ant-0123456789",
    "SLACK_BOT_TOKEN": "xoxb-0123456789",
    "SLACK_WEBHOOK": "https://hooks.slack.com/services/T0/B0/abc",
    "EMPTY_KEY": "",
    "BLANK_KEY": "  ",
    "KEY_WITH_LINE_BREAK": "sk-openai-0123456789\n",
    "OTHER_SECRET": "correct-horse-battery",
}

# Every kind of value, for tests that put something else in the place of each.
FULL: dict[str, Any] = {
    "database": "sqlite:///var/hotspare.db",
    "routing_file": "var/routing.json",
    "defaults": {"interval": "30s", "timeout": {"connect": "5s"}, "slow": "10s", "checks": ["chat"]},
    "providers": {
        "openai": {
            "dialect": "openai-chat",
            "base_url": "https://h/v1",
            "status_page": "https://h",
            "api_key": "k",
            "models": {"m": {"slow": "2s"}},
        }
    },
    "routes": {"chat": {"candidates": ["openai/m"], "fail_over_on": ["down"], "slo": "99.9%"}},
    "maintenance": {"work": {"of": "openai", "from": "22:00", "to": "02:00", "day": "sunday", "leave": "10m"}},
    "freeze": {"sale": {"of": "chat", "from": "2026-12-24 18:00", "to": "2026-12-27 06:00", "zone": "UTC"}},
    "controller": {
        "detect": "30%",
        "false_failovers": "1 per 90d",
        "failback": {"mode": "auto", "steps": ["10%", "100%"]},
        "blips": {"per_day": 5, "length": ["3s", "8s"], "failure_rate": "90%"},
        "dry_run": False,
    },
    "alerts": {
        "slack": {
            "token": "t",
            "channel": "#c",
            "api_url": "https://slack.com/api/",
            "secret_key": "hunter2-hunter2-hunter2",
        },
        "webhook_url": "https://h/hook",
        "webhook_secret": "hunter2-hunter2-hunter2",
        "apprise": ["json://h/hook"],
        "heartbeat_url": "https://h/ping",
        "digest": {"day": "monday", "at": "09:00", "zone": "UTC"},
    },
    "connectivity": {"endpoints": ["https://h"]},
    "network": {"proxy": "http://h", "ca_bundle": "/no"},
    "retention": {"raw": "14d", "hour": "730d", "day": "forever"},
    "budget": {"usd_per_month": 5},
}


def problems_of(path: Path, environ: Mapping[str, str] = ENVIRON) -> tuple[str, ...]:
    """What is wrong with this file; fails when nothing is."""
    with pytest.raises(ConfigError) as caught:
        load(path, environ)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def write(folder: Path, **changes: Any) -> Path:
    """A small good configuration with some top-level keys changed; JSON is YAML."""
    provider = {"dialect": "openai-chat", "api_key": "${OPENAI_API_KEY}", "models": {"gpt-6-luna": {}}}
    document = {"providers": {"openai": provider}, "routes": {"chat": {"candidates": ["openai/gpt-6-luna"]}}, **changes}
    path = folder / "hotspare.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
