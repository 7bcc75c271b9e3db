"""Writes the files of the drill: a configuration with short intervals, and environment variables with made-up keys."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from controller.demo.providers import CANDIDATES, PROVIDERS
from controller.demo.world import World

ROUTE = "chat"
PROBE_INTERVAL_S = 2.0
MIN_OUTAGE_S = 1.0
HOLD_S = 20.0
#: The keys in the service's environment, by variable; only the simulated providers know them.
KEYS = {provider.api_key_env: f"sk-demo-{provider.name}" for provider in PROVIDERS}
_SLACK_TOKEN = {"SLACK_BOT_TOKEN": "xoxb-demo"}

_CONFIGURATION = """\
# Written by `hotspare demo`: the defaults with time running fifteen times as fast, so that the detector weighs
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
  false_failovers: 1 per 6d
  min_outage: {min_outage_s:g}s
  dwell: 4s
  failback: {{mode: auto, hold: {hold_s:g}s}}
  blips: {{per_day: 75, length: [200ms, 533ms], failure_rate: 90%}}

alerts:
  slack: {{token: "${{SLACK_BOT_TOKEN}}", channel: "#llm-status", api_url: "{slack_url}"}}

connectivity:
  endpoints: ["{neutral_url}"]
"""

_PROVIDER = """\
  {name}:
    dialect: {dialect}
    base_url: {base_url}
    api_key: ${{{api_key_env}}}
    models:
{models}
"""


def write_configuration(folder: Path, world: World, *, slack_url: str) -> Path:
    """Write the configuration into the folder, where the service's other files will be; returns its path."""
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
        interval_s=PROBE_INTERVAL_S,
        min_outage_s=MIN_OUTAGE_S,
        hold_s=HOLD_S,
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
