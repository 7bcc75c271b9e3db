"""A scene of the demo in virtual time, at the pace of real life, as a text: what page, Slack and `status` say, when.

The simulated providers answer here with what they answer over HTTP, as the prober reads it.
"""

import html
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

from rich.console import Console

from controller.cli.status import print_overview
from controller.demo import files
from controller.demo.fake_slack import FakeSlack
from controller.demo.files import ROUTE, SPEED
from controller.demo.providers import PROVIDERS, Fault
from controller.demo.scenes import Awaited, Scene, Step
from monitor.config.loader import load
from probes.observation import Observation, replaced
from probes.outcome import Outcome
from probes.target import Check, Target
from tests.support.virtual_service import Told, VirtualService
from ui import incidents, sections

_QUIET_S, _AFTER_S, _OVER_WITHIN_S = 225.0, 120.0, 600.0
_SHOWN_AFTER_S = 2.0
"""Page and Slack follow within it."""
_COLUMNS, _LINES = 80, 24
_DATE = re.compile(r"<!date\^(\d+)\^[^|>]*\|[^>]*>")
#: What the simulated providers say, by dialect and status.
_WORDS = {
    ("openai-chat", 401): "HTTP 401 invalid_api_key authentication_error: Unauthorized.",
    ("openai-chat", 429): "HTTP 429 rate_limit_exceeded rate_limit_error: Rate limit exceeded.",
    ("openai-chat", 500): "HTTP 500 internal_error server_error: Internal server error.",
    ("openai-chat", 503): "HTTP 503 service_unavailable server_error: Service unavailable.",
    ("anthropic", 503): "HTTP 503 overloaded_error: Service unavailable.",
    ("gemini", 503): "HTTP 503 UNAVAILABLE: Service unavailable.",
}
_OUTCOMES = {401: Outcome.AUTH, 429: Outcome.RATE_LIMITED, 500: Outcome.SERVER_ERROR, 503: Outcome.OVERLOADED}
_MEDIANS_S = {provider.name: provider.median_s for provider in PROVIDERS}


class NoAddresses:
    """Nobody is asked."""

    def base_url(self, provider: str) -> str:
        """As the provider has it; nothing listens there."""
        return f"https://api.{provider}.example/v1"

    def neutral_url(self, provider: str) -> str:
        """Never asked."""
        return f"https://www.{provider}.example"


class SimulatedAnswers:
    """What probes of the scene's providers observe; always the same, as they are drawn from one seed."""

    def __init__(self) -> None:
        self.faults: dict[str, Fault] = {}
        """By provider."""
        self._dice = Random("a scene")
        self._requests = 0

    def __call__(self, target: Target, at: datetime) -> Observation:
        """One probe that starts at this instant."""
        self._requests += 1
        fault = self.faults.get(target.provider.name)
        latency_s = _MEDIANS_S[target.provider.name] * self._dice.lognormvariate(0, 0.25)
        failed = fault if fault and self._dice.random() < fault.share else None
        well = Observation(
            target=target.id,
            check=Check.CHAT,
            started_at=at,
            duration_s=round(latency_s, 3),
            outcome=Outcome.OK,
            http_status=200,
            request_id=f"req_{self._requests:06x}",
        )
        if failed is None:
            return well
        words = _WORDS[target.provider.dialect, failed.status]
        refused = f"the key in {target.provider.api_key_env} was refused: {words}"
        return replaced(
            well,
            outcome=_OUTCOMES[failed.status],
            detail=refused if failed.status == 401 else words,
            http_status=failed.status,
            retry_after_s=1.0 if failed.status == 429 else None,
        )


_COME = {
    Awaited.SERVED: "users are served",
    Awaited.STUCK: "the route has nowhere to go",
    Awaited.HOME: "the route is at its first candidate again",
}
#: What happens at this instant, and whether it is a moment to look at the page.
Moment = Callable[[VirtualService, str, bool], None]


