"""Messages: what they say at each stage of an incident, and that nothing from outside can misuse them."""

import json
import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from controller.alerts.slack.blocks import Message
from controller.alerts.slack.incident_message import headline_of, incident_headline
from controller.alerts.slack.other_messages import notice_message
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
from controller.incidents.timeline import MAX_ENTRIES
from controller.routing.decision import failback_command
from controller.routing.override_text import pin_warning_event
from controller.routing.overrides import Override, OverrideKind
from monitor.health import Health, TargetHealth
from monitor.status_pages.reading import VendorState
from probes.outcome import Outcome

OPENED = datetime(2026, 11, 21, 18, 0, 41, tzinfo=UTC)
LATER = OPENED + timedelta(minutes=12, seconds=5)
LUNA, MINI, HAIKU = "openai/gpt-6-luna", "openai/gpt-5.6-luna", "anthropic/claude-haiku-5-5"
DOWN = f"{LUNA} is down: 9 of 14 probes failed in 41 s (server_error)"
PLAIN = f"{LUNA} is down: fails 64 % of its requests (9 of 14 probes in 41 s; server_error)"
REFUSED = f"{LUNA} is misconfigured: the provider refuses the key: check the variable OPENAI_API_KEY"
ON_HAIKU = RouteImpact(route="chat", target=HAIKU)
ON_LUNA = RouteImpact(route="chat", target=LUNA)
NOBODY = f"Nobody has to act: users of chat are served by {HAIKU}."


def affected(target: str = LUNA, health: Health = Health.DOWN, reason: str = DOWN) -> AffectedTarget:
    """One target in trouble."""
    return AffectedTarget(target=target, health=health, since=OPENED, reason=reason)


def outage(*routes: RouteImpact, health: Health = Health.DOWN) -> Incident:
    """One model that fails, and a route that has left it."""
    return Incident(
        id=7,
        provider="openai",
        kind=IncidentKind.OUTAGE,
        opened_at=OPENED,
        affected=(affected(health=health),),
        timeline=(
            TimelineEntry(at=OPENED, text=DOWN, kind=EntryKind.HEALTH),
            TimelineEntry(
                at=OPENED + timedelta(seconds=1), text=f"Route chat moved from {LUNA} to {HAIKU}", kind=EntryKind.MOVED
            ),
        ),
        routes=routes,
    )


def misconfigured(*routes: RouteImpact) -> Incident:
    """One model whose key is refused."""
    fault = affected(health=Health.MISCONFIGURED, reason=REFUSED)
    return replace(
        outage(*routes),
        kind=IncidentKind.CONFIGURATION,
        affected=(fault,),
        timeline=(TimelineEntry(at=OPENED, text=REFUSED),),
    )


def resolved(*routes: RouteImpact) -> Incident:
    """The same outage, over."""
    over = outage(*routes, health=Health.UP)
    return replace(over, resolved_at=LATER, timeline=(*over.timeline, TimelineEntry(at=LATER, text="Resolved")))


def strings(message: Message) -> list[str]:
    """Every text of the message's blocks, in order."""
    return [part["text"] for block in message.blocks for part in (block.get("elements") or [block["text"]])]


def shown(incident: Incident) -> str:
    """The whole message as lines."""
    return "\n".join(strings(incident_headline(incident, now=LATER)))


def test_an_outage_that_was_routed_around() -> None:
    """What broke, that nobody must act, where users are, the evidence, and what was done, in this order."""
    message = incident_headline(outage(ON_HAIKU), now=OPENED + timedelta(seconds=2))
    title, call, story, footer = strings(message)
    assert title == "🔴 openai/gpt-6-luna is down"
    assert call == f"*{NOBODY}*\nUsers of `chat` are on `anthropic/claude-haiku-5-5`."
    assert story.splitlines() == [
        "*What happened* (UTC)",
        f"🩺 `18:00:41` {PLAIN}",
        "🔀 `18:00:42` Route chat moved from openai/gpt-6-luna to anthropic/claude-haiku-5-5",
    ]
    assert footer == (
        "Incident 7 · opened 2026-11-21 18:00:41 UTC (<!date^1795284041^{date_short_pretty} {time} your time|UTC>)"
        " · as of 18:00:43 UTC. This message is kept up to date."
    )
    assert message.text == (
        f"🔴 openai/gpt-6-luna is down\n{NOBODY}\nUsers of `chat` are on `anthropic/claude-haiku-5-5`."
    )


