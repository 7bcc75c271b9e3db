"""What the page says of incidents: how urgent, whose word, the figures apart; nothing becomes markup."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.incidents.impact import RoutePeriod
from controller.incidents.incident import (
    AffectedTarget,
    EntryKind,
    Incident,
    IncidentKind,
    RouteImpact,
    TargetNumbers,
    TimelineEntry,
)
from controller.status.incident_view import IncidentView
from monitor.health import Health
from probes.outcome import Outcome
from ui import incidents as page

NOW = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
HOSTILE = '<script>alert(1)</script>" onmouseover="x'


def incident(text: str = "text", **changed: object) -> Incident:
    """An outage in which every free text is `text`."""
    whole = Incident(
        id=7,
        provider=text,
        kind=IncidentKind.OUTAGE,
        opened_at=NOW - timedelta(minutes=10),
        affected=(AffectedTarget(target=text, health=Health.DOWN, since=NOW, reason=text),),
        timeline=(
            TimelineEntry(at=NOW, text=text, kind=EntryKind.HEALTH),
            TimelineEntry(at=NOW, text=text, kind=EntryKind.NOTE, author=text),
            TimelineEntry(at=NOW, text="Acknowledged by ana", kind=EntryKind.ACKNOWLEDGED, author="ana"),
        ),
        routes=(RouteImpact(route=text, target=text, stuck=True, unpublished=True, would=text),),
        reopened=2,
        lead_id=5,
        acknowledged_by=text,
        numbers=(TargetNumbers(target=text, outcomes=((Outcome.TIMEOUT, 9), (Outcome.OK, 5))),),
        request_ids=("req_1", text),
        on_failing_s=((text, 41.0),),
    )
    return replace(whole, **changed)  # type: ignore[arg-type] # the keywords are the fields' names


def everything(one: Incident) -> str:
    """All the HTML that there can be of it."""
    stays = (RoutePeriod(route=one.provider, target=one.provider, since=NOW, until=NOW + timedelta(seconds=41)),)
    parts = (page.severity(one), page.notes(one, NOW), page.users(one))
    return "".join((*parts, page.timeline(one, NOW), page.figures(one, stays)))


def test_nothing_that_others_wrote_becomes_markup() -> None:
    """Names, notes, authors, request ids: escaped, every one."""
    html = everything(incident(HOSTILE))
    assert "<script" not in html
    assert 'onmouseover="' not in html
    assert html.count("&lt;script&gt;") == everything(incident()).count("text")


@pytest.mark.parametrize(
    ("stuck", "resolved", "word"),
    [(True, False, "critical"), (False, False, "warning"), (False, True, "info")],
    ids=["a route has nowhere to go", "it was handled", "it is over"],
)
def test_how_urgent_it_is_is_a_word(*, stuck: bool, resolved: bool, word: str) -> None:
    """Not a colour alone."""
    routes = (RouteImpact(route="chat", target="text" if stuck else "b", stuck=stuck),)
    html = page.severity(incident(routes=routes, resolved_at=NOW if resolved else None))
    assert html.endswith(f"</span>{word}</span>")


def test_what_people_said_is_theirs() -> None:
    """A note stands under its author's name, set off from the story."""
    html = page.timeline(incident(), NOW)
    assert html.count("hs-remark") == 2
    assert "<b>text</b>: text" in html


def test_the_standing_is_said_in_words() -> None:
    """How often it came back, who looks after it, whose headline it is under; nothing where nothing is to say."""
    assert (
        "came back twice: 3 periods, 10 min in all; text looks after it; began while incident 5 was open"
        in page.notes(incident(), NOW)
    )
    assert page.notes(incident(reopened=0, acknowledged_by=None, lead_id=None), NOW) == ""


def test_figures_are_shown_where_there_are_any() -> None:
    """Probes, time on what failed, ids for a ticket."""
    html = page.figures(incident())
    for part in ("9 of 14 probes were not ok (timeout)", "pointed at a failing target for 41 s", "<code>req_1</code>"):
        assert part in html
    assert page.figures(incident(numbers=None, request_ids=(), on_failing_s=())) == ""


def test_one_incident_has_all_that_is_known() -> None:
    """Also what the lists leave out; nothing in it becomes markup."""
    entries = tuple(TimelineEntry(at=NOW, text=f"entry {n}", kind=EntryKind.HEALTH) for n in range(200))
    view = IncidentView(incident=incident(HOSTILE, timeline=entries), periods=(), trails=())
    html = page.whole_incident(view, NOW)
    assert html.count("<span>entry ") == 200
    assert "open for 10 min" in html
    assert "<script" not in html
    over = replace(view, incident=incident(resolved_at=NOW))
    assert "lasted 10 min" in page.whole_incident(over, NOW)


def test_incidents_are_listed_by_day_with_links() -> None:
    """Each leads to all that is known of it."""
    older = incident(HOSTILE, id=3, opened_at=NOW - timedelta(days=2), resolved_at=NOW - timedelta(days=1))
    html = page.incident_list([incident(), older], NOW)
    assert (
        html.index("<h3>2026-11-21</h3>")
        < html.index('href="incidents?incident=7"')
        < html.index("<h3>2026-11-19</h3>")
    )
    assert 'href="incidents?incident=3"' in html
    assert "lasted 1 d" in html
    assert "<script" not in html
    assert "None." in page.incident_list([], NOW)
