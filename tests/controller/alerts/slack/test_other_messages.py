"""The other messages: replies, calls, and much at once; and the largest of each is inside Slack's limits."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.alerts.alert import PendingEvent
from controller.alerts.next_action import incident_action
from controller.alerts.severity import most_urgent, severity_of, severity_of_notice
from controller.alerts.slack.blocks import Message
from controller.alerts.slack.buttons.buttons import add_buttons, choose_buttons
from controller.alerts.slack.incident_message import incident_headline, plain_text
from controller.alerts.slack.other_messages import (
    call_message,
    held_message,
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
)
from controller.incidents.incident import VendorClaim as Lead
from controller.incidents.timeline import MAX_ENTRIES
from monitor.config.alert_settings import Severity
from monitor.config.route import Route
from monitor.health import Health
from monitor.status_pages.reading import VendorState
from probes.outcome import Outcome
from tests.controller.alerts.slack.test_incident_message import HOSTILE, assert_inside_the_limits
from tests.support.alert_world import NOON, misconfigured, outage, over, shown, stuck

LATER = NOON + timedelta(minutes=12)
LONG = "<&!channel> *" * 800
WHOM = tuple(f"<@U0123456{number}>" for number in range(10))


def numbered(incident: Incident) -> Incident:
    """The same, its lines numbered as the journal does."""
    lines = (replace(line, number=number) for number, line in enumerate(incident.timeline, 1))
    return replace(incident, timeline=tuple(lines))


def largest() -> Incident:
    """Hundreds of targets and routes, reasons of 10,000 characters, everything that can be there, all of it hostile."""
    return Incident(
        id=10**12,
        provider=LONG,
        kind=IncidentKind.CONFIGURATION,
        opened_at=NOON,
        affected=(AffectedTarget(target=LONG, health=Health.MISCONFIGURED, since=NOON, reason=LONG),) * 300,
        timeline=tuple(
            TimelineEntry(at=LATER + timedelta(days=i), text=f"{i} {LONG}", kind=EntryKind.NOTE, author=LONG, number=i)
            for i in range(1, MAX_ENTRIES)
        ),
        routes=tuple(
            RouteImpact(route=f"{i}{LONG}", target=LONG, stuck=True, would=LONG, weights=((LONG[1:], 10.0),) * 9)
            for i in range(300)
        ),
        vendor=Lead(page=LONG, state=VendorState.PARTIAL_OUTAGE, headline=LONG, said_at=LATER),
        reopened=99,
        acknowledged_by=LONG,
        numbers=(TargetNumbers(target=LONG, outcomes=tuple((one, 10**9) for one in Outcome)),),
        request_ids=(LONG,) * 5,
        on_failing_s=((LONG, 10.0**9),) * 300,
    )


def everything() -> list[Message]:
    """Every kind of message, as large as it can be."""
    incident = largest()
    ended = replace(
        incident, resolved_at=LATER, timeline=(*incident.timeline, TimelineEntry(at=LATER, text="Resolved"))
    )
    done = replace(ended, timeline=(*ended.timeline[:-1], replace(ended.timeline[-1], kind=EntryKind.RESOLVED)))
    others = (incident,) * 200
    event = PendingEvent(id=1, at=NOON, kind="pinned_to_failing" * 20, subject=LONG, text=LONG)
    open_one = replace(incident, acknowledged_by=None)
    headline = incident_headline(open_one, now=LATER, others=others, mention=WHOM, late="while Slack was unreachable")
    return [
        headline,
        incident_headline(done, now=LATER, others=others, mention=WHOM, late="while Slack was unreachable"),
        reply_message(incident, incident.timeline, named=True),
        reply_message(done, done.timeline, named=True),
        call_message(incident, now=LATER, mention=WHOM, again=True),
        passed_message((done,) * 500, "while Slack was unreachable"),
        notices_message((event,) * 500, "while Slack was unreachable"),
        held_message([(other, "") for other in others], (event,) * 200, 30, LATER),
        held_message((), (), 3, None),
        notice_message(event.kind, event.subject, event.text, at=NOON),
    ]


def test_one_refused_key_is_one_thing_to_fix() -> None:
    """However many targets it serves; and the notification says which."""
    refused = misconfigured()
    same = [replace(refused.affected[0], target=f"openai/m{n}", reason=refused.affected[0].reason) for n in range(12)]
    message = incident_headline(replace(refused, affected=tuple(same)), now=NOON)
    assert shown(message.blocks).count("check the variable KEY") == 1
    assert "check the variable KEY" in message.text


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(everything())))
def test_the_largest_of_each_kind_fits(number: int) -> None:
    """Inside Slack's limits and our own, and nothing from outside mentions anybody or has markup."""
    message = everything()[number]
    assert_inside_the_limits(message)
    for text in (message.text, *(block["text"]["text"] for block in message.blocks if block["type"] == "section")):
        assert set(re.findall(r"<[^>]*>", text)) <= set(WHOM)


def test_the_largest_headline_has_room_for_buttons() -> None:
    """Their names are long as well."""
    incident = replace(largest(), acknowledged_by=None, kind=IncidentKind.OUTAGE)
    routes = [Route(name=one.route, candidates=(LONG + "x", one.target)) for one in incident.routes]
    message = add_buttons(incident_headline(incident, now=LATER), choose_buttons(incident, routes))
    assert len(json.dumps(message.blocks, ensure_ascii=False)) < 8_000