def test_a_resolution_says_how_long_it_took_and_where_users_are() -> None:
    """The edited message leads with the end and keeps the story."""
    message = incident_headline(resolved(ON_LUNA), now=LATER)
    title, call, story, footer = strings(message)
    assert title == "✅ Resolved after 12 min 5 s: openai/gpt-6-luna is up again"
    assert call == "*It is over. Nobody has to act.*\nUsers of `chat` were on `openai/gpt-6-luna` when it ended."
    assert PLAIN in story
    assert "This message is final." in footer


@pytest.mark.parametrize(
    ("incident", "headline", "call"),
    [
        pytest.param(
            outage(RouteImpact(route="chat", target=LUNA, stuck=True)),
            "🚨 Act now: openai/gpt-6-luna is down and route chat has nowhere to go",
            "Act now: users of chat fail and no candidate is healthy. Ask openai (request ids: "
            "`hotspare incidents show 7`), or add a candidate.",
            id="nothing eligible is loud",
        ),
        pytest.param(
            outage(RouteImpact(route="chat", target=LUNA, stuck=True), health=Health.RECOVERING),
            "🟡 openai/gpt-6-luna is recovering",
            "Nobody has to act: users of chat are served by openai/gpt-6-luna, which answers again.",
            id="the only candidate recovering is not",
        ),
        pytest.param(
            misconfigured(ON_LUNA),
            "🔧 To fix: openai/gpt-6-luna is misconfigured",
            "Act now: set OPENAI_API_KEY and restart Hotspare; users of chat fail on openai/gpt-6-luna until then.",
            id="a refused key under users is urgent",
        ),
        pytest.param(
            misconfigured(ON_HAIKU),
            "🔧 To fix: openai/gpt-6-luna is misconfigured",
            "Act when you can: set OPENAI_API_KEY and restart Hotspare; no user is on openai/gpt-6-luna until then.",
            id="a refused key of a standby can wait",
        ),
        pytest.param(
            replace(misconfigured(ON_HAIKU), affected=(affected(health=Health.RECOVERING),)),
            "🟡 openai/gpt-6-luna is recovering",
            NOBODY,
            id="a key that works again is nothing to fix",
        ),
        pytest.param(
            replace(outage(ON_LUNA, health=Health.DEGRADED), kind=IncidentKind.DEGRADATION),
            "🟠 openai/gpt-6-luna is degraded",
            "Users of chat get slow, wrong or refused answers on openai/gpt-6-luna (degraded); no other candidate is "
            "better now.",
            id="a degraded target that users stay on",
        ),
        pytest.param(
            outage(ON_LUNA),
            "🔴 openai/gpt-6-luna is down",
            "Users of chat fail on openai/gpt-6-luna (down); no other candidate is better now.",
            id="a failing target that is not left, as in a dry run",
        ),
        pytest.param(
            outage(),
            "🔴 openai/gpt-6-luna is down",
            "Nobody has to act: no route uses it.",
            id="a target that no route uses",
        ),
        pytest.param(
            replace(
                outage(ON_HAIKU),
                affected=(affected(), affected(MINI), affected("openai/nano", Health.RECOVERING)),
            ),
            "🔴 openai: 2 models down, 1 recovering",
            NOBODY,
            id="several models of one provider are counted",
        ),
        pytest.param(
            replace(outage(ON_HAIKU), affected=(affected(), affected(MINI, Health.DEGRADED))),
            "🔴 openai: 1 model down, 1 degraded",
            NOBODY,
            id="one model is one model",
        ),
        pytest.param(
            replace(outage(ON_HAIKU), affected=(affected(health=Health.UP), affected(MINI))),
            "🔴 openai/gpt-5.6-luna is down",
            NOBODY,
            id="a model that is well again is no longer in the headline",
        ),
        pytest.param(
            resolved(RouteImpact(route="chat", target=HAIKU, stuck=True)),
            "✅ Resolved after 12 min 5 s: openai/gpt-6-luna is up again",
            "This is over, but users of chat fail by another incident.",
            id="the end of one of two incidents does not send anyone to bed",
        ),
        pytest.param(
            outage(RouteImpact(route="chat", target=LUNA, would=HAIKU)),
            "🔴 openai/gpt-6-luna is down",
            "Users of chat fail on openai/gpt-6-luna (down); this is a dry run, which moves nobody: without it they "
            "would be on anthropic/claude-haiku-5-5.",
            id="a dry run leaves users on a failing target, and says so",
        ),
        pytest.param(
            outage(RouteImpact(route="chat", target=HAIKU, weights=((LUNA, 10.0), (HAIKU, 90.0))), health=Health.UP),
            "🟡 openai/gpt-6-luna is up again",
            NOBODY,
            id="a failback in steps",
        ),
        pytest.param(
            resolved(RouteImpact(route="chat", target=HAIKU, waiting=LUNA)),
            "✅ Resolved after 12 min 5 s: openai/gpt-6-luna is up again",
            "It is over. Act when you can: failback is manual, and chat stays until you bring it back; hotspare pin "
            "chat openai/gpt-6-luna --for 1m --reason … brings it back.",
            id="a manual failback",
        ),
        pytest.param(
            replace(resolved(), affected=(affected(health=Health.UNKNOWN),)),
            "✅ Resolved after 12 min 5 s: openai/gpt-6-luna is no longer configured",
            "It is over. Nobody has to act.",
            id="a removed target ends it too",
        ),
    ],
)
def test_headline_and_call(incident: Incident, headline: str, call: str) -> None:
    """The first two lines tell whoever is woken what it is and whether to get up."""
    title, users, *_ = strings(incident_headline(incident, now=LATER))
    assert title == headline
    assert users.splitlines()[0] == f"*{call}*"


