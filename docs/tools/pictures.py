"""`make pictures`: draws Slack messages into docs/ as PNG files; needs Chromium and a font with emoji."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from controller.alerts.alert import PendingEvent
from controller.alerts.slack.buttons.buttons import add_buttons, choose_buttons
from controller.alerts.slack.incident_message import incident_headline
from controller.alerts.slack.other_messages import (
    call_message,
    notice_message,
    notices_message,
    passed_message,
    reply_message,
)
from controller.incidents.incident import (
    AffectedTarget,
    EntryKind,
    Incident,
    IncidentKind,
    RouteImpact,
    TargetNumbers,
    TimelineEntry,
    VendorClaim,
)
from docs.tools.slack_page import Post, page
from monitor.config.settings import Route
from monitor.health import Health
from monitor.status_pages.reading import VendorState
from probes.outcome import Outcome

DOCS = Path(__file__).parents[1]
CHROMIUM = Path("/usr/bin/chromium")
NIGHT = datetime(2026, 11, 21, 2, 0, 41, tzinfo=UTC)
LUNA, SOL, HAIKU = "openai/gpt-6-luna", "openai/gpt-5.6-luna", "anthropic/claude-haiku-5-5"
WHOM = ("<!subteam^S012AB3CD>",)
ROUTES = (Route(name="chat", candidates=(LUNA, HAIKU)),)
_WIDTH = 760
#: As many as the smoothed edges of letters and symbols need.
_COLOURS = 96


def at(seconds: float) -> datetime:
    """`seconds` after the opening."""
    return NIGHT + timedelta(seconds=seconds)


def opening() -> Incident:
    """Half of OpenAI's answers are HTTP 500, and the route has left."""
    known = "all of openai, as 9 of 24 probes failed in 41 s (server_error) on 2 of its 2 targets"
    return Incident(
        id=7,
        provider="openai",
        kind=IncidentKind.OUTAGE,
        opened_at=NIGHT,
        affected=tuple(
            AffectedTarget(target=target, health=Health.DOWN, since=NIGHT, reason=f"{target} is down: {known}")
            for target in (LUNA, SOL)
        ),
        timeline=(
            TimelineEntry(
                at=at(-41), text=f"First failed probe: server_error from {LUNA}", kind=EntryKind.FIRST_FAILURE
            ),
            TimelineEntry(at=NIGHT, text=f"{LUNA} is down: {known}", kind=EntryKind.HEALTH),
            TimelineEntry(at=at(0.1), text=f"Route chat moved from {LUNA} to {HAIKU}", kind=EntryKind.MOVED),
        ),
        routes=(RouteImpact(route="chat", target=HAIKU),),
        vendor=VendorClaim(page="status.openai.com", state=VendorState.OPERATIONAL),
    )


def lines() -> list[TimelineEntry]:
    """Timeline entries after those of `opening`."""
    return [
        TimelineEntry(
            at=at(14 * 60 + 12),
            text="status.openai.com says partial outage: Elevated error rates",
            kind=EntryKind.VENDOR,
        ),
        TimelineEntry(at=at(20 * 60), text="they say it is a bad deploy", kind=EntryKind.NOTE, author="ana"),
        TimelineEntry(at=at(31 * 60), text=f"{LUNA} is recovering: 9 clean probes in a row", kind=EntryKind.HEALTH),
        TimelineEntry(at=at(37 * 60), text=f"{LUNA} is up: back after 29 clean probes in 6 min", kind=EntryKind.HEALTH),
        TimelineEntry(at=at(37 * 60 + 1), text=f"Route chat moved from {HAIKU} to {LUNA}", kind=EntryKind.MOVED),
        TimelineEntry(at=at(38 * 60), text="Resolved", kind=EntryKind.RESOLVED),
    ]


