"""`make pictures`: draws the page and Slack messages into docs/ as PNG files; needs Chromium and a font with emoji.

What they show is what the scenes of the demo make of them, played in virtual time.
"""

import base64
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import streamlit
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from controller.alerts.alert import PendingEvent
from controller.alerts.digest.digest import RouteWeek, TargetWeek, Week, digest_message, format_digest
from controller.alerts.slack.blocks import Message
from controller.alerts.slack.other_messages import notice_message, notices_message, passed_message
from controller.demo.fake_slack import FakeSlack
from controller.demo.scenes import BY_NAME
from controller.history.availability import last_days, target_availability
from controller.history.queries import History, read_past
from controller.incidents.incident import AffectedTarget, Incident, IncidentKind
from controller.status.incident_view import read_incidents
from controller.status.overview import Overview, read
from docs.tools import slack_page
from docs.tools.slack_page import Post
from monitor.health import Health
from monitor.history.rollup import HOUR, OutcomeCounts, span_start
from monitor.storage.database import open_reader
from tests.support.generated_history import Extent, generate, write_config
from tests.support.scene_transcript import play
from tests.support.virtual_service import Told, VirtualService
from ui import incidents, providers, sections, static_page

DOCS = Path(__file__).parents[1]
CHROMIUM = Path("/usr/bin/chromium")
NIGHT = datetime(2026, 11, 21, 2, 0, 41, tzinfo=UTC)
LUNA, HAIKU = "openai/gpt-6-luna", "anthropic/claude-haiku-5-5"
WHOM = ("<!subteam^S012AB3CD>",)
_WIDTH = 760
_PAGE_SIZE = {"width": 1180, "height": 1180}
#: As many as the smoothed edges of letters and symbols need; the page has more tints.
_COLOURS, _PAGE_COLOURS = 96, 256


def at(seconds: float) -> datetime:
    """`seconds` after the night's first message."""
    return NIGHT + timedelta(seconds=seconds)


def look(scene: str) -> list[tuple[list[Told], Overview]]:
    """All that Slack was told until each moment of the scene, and what the page then says."""
    found: list[tuple[list[Told], Overview]] = []

    def at_moment(service: VirtualService, _text: str, looks: bool) -> None:
        if looks:
            found.append((list(service.told), service.overview()))

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


def static_page_of_a_quarter() -> str:
    """The static page of 90 generated days, the same each time."""
    with TemporaryDirectory() as name:
        extent = Extent(providers=3, models=2, routes=2, days=90, hour_days=3, raw_days=1)
        settings = generate(write_config(Path(name), extent), extent, NIGHT)
        engine = open_reader(settings.database)
        overview, past = read(settings, engine, NIGHT), read_past(engine, settings, NIGHT)
        return static_page.render(overview, past, read_incidents(engine), style=_style(), page=settings.ui)


def quarter(overview: Overview) -> History:
    """90 days of the targets of the scene, most of them well."""
    dice, now = Random(90), overview.now  # noqa: S311 - for a picture

    def counts(failing: float) -> OutcomeCounts:
        return OutcomeCounts(total=2_880, ok=(ok := 2_880 - round(2_880 * failing)), answered=ok)

    targets = []
    for view in overview.targets:
        days = {
            day: counts(dice.choice((0.02, 0.07, 0.3)) if dice.random() < 0.06 else 0.001 * dice.random())
            for day in last_days(now)
        }
        targets.append(target_availability(view.state.target, days, {span_start(now, HOUR): counts(0.01)}, now))
    return History(now=now, routes=(), targets=tuple(targets))


def drawn() -> Iterator[tuple[str, list[Post] | Overview | str]]:
    """The name of each picture, and what is in it."""
    yield "page-static", static_page_of_a_quarter()
    _, (told, overview), *_, (all_told, _) = look("outage")
    yield "page", overview
    yield "slack-opening", [replace(post, replies=()) for post in posts(told)]
    yield "slack-thread", posts(all_told)
    yield "slack-person", posts(look("all-down")[1][0])
    yield "slack-configuration", posts(look("key")[1][0])
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


def _style() -> str:
    return (Path(sections.__file__).parent / "static/page.css").read_text(encoding="utf-8")


def overview_page(overview: Overview) -> str:
    """The page without Streamlit around it, in Streamlit's font, as one document."""
    parts = (sections.top, sections.banner, sections.routes, incidents.open_incidents, incidents.figures_so_far)
    shown = "".join(part(overview) for part in parts)
    shown += providers.providers(overview, quarter(overview))
    style = _style()
    fonts = sorted(Path(streamlit.__path__[0]).glob("static/static/media/SourceSansVF-Upright*.woff2"))
    font = base64.b64encode(fonts[0].read_bytes()).decode() if fonts else ""
    face = f"@font-face {{ font-family: Source; src: url(data:font/woff2;base64,{font}); font-weight: 200 900; }}"
    body = "margin: 0; background: #f6f8fa; font-family: Source, sans-serif; color-scheme: light"
    return (
        f"<!doctype html><meta charset=utf-8><style>{face} * {{ box-sizing: border-box; }} {style}</style>"
        f'<body style="{body}"><div class="stApp"><div class="stMainBlockContainer" style="margin: auto">'
        f'<div class="stHtml">{shown}</div></div></div></body>'
    )


def draw(browser: Browser, name: str, content: list[Post] | Overview | str) -> Path:
    """Draw one picture, in as few colours as it needs."""
    is_page = not isinstance(content, list)
    size = _PAGE_SIZE if is_page else {"width": _WIDTH, "height": 100}
    view = browser.new_page(viewport=size, device_scale_factor=1.5 if is_page else 1)  # type: ignore[arg-type]
    html = overview_page(content) if isinstance(content, Overview) else content
    view.set_content(slack_page.page(html) if isinstance(html, list) else html)
    picture = Image.open(BytesIO(view.screenshot(full_page=not is_page)))
    file = DOCS / f"{name}.png"
    picture.quantize(_PAGE_COLOURS if is_page else _COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    view.close()
    return file


def main() -> int:
    """Draw all pictures. Returns 1 where Chromium is not installed."""
    if not CHROMIUM.exists():
        print(f"there is no Chromium at {CHROMIUM}: nothing was drawn", file=sys.stderr)
        return 1
    pictures = list(drawn())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for name, content in pictures:
            file = draw(browser, name, content)
            print(f"{file.name}: {file.stat().st_size // 1024} kB")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
