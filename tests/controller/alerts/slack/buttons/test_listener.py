"""Presses: the real Socket Mode listener against a Slack-shaped server, and what a press does to a real database."""

import asyncio
import logging
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from controller.alerts.delivery_store import DeliveryStore
from controller.alerts.delivery_worker import DeliveryWorker
from controller.alerts.queries import read_failing
from controller.alerts.slack.buttons.buttons import Press, add_buttons, choose_buttons, parse_button
from controller.alerts.slack.buttons.handler import handle_press
from controller.alerts.slack.buttons.listener import SocketListener
from controller.alerts.slack.buttons.service import ButtonService
from controller.alerts.slack.channel import SlackChannel
from controller.alerts.slack.incident_message import incident_headline
from controller.cycle.cycle import Cycle
from controller.demo.fake_slack import SlackMessage
from controller.incidents.incident import EntryKind, Incident
from controller.incidents.store import CommentStore
from controller.journal import Journal
from controller.routing.overrides import Override
from controller.routing.routing_file import RoutingFile
from controller.routing.store import OverrideStore
from controller.status.headline import failing_sentence
from monitor.clock import utc_now
from monitor.config.alert_settings import AlertSettings, SlackSettings
from monitor.config.settings import Settings
from monitor.health import Health
from monitor.storage.database import DatabaseError, open_reader, open_writer
from monitor.storage.store import Store
from probes.target import Secret
from tests.support import seeded_database as seeded
from tests.support.builders import T0, observation
from tests.support.seeded_database import HAIKU, LUNA
from tests.support.slack_server import Fault, FaultKind
from tests.support.slack_socket import APP_TOKEN, SocketServer, buttons, labels

INCIDENT = 2  # of break_openai; the seed resolved one before
ANA = "slack:U0ANA (ana)"


@pytest.fixture
def server() -> Iterator[SocketServer]:
    """A workspace whose app has Socket Mode."""
    with SocketServer() as running:
        yield running


