"""The read model: what the page and `hotspare status` say, from a real database file."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from controller.cli.status import print_overview
from controller.incidents.incident import IncidentKind
from controller.journal import Journal
from controller.routing import override_text
from controller.routing.decision import Decision, MoveKind
from controller.routing.overrides import NO_OVERRIDES, Override, OverrideKind
from controller.routing.store import OverrideStore
from controller.status.document import status_document
from controller.status.headline import BLIND, UNTRUSTED, CandidateStatus, Level, RouteView, headline
from controller.status.overview import MachineFault, Overview, read
from controller.status.probe_history import BUCKETS, Bucket, build_buckets, quantile
from controller.status.route_views import file_mismatch, route_view, route_views
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.connectivity.state import ConnectivityObservation, ConnectivityState
from monitor.detection import notices, reasons
from monitor.health import Health, TargetHealth
from monitor.liveness import SILENT_AFTER_S, Liveness, ServiceBeat, ServiceStatus
from monitor.storage.database import DatabaseError, open_reader, open_writer
from monitor.storage.store import Store
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check
from tests.support import seeded_database as seeded

NOW = datetime(2026, 11, 21, 18, 3, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Three providers with two models each, two routes."""
    return seeded.settings_in(tmp_path)


def overview(settings: Settings, now: datetime = NOW) -> Overview:
    """What is known, through a read-only engine."""
    engine = open_reader(settings.database)
    try:
        return read(settings, engine, now)
    finally:
        engine.dispose()


def observed(
    outcome: Outcome, *, before_s: float, duration_s: float = 1.0, cost_usd: float | None = None, **more: Any
) -> Observation:
    """One observation of the first target."""
    return Observation(
        target=seeded.LUNA,
        check=Check.CHAT,
        started_at=NOW - timedelta(seconds=before_s),
        outcome=outcome,
        duration_s=duration_s,
        cost_usd=cost_usd,
        **more,
    )


def record(settings: Settings, *observations: Observation) -> None:
    """Keep them as the monitor would."""
    engine = open_writer(settings.database)
    Store(engine).record(observations)
    engine.dispose()


def test_all_well(settings: Settings) -> None:
    """A quiet service says that every route is on its first choice and how many targets are up."""
    seeded.seed(settings, NOW)
    seen = overview(settings)
    assert (seen.level, seen.headline) == (Level.GOOD, "All 2 routes are on their first choice; 6 targets up")
    assert seen.service.liveness is Liveness.RUNNING
    assert [route.target for route in seen.routes] == [seeded.LUNA, seeded.SONNET]
    assert [target.state.target for target in seen.targets] == [target.id for target in settings.targets]
    assert not seen.open_incidents
    assert [incident.kind for incident in seen.past_incidents] == [IncidentKind.DEGRADATION]
    assert [event.kind for event in seen.events] == ["service_started"]


def test_an_outage_is_told_with_its_route_its_cause_and_its_start(settings: Settings) -> None:
    """After a failover the headline names the route, where it went, and what failed since when."""
    seeded.seed(settings, NOW)
    seeded.break_openai(settings, NOW)
    seen = overview(settings)
    assert seen.level is Level.NOTICE
    assert seen.headline == f"chat has failed over to {seeded.HAIKU}: {seeded.LUNA} is down since 18:00:12 UTC"
    chat = seen.routes[0]
    assert (chat.target, chat.failed_over, chat.stuck) == (seeded.HAIKU, True, False)
    assert [candidate.serving for candidate in chat.candidates] == [False, True, False]
    assert [candidate.health for candidate in chat.candidates] == [Health.DOWN, Health.UP, Health.UP]
    assert [incident.provider for incident in seen.open_incidents] == ["openai"]
    assert seen.decisions[0].target == seeded.HAIKU


def test_a_fresh_database_says_that_nothing_has_been_observed(settings: Settings) -> None:
    """With a service that has just started nothing is called healthy, and routes are on their first candidate."""
    engine = open_writer(settings.database)
    seeded.beat(Store(engine), NOW)
    engine.dispose()
    seen = overview(settings)
    assert (seen.level, seen.headline) == (Level.UNKNOWN, "No target's health is known: no observations yet")
    assert {target.state.health for target in seen.targets} == {Health.UNKNOWN}
    assert [(route.target, route.since) for route in seen.routes] == [(seeded.LUNA, None), (seeded.SONNET, None)]
    history = seen.targets[0].history
    assert (seen.targets[0].details.last, history.p50_s, history.cost_day_usd, history.last_hour.availability) == (
        None,
        None,
        None,
        None,
    )
    assert len(history.strip()) == BUCKETS


