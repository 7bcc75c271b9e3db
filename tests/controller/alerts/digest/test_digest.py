"""The weekly digest: when it is due, what it says, what the database knows of a week, and that it comes once."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Engine

from controller.alerts.digest import digest
from controller.alerts.digest.digest import RouteWeek, TargetWeek, Week
from controller.alerts.digest.scheduler import make_if_due
from controller.alerts.digest.store import read_week
from controller.alerts.slack.other_messages import notice_message
from controller.journal import Journal
from controller.routing.decision import Decision, MoveKind
from monitor.config.alert_settings import AlertSettings, WeeklyDigest
from monitor.config.settings import Settings
from monitor.health import Health, Transition
from monitor.storage.database import open_writer
from monitor.storage.store import Store
from tests.support import builders
from tests.support import incident_builders as alerts
from tests.support.builders import T0
from tests.support.pending_reports import untold_events

T = TypeVar("T")

MONDAY = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AT_NINE = WeeklyDigest(weekday=0, at=time(9), zone="UTC")
OPENAI, ANTHROPIC = alerts.OPENAI, alerts.ANTHROPIC
QUIET = Week(
    begins=MONDAY - 7 * DAY,
    ends=MONDAY,
    known_from=MONDAY - 7 * DAY,
    targets=(
        TargetWeek(target=OPENAI, answered=20_158, asked=20_160, answer_s=0.42, usd=0.31),
        TargetWeek(target=ANTHROPIC, answered=20_160, asked=20_160, answer_s=0.81, usd=0.5),
    ),
    routes=(RouteWeek(route="chat", on_failing_s=0.0, flips=0),),
    incidents=0,
    still_open=0,
    incident_s=0.0,
    money="$1.40 of the budget of $5 spent this month",
)


# When.


@pytest.mark.parametrize(
    ("settings", "now", "last", "day"),
    [
        pytest.param(AT_NINE, MONDAY, None, MONDAY.date(), id="at its time"),
        pytest.param(AT_NINE, MONDAY - timedelta(seconds=1), None, None, id="not a second before"),
        pytest.param(AT_NINE, MONDAY + 5 * HOUR, None, MONDAY.date(), id="late, after a restart"),
        pytest.param(AT_NINE, MONDAY + 25 * HOUR, None, None, id="not on the next day"),
        pytest.param(AT_NINE, MONDAY + 5 * HOUR, MONDAY.date(), None, id="not twice"),
        pytest.param(AT_NINE, MONDAY + 7 * DAY, MONDAY.date(), (MONDAY + 7 * DAY).date(), id="again after a week"),
        pytest.param(
            WeeklyDigest(weekday=1, at=time(9), zone="UTC"),
            MONDAY + DAY,
            MONDAY.date(),
            None,
            id="not again because the day was changed",
        ),
        pytest.param(
            WeeklyDigest(weekday=0, at=time(9), zone="Europe/Berlin"),
            MONDAY - HOUR,
            None,
            MONDAY.date(),
            id="in the time of its zone",
        ),
        pytest.param(
            WeeklyDigest(weekday=6, at=time(2, 30), zone="Europe/Berlin"),
            datetime(2026, 3, 29, 3, 0, tzinfo=UTC),
            None,
            date(2026, 3, 29),
            id="also at a time that the change of the clocks leaves out",
        ),
    ],
)
def test_when_it_is_due(settings: WeeklyDigest, now: datetime, last: date | None, day: date | None) -> None:
    """Once a week, at its time, and never much later."""
    assert digest.digest_day(settings, now, last) == day


# What.


def test_a_quiet_week_is_told_too() -> None:
    """It proves that somebody is watching, and never rounds a failure away."""
    assert digest.format_digest(QUIET).splitlines() == [
        "📊 The week from Nov 9 to Nov 16: no incident",
        "Route chat: on a working target 100.0 % of the time, never moved",
        f"{OPENAI}: 99.9 % of 20,160 probes answered",
        f"{ANTHROPIC}: 100.0 % of 20,160 probes answered",
        f"Slowest: {ANTHROPIC}, 0.81 s an answer on average",
        "0 flips; the week's probes cost $0.81; $1.40 of the budget of $5 spent this month",
    ]


def test_a_bad_week_says_what_was_bad_and_how_bad() -> None:
    """The worst first; the flakiest named; what is still open said."""
    week = replace(
        QUIET,
        targets=(replace(QUIET.targets[0], answered=18_000, fell=3), QUIET.targets[1], TargetWeek(target="gemini/x")),
        routes=(*QUIET.routes, RouteWeek(route="batch", on_failing_s=605.0, flips=4)),
        incidents=3,
        still_open=1,
        incident_s=7_500.0,
        known_from=MONDAY - 3 * DAY,
    )
    lines = digest.format_digest(week).splitlines()
    assert lines[:3] == [
        "📊 The week from Nov 9 to Nov 16: 3 incidents, 1 still open, 2 h 5 min in all",
        "Probes are known for its last 3 d only.",
        "Route batch: on a working target 99.8 % of the time, 10 min 5 s on a failing target, moved 4 times",
    ]
    assert f"{OPENAI}: 89.3 % of 20,160 probes answered, began to fail 3 times" in lines
    assert "Not observed: gemini/x" in lines
    assert f"Flakiest: {OPENAI}, which began to fail 3 times" in lines


def test_a_week_without_observations_says_so() -> None:
    """Nothing is claimed of what nobody saw."""
    week = replace(QUIET, known_from=None, targets=(TargetWeek(target=OPENAI),))
    said = digest.format_digest(week)
    assert "Nothing was observed in it." in said
    assert "%" not in said


def test_the_largest_one_fits_into_an_event_and_into_slack() -> None:
    """A hundred targets and routes with long names; what is left out is counted."""
    week = replace(
        QUIET,
        targets=tuple(TargetWeek(target=f"p/{n}" + "m" * 200, answered=n, asked=999_999, fell=99) for n in range(100)),
        routes=tuple(RouteWeek(route=f"{n}" + "r" * 200, on_failing_s=99_999.0, flips=99) for n in range(100)),
        incidents=99,
        known_from=MONDAY - 3 * DAY,
    )
    said = digest.format_digest(week)
    assert len(said) < 2_000
    assert "… and 94 targets that did better" in said
    message = notice_message(digest.DIGEST, "2026-11-16", said, at=MONDAY)
    assert len(message.blocks[1]["text"]["text"]) <= 3_000


def test_in_slack_it_keeps_its_lines_and_nothing_in_it_does_anything() -> None:
    """A section of lines below the headline; names are escaped."""
    hostile = replace(QUIET, routes=(RouteWeek(route="<!channel> *x*", on_failing_s=0.0, flips=0),))
    message = notice_message(digest.DIGEST, "2026-11-16", digest.format_digest(hostile), at=MONDAY)
    assert message.blocks[0]["text"]["text"] == "📊 The week from Nov 9 to Nov 16: no incident"
    lines = message.blocks[1]["text"]["text"].split("\n")
    assert lines[0].startswith("Route &lt;!channel&gt; ∗x∗: on a working target")
    assert len(lines) == 5


# From the database.


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Two targets and a route over both."""
    return replace(builders.settings(tmp_path, OPENAI, ANTHROPIC), database=database_url)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """A new database."""
    opened = open_writer(settings.database)
    yield opened
    opened.dispose()