def play(
    scene: Scene, folder: Path, slack: FakeSlack, at_moment: Moment, *, mention: Sequence[str] = ()
) -> VirtualService:
    """Play the scene in this empty folder; `at_moment` is called with each change and with each moment to look.

    Where somebody is mentioned, the messages have buttons too.
    """
    answers = SimulatedAnswers()
    path = files.write_configuration(folder, NoAddresses(), slack_url=slack.url, speed=1)
    settings = load(path, files.environment({}))
    assert settings.alerts.slack
    alerts = replace(settings.alerts, slack=replace(settings.alerts.slack, mention=tuple(mention)))
    settings = replace(settings, alerts=alerts)
    service = VirtualService(settings, folder, answers, slack, tick_s=1.0, buttons=bool(mention))
    service.run(_QUIET_S)
    at_moment(service, "all is quiet", True)
    for step in scene.steps:
        began_s, answers.faults = service.at_s, dict(step.faults)
        at_moment(service, step.text, False)
        assert service.run(began_s + step.within_s * SPEED, partial(_has_come, service, step)), step.awaited
        after_s = service.at_s - began_s
        service.run(service.at_s + _SHOWN_AFTER_S)
        at_moment(service, f"{_COME[step.awaited]}, {after_s:.0f} s after {step.event}", True)
        service.run(max(service.at_s + step.then_s * SPEED, began_s + step.lasts_s * SPEED))
    service.run(service.at_s + _OVER_WITHIN_S, partial(_is_over, service))
    service.run(service.at_s + _AFTER_S)
    at_moment(service, "all is over", True)
    return service


def _has_come(service: VirtualService, step: Step) -> bool:
    stuck = any(route.stuck for incident in service.journal.open_incidents() for route in incident.routes)
    return step.is_over(service.serving(ROUTE), stuck=stuck)


def _is_over(service: VirtualService) -> bool:
    return not service.journal.open_incidents() and not service.journal.count_untold()


def transcript(scene: Scene, folder: Path, slack: FakeSlack) -> str:
    """Everything that page, `status` and Slack say in this scene; times in UTC."""
    lines = [f"The scene {scene.name}: {scene.title}"]
    told = 0
    shown: dict[str, list[str]] = {}

    def at_moment(service: VirtualService, text: str, looks: bool) -> None:
        nonlocal told
        for one in service.told[told:]:
            lines.extend(_said(one, shown.get(one.ts, ())))
            shown[one.ts] = _lines(one)
        told = len(service.told)
        lines.extend(("", f"{'##' if looks else '>>'} {service.now:%H:%M:%S}  {text}"))
        if looks:
            lines.extend(_looks(service))

    play(scene, folder, slack, at_moment).close()
    return "\n".join(line.rstrip() for line in lines)


def _looks(service: VirtualService) -> Iterator[str]:
    overview = service.overview()
    yield f"-- the page (tab: {sections.tab_title(overview)})"
    for section in (sections.banner, sections.overrides, sections.routes, incidents.open_incidents):
        yield from _as_text(section(overview))
    yield "-- hotspare status"
    stream = io.StringIO()
    print_overview(
        overview, Console(file=stream, width=_COLUMNS, height=_LINES, force_terminal=True, color_system=None)
    )
    yield from (f"   {line}" for line in stream.getvalue().rstrip().splitlines())


_BLOCK = re.compile(r"</?(section|header|div|p|h\d|ul|ol|li|table|tr|details|summary|figure|dl|dt|dd)\b[^>]*>")


def _as_text(page: str) -> Iterator[str]:
    """The text of HTML, a line for each block that has any."""
    visible = _BLOCK.sub("\n", re.sub(r"(?s)<(svg|style|title)\b.*?</\1>", "", page))
    for line in html.unescape(re.sub(r"<[^>]*>", " ", visible)).splitlines():
        if text := " ".join(line.split()):
            yield f"   {text}"


def _said(told: Told, before: Sequence[str]) -> Iterator[str]:
    """A message; of an edit the lines that are new."""
    how = "edited" if told.edited else "new message" if told.thread is None else "in the thread"
    how += ", shown in the channel too" if told.broadcast else ""
    yield f"{told.at:%H:%M:%S}  Slack, {how}:"
    yield from (f"          | {line}" for line in _lines(told) if line not in before)


def _lines(told: Told) -> list[str]:
    text = _DATE.sub(lambda date: f"{datetime.fromtimestamp(int(date[1]), UTC):%H:%M:%S}", told.body)
    return html.unescape(text).splitlines()