def test_a_missing_database_is_an_error_for_people(settings: Settings) -> None:
    """Without a database file the reader says which file, instead of an empty overview."""
    with pytest.raises(DatabaseError, match=r"no database at .*hotspare\.db"):
        overview(settings)


@pytest.mark.parametrize(
    ("silent_s", "life"),
    [
        pytest.param(0.0, Liveness.RUNNING, id="a service that has just written runs"),
        pytest.param(SILENT_AFTER_S, Liveness.RUNNING, id="one beat that is a little late is no silence"),
        pytest.param(SILENT_AFTER_S + 1, Liveness.SILENT, id="a broken promise of a beat is a silence"),
    ],
)
def test_silence(settings: Settings, silent_s: float, life: Liveness) -> None:
    """A service without a stop mark is silent once its last beat is older than the bound."""
    seeded.seed(settings, NOW)
    assert overview(settings, NOW - timedelta(seconds=1) + timedelta(seconds=silent_s)).service.liveness is life


def test_a_silent_monitor_is_the_headline(settings: Settings) -> None:
    """Nobody watching is worse news than anything that was seen before."""
    seeded.seed(settings, NOW)
    seeded.break_openai(settings, NOW)
    seen = overview(settings, NOW + timedelta(seconds=89))
    assert seen.level is Level.BAD
    assert seen.headline == "The monitor has not written since 18:03:11 UTC (1 min 30 s ago)"


def test_a_stopped_monitor_is_the_headline(settings: Settings) -> None:
    """A service that stopped in good order is told apart from one that crashed."""
    seeded.seed(settings, NOW)
    engine = open_writer(settings.database)
    seeded.beat(Store(engine), NOW, stopped_at=NOW)
    engine.dispose()
    seen = overview(settings, NOW + timedelta(days=1))
    assert (seen.service.liveness, seen.level) == (Liveness.STOPPED, Level.BAD)
    assert seen.headline == "The monitor was stopped at 2026-11-21 18:03 UTC"


def test_availability_leaves_out_our_own_faults_and_served_does_not(settings: Settings) -> None:
    """Users cannot use a refusal; a probe that failed on our side counts in neither share.

    It was not sent, this machine was too busy for the answer that had begun, or our own network was down.
    """
    record(
        settings,
        observed(Outcome.OK, before_s=10, cost_usd=0.01),
        observed(Outcome.SERVER_ERROR, before_s=20),
        observed(Outcome.RATE_LIMITED, before_s=30),
        observed(Outcome.REFUSED, before_s=40),
        observed(Outcome.BAD_REQUEST, before_s=50, failed_here=True),
        observed(Outcome.BAD_REQUEST, before_s=51, http_status=200, detail="too busy", failed_here=True),
        observed(Outcome.AUTH, before_s=52, failed_here=True),
        observed(Outcome.TIMEOUT, before_s=53, failed_here=True),
        observed(Outcome.OK, before_s=3700, cost_usd=0.02),
        observed(Outcome.OK, before_s=90_000, cost_usd=5.0),
    )
    history = overview(settings).targets[0].history
    assert (history.last_hour.total, history.last_hour.excluded, history.last_hour.availability) == (8, 6, 0.5)
    assert (history.last_day.total, history.last_day.excluded, history.last_day.availability) == (9, 6, 2 / 3)
    assert (history.last_hour.served, history.last_day.served, history.last_hour.refused) == (1 / 4, 2 / 5, 2)
    assert history.cost_day_usd == pytest.approx(0.03)
    told = f"{seeded.LUNA} answered 25.0 %, refused 50.0 % of its last 4 probes"
    assert overview(settings).targets[0].remarks == (told,)


def test_the_headline_says_what_a_target_refuses_although_it_is_up(settings: Settings) -> None:
    """Where nothing worse is known; below 5 % it stays good news."""
    seeded.seed(settings, NOW)
    record(settings, *(observed(Outcome.REFUSED, before_s=0.5 + n / 100, duration_s=0.1) for n in range(30)))
    seen = overview(settings)
    shares = seen.targets[0].refusals
    first = f"All 2 routes are on their first choice; 6 targets up, but {seeded.LUNA} {shares}"
    assert shares
    assert (seen.level, seen.headline) == (Level.NOTICE, first)


