"""What the service does about overrides in each cycle, on a real database and a real routing file."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path

import pytest

from controller.alerts.severity import severity_of
from controller.cycle.cycle import Cycle
from controller.journal import Journal
from controller.routing import override_text
from controller.routing.overrides import ALL, SCHEDULE, Override, OverrideKind
from controller.routing.routing_file import RoutingFile
from controller.status.queries import read_events
from monitor.config.alert_settings import Severity
from monitor.config.settings import Settings
from monitor.config.windows import FreezeWindow, MaintenanceWindow, Moment
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from tests.controller.routing.test_overrides import DRAIN, PAUSE, PIN, A, C, override
from tests.support.builders import T0, observation, settings
from tests.support.pending_reports import untold_events


class Service:
    """The part of the service that decides, with operators beside it; time is handed in."""

    def __init__(self, wanted: Settings) -> None:
        self.settings = wanted
        self.engine = open_writer(wanted.database)
        self.start()

    def start(self, *names: str) -> None:
        """A start, with another configuration when targets are named."""
        if names:
            self.settings = settings(self.settings.path.parent, *names)
        self.journal = Journal(self.engine)
        file = RoutingFile(self.settings.routing_file)
        self.cycle = Cycle(self.settings, Store(self.engine), self.journal, file)
        self.cycle.start(T0)

    def run(self, now_s: float, **seen: str) -> None:
        """One cycle; `a="x"` is an observation of that target."""
        names = {name.partition("/")[2]: name for name in (A, C)}
        batch = [observation(symbol, at_s=now_s - 0.1, name=names[name]) for name, symbol in seen.items()]
        self.cycle.run(batch, T0 + timedelta(seconds=now_s))

    def fail(self, until_s: float, name: str) -> None:
        """Probe every ten seconds until then; this one always fails, the other never."""
        now_s = until_s - 120
        while now_s < until_s:
            self.run(now_s, a="x" if name == A else ".", c="x" if name == C else ".")
            now_s += 10

    def begin_override(
        self, kind: OverrideKind, subject: str, *, at_s: float, for_s: float = 7200, target: str | None = None
    ) -> Override:
        """What an operator's command writes."""
        at = T0 + timedelta(seconds=at_s)
        begun = replace(override(kind, subject, target=target), at=at, until=at + timedelta(seconds=for_s))
        return self.journal.overrides.begin(begun, lambda replaced: override_text.begun_event(begun, replaced=replaced))

    def serving(self) -> str:
        """Where the routing file points."""
        table = json.loads(self.settings.routing_file.read_text())
        return str(table["routes"]["chat"]["target"])

    def reason(self) -> str:
        """Why, in the routing file."""
        table = json.loads(self.settings.routing_file.read_text())
        return str(table["routes"]["chat"]["reason"])

    def generation(self) -> int:
        """That of the routing file."""
        return int(json.loads(self.settings.routing_file.read_text())["generation"])

    def told(self) -> list[str]:
        """The kinds of what people must be told, oldest first."""
        return [event.kind for event in untold_events(self.journal)]

    def warned(self) -> int:
        """How often a pin to a failing target was noted."""
        with self.engine.connect() as connection:
            return [event.kind for event in read_events(connection, 100)].count("pin_to_failing_target")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """One route `chat` over two targets, both up."""
    service = Service(settings(tmp_path, A, C))
    for now_s in (0, 10, 20):
        service.run(now_s, a=".", c=".")
    yield service
    service.engine.dispose()


def test_a_pin_is_published_in_the_next_cycle_and_expires_by_itself(service: Service) -> None:
    """The file points where it says, and back once its time is over; that it expired is told once."""
    pin = service.begin_override(PIN, "chat", target=C, at_s=21, for_s=60)
    assert not service.journal.overrides.are_published([pin.id])
    service.run(21)
    assert service.serving() == C
    assert service.journal.overrides.are_published([pin.id])
    service.run(80, a=".", c=".")
    assert service.serving() == C
    for now_s in (81, 82, 83):
        service.run(now_s, a=".", c=".")
    assert service.serving() == A
    assert service.told() == ["pinned", "pin_expired"]
    assert service.journal.overrides.unfinished() == [], "nothing of it is read any more"


