"""`make pictures`: the running page and Slack messages as PNG files in docs/; needs Chromium and a font with emoji.

What they show is what the scenes of the demo make of them, played in virtual time.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from controller.alerts.alert import PendingEvent
from controller.alerts.digest.digest import RouteWeek, TargetWeek, Week, digest_message, format_digest
from controller.alerts.slack.blocks import Message
from controller.alerts.slack.other_messages import notice_message, notices_message, passed_message
from controller.demo.fake_slack import FakeSlack
from controller.demo.scenes import BY_NAME
from controller.incidents.incident import AffectedTarget, Incident, IncidentKind
from docs.tools import slack_page
from docs.tools.drill import lay_down
from docs.tools.slack_page import Post
from monitor.health import Health
from tests.support.page_process import served
from tests.support.scene_transcript import play
from tests.support.virtual_service import Told, VirtualService
from ui.static_file import write_static

DOCS = Path(__file__).parents[1]
CHROMIUM = Path("/usr/bin/chromium")
NIGHT = datetime(2026, 11, 21, 2, 0, 41, tzinfo=UTC)
LUNA, HAIKU = "openai/gpt-6-luna", "anthropic/claude-haiku-5-5"
WHOM = ("<!subteam^S012AB3CD>",)
_WIDTH = 760
_PATIENCE_MS, _SETTLE_MS = 60_000, 1_500
#: As many as the smoothed edges of letters and symbols need; the page has more tints.
_COLOURS, _PAGE_COLOURS = 96, 256


@dataclass(frozen=True)
class Shot:
    """What the browser opens, what must be there, and how much of it is kept."""

    address: str
    shows: tuple[str, ...]
    height: int


SHOTS: Final = {
    "page": Shot("", ("chat has failed over", "gemini-3.1-flash-lite"), 1180),
    "page-routes": Shot("routes?route=chat&range=90d", ("What users felt", "Decisions as CSV"), 1240),
    "page-target": Shot("target?target=openai/gpt-6-luna&range=24h", ("Last failures",), 1180),
    "page-incident": Shot("incidents?incident=7", ("How the evidence grew", "Incidents as CSV"), 700),
}


def at(seconds: float) -> datetime:
    """`seconds` after the night's first message."""
    return NIGHT + timedelta(seconds=seconds)


def look(scene: str) -> list[list[Told]]:
    """All that Slack was told until each moment of the scene."""
    found: list[list[Told]] = []

    def at_moment(service: VirtualService, _text: str, looks: bool) -> None:
        if looks:
            found.append(list(service.told))

    with FakeSlack() as slack, TemporaryDirectory() as folder:
        play(BY_NAME[scene], Path(folder), slack, at_moment, mention=WHOM).close()
    return found


def posts(told: list[Told]) -> list[Post]:
    """The messages as they stand in the channel, each with its thread."""
    latest = {one.ts: one for one in told}
    first = {one.ts: one for one in reversed(told)}
    threads: Mapping[str, list[Post]] = {ts: [] for ts in latest}
    top: list[tuple[str, Post]] = []
    for ts, one in latest.items():
        message = Message(text=one.headline, blocks=one.blocks)
        post = Post(message=message, at=first[ts].at, edited=one.edited, broadcast=one.broadcast)
        if one.thread is None:
            top.append((ts, post))
        else:
            threads[one.thread].append(post)
    return [replace(post, replies=tuple(threads[ts])) for ts, post in top]


def drawn() -> Iterator[tuple[str, list[Post]]]:
    """The name of each picture of Slack, and what is in it."""
    _, told, *_, all_told = look("outage")
    yield "slack-opening", [replace(post, replies=()) for post in posts(told)]
    yield "slack-thread", posts(all_told)
    yield "slack-person", posts(look("all-down")[1])
    yield "slack-configuration", posts(look("key")[1])
    yield "slack-late", list(_late())
    monday = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    yield "slack-digest", [Post(message=digest_message(format_digest(_week(monday)), at=monday), at=monday)]