def test_a_machine_at_fault_is_one_line_until_people_are_told_that_it_is_over(settings: Settings) -> None:
    """However its probes flicker meanwhile; what else needs attention is no fault of this machine."""
    seeded.seed(settings, NOW)
    engine = open_writer(settings.database)
    store = Store(engine)

    def tell(kind: str, text: str) -> Overview:
        store.add_event(NOW - timedelta(seconds=20), kind, "this machine", text, notify=True)
        return overview(settings)

    assert tell(notices.NEEDS_ATTENTION, "x is inconclusive").machine is None
    busy = reasons.failing_here([seeded.LUNA, seeded.SONNET], "too busy")
    seen = tell(notices.NEEDS_ATTENTION, busy)
    assert seen.machine == MachineFault(since=NOW - timedelta(seconds=20), text=busy, targets=())
    assert seen.machine.sentence.startswith(
        f"since 18:02:52 UTC, probes of {seeded.LUNA}, {seeded.SONNET} fail on this"
    )
    assert (seen.level, seen.headline.partition(";")[2]) == (
        Level.NOTICE,
        " 6 targets up, but probes fail on this machine",
    )
    store.record([observed(Outcome.BAD_REQUEST, before_s=0.5, duration_s=0.1, failed_here=True)])
    assert status_document(overview(settings))["machine"]["targets"] == [seeded.LUNA]
    assert tell(notices.WELL_AGAIN, "it is over").machine is None
    engine.dispose()


def test_latency_is_that_of_answers(settings: Settings) -> None:
    """Of the last minutes. A fast error says nothing about how long an answer takes; a slow answer does."""
    record(
        settings,
        observed(Outcome.OK, before_s=10, duration_s=1.0),
        observed(Outcome.OK, before_s=20, duration_s=2.0),
        observed(Outcome.SLOW, before_s=30, duration_s=12.0),
        observed(Outcome.SERVER_ERROR, before_s=40, duration_s=0.01),
        *(observed(Outcome.OK, before_s=1200 + n, duration_s=29.0) for n in range(9)),
    )
    history = overview(settings).targets[0].history
    assert (history.p50_s, history.p95_s) == (2.0, 12.0)


def test_the_last_observation_is_found_however_old_it_is(settings: Settings) -> None:
    """A target that has not been observed for days still says what was seen last."""
    record(settings, observed(Outcome.OVERLOADED, before_s=5 * 86400))
    assert overview(settings).targets[0].details.last == (Outcome.OVERLOADED, "")


def bars(ages_s: list[float], *, failed: frozenset[float] = frozenset()) -> str:
    """The newest 12 bars for observations of these ages at an interval of 30 s: `x` failed, `o` ok, `.` none."""
    seen = [
        (NOW - timedelta(seconds=age), Outcome.SERVER_ERROR if age in failed else Outcome.OK)
        for age in sorted(ages_s, reverse=True)
    ]
    buckets = build_buckets(seen, now=NOW, bucket=timedelta(seconds=30), patience=timedelta(seconds=30))
    assert len(buckets) == BUCKETS
    return "".join("." if b.worst is None else "o" if b.worst is Outcome.OK else "x" for b in buckets)[-12:]


@pytest.mark.parametrize(
    ("ages_s", "failed", "expected"),
    [
        pytest.param([], [], "............", id="nothing observed"),
        pytest.param([4], [], "...........o", id="the first observation is the newest bar"),
        pytest.param([1, 31.2, 60.9, 91.1], [], "........oooo", id="probes a little early or late fill one bar each"),
        pytest.param([29, 59, 89], [], ".........ooo", id="a probe that is due shows no gap yet"),
        pytest.param([59, 89], [], "..........oo", id="a probe that may still be under way shows no gap yet"),
        pytest.param([130, 160], [], ".......oo...", id="overdue probes are gaps"),
        pytest.param([1, 8, 31, 61], [8], ".........oox", id="the worst of a bar gives its colour"),
    ],
)
def test_strip(ages_s: list[float], failed: list[float], expected: str) -> None:
    """Each bar is one interval; a missing bar means that a probe is really missing."""
    assert bars(ages_s, failed=frozenset(failed)) == expected


