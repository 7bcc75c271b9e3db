"""The report of an incident is whole, and what others wrote in it stays text."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from controller.incidents import text as words
from controller.incidents.impact import RoutePeriod
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
from controller.incidents.post_mortem import escaped, markdown
from monitor.detection import reasons
from monitor.health import Health
from monitor.status_pages.reading import VendorState
from probes.outcome import Outcome

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NOW = NOON + timedelta(hours=1)
LUNA, HAIKU = "openai/luna", "anthropic/haiku"


def at(seconds: float) -> datetime:
    """So long after noon."""
    return NOON + timedelta(seconds=seconds)


def incident(text: str = "9 of 14 probes failed", **changed: object) -> Incident:
    """An outage from 12:00:40 to 12:12:40 with everything that there can be; every text from outside is `text`."""
    whole = Incident(
        id=7,
        provider="openai",
        kind=IncidentKind.OUTAGE,
        opened_at=at(40),
        resolved_at=at(760),
        affected=(AffectedTarget(target=LUNA, health=Health.UP, since=at(760), reason=f"{LUNA} is down: {text}"),),
        timeline=(
            TimelineEntry(at=at(0), text=f"First failed probe: {text}", kind=EntryKind.FIRST_FAILURE),
            TimelineEntry(at=at(40), text=f"{LUNA} is down: {text}", kind=EntryKind.HEALTH),
            TimelineEntry(at=at(41), text=f"Route chat moved from {LUNA} to {HAIKU}", kind=EntryKind.MOVED),
            TimelineEntry(at=at(300), text=text, kind=EntryKind.NOTE, author="ana"),
            TimelineEntry(at=at(760), text="Resolved", kind=EntryKind.RESOLVED),
        ),
        routes=(RouteImpact(route="chat", target=HAIKU),),
        vendor=VendorClaim(
            page="status.openai.com", state=VendorState.PARTIAL_OUTAGE, headline=text, said_at=at(880), claimed_at=None
        ),
        reopened=1,
        lead_id=5,
        acknowledged_by="ana",
        numbers=(TargetNumbers(target=LUNA, outcomes=((Outcome.TIMEOUT, 9), (Outcome.OK, 5))),),
        request_ids=("req_1", text),
        on_failing_s=(("chat", 41.0),),
    )
    return replace(whole, **changed)  # type: ignore[arg-type] # the keywords are the fields' names


TABLE = "| head |\n| --- |\n| {} |"
STAYS = (
    RoutePeriod(route="chat", target=LUNA, since=at(0), until=at(41)),
    RoutePeriod(route="chat", target=HAIKU, since=at(41), until=at(760)),
)


def test_a_report_says_everything() -> None:
    """Summary, impact, timeline, evidence, what was done, the vendor's word and the notes, in this order."""
    assert markdown(incident(), STAYS, now=NOW) == (
        """\
# Incident 7: outage of openai

**Outage of openai**, 2026-11-21 12:00:40 UTC, until 12:12:40 UTC (resolved after 12 min in 2 periods).

- openai/luna is down: 9 of 14 probes failed
- The first failed probe came in 40 s before the verdict.
- ana looks after it.
- It began while incident 5 was open.

## Impact

| route | time on a failing target | where applications were sent |
| --- | --- | --- |
| `chat` | 41 s | openai/luna for 41 s, then anthropic/haiku for 11 min 59 s |

## Timeline

| UTC, 2026-11-21 | what happened |
| --- | --- |
| 12:00:00 | First failed probe: 9 of 14 probes failed |
| 12:00:40 | openai/luna is down: 9 of 14 probes failed |
| 12:00:41 | Route chat moved from openai/luna to anthropic/haiku |
| 12:05:00 | ana: 9 of 14 probes failed |
| 12:12:40 | Resolved |

## Evidence

9 of 14 probes were not ok (timeout), from the first failed probe to the end.

| target | probes | not ok | how they ended |
| --- | --- | --- | --- |
| `openai/luna` | 14 | 9 | 9 timeout, 5 ok |

Request ids of failed probes, for the provider: `req_1`, `9 of 14 probes failed`.

## What was done

- 12:00:41 Route chat moved from openai/luna to anthropic/haiku

## What the vendor said

Noticed 14 min before status.openai.com (partial outage: 9 of 14 probes failed).

## Notes

- **ana**, 2026-11-21T12:05:00.000Z: 9 of 14 probes failed
"""
    )