def _week(ends: datetime) -> Week:
    """The week in which that happened."""
    begins = ends - timedelta(days=7)
    return Week(
        begins=begins,
        ends=ends,
        known_from=begins,
        targets=(
            TargetWeek(target=LUNA, answered=20_122, asked=20_160, answer_s=0.42, fell=2, usd=0.21),
            TargetWeek(target=HAIKU, answered=20_160, asked=20_160, answer_s=0.81, usd=0.13),
        ),
        routes=(RouteWeek(route="chat", on_failing_s=41.1, flips=4),),
        incidents=2,
        still_open=0,
        incident_s=1085.0,
        money="$1.40 of the budget of $5 spent this month",
    )


def _resolved() -> Incident:
    """An incident of the night that nobody could be told of while Slack was away."""
    luna = AffectedTarget(target=LUNA, health=Health.UP, since=NIGHT, reason="")
    return Incident(
        id=7, provider="openai", kind=IncidentKind.OUTAGE, opened_at=NIGHT, affected=(luna,), timeline=(), routes=()
    )


def _late() -> Iterator[Post]:
    """What comes after an hour without Slack, and something that comes in time."""
    end = _resolved()
    late = "while Slack was unreachable"
    passed = [
        replace(end, id=10 + number, opened_at=at(600 * number), resolved_at=at(600 * number + 420))
        for number in range(4)
    ]
    pins = [
        PendingEvent(id=number, at=at(300 * number), kind="pinned", subject="chat", text=f"ana pinned chat to {HAIKU}")
        for number in range(4)
    ]
    yield Post(message=passed_message(passed, late), at=at(3600))
    yield Post(message=notices_message(pins, late), at=at(3600))
    text = f"ana pinned chat to {HAIKU} until 06:00:00 UTC (2 h): OpenAI's maintenance window; it pointed at {LUNA}"
    yield Post(message=notice_message("pinned", "chat", text, at=at(3700)), at=at(3700))


def draw(browser: Browser, name: str, content: list[Post]) -> None:
    """Draw messages."""
    view = browser.new_page(viewport={"width": _WIDTH, "height": 100})
    view.set_content(slack_page.page(content))
    keep(view.screenshot(full_page=True), name, _COLOURS)
    view.close()


def photograph(browser: Browser, config: Path) -> None:
    """Open the running page and the static one in the browser, and keep what they show."""
    with served(config) as (url, _):
        for name, shot in SHOTS.items():
            view = browser.new_page(viewport={"width": 1180, "height": shot.height}, device_scale_factor=1.5)
            view.goto(f"{url}/{shot.address}")
            for text in shot.shows:
                view.get_by_text(text).first.wait_for(timeout=_PATIENCE_MS)
            view.wait_for_timeout(_SETTLE_MS)
            keep(view.screenshot(), name, _PAGE_COLOURS)
            view.close()
    folder = config.parent / "static"
    write_static(config, folder)
    view = browser.new_page(viewport={"width": 1180, "height": 1000}, device_scale_factor=1.5)
    view.goto((folder / "index.html").as_uri())
    keep(view.screenshot(), "page-static", _PAGE_COLOURS)
    view.close()


def keep(png: bytes, name: str, colours: int) -> None:
    """Write it into docs/, in as few colours as it needs."""
    file = DOCS / f"{name}.png"
    Image.open(BytesIO(png)).quantize(colours, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.name}: {file.stat().st_size // 1024} kB")


def main() -> int:
    """Draw all pictures. Returns 1 where Chromium is not installed."""
    if not CHROMIUM.exists():
        print(f"there is no Chromium at {CHROMIUM}: nothing was drawn", file=sys.stderr)
        return 1
    slack = list(drawn())
    with TemporaryDirectory() as folder:
        config = lay_down(Path(folder))
        _draw_all(config, slack)
    return 0


def _draw_all(config: Path, slack: Sequence[tuple[str, list[Post]]]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        photograph(browser, config)
        for name, content in slack:
            draw(browser, name, content)
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
