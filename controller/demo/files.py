"""Writes the files of the drill: a configuration with short intervals, and environment variables with made-up keys."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from controller.demo.providers import CANDIDATES, PROVIDERS

ROUTE = "chat"
SPEED = 15.0
"""So many times as fast as in real life the demo's time runs."""
PROBE_INTERVAL_S = 30 / SPEED
MIN_OUTAGE_S = 15 / SPEED
HOLD_S = 300 / SPEED
#: The keys in the service's environment, by variable; only the simulated providers know them.
KEYS = {provider.api_key_env: f"sk-demo-{provider.name}" for provider in PROVIDERS}
_SLACK_TOKEN = {"SLACK_BOT_TOKEN": "xoxb-demo"}

_CONFIGURATION = """\
# Written by `hotspare demo`: the defaults with time running {speed:g} times as fast, so that the detector weighs
# evidence as it does in real life (the same threshold) and a drill takes two minutes.
database: {database}
routing_file: {routing_file}

defaults:
  interval: {interval_s:g}s
  timeout: {{connect: 1s, first_token: 2s, total: 2s}}
  slow: 1800ms
  checks: [chat]

providers:
{providers}
routes:
  {route}:
    candidates: [{candidates}]

controller:
  detect: 30%
  false_failovers: 1 per {alarm_days:g}d
  min_outage: {min_outage_s:g}s
  dwell: {dwell_s:g}s
  failback: {{mode: auto, hold: {hold_s:g}s}}
  blips: {{per_day: {blips:g}, length: [{shortest_ms:.0f}ms, {longest_ms:.0f}ms], failure_rate: 90%}}

alerts:
  slack: {{token: "${{SLACK_BOT_TOKEN}}", channel: "#llm-status", api_url: "{slack_url}"}}

connectivity:
  endpoints: ["{neutral_url}"]

api: {{listen: 127.0.0.1:0}}
"""

_PROVIDER = """\
  {name}:
    dialect: {dialect}
    base_url: {base_url}
    api_key: ${{{api_key_env}}}
    models:
{models}
"""


class Addresses(Protocol):
    """Where the simulated providers are."""

    def base_url(self, provider: str) -> str:
        """The provider's `base_url`."""

    def neutral_url(self, provider: str) -> str:
        """A page of that provider's server that never fails."""


def write_configuration(folder: Path, world: Addresses, *, slack_url: str, speed: float = SPEED) -> Path:
    """Write the configuration into the folder, where the service's other files will be; returns its path.

    Time runs `speed` times as fast as in real life.
    """
    providers = [
        _PROVIDER.format(
            name=provider.name,
            dialect=provider.dialect,
            base_url=world.base_url(provider.name),
            api_key_env=provider.api_key_env,
            models="\n".join(f"      {model}: {{}}" for model in provider.models),
        )
        for provider in PROVIDERS
    ]
    text = _CONFIGURATION.format(
        database=json.dumps(f"sqlite:///{folder}/hotspare.db"),
        routing_file=json.dumps(f"{folder}/routing.json"),
        speed=speed,
        interval_s=30 / speed,
        alarm_days=90 / speed,
        min_outage_s=15 / speed,
        dwell_s=60 / speed,
        hold_s=300 / speed,
        blips=5 * speed,
        shortest_ms=3000 / speed,
        longest_ms=8000 / speed,
        providers="".join(providers),
        route=ROUTE,
        candidates=", ".join(CANDIDATES),
        slack_url=slack_url,
        neutral_url=world.neutral_url(PROVIDERS[-1].name),
    )
    path = folder / "hotspare.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def environment(inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of the demo's processes: with the made-up keys, and without a proxy."""
    variables = {name: value for name, value in inherited.items() if not name.lower().endswith("_proxy")}
    return variables | KEYS | _SLACK_TOKEN
