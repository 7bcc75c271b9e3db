"""What vendors say: every kind of page, the parts of it that matter, and everything that is no such page."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.status_pages.formats import read
from monitor.status_pages.reading import UNKNOWN, PageScope, StatusPageReading, VendorState, VendorStateChange
from tests.support import status_pages as pages

TWO = datetime(2026, 11, 21, 14, 2, tzinfo=UTC)
OPERATIONAL = StatusPageReading(state=VendorState.OPERATIONAL)
CLAUDE = PageScope(names=("Claude API",))
OPENAI = PageScope(names=("Chat Completions", "Responses"))
VERTEX = PageScope(names=("Vertex",), region="us-central1")
BEDROCK = PageScope(names=("bedrock-us-east-1",))
API = PageScope(names=("API",))


def word(state: str, headline: str = "", since: datetime | None = None) -> StatusPageReading:
    """What is expected."""
    return StatusPageReading(state=VendorState(state), headline=headline, since=since)


STATUSPAGE = [
    pytest.param(pages.statuspage(), OPERATIONAL, id="all well"),
    pytest.param(
        pages.statuspage("major_outage"),
        word("major_outage", "Claude API (api.anthropic.com)"),
        id="a component without an incident gives its own name",
    ),
    pytest.param(
        pages.statuspage("operational", pages.atlassian_incident()),
        word("partial_outage", "Elevated errors", TWO),
        id="the indicator is none and there is an incident all the same",
    ),
    pytest.param(
        pages.statuspage("operational", pages.atlassian_incident("Notice", impact="none")),
        word("degraded", "Notice", TWO),
        id="an incident without an impact is one",
    ),
    pytest.param(
        pages.statuspage("degraded_performance", pages.atlassian_incident("Slow", "Claude API (api.anthropic.com)")),
        word("partial_outage", "Slow", TWO),
        id="an incident that names our component",
    ),
    pytest.param(
        pages.statuspage("operational", pages.atlassian_incident("No login", "claude.ai", impact="critical")),
        OPERATIONAL,
        id="an incident that names others only",
    ),
    pytest.param(
        pages.statuspage("operational", pages.atlassian_incident(status="resolved")), OPERATIONAL, id="a resolved one"
    ),
    pytest.param(
        pages.statuspage("operational", pages.atlassian_incident(status="postmortem")), OPERATIONAL, id="a postmortem"
    ),
    pytest.param(
        pages.statuspage(indicator="critical"), OPERATIONAL, id="the indicator is of the whole page, which is not asked"
    ),
    pytest.param(
        pages.statuspage("under_maintenance"),
        word("maintenance", "Claude API (api.anthropic.com)"),
        id="a component under maintenance",
    ),
    pytest.param(
        pages.statuspage()
        | {"scheduled_maintenances": [pages.atlassian_incident("Upgrade", status="in_progress", impact="minor")]},
        word("maintenance", "Upgrade", TWO),
        id="a maintenance that goes on",
    ),
    pytest.param(
        pages.statuspage() | {"scheduled_maintenances": [pages.atlassian_incident("Upgrade", status="scheduled")]},
        OPERATIONAL,
        id="a maintenance to come",
    ),
    pytest.param(pages.statuspage("on_fire"), UNKNOWN, id="a state that nobody knows forbids operational"),
    pytest.param(
        pages.statuspage("on_fire", pages.atlassian_incident()),
        word("partial_outage", "Elevated errors", TWO),
        id="but hides no trouble",
    ),
    pytest.param(
        {"page": {}, "incidents": [pages.atlassian_incident()]},
        word("partial_outage", "Elevated errors", TWO),
        id="the list of unresolved incidents alone",
    ),
    pytest.param({"page": {}, "incidents": []}, OPERATIONAL, id="the same list, empty"),
    pytest.param(
        {"page": {}, "status": {"indicator": "minor", "description": "Minor Service Outage"}},
        word("degraded", "Minor Service Outage"),
        id="the indicator alone",
    ),
    pytest.param({"page": {}, "status": {"indicator": "purple"}}, UNKNOWN, id="an indicator that nobody knows"),
    pytest.param(pages.statuspage() | {"incidents": "none"}, UNKNOWN, id="incidents that are no list"),
]


@pytest.mark.parametrize(("document", "expected"), STATUSPAGE)
def test_statuspage(document: Any, expected: StatusPageReading) -> None:
    """Incidents and components are read, those of the API alone."""
    assert read(pages.body(document), CLAUDE) == expected


def test_a_page_that_has_nothing_by_our_names_speaks_as_a_whole() -> None:
    """Names drift: better the word on everything than silence."""
    document = pages.statuspage(indicator="critical")
    assert read(pages.body(document), PageScope(names=("Klaud",))).state is VendorState.MAJOR_OUTAGE


INCIDENT_IO = [
    pytest.param(pages.incident_io(), OPERATIONAL, id="what is not listed is operational"),
    pytest.param(
        pages.incident_io("full_outage"),
        word("major_outage", "Chat Completions"),
        id="their full outage is others' major one",
    ),
    pytest.param(
        pages.incident_io("degraded_performance", pages.incident_io_incident()),
        word("partial_outage", "Elevated error rate", TWO),
        id="the incident is worse than the component",
    ),
    pytest.param(
        pages.incident_io(None, pages.incident_io_incident("No videos", "sora")), OPERATIONAL, id="another product"
    ),
    pytest.param(
        pages.incident_io(None, pages.incident_io_incident(component_impacts=[])),
        word("degraded", "Elevated error rate", datetime(2026, 11, 21, 14, 10, tzinfo=UTC)),
        id="an incident that does not say what it hits",
    ),
    pytest.param(
        pages.incident_io(None, pages.incident_io_incident("Upgrade", type="maintenance")),
        word("maintenance", "Upgrade", TWO),
        id="a maintenance among the incidents",
    ),
    pytest.param(
        pages.incident_io("partial_outage", name="Chat-Completions"),
        word("partial_outage", "Chat-Completions"),
        id="a page that has nothing by our names speaks as a whole",
    ),
    pytest.param(
        {"ongoing_incidents": [], "in_progress_maintenances": [], "scheduled_maintenances": []},
        OPERATIONAL,
        id="the widget, all well",
    ),
    pytest.param(
        {
            "ongoing_incidents": [
                {
                    "name": "Errors",
                    "current_worst_impact": "full_outage",
                    "affected_components": [
                        {"name": "Sora", "current_status": "full_outage"},
                        {"name": "Responses", "group_name": "APIs", "current_status": "partial_outage"},
                    ],
                }
            ],
            "in_progress_maintenances": [{"name": "Upgrade", "started_at": "2026-11-21T14:02:00Z"}],
        },
        word("partial_outage", "Errors"),
        id="the widget, with an incident and a maintenance",
    ),
]


@pytest.mark.parametrize(("document", "expected"), INCIDENT_IO)
def test_incident_io(document: Any, expected: StatusPageReading) -> None:
    """The page and the widget."""
    assert read(pages.body(document), OPENAI) == expected


def test_a_group_can_be_named() -> None:
    """Whatever is in it matters."""
    document = pages.incident_io("partial_outage")
    assert read(pages.body(document), PageScope(names=("apis",))).state is VendorState.PARTIAL_OUTAGE
    assert read(pages.body(document), PageScope(names=("Video",))) == OPERATIONAL


CLOUDS = [
    pytest.param(
        pages.google(), VERTEX, word("partial_outage", "Vertex Gemini API is failing in us-central1", TWO), id="Google"
    ),
    pytest.param(pages.google(end="2026-11-21T15:00:00+00:00"), VERTEX, OPERATIONAL, id="Google, over"),
    pytest.param(pages.google(product="Cloud Storage"), VERTEX, OPERATIONAL, id="Google, another product"),
    pytest.param(pages.google(place="europe-west4"), VERTEX, OPERATIONAL, id="Google, another region"),
    pytest.param(
        pages.google(place="global"),
        VERTEX,
        word("partial_outage", "Vertex Gemini API is failing in us-central1", TWO),
        id="Google, everywhere",
    ),
    pytest.param([], BEDROCK, OPERATIONAL, id="AWS, no events"),
    pytest.param(pages.aws(), BEDROCK, word("major_outage", "Increased Error Rates", TWO), id="AWS, in UTF-16"),
    pytest.param(pages.aws("2"), BEDROCK, word("degraded", "Increased Error Rates", TWO), id="AWS, degraded"),
    pytest.param(pages.aws("0"), BEDROCK, OPERATIONAL, id="AWS, resolved"),
    pytest.param(pages.aws("7"), BEDROCK, UNKNOWN, id="AWS, a code that nobody knows"),
    pytest.param(pages.aws(service="bedrock-eu-west-1"), BEDROCK, OPERATIONAL, id="AWS, another region"),
    pytest.param(pages.aws(end_time="1795270000"), BEDROCK, OPERATIONAL, id="AWS, ended"),
    pytest.param(
        pages.aws(
            service="multipleservices-us-east-1", impacted_services={"bedrock-us-east-1": {"current": "2", "max": "3"}}
        ),
        BEDROCK,
        word("degraded", "Increased Error Rates", TWO),
        id="AWS, one of many services",
    ),
]


@pytest.mark.parametrize(("document", "scope", "expected"), CLOUDS)
def test_clouds(document: Any, scope: PageScope, expected: StatusPageReading) -> None:
    """Only what goes on, for our product in our region."""
    assert read(pages.body(document), scope) == expected


def test_a_long_list_of_incidents_may_be_cut_off() -> None:
    """Google's is the whole past, newest first, and longer than is read; nothing else is understood in part."""
    whole = pages.body(pages.google())
    assert read(whole[:-40], VERTEX, cut=True).state is VendorState.PARTIAL_OUTAGE
    assert read(whole[:-40], VERTEX) == UNKNOWN
    assert read(whole[:40], VERTEX, cut=True) == UNKNOWN
    assert read("[\u00fc".encode()[:-1], VERTEX, cut=True) == UNKNOWN
    assert read(pages.body(pages.statuspage()), CLAUDE, cut=True) == UNKNOWN


