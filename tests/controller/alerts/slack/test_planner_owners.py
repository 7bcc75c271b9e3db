"""An incident goes to those who look after what it is about, besides the usual channel."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.alerts.owners import Owners
from monitor.config.alert_settings import QuietHours
from probes.target import Owner
from tests.support.alert_world import NOON, TOKEN, AlertWorld, changed, outage, over, shown, stuck
from tests.support.incident_builders import reopened
from tests.support.slack_server import SlackServer

ANA, BEN = "<@U012AB3CD>", "<@U987ZY6XW>"
RUNBOOK = "https://wiki.example/openai?a=1&b=2#outage"
OWNERS = Owners(
    providers={"openai": Owner(channel="#ml", mention=(ANA,), runbook=RUNBOOK)},
    routes={"chat": Owner(mention=(BEN,)), "other": Owner(channel="#other")},
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AlertWorld]:
    """A workspace with a channel of a team, which looks after OpenAI."""
    with SlackServer(token=TOKEN, others=["#ml", "#other"]) as server:
        world = AlertWorld(tmp_path, server, owners=OWNERS)
        yield world
        world.engine.dispose()


def heads(world: AlertWorld, channel: str) -> list[str]:
    """The first lines of what stands in a channel now."""
    known = world.server.ids[channel]
    return [one.versions[-1].text.splitlines()[0] for one in world.server.messages if one.channel == known]


def test_the_owner_is_told_too_until_the_end(world: AlertWorld) -> None:
    """Once, in the channel of the provider's owner, which is edited like the usual one; nobody is called."""
    incident = world.keep(outage())
    for second in range(4):
        world.round(second)
    assert heads(world, "#ml") == heads(world, world.server.channel) == ["🔴 openai/m is down"]
    assert heads(world, "#other") == []
    assert ANA not in str([message.versions for message in world.server.messages])
    world.keep(over(incident, at=NOON))
    world.round(10)
    world.round(11)
    assert [head[:10] for head in heads(world, "#ml")] == ["✅ Resolved"]


def test_what_is_critical_calls_each_where_they_are(world: AlertWorld) -> None:
    """The provider's people in their channel, those without a channel in the usual one; also if it gets so later."""
    incident = world.keep(outage())
    for second in range(3):
        world.round(second)
    world.keep(stuck(incident, at=NOON))
    for second in range(10, 14):
        world.round(second)
    [usual, first, second_copy] = world.server.messages
    assert ANA in shown(second_copy.versions[0].blocks)
    assert BEN not in shown(second_copy.versions[0].blocks)
    call = world.server.thread(usual.ts)[0]
    assert BEN in shown(call.versions[0].blocks)
    assert first.channel == second_copy.channel == world.server.ids["#ml"]


def test_what_comes_back_is_told_anew(world: AlertWorld) -> None:
    """In the owner's channel as in the usual one."""
    incident = world.keep(outage())
    world.round(1)
    world.round(2)
    ended = world.keep(over(incident, at=NOON))
    world.round(60)
    world.keep(reopened(ended, NOON))
    for second in range(120, 124):
        world.round(second)
    assert len(heads(world, "#ml")) == 2


def test_the_runbook_stands_in_the_act_line(world: AlertWorld) -> None:
    """As a link, where somebody has to act."""
    incident = replace(outage(), runbooks=(RUNBOOK,))
    world.keep(stuck(incident, at=NOON))
    world.round(1)
    link = "<https://wiki.example/openai?a=1&amp;b=2#outage|Runbook>"
    assert link in shown(world.server.messages[0].versions[0].blocks)


def test_quiet_hours_hold_the_owner_s_message_too(tmp_path: Path) -> None:
    """What is not critical waits."""
    night = QuietHours(begin=NOON.time(), end=NOON.replace(hour=13).time(), zone="UTC")
    with SlackServer(token=TOKEN, others=["#ml"]) as server:
        world = AlertWorld(tmp_path, server, owners=OWNERS, quiet_hours=night)
        incident = world.keep(outage())
        world.round(1)
        world.keep(changed(incident))
        world.round(2)
        assert server.messages == []
        world.round(3700)
        world.round(3701)
        assert len(server.messages) == 2
        world.engine.dispose()


def test_what_is_held_back_for_an_owner_is_listed(tmp_path: Path) -> None:
    """The bound counts it, so the list of what waits names it, with the channel."""
    with SlackServer(token=TOKEN, others=["#ml"]) as server:
        world = AlertWorld(tmp_path, server, owners=OWNERS, most_per_hour=1)
        world.keep(outage())
        for second in range(3):
            world.round(second)
        listed = [shown(one.versions[-1].blocks) for one in server.messages if "held back" in one.versions[-1].text]
        assert ["• 🔴 openai/m is down (incident 1), for #ml" in text for text in listed] == [True]
        world.round(3700)
        world.round(3701)
        assert heads(world, "#ml") == ["🔴 openai/m is down"]
        world.engine.dispose()
