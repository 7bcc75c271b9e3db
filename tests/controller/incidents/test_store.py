"""An incident's document comes back as it was, and one of another version never stops anyone."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.incidents.incident import (
    AffectedTarget,
    EntryKind,
    FailedRequests,
    Incident,
    IncidentDocument,
    IncidentKind,
    RouteImpact,
    TargetNumbers,
    TimelineEntry,
    VendorClaim,
)
from controller.incidents.store import dump, load
from monitor.health import Health
from monitor.status_pages.reading import VendorState
from probes.outcome import Outcome

NOW = datetime(2026, 11, 21, 18, 0, 0, 123_000, tzinfo=UTC)


def _incident(text: str) -> Incident:
    return Incident(
        id=0,
        provider="openai",
        kind=IncidentKind.OUTAGE,
        opened_at=NOW,
        affected=(
            AffectedTarget(target="openai/a", health=Health.DOWN, since=NOW, reason=text),
            AffectedTarget(target="openai/b", health=Health.UP, since=NOW + timedelta(milliseconds=1), reason=""),
        ),
        timeline=(TimelineEntry(at=NOW, text=text), TimelineEntry(at=NOW, text="route chat moved")),
        routes=(
            RouteImpact(route="chat", target="openai/a", stuck=True),
            RouteImpact(route="code", target="gemini/c", unpublished=True),
            RouteImpact(route="docs", target="gemini/c", weights=(("openai/b", 12.5), ("gemini/c", 87.5))),
            RouteImpact(route="tags", target="openai/b", would=text, waiting="openai/a"),
        ),
        vendor=VendorClaim(
            page="status.openai.com", state=VendorState.PARTIAL_OUTAGE, headline=text, said_at=NOW, claimed_at=None
        ),
    )


@pytest.mark.parametrize("text", ["9 of 14 probes failed", '<!channel> "quoted" \\ \n\0 漢字 🚑', ""])
def test_a_document_comes_back_as_it_was(text: str) -> None:
    """Affected targets, timeline and routes survive, in their order, whatever the provider wrote."""
    incident = _incident(text)
    assert load(dump(incident)) == IncidentDocument(
        affected=incident.affected, timeline=incident.timeline, routes=incident.routes, vendor=incident.vendor
    )
    assert load(dump(replace(incident, vendor=None))).vendor is None


def test_the_figures_and_whose_words_they_are_come_back_too() -> None:
    """Numbers by target and outcome, request ids, seconds on what failed; kind, author and number of each line."""
    numbers = (TargetNumbers(target="openai/a", outcomes=((Outcome.TIMEOUT, 7), (Outcome.OK, 2))),)
    note = TimelineEntry(at=NOW, text="x", kind=EntryKind.NOTE, author="ana <b>", number=4)
    incident = replace(
        _incident("x"),
        timeline=(note,),
        numbers=numbers,
        request_ids=("req_1", "req_2"),
        on_failing_s=(("chat", 41.5), ("code", 2.0)),
        failed_requests=(FailedRequests(route="chat", before_move=412, after_move=0),),
    )
    loaded = load(dump(incident))
    assert (loaded.numbers, loaded.request_ids, loaded.on_failing_s) == (
        numbers,
        incident.request_ids,
        incident.on_failing_s,
    )
    assert loaded.failed_requests == incident.failed_requests
    assert loaded.timeline == (note,)
    assert loaded.timeline[0].number == 4


def test_lines_of_an_older_version_are_of_no_special_kind() -> None:
    """They have neither kind, author nor number."""
    [line] = load('{"timeline": [{"at_ms": 5, "text": "x"}]}').timeline
    assert (line.kind, line.author, line.number) == (EntryKind.OTHER, None, 0)


def test_a_lone_surrogate_is_replaced() -> None:
    """What no database takes is stored as U+FFFD."""
    assert load(dump(_incident("\ud800"))).timeline[0].text == "\ufffd"


def test_what_a_newer_version_added_is_left_out() -> None:
    """Unknown fields are ignored, an unknown health is `unknown`, and the parts that are known are read."""
    document = json.loads(dump(_incident("x")))
    document["weather"] = {"sunny": True}
    document["affected"][0] |= {"health": "sleeping", "score": 3}
    document["routes"][0]["share"] = 0.5
    document["vendor"] |= {"state": "sulking", "said_ms": 1e30, "claimed_ms": True, "headline": None}
    loaded = load(json.dumps(document))
    assert loaded.affected[0] == AffectedTarget(target="openai/a", health=Health.UNKNOWN, since=NOW, reason="x")
    assert (loaded.timeline, loaded.routes) == (_incident("x").timeline, _incident("x").routes)
    assert loaded.vendor == VendorClaim(page="status.openai.com", state=VendorState.UNKNOWN)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param('{"affected": [', id="torn"),
        pytest.param("[]", id="a list"),
        pytest.param("null", id="null"),
        pytest.param('{"affected": 3, "timeline": {}, "routes": "x", "vendor": []}', id="parts of the wrong type"),
        pytest.param('{"vendor": {"page": 3}}', id="a vendor without a page"),
        pytest.param(
            '{"affected": [3, {}], "timeline": [null, {"at_ms": "now", "text": ""}]}', id="items of wrong types"
        ),
        pytest.param('{"numbers": 3, "request_ids": [3, {}], "on_failing_s": ["x"]}', id="figures of the wrong type"),
        pytest.param('{"timeline": [{"at_ms": 1e30, "text": ""}]}', id="an instant that is no whole number"),
        pytest.param('{"timeline": [{"at_ms": 999999999999999999999999999999, "text": ""}]}', id="an instant too far"),
    ],
)
def test_what_cannot_be_read_is_left_out(text: str) -> None:
    """A document that makes no sense is an empty one, not an error."""
    assert load(text) == IncidentDocument()


def test_words_are_found_or_replaced() -> None:
    """Known words are themselves; unknown ones become the word that calls for a look."""
    for health in Health:
        incident = replace(
            _incident("x"),
            affected=(AffectedTarget(target="openai/a", health=health, since=NOW, reason="x"),),
            routes=(RouteImpact(route="chat", target="openai/a", failing=health),),
        )
        loaded = load(dump(incident))
        assert (loaded.affected, loaded.routes) == (incident.affected, incident.routes)
    route = {"route": "chat", "target": "openai/a", "failing": "sleeping", "weights": 3, "stuck": "no!"}
    loaded = load(json.dumps({"routes": [route]}))
    assert loaded.routes == (RouteImpact(route="chat", target="openai/a", failing=Health.UNKNOWN),)