REPORT = {
    "title": "Slow answers",
    "starts_at": "2026-11-21T14:02:00.000Z",
    "ends_at": None,
    "aggregate_state": "degraded",
}
OPEN = {
    "title": "Errors on chat",
    "currentStatus": "identified",
    "resolved": False,
    "publishedDate": "2026-11-21T14:02:00Z",
    "timeline": [{"componentsAffected": [{"name": "Chat (/api/v1/chat/completions)", "status": "partial_outage"}]}],
}
CHANGE = {
    "title": "API errors",
    "status": "identified",
    "start_at_seconds": 1795269720,
    "affected_components": [{"component_id": "a", "name": "API Service", "status": "full_outage"}],
}
OTHERS = [
    pytest.param(pages.better_stack(), OPERATIONAL, id="Better Stack, all well, and one that is not watched"),
    pytest.param(
        pages.better_stack("degraded", "degraded", REPORT),
        word("degraded", "Slow answers", TWO),
        id="Better Stack, with a report",
    ),
    pytest.param(pages.better_stack("downtime", "downtime"), word("major_outage", "API"), id="Better Stack, without"),
    pytest.param(
        pages.better_stack("operational", "operational", REPORT | {"aggregate_state": "maintenance"}),
        OPERATIONAL,
        id="Better Stack, planned",
    ),
    pytest.param(pages.datadog(), OPERATIONAL, id="Datadog, all well"),
    pytest.param(
        pages.datadog("degraded"), word("degraded", "Chat (/api/v1/chat/completions)"), id="Datadog, a component"
    ),
    pytest.param(
        pages.datadog("operational", OPEN),
        word("partial_outage", "Errors on chat", TWO),
        id="Datadog, what an incident hits stands in its timeline",
    ),
    pytest.param(
        pages.datadog("operational", OPEN | {"resolved": True, "currentStatus": "resolved"}),
        OPERATIONAL,
        id="Datadog, resolved",
    ),
    pytest.param(pages.flashcat(), OPERATIONAL, id="Flashcat, all well"),
    pytest.param(pages.flashcat(CHANGE), word("major_outage", "API errors", TWO), id="Flashcat, an incident"),
    pytest.param(
        pages.flashcat(CHANGE | {"affected_components": [{"name": "Web Chat", "status": "full_outage"}]}),
        OPERATIONAL,
        id="Flashcat, another component",
    ),
    pytest.param(
        pages.flashcat(
            CHANGE | {"affected_components": [{"name": "API Service", "status": "under_maintenance"}]},
        ),
        word("maintenance", "API errors", TWO),
        id="Flashcat, maintenance",
    ),
]