def test_the_file_says_who_holds_a_route_where_it_is(service: Service) -> None:
    """At once, without a new generation; not twice where the decision itself says it, and not once it is over."""
    plain, generation = service.reason(), service.generation()
    service.begin_override(PIN, "chat", target=A, at_s=21, for_s=60)
    service.run(21)
    assert service.reason() == f"{plain}; pinned to {A} by ana until 18:01 UTC: a test"
    service.run(82)
    assert service.reason() == plain
    service.begin_override(PAUSE, ALL, at_s=83, for_s=60)
    service.run(83)
    assert service.reason() == f"{plain}; paused by ana until 18:02 UTC: a test"
    assert service.generation() == generation
    service.begin_override(PIN, "chat", target=C, at_s=84)
    service.run(84)
    assert service.reason() == f"pinned to {C} by ana until 20:01 UTC: a test"
    service.begin_override(PIN, "chat", target=C, at_s=85, for_s=60)
    service.run(85)
    assert service.reason() == f"pinned to {C} by ana until 18:02 UTC: a test", "the words of the pin that holds now"
    assert service.generation() == generation + 1


def test_what_expired_while_the_service_was_stopped_is_noted_at_its_start(service: Service) -> None:
    """Once, with the time at which it was over."""
    service.begin_override(PIN, "chat", target=C, at_s=21, for_s=60)
    service.run(21)
    for _ in range(2):
        service.start()
        service.run(600, a=".", c=".")
    assert service.told() == ["pinned", "pin_expired"]
    assert "expired at 18:01:21 UTC" in untold_events(service.journal)[-1].text
    assert service.serving() == A


def test_it_does_not_count_as_published_while_the_file_cannot_be_written(service: Service) -> None:
    """The command must not say that applications know when they do not."""
    file = service.settings.routing_file
    file.unlink()
    file.mkdir()
    (file / "in the way").touch()
    pin = service.begin_override(PIN, "chat", target=C, at_s=21)
    service.run(21)
    assert not service.journal.overrides.are_published([pin.id])
    (file / "in the way").unlink()
    file.rmdir()
    service.run(22)
    assert service.journal.overrides.are_published([pin.id])
    assert service.serving() == C


@pytest.mark.slow
def test_a_pinned_target_that_goes_down_is_warned_of(service: Service) -> None:
    """At once, then every half hour, over restarts, on the page and in the log; its incident alone calls somebody.

    The route stays, and no more is said once it is well again.
    """
    service.begin_override(PIN, "chat", target=C, at_s=21, for_s=86400)
    service.run(21)
    service.fail(300, C)
    assert service.serving() == C
    assert (service.told(), service.warned()) == (["pinned"], 1)
    [incident] = service.journal.open_incidents()
    assert severity_of(incident) is Severity.CRITICAL
    service.start()
    service.fail(1500, C)
    assert service.warned() == 1
    service.fail(3600, C)
    assert service.warned() == 2
    for now_s in range(3600, 7200, 10):
        service.run(now_s, a=".", c=".")
    warned = service.warned()
    service.run(9000, a=".", c=".")
    assert service.warned() == warned <= 3


@pytest.mark.slow
def test_a_paused_route_stays_and_a_drained_target_is_left(service: Service) -> None:
    """A pause of all holds the route on a failing target; a drain takes it off a healthy one."""
    pause = service.begin_override(PAUSE, ALL, at_s=21)
    service.fail(300, A)
    assert service.serving() == A
    service.journal.overrides.end(
        PAUSE, None, at=T0 + timedelta(seconds=300), by="bob", reason="over", event_for=override_text.ended_event
    )
    service.run(301, a="x", c=".")
    assert service.serving() == C
    assert service.journal.overrides.are_published([pause.id]), "its end is published"
    service.begin_override(DRAIN, "anthropic", at_s=302)
    for now_s in range(310, 1500, 10):
        service.run(now_s, a=".", c=".")
    assert service.serving() == A