def test_a_bar_lists_the_worst_outcome_first() -> None:
    """What is worse for users comes first, not what is more frequent."""
    seen = [(NOW - timedelta(seconds=n), Outcome.OK) for n in range(5, 0, -1)]
    buckets = build_buckets(
        [*seen, (NOW, Outcome.TIMEOUT)], now=NOW, bucket=timedelta(seconds=30), patience=timedelta()
    )
    assert buckets[-1].counts == ((Outcome.TIMEOUT, 1), (Outcome.OK, 5))
    assert isinstance(buckets[0], Bucket)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        pytest.param([], 0.5, None, id="no values, no quantile"),
        pytest.param([7.0], 0.95, 7.0, id="one value is every quantile"),
        pytest.param([4.0, 1.0, 3.0, 2.0], 0.5, 2.0, id="the lower median of an even count"),
        pytest.param([float(n) for n in range(1, 101)], 0.95, 95.0, id="the 95th of a hundred"),
    ],
)
def test_quantile(values: list[float], share: float, expected: float | None) -> None:
    """Nearest rank: a value that was really measured."""
    assert quantile(values, share) == expected


NOTHING_BUT = "answers nothing but HTTP 404 since 18:02 UTC"


def state(target: str, health: Health, reason: str = "a reason") -> TargetHealth:
    """A target that has been so for a minute."""
    return TargetHealth(target=target, health=health, since=NOW - timedelta(minutes=1), reason=reason)


def route(name: str, target: str, *, stuck: bool = False, would: str | None = None) -> RouteView:
    """A route with the candidates a/x and b/x, in a dry run when it would be elsewhere."""
    return RouteView(
        name=name,
        target=target,
        since=NOW,
        reason="a reason",
        candidates=tuple(CandidateStatus(target=c, health=Health.UP, serving=c == target) for c in ("a/x", "b/x")),
        failed_over=target != "a/x",
        stuck=stuck,
        dry_run=would is not None,
        would=would or None,
    )


@pytest.mark.parametrize(
    ("first", "second", "called_stuck", "stuck"),
    [
        pytest.param(Health.DOWN, Health.UP, False, False, id="a failover is about to come"),
        pytest.param(Health.DOWN, Health.DOWN, False, True, id="nothing else is well"),
        pytest.param(Health.DOWN, Health.UNKNOWN, False, True, id="no data is never well"),
        pytest.param(Health.DOWN, Health.UP, True, True, id="the standby looks well, and the policy knows better"),
        pytest.param(Health.UP, Health.DOWN, True, False, id="the target is well again, whatever the incident says"),
        pytest.param(Health.DEGRADED, Health.DOWN, False, False, id="a health that does not move the route"),
    ],
)
def test_stuck(first: Health, second: Health, called_stuck: bool, stuck: bool) -> None:
    """A route is stuck when its target fails in a way that should move it and there is nowhere to go."""
    states = {"a/x": state("a/x", first), "b/x": state("b/x", second)}
    names = frozenset({"chat"} if called_stuck else ())
    pointed = Decision(route="chat", target="a/x", at=NOW, reason="a reason")
    seen = route_view(Route(name="chat", candidates=("a/x", "b/x")), pointed, states, names)
    assert (seen.stuck, seen.failed_over) == (stuck, False)


def seen(pointed: Decision, first: Health, *, manual: bool = False) -> RouteView:
    """The view of a route from a/x, of this health, to b/x, which is up."""
    states = {"a/x": state("a/x", first), "b/x": state("b/x", Health.UP)}
    return route_view(Route(name="chat", candidates=("a/x", "b/x")), pointed, states, frozenset(), manual=manual)


def test_what_has_passed_is_not_said_to_be() -> None:
    """A route that is away from a target which answers again: its reason says what that was."""
    moved = Decision(route="chat", target="b/x", at=NOW, reason="a/x is down: it is gone")
    assert seen(moved, Health.DOWN).reason == "a/x is down: it is gone"
    assert seen(moved, Health.RECOVERING).reason == "a/x was down: it is gone"
    home = Decision(route="chat", target="a/x", at=NOW, reason="a/x is up: it answers")
    assert seen(home, Health.SUSPECT).reason == "a/x is up: it answers"