@pytest.mark.parametrize(("document", "expected"), OTHERS)
def test_others(document: Any, expected: StatusPageReading) -> None:
    """Better Stack, Datadog, Flashcat."""
    assert read(pages.body(document), PageScope(names=("API", "chat/completions"))) == expected


XAI = "<title>[{}] Elevated errors</title><description>{}</description><pubDate>Sat, 21 Nov 2026 14:02:00 GMT</pubDate>"
XAI_TEXT = "&lt;h3&gt;Status: {}&lt;/h3&gt;&lt;p&gt;Severity: {}&lt;/p&gt;"
RSS = [
    pytest.param(pages.rss(), OPERATIONAL, id="an empty channel"),
    pytest.param(
        pages.rss("<title>Azure OpenAI - Errors</title><description>We are looking.</description>"),
        word("degraded", "Azure OpenAI - Errors"),
        id="Azure: whatever is there goes on",
    ),
    pytest.param(
        pages.rss(XAI.format("API", XAI_TEXT.format("Investigating", "outage"))),
        word("major_outage", "[API] Elevated errors", TWO),
        id="xAI, going on",
    ),
    pytest.param(pages.rss(XAI.format("API", XAI_TEXT.format("Resolved", "outage"))), OPERATIONAL, id="xAI, resolved"),
    pytest.param(
        pages.rss(XAI.format("Grok on X", XAI_TEXT.format("Investigating", "outage"))), OPERATIONAL, id="xAI, not ours"
    ),
    pytest.param(
        pages.rss("<title>[API] x</title><category>degraded</category><category>resolved</category>"),
        OPERATIONAL,
        id="resolved by its categories",
    ),
    pytest.param(
        pages.rss("<title>[API] x</title><category>disruption</category><category>monitoring</category>"),
        word("partial_outage", "[API] x"),
        id="going on by its categories",
    ),
    pytest.param(
        pages.rss(
            "<title>Errors</title><description>&lt;strong&gt;Resolved&lt;/strong&gt; - fixed"
            "&lt;strong&gt;Investigating&lt;/strong&gt; - looking</description>"
        ),
        OPERATIONAL,
        id="a history, whose newest entry stands first",
    ),
    pytest.param(
        pages.rss("<title>Service is operating normally: [RESOLVED] Errors</title>"), OPERATIONAL, id="AWS, resolved"
    ),
    pytest.param(b"<html><head></head><body>moved</body></html>", UNKNOWN, id="a web page"),
    pytest.param(b"<feed xmlns='http://www.w3.org/2005/Atom'></feed>", UNKNOWN, id="another kind of feed"),
    pytest.param(b"<rss><channel>", UNKNOWN, id="half a feed"),
    pytest.param(
        b'<!DOCTYPE rss [<!ENTITY a "boom">]><rss><channel><item><title>&a;</title></item></channel></rss>',
        UNKNOWN,
        id="a document type",
    ),
    pytest.param(
        '<?xml version="1.0"?><!doctype rss [<!entity a "boom">]><rss><channel/></rss>'.encode("utf-16"),
        UNKNOWN,
        id="a document type in another encoding",
    ),
]