def test_a_report_of_next_to_nothing() -> None:
    """What is not known is said, not left to guess."""
    bare = incident(
        affected=(),
        timeline=(),
        routes=(),
        vendor=None,
        numbers=None,
        request_ids=(),
        on_failing_s=(),
        resolved_at=None,
        kind=IncidentKind.BLINDNESS,
        provider="network",
    )
    told = markdown(bare, (), now=NOW)
    for part in (
        "# Incident 7: blindness of our own network",
        "still open at 13:00:00 UTC (open for 59 min 20 s, came back once: 2 periods, 59 min 20 s in all)",
        "No route was affected, so no application was.",
        "No probe of that time is stored.",
        "No route was moved, and no operator intervened.",
    ):
        assert part in told
    assert "Notes" not in told
    assert "vendor" not in told


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("<script>alert(1)</script>", r"\<script\>alert(1)\</script\>", id="HTML"),
        pytest.param("a | b", r"a \| b", id="a cell that would end"),
        pytest.param("[x](javascript:y)", r"\[x\](javascript:y)", id="a link"),
        pytest.param("![x](y) **b** `c`", r"!\[x\](y) \*\*b\*\* \`c\`", id="a picture, bold, code"),
        pytest.param("see https://evil.example/a|b now", "see `https://evil.example/a∣b` now", id="an address"),
        pytest.param("@here and #42", "`@here` and `#42`", id="a mention and a reference"),
        pytest.param("# top", r"\# top", id="a heading"),
        pytest.param("- x", r"\- x", id="a list"),
        pytest.param("1. x", r"1\. x", id="a numbered list"),
        pytest.param("a\nb\x1b[31mc\x00", "a b \\[31mc", id="lines and control characters"),
        pytest.param("`@x`", "`ˋ@xˋ`", id="backticks around a mention"),
        pytest.param("a_b _c_ d", r"a_b \_c\_ d", id="underscores"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_what_others_wrote_stays_text(text: str, shown: str) -> None:
    """It is shown as it is, and nothing of it is markup, a link or a mention."""
    assert escaped(text) == shown


class Shown(HTMLParser):
    """What a reader of rendered Markdown sees, and the elements and attributes that it is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags |= {tag, *(name for name, _ in attrs)}

    def handle_data(self, data: str) -> None:
        self.text += data


NASTY = [*"ab1. \\`*_{}[]()<>#+-!|~&=:/@\"'", "http://", "www.", "&lt;", "<b>", "](", "![", "```", "~~", "#4", "x_y"]


@given(text=st.lists(st.sampled_from(NASTY), max_size=14).map("".join), form=st.sampled_from(["- {}", "{}", TABLE]))
def test_what_markdown_shows_is_the_text(text: str, form: str) -> None:
    """Rendered in a list, a paragraph or a table, it is the text again (or its lookalikes), and nothing but text."""
    shown = Shown(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(form.format(escaped(text))))
    assert shown.tags <= {"ul", "li", "p", "code", "table", "thead", "tbody", "tr", "th", "td"}
    read = shown.text.translate(str.maketrans("ˋ∣", "`|")).removeprefix("\n\n\nhead\n\n\n\n\n")
    assert " ".join(read.split()) == " ".join(text.split())


@given(text=st.text(max_size=60))
def test_no_text_breaks_the_report(text: str) -> None:
    """Whatever it is, the report has its headings, and each table its columns."""
    lines = markdown(incident(text), STAYS, now=NOW).splitlines()
    assert [line for line in lines if line.startswith("#")] == [
        "# Incident 7: outage of openai",
        "## Impact",
        "## Timeline",
        "## Evidence",
        "## What was done",
        "## What the vendor said",
        "## Notes",
    ]
    rows = [line.replace("\\|", "") for line in lines if line.startswith("| ")]
    assert len(rows) == 3 + 7 + 3
    assert [row.count("|") for row in rows] == [4] * 3 + [3] * 7 + [5] * 3
    assert not any("<" in line.replace("\\<", "") and "`" not in line for line in lines)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, "luna", id="once it is over, who was affected"),
        pytest.param(
            {"affected": (AffectedTarget(target=LUNA, health=Health.DOWN, since=NOW, reason=""),)}, "luna is down"
        ),
        pytest.param({"affected": ()}, "chat stays on anthropic/haiku", id="a route alone"),
        pytest.param({"affected": (), "routes": ()}, "the routes hold", id="our own network"),
    ],
)
def test_the_gist(changed: dict[str, Any], expected: str) -> None:
    """Who is affected, beside the title."""
    assert words.affected_summary(incident(**changed)) == expected


def test_a_route_that_moved_often_is_told_by_its_first_and_last_stays() -> None:
    """A night of flapping stays one line."""
    many = [RoutePeriod(route="chat", target=f"t/{n}", since=at(n), until=at(n + 1)) for n in range(40)]
    assert words.route_history(many) == (
        "t/0 for 1 s, then t/1 for 1 s, then t/2 for 1 s, then 34 more in turn,"
        " then t/37 for 1 s, then t/38 for 1 s, then t/39 for 1 s"
    )


def test_what_is_said_alike_of_several_is_said_once() -> None:
    """With the names of the others."""
    alike = [
        AffectedTarget(target=f"openai/{n}", health=Health.DOWN, since=NOW, reason=f"openai/{n} is down: x")
        for n in "abc"
    ]
    other = AffectedTarget(target="openai/d", health=Health.DOWN, since=NOW, reason="openai/d is degraded: y")
    assert words.reasons([*alike, other]) == [
        "openai/a, openai/b and openai/c are down: x",
        "openai/d is degraded: y",
    ]


def test_a_provider_that_refuses_every_request_is_headed_so() -> None:
    """By its verdict, also once it is over; slow or wrong answers stay a degradation."""
    degraded = incident(kind=IncidentKind.DEGRADATION)
    reason = reasons.all_refused(404, NOON, "no route")
    refused = replace(degraded, affected=tuple(replace(each, reason=reason) for each in degraded.affected))
    assert words.title(degraded) == "degradation of openai"
    assert words.title(refused) == "refusal of every request by openai"