def test_where_users_are_when_not_all_are_in_one_place() -> None:
    """A share that has gone back, and where a dry run would have them, stand beside the target."""
    steps = RouteImpact(route="chat", target=HAIKU, weights=((LUNA, 12.5), (HAIKU, 87.5)))
    assert f"Users of `chat` are on `{HAIKU}`; 12.5 % of them are on `{LUNA}` again." in shown(outage(steps))
    dry = shown(outage(RouteImpact(route="chat", target=LUNA, would="<!channel>")))
    assert f"are on `{LUNA}`, which is down; this is a dry run, or they would be on `&lt;!channel&gt;`." in dry


def test_what_to_fix_is_named_once() -> None:
    """The sentence with the variable has a place of its own, not a second one in the story."""
    text = shown(misconfigured(ON_HAIKU))
    assert text.count(REFUSED) == 1
    assert f"*To fix*\n• {REFUSED}\n" in text
    assert "restarted" in text


def test_users_in_trouble_come_first() -> None:
    """Of several routes, the one that has nowhere to go is read first."""
    stuck = RouteImpact(route="summaries", target=LUNA, stuck=True)
    users = strings(incident_headline(outage(ON_HAIKU, stuck), now=LATER))[1].splitlines()
    assert users[1:] == [
        "Users of `summaries` are on `openai/gpt-6-luna`, which is down; no other candidate is healthy.",
        "Users of `chat` are on `anthropic/claude-haiku-5-5`.",
    ]


def test_a_story_over_midnight_has_dates() -> None:
    """A time of another day than the opening says which."""
    late = replace(outage(), timeline=(TimelineEntry(at=OPENED + timedelta(hours=7), text="Resolved"),))
    assert "`22 Nov 01:00:41` Resolved" in shown(late)


def test_a_long_story_keeps_its_beginning_and_its_end() -> None:
    """What is left out is said, and is in the middle."""
    lines = tuple(TimelineEntry(at=OPENED + timedelta(minutes=i), text=f"line {i}") for i in range(30))
    text = shown(replace(outage(), timeline=lines))
    assert "line 0" in text
    assert "… 20 lines left out …" in text
    assert "line 15" not in text
    assert "line 29" in text


HOSTILE = (
    "<!channel> <@U12345> <!here|here> <https://evil.example|click> *bold* _it_ ~no~ `code` ```block```\n"
    "> quote & \x1b[31m\x00\u202egnp.exe\u200b &lt; @everyone #general https://evil.example"
)