@pytest.mark.parametrize(("document", "expected"), RSS)
def test_feeds(document: bytes, expected: StatusPageReading) -> None:
    """What goes on, by every sign that a feed gives."""
    assert read(document, API) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<!doctype html><title>OK</title>", id="a web page with 200"),
        pytest.param(b"OK", id="a word"),
        pytest.param(b'{"status": "ok"}', id="another JSON"),
        pytest.param(b'{"summary": {"components": []}}', id="half of a page"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[1, 2]", id="a list of numbers"),
        pytest.param(b'[{"begin": "x", "external_desc": "y"}, 3]', id="incidents and something else"),
        pytest.param(b"[" * 100_000, id="a deep list"),
        pytest.param(b'{"page":' * 100_000, id="a deep object"),
        pytest.param(b"<rss>" * 100_000, id="deep XML"),
        pytest.param(b'{"page": {}, "incidents": [' + b"9" * 10_000 + b"]}", id="a number of ten thousand digits"),
        pytest.param(b"\xff\xfe\x00", id="half a character"),
        pytest.param(b"\x1f\x8b\x08\x00", id="compressed twice"),
    ],
)
def test_anything_else_is_unknown(body: bytes) -> None:
    """Never operational, and never an outage: the vendor has not said so."""
    assert read(body) == UNKNOWN
    assert read(body, cut=True) == UNKNOWN