def test_a_route_may_move_to_a_candidate_that_it_does_not_come_back_to(settings: Settings) -> None:
    """Where it is held back; not to one that is down."""
    chat = next(route for route in settings.routes if route.name == "chat")
    here, held, down = chat.candidates
    known = {
        here: state(here, Health.UP),
        held: TargetHealth(target=held, health=Health.UP, since=NOW, reason="", last_ok_at=NOW, proven=False),
        down: state(down, Health.DOWN),
    }
    all_states = {each.id: state(each.id, Health.UP) for each in settings.targets} | known
    view = route_views(settings, {}, all_states, frozenset(), NO_OVERRIDES, now=NOW)[settings.routes.index(chat)]
    assert [each.eligible for each in view.candidates[1:]] == [True, False]
    assert "none comes back before it has proven itself" in (view.candidates[1].why_not or "")


def test_a_dry_run_shows_where_users_are_and_where_they_would_be() -> None:
    """Applications read the first candidate, whatever was decided; the file is right to say so."""
    pointed = Decision(route="chat", target="b/x", at=NOW, reason="a reason", dry_run=True)
    view = seen(pointed, Health.DOWN)
    assert (view.target, view.since, view.dry_run, view.would) == ("a/x", None, True, "b/x")
    assert view.note == "dry run: it would be on b/x"
    later = NOW + timedelta(minutes=1)
    assert file_mismatch(pointed, "a/x", later, first="a/x") is None
    assert file_mismatch(pointed, "b/x", later, first="a/x") == "b/x"
    quiet = seen(Decision(route="chat", target="a/x", at=NOW, reason="a reason", dry_run=True), Health.UP)
    assert (quiet.would, quiet.note) == (None, "dry run: it stays as configured")


def test_the_ways_home_are_said() -> None:
    """The shares of a failback in steps; in manual mode the command, once the better candidate is up."""
    weights = (("a/x", 10.0), ("b/x", 90.0))
    stepping = Decision(route="chat", target="b/x", at=NOW, reason="a reason", weights=weights)
    assert seen(stepping, Health.UP).note == "going back in steps: 10 % to a/x, 90 % to b/x"
    moved = Decision(route="chat", target="b/x", at=NOW, reason="a reason")
    assert seen(moved, Health.UP, manual=True).note == (
        "a/x is up, and failback is manual: hotspare pin chat a/x --for 1m --reason … brings it back"
    )
    assert seen(moved, Health.RECOVERING, manual=True).note is None
    assert seen(moved, Health.UP).note is None


def test_a_target_that_is_no_candidate_any_more() -> None:
    """A page with a newer configuration than the service shows where the route still points."""
    states = {"a/x": state("a/x", Health.UP)}
    pointed = Decision(route="chat", target="gone/x", at=NOW, reason="a reason")
    seen = route_view(Route(name="chat", candidates=("a/x",)), pointed, states, frozenset())
    assert (seen.target, seen.failed_over, seen.stuck) == ("gone/x", False, False)
    assert not seen.candidates[0].serving


RUNNING = ServiceStatus(
    liveness=Liveness.RUNNING,
    beat=ServiceBeat(pid=1, host="h", version="0", started_at=NOW, beat_at=NOW, stopped_at=None),
)
SINCE = "since 18:02:12 UTC"