def test_text_from_outside_is_disarmed() -> None:
    """Provider text and names cannot mention, link, format, break a line or hide: they are shown as they are."""
    message = incident_headline(
        replace(
            outage(RouteImpact(route=HOSTILE, target=HOSTILE)),
            provider=HOSTILE,
            kind=IncidentKind.CONFIGURATION,
            affected=(affected(HOSTILE, Health.MISCONFIGURED, HOSTILE),),
            timeline=(TimelineEntry(at=OPENED, text=f"x {HOSTILE}"),),
        ),
        now=LATER,
    )
    sections = [block["text"] for block in message.blocks if block["type"] == "section"]
    assert all(section["verbatim"] for section in sections)
    for text in [message.text, *(section["text"] for section in sections)]:
        assert not re.search(r"[<>]", text), "every angle bracket is escaped"
        assert re.findall(r"&(?!amp;|lt;|gt;)", text) == []
        assert not re.search(r"[\x00-\x09\x0b-\x1f\u200b\u202e]", text)
    story = sections[-1]["text"].splitlines()
    assert story[1] == (
        "▫️ `18:00:41` x &lt;!channel&gt; &lt;@U12345&gt; &lt;!here|here&gt; &lt;https://evil.example|click&gt; "
        "∗bold∗ ˍitˍ ∼no∼ ˋcodeˋ ˋˋˋblockˋˋˋ &gt; quote &amp; [31m gnp.exe &amp;lt; @everyone #general "
        "https://evil.example"
    )


def test_a_command_can_be_copied_into_a_shell() -> None:
    """A notification of a pin to a failing target holds the remedy, and no sign stands for another in it."""
    said = "o/m is down: " + "so many probes failed, " * 40
    pin = Override(
        kind=OverrideKind.PIN,
        subject="chat",
        target=LUNA,
        author="ana",
        reason="a test",
        at=OPENED,
        until=LATER,
    )
    state = TargetHealth(target=LUNA, health=Health.DOWN, since=OPENED, reason=said)
    note = pin_warning_event(pin, state, OPENED)
    told = notice_message(note.kind, note.subject, note.text, at=OPENED)
    assert "; hotspare unpin chat ends it. " in told.text
    back = failback_command("chat", LUNA)
    assert back in notice_message("failback_waiting", "chat", back, at=OPENED).text


def test_names_with_underscores_can_be_copied() -> None:
    """What a person must fix or search for is left as it is written."""
    assert "check the variable OPENAI_API_KEY" in shown(misconfigured())
    assert "server_error)" in shown(outage())


def test_who_knew_first_is_said() -> None:
    """Under what users are on, with the vendor's words made harmless; nothing where the vendor has no page."""
    lead = VendorClaim(
        page="status.openai.com",
        state=VendorState.PARTIAL_OUTAGE,
        headline="<!channel> *Errors* & more",
        said_at=OPENED + timedelta(minutes=14),
    )
    line = "Noticed 14 min before status.openai.com (partial outage: &lt;!channel&gt; ∗Errors∗ &amp; more)."
    assert line in shown(replace(outage(), vendor=lead)).splitlines()
    silent = VendorClaim(page="status.openai.com", state=VendorState.OPERATIONAL)
    assert "status.openai.com still says operational." in shown(replace(outage(), vendor=silent))
    over = replace(outage(), vendor=silent, resolved_at=LATER)
    assert "status.openai.com said nothing of it." in shown(over)
    assert "status." not in shown(outage())


TEXTS = st.one_of(
    st.text(max_size=20), st.sampled_from(["&" * 20_000, "💥" * 9_000, "<!channel>" * 900, "a b " * 5_000])
)
MOMENTS = st.integers(min_value=0, max_value=10**7).map(lambda s: OPENED + timedelta(seconds=s))
INCIDENTS = st.builds(
    Incident,
    id=st.integers(min_value=0, max_value=10**12),
    provider=TEXTS,
    kind=st.sampled_from(IncidentKind),
    opened_at=st.just(OPENED),
    resolved_at=st.none() | MOMENTS,
    affected=st.lists(
        st.builds(AffectedTarget, target=TEXTS, health=st.sampled_from(Health), since=MOMENTS, reason=TEXTS),
        min_size=1,
        max_size=5,
    ).map(tuple),
    timeline=st.lists(st.builds(TimelineEntry, at=MOMENTS, text=TEXTS), max_size=20).map(tuple),
    routes=st.lists(st.builds(RouteImpact, route=TEXTS, target=TEXTS, stuck=st.booleans()), max_size=9).map(tuple),
    vendor=st.none()
    | st.builds(
        VendorClaim,
        page=TEXTS,
        state=st.sampled_from(VendorState),
        headline=TEXTS,
        said_at=st.none() | MOMENTS,
        claimed_at=st.none() | MOMENTS,
    ),
)