def test_text_from_outside_is_disarmed_in_every_message() -> None:
    """Notes, authors, names and reasons: no mention, no link, no markup, no control character."""
    line = TimelineEntry(at=NOON, text=HOSTILE, kind=EntryKind.NOTE, author=HOSTILE, number=2)
    incident = replace(outage(), provider=HOSTILE, timeline=(line,), acknowledged_by=HOSTILE, request_ids=(HOSTILE,))
    event = PendingEvent(id=1, at=NOON, kind="pinned", subject=HOSTILE, text=HOSTILE)
    done = over(incident)
    for message in (
        reply_message(incident, incident.timeline, named=True),
        reply_message(done, done.timeline, named=True),
        passed_message((done,), "within minutes"),
        notices_message((event,), "during quiet hours"),
        held_message([(incident, "")], (event,), 3, NOON),
    ):
        sections = [block["text"]["text"] for block in message.blocks if block["type"] == "section"]
        for text in (message.text, *sections):
            assert "<" not in text
            assert "\x1b" not in text
            assert "*bold*" not in text


def test_a_note_says_whose_it_is() -> None:
    """And a line that names its author does not say so twice."""
    note = TimelineEntry(at=NOON, text="I called them", kind=EntryKind.NOTE, author="ana")
    taken = TimelineEntry(at=NOON, text="Acknowledged by ana", kind=EntryKind.ACKNOWLEDGED, author="ana")
    said = shown(reply_message(outage(), (note, taken), named=False).blocks)
    assert said == "📝 `12:00:00` ana: I called them\n🙋 `12:00:00` Acknowledged by ana"


def test_the_end_says_what_it_did() -> None:
    """How long it took, how soon routes moved, how far it was felt, in numbers, who knew first."""
    first = TimelineEntry(at=NOON - timedelta(seconds=20), text="First failed probe", kind=EntryKind.FIRST_FAILURE)
    moved = TimelineEntry(at=NOON + timedelta(seconds=1), text="Route chat moved", kind=EntryKind.MOVED)
    numbers = TargetNumbers(target="openai/m", outcomes=((Outcome.OK, 27), (Outcome.SERVER_ERROR, 30)))
    incident = replace(
        over(replace(outage(), timeline=(first, *outage().timeline, moved))),
        numbers=(numbers,),
        request_ids=("req_1", "req_2"),
        on_failing_s=(("chat", 21.0),),
        reopened=1,
        vendor=Lead(page="status.openai.com", state=VendorState.OPERATIONAL),
    )
    assert shown(reply_message(incident, incident.timeline[-1:], named=False).blocks).splitlines() == [
        "*✅ Resolved after 12 min in 2 periods: openai/m is up again*",
        "It is over. Nobody has to act.",
        "It ended at `12:12:00`.",
        "The first route moved 21 s after the first failed probe (`11:59:40`).",
        "Time that routes pointed at a failing target: `chat` 21 s (2.8 %).",
        "Only the applications know how many requests failed meanwhile.",
        "30 of 57 probes failed: server_error.",
        "status.openai.com said nothing of it.",
        "Request ids for the vendor's support: req_1, req_2",
    ]


def test_the_network_and_a_lone_route_have_words_of_their_own() -> None:
    """No provider is blamed for either."""
    blind = replace(outage("network"), kind=IncidentKind.BLINDNESS, affected=(), routes=())
    assert incident_headline(blind, now=LATER).text.splitlines() == [
        "📡 our own network is down or loses packets",
        incident_action([blind]).sentence,
    ]
    assert incident_action([blind]).sentence.startswith("Act when you can: see to this machine's network")
    after = incident_headline(over(blind), now=LATER).text.splitlines()[0]
    assert after == "✅ Resolved after 12 min: our own network works again"
    lone = replace(
        outage("route:chat"),
        kind=IncidentKind.NOTHING_ELIGIBLE,
        affected=(),
        routes=(RouteImpact(route="chat", target="openai/m", stuck=True),),
    )
    assert incident_headline(lone, now=LATER).text.splitlines()[0] == "🚨 Act now: route chat has nowhere to go"
    assert severity_of(lone) is Severity.CRITICAL


def test_plain_text_has_no_markup() -> None:
    """For mails and for services that know none: the same facts, the same order."""
    said = plain_text(misconfigured(on_it=True))
    assert said.splitlines() == [
        "🔧 To fix: openai/m is misconfigured",
        "Act now: set KEY and restart Hotspare; users of chat fail on openai/m until then.",
        "Users of chat are on openai/m, which is misconfigured.",
        "To fix: openai/m is misconfigured: the provider refuses the key: check the variable KEY",
        "12:00:00 openai/m is misconfigured: the provider refuses the key: check the variable KEY",
        "Incident 0, opened 2026-11-21 12:00:00 UTC",
    ]
    assert len(plain_text(largest())) < 10_000


@pytest.mark.parametrize(
    ("incident", "severity"),
    [
        pytest.param(outage(), Severity.WARNING, id="an outage that was handled"),
        pytest.param(stuck(outage(), at=NOON), Severity.CRITICAL, id="nowhere to go"),
        pytest.param(misconfigured(), Severity.WARNING, id="a refused key of a standby"),
        pytest.param(misconfigured(on_it=True), Severity.CRITICAL, id="a refused key under users"),
        pytest.param(over(stuck(outage(), at=NOON)), Severity.INFO, id="all of it, once it is over"),
    ],
)
def test_severity(incident: Incident, severity: Severity) -> None:
    """Critical is what needs a person now, and nothing else."""
    assert severity_of(incident) is severity


def test_the_severity_of_notices() -> None:
    """Nobody is called for one; what should be looked at is a warning."""
    assert severity_of_notice("pinned") is Severity.INFO
    assert severity_of_notice("pin_to_failing_target") is Severity.WARNING
    assert most_urgent(()) is Severity.INFO
    assert most_urgent((Severity.INFO, Severity.CRITICAL, Severity.WARNING)) is Severity.CRITICAL