def test_a_hostile_headline_is_made_harmless() -> None:
    """One line, no control characters, no key, at most 200 characters."""
    name = "\x1b[31m<b>Errors\u202e\n with sk-abcdefghijklmnop " + "x" * 10_000
    found = read(pages.body(pages.statuspage("operational", pages.atlassian_incident(name))), CLAUDE)
    assert found.headline.startswith("[31m<b>Errors with *** xxx")
    assert len(found.headline) == 200


@pytest.mark.parametrize("when", ["yesterday", "0001-01-01T00:00:00+14:00", "9" * 40, 1e300, -1e300, None, [], True])
def test_a_time_that_is_none_is_left_out(when: object) -> None:
    """The incident itself still counts."""
    incident = pages.atlassian_incident() | {"started_at": when, "created_at": when}
    document = pages.statuspage("operational", incident)
    assert read(pages.body(document), CLAUDE) == word("partial_outage", "Elevated errors")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
EVERY_KIND = [
    pages.statuspage("major_outage", pages.atlassian_incident()),
    pages.incident_io("full_outage", pages.incident_io_incident()),
    {"ongoing_incidents": [{"name": "x", "affected_components": []}], "in_progress_maintenances": []},
    pages.google(),
    json.loads(pages.aws().decode("utf-16")),
    pages.better_stack("degraded", "degraded", REPORT),
    pages.datadog("degraded", OPEN),
    pages.flashcat(CHANGE),
]


def bent(document: Any, data: st.DataObject) -> Any:
    """The document with something else in one place of it."""
    if not isinstance(document, dict | list) or not document or data.draw(st.integers(0, 5)) == 0:
        return data.draw(ANYTHING)
    if isinstance(document, list):
        place = data.draw(st.integers(0, len(document) - 1))
        return [bent(item, data) if number == place else item for number, item in enumerate(document)]
    key = data.draw(st.sampled_from(sorted(document)))
    return document | {key: bent(document[key], data)}


@given(body=st.binary(max_size=400), cut=st.booleans())
def test_any_bytes_are_read(body: bytes, cut: bool) -> None:
    """Never an exception, whatever comes."""
    assert read(body, API, cut=cut).state in VendorState
    assert read(b"<rss><channel><item>" + body, cut=cut) == UNKNOWN


@given(data=st.data(), kind=st.sampled_from(EVERY_KIND), scope=st.sampled_from([PageScope(), API, VERTEX]))
def test_a_document_with_something_else_in_it_is_read(data: st.DataObject, kind: Any, scope: PageScope) -> None:
    """A state, a clean headline and an aware time, or unknown; never an exception."""
    found = read(json.dumps(bent(kind, data)).encode(), scope)
    assert len(found.headline) <= 200
    assert found.since is None or found.since.tzinfo is UTC
    assert found.state.is_trouble or found == StatusPageReading(state=found.state)


@given(text=st.text(max_size=60))
def test_any_item_of_a_feed_is_read(text: str) -> None:
    """Whatever stands in its elements."""
    from_text = text.replace("&", "&amp;").replace("<", "&lt;")
    item = "".join(f"<{tag}>{from_text}</{tag}>" for tag in ("title", "description", "pubDate", "category"))
    body = pages.rss(item) if from_text.isprintable() else text.encode("utf-8", "replace")
    assert read(body).state in VendorState


def test_a_report_names_its_page() -> None:
    """By the host that people know."""
    report = VendorStateChange(
        provider="openai", at=TWO, state=VendorState.OPERATIONAL, url="https://www.status.example/x"
    )
    assert report.page == "status.example"
    assert VendorStateChange(provider="openai", at=TWO, state=VendorState.UNKNOWN).page == "the vendor's status page"


def test_states_are_ordered() -> None:
    """From best to worst; what is unknown is no admission."""
    assert [state for state in VendorState if state.is_trouble] == [
        "maintenance",
        "degraded",
        "partial_outage",
        "major_outage",
    ]
    assert VendorState.PARTIAL_OUTAGE.label == "partial outage"
