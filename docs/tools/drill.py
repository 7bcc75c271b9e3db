"""A drill on a past of 90 generated days that ends now: what the page is served with while its pictures are taken.

It is the demo's outage in virtual time, on a configuration with what a reader looks for: prices, a budget, objectives.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from controller.demo.fake_slack import FakeSlack
from controller.demo.scenes import BY_NAME
from controller.history.store import RouteHistory
from monitor.config.settings import Settings
from monitor.liveness import ServiceBeat
from monitor.status_pages.reading import VendorState, VendorStateChange
from monitor.storage.column_conversions import to_ms
from probes.observation import Observation, replaced
from probes.target import Check, Target
from tests.support.generated_history import Extent, generate
from tests.support.scene_transcript import SimulatedAnswers
from tests.support.virtual_service import VirtualService

_CONFIG: Final = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
defaults: {{checks: [stream]}}
connectivity: {{endpoints: []}}
budget: {{usd_per_month: 30}}
alerts: {{slack: {{token: xoxb-drill, channel: "#llm-status", api_url: "{slack}"}}}}
providers:
  openai:
    dialect: openai-chat
    api_key: sk-drill
    models:
      gpt-6-luna: {{price: {{input: 0.60, output: 2.40}}}}
      gpt-5.6-luna: {{price: {{input: 0.40, output: 1.60}}}}
  anthropic:
    dialect: anthropic
    api_key: sk-drill
    models:
      claude-haiku-5-5: {{price: {{input: 0.80, output: 4.00}}}}
      claude-haiku-4-5: {{price: {{input: 0.80, output: 4.00}}}}
  gemini:
    dialect: gemini
    api_key: sk-drill
    models:
      gemini-3.5-flash-lite: {{price: {{input: 0.10, output: 0.40}}}}
      gemini-3.1-flash-lite: {{price: {{input: 0.10, output: 0.40}}}}
routes:
  chat: {{candidates: [openai/gpt-6-luna, anthropic/claude-haiku-5-5, gemini/gemini-3.5-flash-lite], slo: "99.9%"}}
  summaries: {{candidates: [anthropic/claude-haiku-4-5, gemini/gemini-3.1-flash-lite], slo: "99.5%"}}
"""
_QUIET_S: Final = 900.0
_SINCE_S: Final = 240.0
"""For so long the outage has been handled when the pictures are taken."""
_ALIVE: Final = timedelta(minutes=30)


class _Answers(SimulatedAnswers):
    """Streams with their phases and cost."""

    def __call__(self, target: Target, at: datetime) -> Observation:
        seen = super().__call__(target, at)
        if seen.detail:
            return replaced(seen, check=Check.STREAM)
        whole = 2.4 * seen.duration_s
        return replaced(
            seen,
            check=Check.STREAM,
            duration_s=whole,
            resolved_s=0.004,
            tcp_s=0.019,
            connected_s=0.047,
            sent_s=0.048,
            first_byte_s=0.55 * seen.duration_s,
            first_token_s=seen.duration_s,
            last_byte_s=whole,
            input_tokens=18,
            output_tokens=9,
            cost_usd=0.00003,
        )


def lay_down(folder: Path, *, outage: bool = True) -> Path:
    """Lay down a database and a routing file as they would be now, during the `outage` or before; the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "hotspare.yaml"
    with FakeSlack() as slack:
        config.write_text(_CONFIG.format(folder=folder, slack=slack.url), encoding="utf-8")
        began = datetime.now(UTC) - timedelta(seconds=_QUIET_S + _SINCE_S + 60 if outage else _QUIET_S)
        settings = generate(config, Extent(raw_days=2), began)
        _play(settings, folder, slack, began, outage=outage)
    return config


def _play(settings: Settings, folder: Path, slack: FakeSlack, began: datetime, *, outage: bool) -> None:
    answers = _Answers()
    service = VirtualService(settings, folder, answers, slack, tick_s=1.0, began=began)
    service.run(_QUIET_S)
    if outage:
        step = BY_NAME["outage"].steps[0]
        answers.faults = dict(step.faults)
        service.run((datetime.now(UTC) - began).total_seconds())
    now = datetime.now(UTC)
    with service.engine.begin() as connection:  # It judged its last hour anew, as no service had stored its health.
        yesterday = to_ms(began - timedelta(days=1))
        connection.exec_driver_sql("DELETE FROM transitions WHERE before = 'unknown' AND at_ms > ?", (yesterday,))
    for provider in settings.providers:
        if provider.status_page:
            service.store.record_vendor_report(
                VendorStateChange(
                    provider=provider.name, at=began, state=VendorState.OPERATIONAL, url=provider.status_page
                )
            )
    RouteHistory(service.engine, settings).sum_up(now)
    service.store.beat(
        ServiceBeat(pid=1, host="watch-1", version="0.2.0", started_at=began, beat_at=now + _ALIVE, stopped_at=None)
    )
    service.close()
