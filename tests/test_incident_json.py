"""An incident's document comes back as it was, and one of another version never stops anyone."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from controller.incident import Affected, Happening, Incident, IncidentKind, RouteNow
from controller.incident_json import Document, dump, health_named, kind_named, load
from monitor.health import Health

NOW = datetime(2026, 11, 21, 18, 0, 0, 123_000, tzinfo=UTC)


def _incident(text: str) -> Incident:
    return Incident(
        id=0,
        provider="openai",
        kind=IncidentKind.OUTAGE,
        opened_at=NOW,
        affected=(
            Affected(target="openai/a", health=Health.DOWN, since=NOW, reason=text),
            Affected(target="openai/b", health=Health.UP, since=NOW + timedelta(milliseconds=1), reason=""),
        ),
        timeline=(Happening(at=NOW, text=text), Happening(at=NOW, text="route chat moved")),
        routes=(
            RouteNow(route="chat", target="openai/a", stuck=True),
            RouteNow(route="code", target="gemini/c", unpublished=True),
            RouteNow(route="docs", target="gemini/c", weights=(("openai/b", 12.5), ("gemini/c", 87.5))),
            RouteNow(route="tags", target="openai/b", would=text, waiting="openai/a"),
        ),
    )


@pytest.mark.parametrize("text", ["9 of 14 probes failed", '<!channel> "quoted" \\ \n\0 漢字 🚑', ""])
def test_a_document_comes_back_as_it_was(text: str) -> None:
    """Affected targets, timeline and routes survive, in their order, whatever the provider wrote."""
    incident = _incident(text)
    assert load(dump(incident)) == Document(
        affected=incident.affected, timeline=incident.timeline, routes=incident.routes
    )


def test_a_lone_surrogate_is_replaced() -> None:
    """What no database takes is stored as U+FFFD."""
    assert load(dump(_incident("\ud800"))).timeline[0].text == "\ufffd"


def test_what_a_newer_version_added_is_left_out() -> None:
    """Unknown fields are ignored, an unknown health is `unknown`, and the parts that are known are read."""
    document = json.loads(dump(_incident("x")))
    document["weather"] = {"sunny": True}
    document["affected"][0] |= {"health": "sleeping", "score": 3}
    document["routes"][0]["share"] = 0.5
    loaded = load(json.dumps(document))
    assert loaded.affected[0] == Affected(target="openai/a", health=Health.UNKNOWN, since=NOW, reason="x")
    assert (loaded.timeline, loaded.routes) == (_incident("x").timeline, _incident("x").routes)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param('{"affected": [', id="torn"),
        pytest.param("[]", id="a list"),
        pytest.param("null", id="null"),
        pytest.param('{"affected": 3, "timeline": {}, "routes": "x"}', id="parts of the wrong type"),
        pytest.param(
            '{"affected": [3, {}], "timeline": [null, {"at_ms": "now", "text": ""}]}', id="items of wrong types"
        ),
        pytest.param('{"timeline": [{"at_ms": 1e30, "text": ""}]}', id="an instant that is no whole number"),
        pytest.param('{"timeline": [{"at_ms": 999999999999999999999999999999, "text": ""}]}', id="an instant too far"),
    ],
)
def test_what_cannot_be_read_is_left_out(text: str) -> None:
    """A document that makes no sense is an empty one, not an error."""
    assert load(text) == Document()


def test_words_are_found_or_replaced() -> None:
    """Known words are themselves; unknown ones become the word that calls for a look."""
    assert [health_named(h.value) for h in Health] == list(Health)
    assert [kind_named(k.value) for k in IncidentKind] == list(IncidentKind)
    assert (health_named(None), kind_named("plague")) == (Health.UNKNOWN, IncidentKind.OUTAGE)