class World:
    """An outage that was handled: `chat` is on its standby, and its home recovers. No service runs."""

    def __init__(self, folder: Path) -> None:
        self.settings = seeded.settings_in(folder)
        began = utc_now() - timedelta(minutes=7)
        seeded.seed(self.settings, began)
        seeded.break_openai(self.settings, began)
        with self._cycle(began) as cycle:
            for number in range(1, 13):
                at = began + timedelta(seconds=30 * number)
                cycle.run([observation(name=LUNA, at_s=(at - T0).total_seconds())], at + timedelta(seconds=1))
        self.beat(stopped=True)

    @contextmanager
    def _cycle(self, now: datetime) -> Iterator[Cycle]:
        engine = open_writer(self.settings.database)
        cycle = Cycle(self.settings, Store(engine), Journal(engine), RoutingFile(self.settings.routing_file))
        cycle.start(now)
        yield cycle
        engine.dispose()

    def beat(self, *, stopped: bool) -> None:
        """The service's heartbeat."""
        engine = open_writer(self.settings.database)
        seeded.beat(Store(engine), utc_now(), stopped_at=utc_now() if stopped else None)
        engine.dispose()

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """The part of the service that applies overrides, cycle after cycle."""
        stop = threading.Event()

        def decide(cycle: Cycle) -> None:
            while not stop.wait(0.05):
                cycle.run((), utc_now())

        with self._cycle(utc_now()) as cycle:
            thread = threading.Thread(target=decide, args=(cycle,))
            thread.start()
            self.beat(stopped=False)
            try:
                yield
            finally:
                stop.set()
                thread.join()

    def incident(self) -> Incident:
        """As it stands."""
        engine = open_reader(self.settings.database)
        found = Journal(engine).incident(INCIDENT)
        engine.dispose()
        assert found is not None
        return found

    def message(self, server: SocketServer) -> SlackMessage:
        """The incident's message with its buttons, posted."""
        incident = self.incident()
        drawn = add_buttons(incident_headline(incident, now=utc_now()), choose_buttons(incident, self.settings.routes))
        said = {"channel": "#llm-status", "text": drawn.text, "blocks": list(drawn.blocks)}
        assert server.answer("chat.postMessage", server.token, said)["ok"]
        return server.messages[-1]

    def overrides(self) -> list[Override]:
        """Every override there ever was, newest first."""
        engine = open_reader(self.settings.database)
        found = OverrideStore(engine).latest()
        engine.dispose()
        return found

    def events(self, *kinds: str) -> list[str]:
        """What was noted of these kinds, oldest first."""
        path = self.settings.database.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path)) as database:
            rows = database.execute("SELECT kind, text FROM events ORDER BY id").fetchall()
        return [text for kind, text in rows if kind in (kinds or ("button_pressed", "press_refused"))]

    def serving(self) -> str:
        """Where the routing file sends the users of `chat`."""
        return RoutingFile(self.settings.routing_file).read_targets()["chat"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The home of `chat` recovers: every button is there."""
    return World(tmp_path)


def slack_of(server: SocketServer, **more: Any) -> SlackSettings:
    """How to reach it."""
    about: dict[str, Any] = {"token": Secret(server.token), "channel": "#llm-status", "api_url": server.url}
    return SlackSettings(**about | {"app_token": Secret(APP_TOKEN)} | more)


@contextmanager
def listening(
    server: SocketServer, take: Callable[[Press], str | None], said: list[str | None] | None = None, **more: Any
) -> Iterator[SocketListener]:
    """A listener for presses; `said` gets what it reports, None for success."""
    told: list[str | None] = [] if said is None else said
    listener = SocketListener(slack_of(server, **more), take, told.append, first_wait_s=0.05)
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()


@contextmanager
def hearing(
    server: SocketServer, settings: Settings, allowed: tuple[str, ...] | None = None
) -> Iterator[SocketListener]:
    """A listener that carries presses out."""
    slack = slack_of(server, allowed_users=allowed and frozenset(allowed))
    given = replace(settings, alerts=AlertSettings(slack=slack))
    with listening(server, partial(handle_press, settings=given)) as listener:
        server.connected(1)
        yield listener


@pytest.mark.slow
def test_acknowledge(server: SocketServer, world: World) -> None:
    """The person looks after the incident; the timeline says so, and the next message has no such button."""
    with hearing(server, world.settings):
        first = world.message(server)
        assert labels(first) == ["Acknowledge", "Hold here for 1 h", "Fail back now"]
        server.acknowledged(server.press(first, "Acknowledge"))
        assert server.answered(1) == "You look after incident 2 now."
        told = server.ephemeral[0]
        assert (told["channel"], told["user"]) == (first.channel, "U0ANA")
        incident = world.incident()
        assert incident.acknowledged_by == ANA
        assert [line.author for line in incident.timeline if line.kind is EntryKind.ACKNOWLEDGED] == [ANA]
        assert labels(world.message(server)) == ["Hold here for 1 h", "Fail back now"]
        # The old message is still there, and somebody else presses it.
        server.acknowledged(server.press(first, "Acknowledge", user="U0BOB", name="bob"))
        assert server.answered(2) == f"Nothing was done: {ANA} looks after it already."
    assert world.incident().acknowledged_by == ANA
    assert world.events() == [
        f"{ANA} pressed “Acknowledge”: You look after incident 2 now.",
        f"slack:U0BOB (bob) pressed “Acknowledge”: Nothing was done: {ANA} looks after it already.",
    ]


@pytest.mark.slow
def test_hold_then_fail_back(server: SocketServer, world: World) -> None:
    """Hold pauses the route for an hour; fail back brings it home and ends the hold; the old message does no more."""
    with world.deciding(), hearing(server, world.settings):
        message = world.message(server)
        server.acknowledged(server.press(message, "Hold here for 1 h"))
        assert server.answered(1).startswith("Done: the pause of chat is in force until ")
        assert server.answered(1).endswith(f"; chat stays on {HAIKU}.")
        [hold] = world.overrides()
        assert (hold.author, hold.reason) == (ANA, "pressed in Slack, incident 2")
        assert (hold.until - hold.at).total_seconds() == 3600
        server.acknowledged(server.press(message, "Fail back now", user="U0BOB", name="bob"))
        assert server.answered(2).startswith(f"Done: the pin of chat to {LUNA} is in force until ")
        assert f"chat now points at {LUNA}; it was {HAIKU}." in server.answered(2)
        assert server.answered(2).endswith(" Ended: the pause of chat.")
        assert world.serving() == LUNA
        pin, hold = world.overrides()
        assert (pin.target, (pin.until - pin.at).total_seconds()) == (LUNA, 60)
        assert hold.ended_by == "slack:U0BOB (bob)"
        server.acknowledged(server.press(message, "Hold here for 1 h"))
        assert server.answered(3) == f"Nothing was done: chat has moved to {LUNA} since that message was written."
        server.acknowledged(server.press(message, "Fail back now"))
        assert server.answered(4) == f"Nothing was done: chat is on {LUNA} already."
    assert len(world.overrides()) == 2
    hands = {line.author for line in world.incident().timeline if line.kind is EntryKind.HAND and line.author}
    assert hands == {ANA, "slack:U0BOB (bob)"}
    assert len(world.events("paused", "pinned", "resumed")) == 3, "people are told as of the command line's"


@pytest.mark.slow
def test_nobody_but_those_who_may(server: SocketServer, world: World) -> None:
    """A press of anybody else does nothing, is answered, and is kept with its author."""
    with hearing(server, world.settings, allowed=("U0BOB",)):
        message = world.message(server)
        server.acknowledged(server.press(message, "Acknowledge", name="ana <!channel> &\u202e"))
        refused = "Nothing was done: alerts.slack.allowed_users does not name U0ANA."
        assert server.answered(1) == refused
        server.acknowledged(server.press(message, "Acknowledge", user="U0BOB", name="bob"))
        assert server.answered(2) == "You look after incident 2 now."
    assert world.incident().acknowledged_by == "slack:U0BOB (bob)"
    assert world.events("press_refused") == [f"slack:U0ANA (ana <!channel> &) pressed “Acknowledge”: {refused}"]


@pytest.mark.slow
def test_a_stale_message_does_nothing(server: SocketServer, world: World) -> None:
    """Home went down again since the message was written: nobody is brought there."""
    with hearing(server, world.settings):
        message = world.message(server)
        engine = open_writer(world.settings.database)
        Store(engine).save_states([seeded.saved(LUNA, Health.DOWN, utc_now(), f"{LUNA} is down: again")], [])
        engine.dispose()
        server.acknowledged(server.press(message, "Fail back now"))
        assert server.answered(1).startswith("Nothing was done: users would go to a failing target: ")
    assert world.overrides() == []


@pytest.mark.slow
def test_a_button_of_nobody_does_nothing(server: SocketServer, world: World) -> None:
    """A value that is none of ours is refused and kept, and what is not even a press is only acknowledged."""
    with hearing(server, world.settings):
        message = world.message(server)
        server.acknowledged(server.press(message, "Acknowledge", value='["drop tables"]'))
        assert server.answered(1) == "Nothing was done: the button is not of this version of Hotspare."
        other = {"envelope_id": "other", "type": "events_api", "payload": {"event": {"type": "message"}}}
        server.acknowledged(server.send(other))
        server.say("{not json")
        server.say('{"type": "hello"}')
        big = server.envelope(message, {"action_id": "hotspare_0", "text": {}, "value": "x" * 900_000})
        server.acknowledged(server.send(big))
    assert [text.partition(":")[0] for text in world.events()] == ["slack"] * 2
    assert len(server.acks) == 3


@pytest.mark.slow
def test_the_same_envelope_twice_is_done_once(server: SocketServer, world: World) -> None:
    """Slack tells again of what it believes unheard: acknowledged again, neither done nor answered again."""
    with world.deciding(), hearing(server, world.settings):
        envelope = server.press(world.message(server), "Hold here for 1 h")
        server.acknowledged(envelope)
        server.answered(1)
        server.send(envelope)
        server.acknowledged(envelope, times=2)
        server.send(envelope | {"envelope_id": "another", "retry_attempt": 1})
        server.acknowledged({"envelope_id": "another"})
    assert len(world.overrides()) == 1
    assert len(server.ephemeral) == 1
    assert len(world.events()) == 1


@pytest.mark.slow
def test_a_double_click_is_done_once(server: SocketServer, world: World) -> None:
    """Two presses a moment apart: the second is answered, and changes nothing."""
    with world.deciding(), hearing(server, world.settings):
        message = world.message(server)
        envelopes = [server.press(message, "Hold here for 1 h") for _ in range(2)]
        for envelope in envelopes:
            server.acknowledged(envelope)
        server.answered(2)
    assert len(world.overrides()) == 1
    first, second = sorted(str(one["text"]) for one in server.ephemeral)
    assert first.startswith("Done: the pause of chat")
    assert second.startswith(f"Nothing was done: the pause of chat by {ANA} is in force until ")


_KILLED = """\
import json, os, signal, sys
from pathlib import Path
from controller.alerts.slack.buttons import handler as presses
from controller.alerts.slack.buttons.buttons import parse_button
from controller.alerts.slack.buttons.buttons import Press
from tests.support import seeded_database as seeded

presses.finish_press = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
value = sys.argv[2]
settings = seeded.load(Path(sys.argv[1]) / "hotspare.yaml", {"KEY": "k"})
presses.handle_press(
    Press(key="k", user="U0ANA", author="slack:U0ANA (ana)", button=parse_button(value)), settings
)
"""


@pytest.mark.slow
@pytest.mark.parametrize("words", ["Acknowledge", "Hold here for 1 h", "Fail back now"])
def test_killed_after_the_press_was_journalled(tmp_path: Path, server: SocketServer, world: World, words: str) -> None:
    """A kill -9 between the order and the acknowledgement; Slack tells again, and it turns out to be done: once."""
    message = world.message(server)
    value = next(one["value"] for one in message.versions[-1].blocks[-2]["elements"] if one["text"]["text"] == words)
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path), value], check=False, timeout=60)
    assert killed.returncode == -9
    was = (len(world.overrides()), world.incident().acknowledged_by)
    assert was in {(1, None), (0, ANA)}
    assert world.events() == []
    again = Press(key="k", user="U0ANA", author=ANA, button=parse_button(value))
    assert handle_press(again, world.settings) == "It was done already."
    assert (len(world.overrides()), world.incident().acknowledged_by) == was
    assert len(world.events()) == 1
    assert handle_press(again, world.settings) is None, "and a third time it is not even answered"


def test_killed_before_anything_was_done(world: World) -> None:
    """A press that was begun and not done is done when Slack tells of it again."""
    world_button = next(b for b in choose_buttons(world.incident(), world.settings.routes) if b.verb == "hold")
    press = Press(key="k", user="U0ANA", author=ANA, button=world_button)
    path = world.settings.database.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "INSERT INTO deliveries (key, sink, kind, begun_ms, attempts) VALUES ('k', 'buttons', 'press', 1, 1)"
        )
    said = handle_press(press, world.settings)
    assert said is not None
    assert said.startswith("Done: the pause of chat")
    assert len(world.overrides()) == 1


@pytest.mark.slow
def test_it_connects_again_and_again(server: SocketServer, world: World) -> None:
    """Slack renews the connection, drops it, ends it with a word: presses come in on the next one."""
    with hearing(server, world.settings):
        message = world.message(server)
        server.disconnect("refresh_requested")
        server.connected(2)
        server.drop()
        server.connected(3)
        server.disconnect("warning")
        server.connected(4)
        server.settled()
        server.acknowledged(server.press(message, "Acknowledge"))
        assert server.answered(1) == "You look after incident 2 now."


@pytest.mark.parametrize(
    ("fault", "expected", "hopeful"),
    [
        pytest.param(
            Fault(kind=FaultKind.REFUSED, code="invalid_auth"),
            "Slack refuses Socket Mode (invalid_auth): set alerts.slack.app_token",
            False,
            id="the token is wrong",
        ),
        pytest.param(
            Fault(kind=FaultKind.REFUSED, code="missing_scope"),
            "Slack refuses Socket Mode (missing_scope): give the app-level token the scope connections:write",
            False,
            id="the token may not connect",
        ),
        pytest.param(
            Fault(kind=FaultKind.REFUSED, code="something_new"),
            "Slack refuses Socket Mode (something_new)",
            False,
            id="a word of tomorrow",
        ),
    ],
)
def test_what_a_person_must_repair_is_said_at_once(
    server: SocketServer, fault: Fault, expected: str, hopeful: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A permanent refusal is told once, in words that name the key to change; until it is well, no button is drawn."""
    server.fail(fault)
    said: list[str | None] = []
    with listening(server, lambda _: None, said) as listener:
        _until(lambda: bool(said))
        assert (said[0] or "").startswith(expected)
        assert listener.is_usable is hopeful
    assert "buttons_not_connected retry_in_s=60" in caplog.text
    assert APP_TOKEN not in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=FaultKind.RATE_LIMITED, retry_after_s=1),
        Fault(kind=FaultKind.SERVER_ERROR),
        Fault(kind=FaultKind.RESET),
        Fault(kind=FaultKind.REFUSED, code="internal_error"),
    ],
    ids=lambda fault: fault.kind.value,
)
def test_what_passes_is_tried_again(server: SocketServer, fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    """Trouble that passes is logged, told to nobody, and over with the next attempt."""
    server.fail(fault)
    said: list[str | None] = []
    with listening(server, lambda _: None, said) as listener:
        server.connected(1)
        _until(lambda: bool(said))
        assert said == [None]
        assert listener.is_usable
    assert "buttons_not_connected retry_in_s=" in caplog.text


def test_socket_mode_switched_off_is_said(server: SocketServer) -> None:
    """Slack ends the connection because somebody switched Socket Mode off: a person must switch it on."""
    said: list[str | None] = []
    with listening(server, lambda _: None, said) as listener:
        _until(lambda: said == [None])
        server.disconnect("link_disabled")
        _until(lambda: len(said) == 2)
        assert said[1] == "Slack refuses Socket Mode (link_disabled): switch Socket Mode on in the app's settings"
        assert not listener.is_usable


def test_an_address_without_encryption_is_refused() -> None:
    """With a real API address, nothing is sent to a WebSocket that is not encrypted, whoever names it."""
    with SocketServer() as server:
        slack = slack_of(server)
        listener = SocketListener(slack, lambda _: None, lambda _: None)
        assert listener._request_address().startswith("ws://127.0.0.1")
        listener._slack = replace(slack, api_url="https://slack.com/api/")
        with pytest.raises(Exception, match="not encrypted"):
            listener._request_address()
        listener.stop()


@pytest.mark.slow
def test_acknowledged_in_time_whatever_the_database_does(server: SocketServer) -> None:
    """A press that takes long is acknowledged before Slack gives it up, and answered when it is done."""
    release = threading.Event()

    def take(press: Press) -> str:
        assert release.wait(30), press
        return "Done at last."

    with listening(server, take):
        server.connected(1)
        envelope = server.send(server.envelope(_posted(server), _ELEMENT))
        server.acknowledged(envelope)
        assert server.ephemeral == []
        release.set()
        assert server.answered(1) == "Done at last."


def test_a_database_that_cannot_be_used_is_said(server: SocketServer, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is left in the belief that something was done; and the next press is heard all the same."""
    given = iter([DatabaseError("database x is locked"), RuntimeError("surprise"), None])

    def take(_: Press) -> str:
        error = next(given)
        if error:
            raise error
        return "Done."

    with caplog.at_level(logging.ERROR), listening(server, take):
        server.connected(1)
        posted = _posted(server)
        for number in range(1, 4):
            server.acknowledged(server.send(server.envelope(posted, _ELEMENT)))
            said = server.answered(number)
            assert said == "Done." if number == 3 else said.startswith("It is not certain that this was done")
    assert "press_failed user=U0ANA: database x is locked" in caplog.text


def _unheard(settings: Settings) -> list[str]:
    engine = open_reader(settings.database)
    with engine.connect() as connection:
        found = [failing_sentence(one, utc_now()) for one in read_failing(connection)]
    engine.dispose()
    return found


@pytest.mark.slow
def test_the_service_says_when_buttons_do_not_work(server: SocketServer, world: World) -> None:
    """A wrong app token: status and page say what to change, no button is drawn; the right one, and all is well."""

    async def serve(app_token: str | None, until: Callable[[ButtonService], bool]) -> None:
        slack = slack_of(server, app_token=Secret(app_token) if app_token else None)
        engine = open_writer(world.settings.database)

        async def at_once(work: Callable[[], Any]) -> Any:
            return work()

        given = replace(world.settings, alerts=AlertSettings(slack=slack))
        listening = ButtonService(given, engine, in_database=at_once, clock=utc_now)
        running = asyncio.create_task(listening.run())
        await asyncio.to_thread(_until, lambda: until(listening))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        engine.dispose()

    asyncio.run(serve("xapp-wrong", lambda one: bool(_unheard(world.settings)) and one.routes() is None))
    [said] = _unheard(world.settings)
    assert said.startswith("Slack's buttons have not worked since ")
    assert said.endswith(
        "Slack refuses Socket Mode (invalid_auth): set alerts.slack.app_token to an app-level token (xapp-…) of the app"
    )
    assert world.events("buttons_not_working")
    asyncio.run(serve(APP_TOKEN, lambda one: not _unheard(world.settings) and one.routes() == world.settings.routes))
    asyncio.run(serve("xapp-wrong", lambda _: bool(_unheard(world.settings))))
    asyncio.run(serve(None, lambda one: not _unheard(world.settings) and one.routes() is None))


@pytest.mark.slow
def test_without_a_token_there_is_no_button_anywhere(server: SocketServer, world: World) -> None:
    """Headlines have buttons only where somebody hears a press; without an app token, no message has one."""

    async def at_once(work: Callable[[], Any]) -> Any:
        return work()

    async def deliver(app_token: Secret | None) -> None:
        slack = slack_of(server, app_token=app_token)
        engine = open_writer(world.settings.database)
        CommentStore(engine).note(INCIDENT, "something new", author="ana", at=utc_now())
        given = replace(world.settings, alerts=AlertSettings(slack=slack))
        listening = ButtonService(given, engine, in_database=at_once, clock=utc_now)
        channel = SlackChannel(slack, in_thread=at_once, button_routes=listening.routes)
        await DeliveryWorker(channel, DeliveryStore(engine, "slack"), in_database=at_once).deliver_once()
        engine.dispose()

    asyncio.run(deliver(None))
    assert server.everything
    assert not any(buttons(message) for message in server.everything)
    asyncio.run(deliver(Secret(APP_TOKEN)))
    assert [labels(message) for message in server.messages if buttons(message)] == [
        ["Acknowledge", "Hold here for 1 h", "Fail back now"]
    ]


def test_stopping_leaves_no_thread_behind(server: SocketServer) -> None:
    """Every thread of the client ends, whether it was connected or waits for another attempt."""
    before = set(threading.enumerate())
    with listening(server, lambda _: None):
        server.connected(1)
    server.app_token = "xapp-another"
    with listening(server, lambda _: None) as waiting:
        _until(lambda: not waiting.is_usable)
    _until(lambda: not [t for t in set(threading.enumerate()) - before if "process_request" not in t.name])


_ELEMENT = {"action_id": "hotspare_0", "text": {}, "value": '["acknowledge",7,4,null,null]'}


def _posted(server: SocketServer) -> SlackMessage:
    server.answer("chat.postMessage", server.token, {"channel": "#llm-status", "text": "x"})
    return server.messages[-1]


def _until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