@pytest.mark.parametrize(
    ("service", "routes", "states", "tone", "expected"),
    [
        pytest.param(
            ServiceStatus(liveness=Liveness.NEVER_STARTED),
            [route("chat", "b/x")],
            [state("a/x", Health.DOWN)],
            Level.UNKNOWN,
            "The monitor has never run",
            id="a monitor that never ran comes before everything",
        ),
        pytest.param(
            RUNNING,
            [route("chat", "a/x", stuck=True), route("docs", "b/x")],
            [state("a/x", Health.DOWN), state("b/x", Health.DOWN)],
            Level.BAD,
            "chat has nowhere to go, docs is on a failing target: 2 of 2 providers fail, 2 of 2 targets down",
            id="where several providers fail, what users feel is counted, the worst first",
        ),
        pytest.param(
            RUNNING,
            [route("chat", "a/x", stuck=True), route("docs", "b/x")],
            [state("a/x", Health.DOWN), state("b/x", Health.UP)],
            Level.BAD,
            f"chat is stuck: a/x is down {SINCE}, and nothing else is eligible; docs has failed over",
            id="a stuck route comes before one that found a way out",
        ),
        pytest.param(
            RUNNING,
            [route(f"r{number}", "c/x") for number in range(5)],
            [
                state("a/x", Health.DOWN),
                state("b/x", Health.UNUSABLE),
                state("b/y", Health.UP),
                state("c/x", Health.UP),
            ],
            Level.NOTICE,
            "5 of 5 routes have failed over: 1 of 3 providers fails, 2 of 4 targets failing",
            id="routes that moved are counted beside the providers that fail",
        ),
        pytest.param(
            RUNNING,
            [route("chat", "b/x"), route("docs", "b/x")],
            [state("a/x", Health.DOWN), state("a/y", Health.DOWN), state("b/x", Health.UP)],
            Level.NOTICE,
            f"chat and docs have failed over: a is down {SINCE}",
            id="a provider whose targets are all down is named as a whole",
        ),
        pytest.param(
            RUNNING,
            [route("chat", "b/x")],
            [state("a/x", Health.UP), state("b/x", Health.UP)],
            Level.NOTICE,
            f"chat has failed over to b/x: a/x is up again {SINCE}",
            id="the first choice is well and not yet trusted",
        ),
        pytest.param(
            RUNNING,
            [route("chat", "a/x")],
            [state("a/x", Health.UP), state("b/x", Health.MISCONFIGURED), state("c/x", Health.DEGRADED)],
            Level.NOTICE,
            f"The route is on its first choice; 1 of 3 targets up, b/x is misconfigured {SINCE} (and 1 target more)",
            id="an ill standby is told though no route moved",
        ),
        pytest.param(
            RUNNING,
            [route("chat", "a/x", would="b/x"), route("docs", "a/x", would="b/x")],
            [state("a/x", Health.DOWN), state("b/x", Health.UP)],
            Level.BAD,
            f"Dry run: chat stays on a/x and would be on b/x (and 1 route more): a/x is down {SINCE}",
            id="a dry run that leaves users on a failing target",
        ),
        pytest.param(
            RUNNING,
            [route("chat", "a/x", would="")],
            [state("a/x", Health.UP), state("b/x", Health.UP)],
            Level.GOOD,
            "Dry run: The route is on its first choice; 2 targets up",
            id="a dry run in quiet time",
        ),
        pytest.param(
            RUNNING,
            [route("chat", "a/x")],
            [state("a/x", Health.DOWN), state("b/x", Health.UP)],
            Level.BAD,
            f"chat stays on a target that is down: a/x is down {SINCE}",
            id="a failing first choice is no first choice to be proud of",
        ),
        pytest.param(
            RUNNING,
            [route("chat", "b/x"), route("docs", "b/x")],
            [state("a/x", Health.DEGRADED), state("b/x", Health.UNUSABLE)],
            Level.BAD,
            f"chat and docs stay on a target that is unusable: b/x is unusable {SINCE}",
            id="users on a failing standby come before how they got there",
        ),
        pytest.param(
            RUNNING,
            [route("chat", "a/x")],
            [state("a/x", Health.DEGRADED), state("b/x", Health.UP)],
            Level.NOTICE,
            f"chat stays on a target that is degraded: a/x is degraded {SINCE}",
            id="a degraded target serves users all the same",
        ),
        pytest.param(
            RUNNING,
            [route("chat", "b/x")],
            [state("a/x", Health.UNUSABLE, f"a/x is unusable: {NOTHING_BUT}: and more"), state("b/x", Health.UP)],
            Level.NOTICE,
            f"chat has failed over to b/x: a/x {NOTHING_BUT}",
            id="what a target answers that refuses everything comes in place of its health",
        ),
        pytest.param(
            RUNNING,
            [],
            [state("a/x", Health.UP), state("b/x", Health.UNKNOWN)],
            Level.GOOD,
            "1 target up, 1 unknown",
            id="monitoring without routes",
        ),
    ],
)
def test_headline(
    service: ServiceStatus, routes: list[RouteView], states: list[TargetHealth], tone: Level, expected: str
) -> None:
    """The headline is the most urgent fact alone."""
    assert headline(service, routes, states, NOW) == (tone, expected)