def assert_inside_the_limits(message: Message) -> None:
    """Slack's limits, as the SDK and the documents give them, and our own for all blocks together."""
    assert 0 < len(message.text) < 4_000
    assert len(message.blocks) <= 50
    assert len(json.dumps(message.blocks, ensure_ascii=False)) < 8_000
    for block, parsed in zip(message.blocks, Block.parse_all(message.blocks), strict=True):
        assert parsed.to_dict()["type"] == block["type"]
    for text in strings(message):
        assert 0 < len(text) <= 3_000
        assert not {unicodedata.category(c) for c in text.replace("\n", "")} & {"Cc", "Cf", "Cs"}


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(incident=INCIDENTS)
def test_any_incident_fits(incident: Incident) -> None:
    """Whatever it holds, the message is inside Slack's limits and mentions nobody."""
    message = incident_headline(incident, now=LATER)
    assert_inside_the_limits(message)
    everything = "\n".join([message.text, *strings(message)[1:]])
    assert set(re.findall(r"<[^>]*>", everything)) == {
        "<!date^1795284041^{date_short_pretty} {time} your time|UTC>",
    }


def test_the_largest_incident_fits() -> None:
    """Fifty long lines, forty routes, sixty models, all of characters that grow when escaped."""
    longest = "&" * 5_000
    message = incident_headline(
        Incident(
            id=10**12,
            provider=longest,
            kind=IncidentKind.CONFIGURATION,
            opened_at=OPENED,
            affected=(affected(longest, Health.MISCONFIGURED, longest),) * 60,
            timeline=tuple(
                TimelineEntry(at=LATER + timedelta(days=i), text=longest + str(i)) for i in range(MAX_ENTRIES)
            ),
            routes=(RouteImpact(route=longest, target=longest, stuck=True),) * 40,
            vendor=VendorClaim(page=longest, state=VendorState.PARTIAL_OUTAGE, headline=longest, said_at=LATER),
        ),
        now=LATER,
    )
    assert_inside_the_limits(message)


NOTHING_BUT = "answers nothing but HTTP 404 since 18:00 UTC: the provider, or what it accepts, has changed; last: no"


def test_a_refusal_of_every_probe_is_headed_by_what_it_answers() -> None:
    """Not by `unusable`; whoever reads the first lines knows that the provider or the probe has changed."""
    fault = affected(health=Health.UNUSABLE, reason=f"{LUNA} is unusable: {NOTHING_BUT}")
    refusing = replace(outage(ON_HAIKU), kind=IncidentKind.DEGRADATION, affected=(fault,))
    assert headline_of(refusing) == f"🟠 {LUNA} answers nothing but HTTP 404 since 18:00 UTC"
    assert (
        "Act when you can: openai/gpt-6-luna answers nothing but HTTP 404"
        in incident_headline(refusing, now=LATER).text
    )
    mini = affected(MINI, Health.UNUSABLE, f"{MINI} is unusable: {NOTHING_BUT}")
    both = replace(refusing, affected=(fault, mini))
    assert headline_of(both) == "🟠 2 models of openai answer nothing but HTTP 404 since 18:00 UTC"
    again = replace(fault, health=Health.RECOVERING)
    assert headline_of(replace(refusing, affected=(again,))) == f"🟡 {LUNA} is recovering"


def test_the_headline_says_how_much_was_answered_where_much_was_refused() -> None:
    """From 5 % of refusals on, while it is open; never as a success that rounds up to all."""
    throttled = replace(outage(ON_HAIKU, health=Health.DEGRADED), kind=IncidentKind.DEGRADATION)

    def headline(answered: int, refused: int) -> str:
        outcomes = ((Outcome.OK, answered), (Outcome.RATE_LIMITED, refused))
        return headline_of(replace(throttled, numbers=(TargetNumbers(target=LUNA, outcomes=outcomes),)))

    assert headline(62, 38) == f"🟠 {LUNA} is degraded: answered 62.0 %, refused 38.0 %"
    assert headline(96, 4) == headline(1, 0) == f"🟠 {LUNA} is degraded"


def test_several_providers_that_fail_are_counted_in_one_headline() -> None:
    """One call, whose first line says how much of the world is down and whom it hits."""
    there = outage(RouteImpact(route="chat", target=LUNA, stuck=True))
    down = affected(HAIKU)
    elsewhere = replace(there, id=8, provider="anthropic", affected=(down,))
    told = incident_headline(there, now=LATER, others=[elsewhere])
    counted = "2 providers fail (openai, anthropic), 2 targets down"
    assert told.text.splitlines()[0] == f"🚨 Act now: {counted} and route chat has nowhere to go"
    again = replace(elsewhere, affected=(replace(down, health=Health.UP),), resolved_at=LATER)
    assert counted not in incident_headline(there, now=LATER, others=[again]).text