def resolved() -> Incident:
    """The incident of `opening`, resolved."""
    start = opening()
    said = VendorClaim(
        page="status.openai.com",
        state=VendorState.PARTIAL_OUTAGE,
        headline="Elevated error rates",
        said_at=at(14 * 60 + 12),
    )
    numbers = ((Outcome.OK, 61), (Outcome.SERVER_ERROR, 52), (Outcome.TIMEOUT, 4))
    return replace(
        start,
        affected=tuple(replace(affected, health=Health.UP) for affected in start.affected),
        timeline=(*start.timeline, *lines()),
        routes=(RouteImpact(route="chat", target=LUNA),),
        vendor=said,
        resolved_at=at(38 * 60),
        numbers=(TargetNumbers(target=LUNA, outcomes=numbers),),
        on_failing_s=(("chat", 41.1),),
        request_ids=("req_5f2a11c0", "req_90ab77de"),
    )


def stuck() -> Incident:
    """The second provider fails too, and nothing is left."""
    start = opening()
    line = TimelineEntry(
        at=at(300), text=f"Route chat has no healthy candidate left and stays on {LUNA}", kind=EntryKind.MOVED
    )
    return replace(
        start,
        timeline=(*start.timeline, line),
        routes=(RouteImpact(route="chat", target=LUNA, stuck=True),),
        revision=2,
    )


def second() -> Incident:
    """What failed after it, told under the same headline."""
    return replace(
        opening(),
        id=8,
        provider="anthropic",
        affected=(AffectedTarget(target=HAIKU, health=Health.DOWN, since=at(280), reason=""),),
        opened_at=at(280),
        lead_id=7,
    )


def configuration() -> Incident:
    """The key of a standby is refused."""
    reason = f"{HAIKU} is misconfigured: the provider refuses the key: check the variable ANTHROPIC_API_KEY"
    return Incident(
        id=9,
        provider="anthropic",
        kind=IncidentKind.CONFIGURATION,
        opened_at=NIGHT,
        affected=(AffectedTarget(target=HAIKU, health=Health.MISCONFIGURED, since=NIGHT, reason=reason),),
        timeline=(TimelineEntry(at=NIGHT, text=reason, kind=EntryKind.HEALTH),),
        routes=(RouteImpact(route="chat", target=LUNA),),
    )


def scenes() -> Iterator[tuple[str, list[Post]]]:
    """The name of each picture, with the messages in it."""
    start, end = opening(), resolved()
    yield "opening", [Post(message=incident_headline(start, now=at(1)), at=at(1))]
    replies = [Post(message=reply_message(end, [line], named=False), at=line.at) for line in lines()]
    final = incident_headline(end, now=end.resolved_at or NIGHT)
    yield "thread", [Post(message=final, at=at(1), edited=True, replies=tuple(replies))]
    now = stuck()
    headline = incident_headline(now, now=at(301), others=(second(),), mention=WHOM)
    call = call_message(now, now=at(2100), mention=WHOM, again=True)
    yield (
        "person",
        [
            Post(
                message=add_buttons(headline, choose_buttons(now, ROUTES, (second(),))),
                at=at(1),
                edited=True,
                replies=(Post(message=call, at=at(2100), broadcast=True),),
            )
        ],
    )
    yield "configuration", [Post(message=incident_headline(configuration(), now=at(1)), at=at(1))]
    yield "late", list(_late(end))


def _late(end: Incident) -> Iterator[Post]:
    """What comes after an hour without Slack, and something that comes in time."""
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


def main() -> int:
    """Draw all pictures. Returns 1 where Chromium is not installed."""
    if not CHROMIUM.exists():
        print(f"there is no Chromium at {CHROMIUM}: nothing was drawn", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        view = browser.new_page(viewport={"width": _WIDTH, "height": 100})
        for name, posts in scenes():
            view.set_content(page(posts))
            file = DOCS / f"slack-{name}.png"
            drawn = Image.open(BytesIO(view.screenshot(full_page=True)))
            drawn.quantize(_COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
            print(f"{file.name}: {file.stat().st_size // 1024} kB")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