@pytest.mark.parametrize(
    ("sight", "headlined", "noted"),
    [
        (ConnectivityState.ONLINE, False, False),
        (ConnectivityState.BLIND, True, False),
        (ConnectivityState.UNTRUSTED, False, True),
    ],
    ids=["an endpoint answers", "none does: that is the headline", "none can be trusted: that is a note"],
)
def test_our_own_network_is_told_of(
    settings: Settings, sight: ConnectivityState, *, headlined: bool, noted: bool
) -> None:
    """Whoever looks while we are blind sees that, and that the routes hold; scripts too."""
    seeded.seed(settings, NOW)
    engine = open_writer(settings.database)
    Store(engine).record_connectivity(
        ConnectivityObservation(at=NOW, state=sight, asked=("https://a", "https://b"), answered=frozenset())
    )
    engine.dispose()
    seen = overview(settings)
    assert (seen.headline == BLIND, seen.untrusted) == (headlined, noted)
    assert status_document(seen)["network"] == {
        "sight": sight,
        "at": "2026-11-21T18:03:12.000Z",
        "endpoints": [{"endpoint": "https://a", "answered": False}, {"endpoint": "https://b", "answered": False}],
    }
    shown = Console(file=io.StringIO(), width=200, record=True)
    print_overview(seen, shown)
    assert (UNTRUSTED in shown.export_text()) is noted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        pytest.param(
            None,
            f"There is no routing file to read: applications do not hear of {seeded.HAIKU} for chat",
            id="there is no file",
        ),
        pytest.param(
            '{"routes": {"chat": {"target": "a/b"}}}',
            f"The routing file points chat at a/b, not at {seeded.HAIKU}: it cannot be written, or somebody changed it",
            id="it says something else",
        ),
    ],
)
def test_a_routing_file_that_says_otherwise_is_the_headline(settings: Settings, harm: str | None, said: str) -> None:
    """What applications read counts, not what was decided."""
    seeded.seed(settings, NOW)
    seeded.break_openai(settings, NOW)
    settings.routing_file.unlink()
    if harm:
        settings.routing_file.write_text(harm)
    seen = overview(settings)
    assert seen.level is Level.BAD
    assert seen.headline == said


def lay(settings: Settings, kind: OverrideKind, subject: str, target: str | None = None, *, hours: float = 2) -> None:
    """What the operator's command writes."""
    engine = open_writer(settings.database)
    laid = Override(
        kind=kind,
        subject=subject,
        target=target,
        author="ana",
        reason="a test",
        at=NOW - timedelta(hours=1),
        until=NOW + timedelta(hours=hours - 1),
    )
    OverrideStore(engine).begin(laid, lambda replaced: override_text.begun_event(laid, replaced=replaced))
    engine.dispose()


def test_what_operators_laid_on_is_shown(settings: Settings) -> None:
    """The newest first, at the routes and candidates that it concerns, and in the headline; not once it has expired."""
    seeded.seed(settings, NOW)
    lay(settings, OverrideKind.PIN, "chat", seeded.LUNA)
    lay(settings, OverrideKind.DRAIN, "anthropic")
    lay(settings, OverrideKind.PAUSE, "all", hours=0.5)
    lay(settings, OverrideKind.PAUSE, "no such route")
    seen = overview(settings)
    assert [one.subject for one in seen.overrides] == ["no such route", "anthropic", "chat"]
    assert [bool(route.override) for route in seen.routes] == [True, False]
    assert [[bool(c.drain) for c in route.candidates] for route in seen.routes] == [[False, True, False], [True, False]]
    said = f"chat is pinned to {seeded.LUNA} by ana until 19:03:12 UTC (and 1 more override)"
    assert (seen.level, seen.headline) == (Level.NOTICE, said)


def test_a_pin_to_a_failing_target_is_bad(settings: Settings) -> None:
    """Users are hit, however much somebody meant it; and what a person moved has not failed over."""
    seeded.seed(settings, NOW)
    seeded.break_openai(settings, NOW)
    lay(settings, OverrideKind.PIN, "chat", seeded.HAIKU)
    pinned_away = overview(settings)
    assert (pinned_away.level, "failed over" in pinned_away.headline) == (Level.NOTICE, False)
    engine = open_writer(settings.database)
    back = Decision(
        route="chat",
        at=NOW,
        move=MoveKind.PIN,
        before=seeded.HAIKU,
        target=seeded.LUNA,
        reason="pinned by ana",
        generation=3,
    )
    Journal(engine).commit([back], [])
    engine.dispose()
    seeded.publish(settings, NOW)
    lay(settings, OverrideKind.PIN, "chat", seeded.LUNA)
    held = overview(settings)
    said = f"chat is pinned to {seeded.LUNA} by ana until 19:03:12 UTC, and {seeded.LUNA} is down since 18:00:12 UTC"
    assert (held.level, held.headline) == (Level.BAD, said)
    assert held.routes[0].reason == "pinned by ana until 19:03:12 UTC: a test", "the words of the pin that holds now"