def _transition(at: datetime, after: Health, target: str = OPENAI) -> Transition:
    return Transition(target=target, at=at, before=Health.UP, after=after, reason="because")


def _decision(at: datetime, target: str, before: str | None, move: MoveKind, generation: int) -> Decision:
    return Decision(
        route="chat", at=at, move=move, before=before, target=target, reason="because", generation=generation
    )


def test_what_the_database_knows_of_a_week(settings: Settings, engine: Engine) -> None:
    """Only that week: probes, falls, flips, time on a failing target, incidents, cost; what began before it counts."""
    store, journal = Store(engine), Journal(engine)
    ends = T0 + 7 * DAY
    seen = [
        replace(builders.observation(symbol, at_s=at_s), cost_usd=0.01)
        for at_s, symbol in [(-60, "x"), (3600, "."), (3630, "x"), (3660, "."), (3690, "b"), (8 * 86400, "x")]
    ]
    store.record(seen)
    # It fails when the week begins, recovers two hours into it, and fails again for an hour while nobody is on it.
    before = [_transition(T0 - HOUR, Health.DOWN), _transition(T0 + 2 * HOUR, Health.UP)]
    store.save_states([], [*before, _transition(T0 + 9 * HOUR, Health.DOWN), _transition(T0 + 10 * HOUR, Health.UP)])
    first = _decision(T0 - DAY, OPENAI, None, MoveKind.FIRST, 1)
    journal.commit(
        [
            first,
            _decision(T0 + HOUR, ANTHROPIC, OPENAI, MoveKind.FAILOVER, 2),
            replace(_decision(T0 + HOUR, OPENAI, ANTHROPIC, MoveKind.FAILBACK, 3), dry_run=True),
        ],
        [
            alerts.incident(opened_at=T0 - HOUR, resolved_at=T0 + 2 * HOUR),
            alerts.incident(provider="gemini", opened_at=T0 + 9 * HOUR),
            alerts.incident(provider="old", opened_at=T0 - 3 * DAY, resolved_at=T0 - DAY),
        ],
    )
    week = read_week(settings, ends)
    assert week.known_from == T0 + HOUR
    openai, anthropic = week.targets
    assert (openai.answered, openai.asked, openai.fell, openai.answer_s) == (2, 3, 1, 0.1)
    assert openai.usd == pytest.approx(0.04)
    assert (anthropic.asked, anthropic.served, anthropic.answer_s) == (0, None, None)
    assert week.routes == (RouteWeek(route="chat", on_failing_s=3600.0, flips=1),)
    assert (week.incidents, week.still_open) == (1, 1)
    assert week.incident_s == (2 * HOUR + (7 * DAY - 9 * HOUR)).total_seconds()
    assert "spent this month" in week.money


@pytest.mark.usefixtures("engine")
def test_an_empty_database_has_a_week_too(settings: Settings) -> None:
    """A service that was only just installed is told that nothing was observed."""
    assert "Nothing was observed in it." in digest.format_digest(read_week(settings, T0))


# Once.


async def _here(function: Callable[[], T], /) -> T:
    return function()


async def test_it_comes_once_a_week_whatever_happens(settings: Settings, engine: Engine) -> None:
    """Over restarts too, as nothing is remembered but rows; and it is an event that every sink is told of."""
    journal = Journal(engine)
    weekly = replace(settings, alerts=AlertSettings(digest=AT_NINE))
    made = []
    for hour in range(24 * 15):
        now = MONDAY - HOUR + hour * HOUR
        made += [hour] if await make_if_due(weekly, engine, now, in_database=_here) else []
        assert not await make_if_due(weekly, engine, now, in_database=_here)
    assert made == [1, 1 + 7 * 24, 1 + 14 * 24]
    assert [(one.kind, one.subject) for one in untold_events(journal)] == [
        ("weekly_digest", "2026-11-16"),
        ("weekly_digest", "2026-11-23"),
        ("weekly_digest", "2026-11-30"),
    ]
    assert untold_events(journal)[0].text.startswith("📊 The week from Nov 9 to Nov 16")