@pytest.mark.parametrize(
    ("kind", "subject", "target", "after", "said"),
    [
        pytest.param(PIN, "chat", A, (C,), "pin_ignored", id="the pinned target"),
        pytest.param(DRAIN, A, None, (C,), "drain_ignored", id="the drained target"),
        pytest.param(PAUSE, "search", None, (A, C), "pause_ignored", id="the paused route"),
        pytest.param(PIN, "search", A, (A, C), "pin_ignored", id="the pinned route"),
    ],
)
def test_what_the_configuration_has_lost_harms_nobody(
    service: Service, kind: OverrideKind, subject: str, target: str | None, after: tuple[str, ...], said: str
) -> None:
    """The service goes on, people are told once over all restarts, and it expires like any other."""
    service.begin_override(kind, subject, target=target, at_s=21, for_s=600)
    for _ in range(2):
        service.start(*after)
        for now_s in (30, 40):
            service.run(now_s, c=".")
        assert service.serving() == after[0]
    assert service.told()[1:] == [said]
    service.run(700, c=".")
    assert service.told()[2:] == [f"{kind}_expired"]


def test_a_clock_that_is_set_moves_no_end(service: Service) -> None:
    """The end is an instant: an hour back the pin still holds; past its end it is over, and stays so."""
    service.begin_override(PIN, "chat", target=C, at_s=21, for_s=60)
    service.run(21)
    service.run(21 - 3600)
    assert service.serving() == C
    service.run(3600, a=".", c=".")
    service.run(30, a=".", c=".")
    assert service.told() == ["pinned", "pin_expired"]
    assert service.serving() == A


def test_a_freeze_holds_the_routes_and_tells_what_it_holds_back(service: Service) -> None:
    """It begins and ends by itself; who resumes early has the last word; one that is planned no longer ends."""
    begin = Moment.parse(f"{T0 + timedelta(minutes=5):%H:%M}")
    sale = FreezeWindow(name="sale", begin=begin, end=Moment(None, time(20)))
    service.begin_override(PIN, "chat", target=C, at_s=21, for_s=290)
    service.settings = replace(service.settings, freeze=(sale,))
    service.start()
    for now_s in range(30, 330, 10):
        service.run(now_s, a=".", c=".")
    assert service.serving() == C
    assert service.reason().endswith("paused by the schedule until 20:00 UTC: freeze sale")
    assert service.told() == ["pinned", "paused", "pin_expired", "move_paused"]
    [freeze] = service.journal.overrides.in_force(T0 + timedelta(seconds=320))
    service.journal.overrides.end(
        PAUSE, {ALL}, at=T0 + timedelta(seconds=330), by="ana", reason="", event_for=override_text.ended_event
    )
    for now_s in (331, 340, 350):
        service.run(now_s, a=".", c=".")
    assert service.serving() == A
    assert service.journal.overrides.in_force(T0 + timedelta(seconds=350)) == [], "it does not begin again"
    assert freeze.author == SCHEDULE


def test_a_window_that_the_configuration_forgets_ends(service: Service) -> None:
    """With the next start, and people are told so."""
    window = MaintenanceWindow(name="work", of=A, begin=Moment(None, time(17)), end=Moment(None, time(20)), leave_s=0.0)
    service.settings = replace(service.settings, maintenance=(window,))
    service.start()
    service.run(30, a=".", c=".")
    assert service.serving() == C
    assert service.told() == ["maintenance_begun", "drained"]
    service.settings = replace(service.settings, maintenance=())
    service.start()
    for now_s in range(40, 400, 10):
        service.run(now_s, a=".", c=".")
    assert service.serving() == A
    assert service.told()[2:] == ["maintenance_ended", "undrained"]


def test_the_file_says_which_limit_is_nearly_used_up(service: Service) -> None:
    """As the last probe's headers have it, and nothing any more once that is over."""
    seen = observation(".", at_s=29.9, name=C, limit_left="2 of 60 requests")
    service.cycle.run([seen], T0 + timedelta(seconds=30))
    service.begin_override(PAUSE, "chat", at_s=31)
    service.run(31)
    published = json.loads(service.settings.routing_file.read_text())["targets"]
    assert "low_limit" not in published[A]
    assert published[C]["low_limit"] == {"left": "2 of 60 requests", "until": "2026-11-21T18:01:30.000Z"}
    service.run(95, a=".", c=".")
    assert "low_limit" not in json.loads(service.settings.routing_file.read_text())["targets"][C]
