"""The sections of the page: what they say, and that no text can become markup."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from controller.alerts.next_action import NextAction, Urgency
from controller.incidents.incident import (
    AffectedTarget,
    Incident,
    IncidentKind,
    RouteImpact,
    TimelineEntry,
    VendorClaim,
)
from controller.routing.decision import Decision, MoveKind
from controller.routing.overrides import Override, OverrideKind
from controller.status.headline import UNTRUSTED, CandidateStatus, Level, RouteView
from controller.status.overview import Overview, TargetView
from controller.status.probe_history import Bucket, EvidenceTrail, ProbeHistory, RecentDetails
from controller.status.region_views import RegionView
from controller.status.vendor_views import VendorView
from monitor.connectivity.state import ConnectivityObservation, ConnectivityState
from monitor.health import Health, TargetHealth, WeighedProbe
from monitor.history.rollup import OutcomeCounts
from monitor.liveness import Leader, Liveness, ServiceBeat, ServiceStatus
from monitor.status_pages.reading import VendorState, VendorStateChange
from monitor.storage.column_conversions import to_ms
from monitor.storage.tables import EventRow
from probes.outcome import Effect, Outcome
from ui import components as pieces
from ui import incidents
from ui import sections as view

NOW = datetime(2026, 11, 21, 18, 3, 12, tzinfo=UTC)
HOSTILE = '</span><script>alert(1)</script><img src=x onerror="alert(2)">\' onmouseover=alert(3) &lt;b&gt;'
BEAT = ServiceBeat(pid=4711, host=HOSTILE, version="0", started_at=NOW, beat_at=NOW - timedelta(seconds=4))
SECTIONS: list[Callable[[Overview], str]] = [
    view.top,
    view.banner,
    view.overrides,
    view.routes,
    incidents.open_incidents,
    view.log,
]


class Markup(HTMLParser):
    """Collects what a browser would make of some HTML: tags, attribute names, and the text that is shown."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.shown = ""
        self.open: list[str] = []
        self.balanced = True
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One more element."""
        self.tags.append(tag)
        self.attributes.extend(attrs)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """One element less; it must be the one that was opened last."""
        self.balanced = self.balanced and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text that people see."""
        self.shown += data


def history() -> ProbeHistory:
    """An hour with failures, and a strip with one bar of each sort."""
    bars = [((Outcome.OK, 1),), ((Outcome.SERVER_ERROR, 2), (Outcome.OK, 1)), ((Outcome.SLOW, 1),), ()]
    return ProbeHistory(
        last_hour=OutcomeCounts(total=12, excluded=2, ok=8, answered=9, failed_here=1),
        since_back=OutcomeCounts(total=12, excluded=2, ok=8, answered=9, failed_here=1),
        last_day=OutcomeCounts(),
        p50_s=0.84,
        p95_s=12.34,
        first_token_p50_s=None,
        cost_day_usd=None,
        bucket_s=30.0,
        strip=lambda: tuple(
            Bucket(start=NOW + timedelta(seconds=30 * n), counts=counts) for n, counts in enumerate(bars)
        ),
    )


def overview(text: str = "a reason", *, tone: Level = Level.NOTICE, life: Liveness = Liveness.RUNNING) -> Overview:
    """An overview in which every free text is `text`."""
    incident = Incident(
        id=1,
        provider=text,
        kind=IncidentKind.OUTAGE,
        opened_at=NOW - timedelta(minutes=10),
        affected=(AffectedTarget(target=text, health=Health.DOWN, since=NOW, reason=text),),
        timeline=(TimelineEntry(at=NOW, text=text),),
        routes=(RouteImpact(route=text, target=text, stuck=True),),
        vendor=VendorClaim(page=text, state=VendorState.DEGRADED, headline=text, said_at=NOW, claimed_at=NOW),
    )
    said = VendorStateChange(
        provider=text, at=NOW, state=VendorState.DEGRADED, headline=text, since=NOW, url="https://status.example"
    )
    state = TargetHealth(
        target=text, health=Health.DOWN, since=NOW, reason=f"{text} is down: {text}", evidence=4.9, threshold=9.8
    )
    pin = Override(
        kind=OverrideKind.PIN,
        subject=text,
        target=text,
        author=text,
        reason=text,
        forced=True,
        at=NOW,
        until=NOW + timedelta(minutes=43),
    )
    drain = replace(pin, kind=OverrideKind.DRAIN, target=None)
    details = RecentDetails(last=(Outcome.SERVER_ERROR, f"HTTP 500: {HOSTILE}"))
    return Overview(
        now=NOW,
        level=tone,
        overrides=(pin, drain),
        headline=text,
        action=NextAction(urgency=Urgency.NOW, sentence=text),
        service=ServiceStatus(liveness=life, beat=BEAT),
        routes=(
            RouteView(
                name=text,
                target=text,
                since=NOW,
                reason=text,
                candidates=(CandidateStatus(target=text, health=Health.DOWN, serving=True, drain=drain),),
                failed_over=True,
                stuck=False,
                waiting=text,
                override=pin,
            ),
        ),
        targets=(TargetView(state=state, history=history(), details=details),),
        open_incidents=(incident,),
        past_incidents=(replace(incident, resolved_at=NOW),),
        decisions=(
            Decision(route=text, at=NOW, move=MoveKind.FAILOVER, before=None, target=text, reason=text, generation=1),
        ),
        events=(EventRow(at_ms=to_ms(NOW), kind=text, subject=text, text=text),),
        evidence_trails={1: (trail(text), trail(f"{text}/a", f"{text}/b"))},
        vendors=(VendorView(provider=text, health=Health.DOWN, url="https://status.example", report=said),),
    )


def trail(*targets: str, ages_s: tuple[float, ...] = (40, 30, 10, 0)) -> EvidenceTrail:
    """Down after four probes of these targets in turn, of which the second was good."""
    outcomes = (Outcome.SERVER_ERROR, Outcome.OK, Outcome.TIMEOUT, Outcome.SERVER_ERROR)
    return EvidenceTrail(
        targets=targets,
        at=NOW,
        health=Health.DOWN,
        evidence=12.0,
        threshold=9.8,
        probes=tuple(
            WeighedProbe(
                at=NOW - timedelta(seconds=age), target=targets[n % len(targets)], outcome=outcome, evidence=4.0 * n
            )
            for n, (age, outcome) in enumerate(zip(ages_s, outcomes, strict=True))
        ),
    )


def test_endpoints_that_cannot_say_are_told_of() -> None:
    """A line at the top of the page while no neutral endpoint can say whether our own network works."""
    said = ConnectivityObservation(
        at=NOW, state=ConnectivityState.UNTRUSTED, asked=("https://a",), answered=frozenset()
    )
    assert UNTRUSTED in view.top(replace(overview(), connectivity=said))
    assert UNTRUSTED not in view.top(overview())


@pytest.mark.parametrize("kind", IncidentKind)
def test_every_kind_of_incident_has_its_colour(kind: IncidentKind) -> None:
    """A kind that the page does not know would break it."""
    incident = replace(overview().open_incidents[0], kind=kind)
    assert "hs-card hs-edge hs-" in incidents.open_incidents(replace(overview(), open_incidents=(incident,)))


@pytest.mark.parametrize("life", list(Liveness))
@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_no_text_becomes_markup(section: Callable[[Overview], str], life: Liveness) -> None:
    """Whatever a provider or a name holds is shown as text: no element and no handler of its own."""
    markup = Markup(section(overview(HOSTILE, life=life)))
    assert not {"script", "img", "b>"} & set(markup.tags)
    assert not [name for name, _ in markup.attributes if name.startswith("on")]
    assert markup.balanced
    assert not markup.open
    assert "<script>alert(1)</script>" in markup.shown or section is view.top


def test_an_incident_says_who_knew_first() -> None:
    """While it is open."""
    assert (
        "Noticed 10 min before errors (degraded: errors, since 18:03 UTC)."
        in Markup(incidents.open_incidents(overview("errors"))).shown
    )


def test_trouble_shows_its_text_as_text() -> None:
    """A path in the explanation cannot become markup, and its backticks become code."""
    markup = Markup(view.trouble("Nothing", f"no database at {HOSTILE}: is `hotspare run` running?"))
    assert not {"script", "img"} & set(markup.tags)
    assert "<script>alert(1)</script>" in markup.shown
    assert "code" in markup.tags
    assert "No database at" in markup.shown


@pytest.mark.parametrize(
    ("tone", "word"),
    [(Level.GOOD, "All well"), (Level.NOTICE, "Attention"), (Level.BAD, "Trouble"), (Level.UNKNOWN, "Not known")],
)
def test_the_state_is_said_in_a_word(tone: Level, word: str) -> None:
    """Colour is never the only sign of the overall state."""
    assert word in Markup(view.banner(overview(tone=tone))).shown


@pytest.mark.parametrize("health", list(Health))
def test_health_is_said_in_its_word_and_a_symbol(health: Health) -> None:
    """Colour is never the only sign of a target's health either."""
    shown = Markup(pieces.pill(health)).shown
    assert shown.endswith(str(health))
    assert len(shown) == len(health) + 1


@pytest.mark.parametrize("outcome", [*Outcome, None])
def test_each_outcome_has_a_colour_that_the_legend_explains(outcome: Outcome | None) -> None:
    """A bar without an entry in the legend would say nothing."""
    bucket = Bucket(start=NOW, counts=((outcome, 1),) if outcome else ())
    colour = pieces.outcome_class(bucket.worst)
    assert f'<i class="hs-{colour}"></i>' in view.recent_probes(history())
    assert (colour == "good") == (outcome is not None and outcome.effect is Effect.UP)


def test_a_bar_says_when_and_what() -> None:
    """Each bar carries its time and its outcomes, and the strip a summary for those who cannot see it."""
    html = view.recent_probes(history())
    assert 'title="18:03:42 UTC: 2 server_error, 1 ok"' in html
    assert 'title="18:04:42 UTC: nothing observed"' in html
    assert 'aria-label="last 2 min: 2 ok, 2 server_error, 1 slow"' in html


def test_a_monitor_at_work_says_how_fresh_it_is() -> None:
    """The line on top counts the seconds since the service wrote."""
    shown = Markup(view.top(overview())).shown
    assert "monitor running, wrote 4 s ago" in shown
    assert "2026-11-21 18:03:12 UTC" in shown


def test_machines_are_in_the_headline_only_where_something_is_wrong() -> None:
    """Who leads stands beside the sign of life; that nobody does, or that a region is silent, stands first."""
    silent = (RegionView(region="eu", reporter="web-1", silent_s=2.0), RegionView(region="us"))
    leader = Leader(holder="web-1 pid 7 aa.bb", epoch=3, until=NOW + timedelta(seconds=9))
    well = replace(overview(), leader=leader, regions=silent[:1])
    assert "ago; web-1 pid 7 leads (epoch 3)" in view.top(well)
    assert "web-1" not in view.banner(well)
    shown = view.banner(replace(well, leader=replace(leader, until=NOW), regions=silent))
    assert "nobody leads; web-1 pid 7 did" in shown
    assert "Region us: nothing yet" in shown
    assert "Region eu" not in shown


@pytest.mark.parametrize("life", [Liveness.SILENT, Liveness.STOPPED])
def test_what_nobody_watches_is_called_old(life: Liveness) -> None:
    """Routes of a service that is not at work say of when they are."""
    assert "as they were at 18:03:08" in Markup(view.routes(overview(life=life))).shown
    assert "as they were" not in view.routes(overview())


def test_a_dry_run_is_called_so() -> None:
    """On the card of each route, with where it would be; and beside each decision that was not carried out."""
    seen = overview()
    dry = replace(
        seen,
        routes=(replace(seen.routes[0], dry_run=True, would="b/y"),),
        decisions=(replace(seen.decisions[0], dry_run=True),),
    )
    assert ">dry run</span>" in view.routes(dry)
    assert "Dry run: it would be on b/y" in view.routes(dry)
    assert ">dry run</span>" in view.log(dry)
    assert "dry run" not in view.routes(seen) + view.log(seen)


def test_the_icon_of_the_tab_has_a_shape_for_each_level() -> None:
    """Not a colour alone."""
    shapes = {view.tab_icon(level).partition(" d=")[2].partition(" fill")[0] for level in Level}
    assert len(shapes) == len(Level)


def test_open_incidents_are_linked_at_the_top() -> None:
    """The newest three, and how many more there are."""
    [incident] = overview().open_incidents
    many = replace(overview(), open_incidents=tuple(replace(incident, id=number) for number in range(5)))
    html = view.banner(many)
    assert html.count('href="incidents?incident=') == 3
    assert "and 2 more" in html


def test_a_lost_connection_says_since_when() -> None:
    """The last instant that the page was told."""
    assert ">Connection lost, as of 18:03:12<" in view.lost(NOW)


def test_no_open_incident_takes_no_room() -> None:
    """A section that says that there is nothing would push the targets down."""
    assert incidents.open_incidents(replace(overview(), open_incidents=())) == ""


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        pytest.param(pieces.seconds(0.0421), "42ms", id="milliseconds below a second"),
        pytest.param(pieces.seconds(1.236), "1.24s", id="two decimals below ten seconds"),
        pytest.param(pieces.seconds(12.34), "12.3s", id="one decimal above"),
        pytest.param(pieces.seconds(None), "–", id="no latency"),
        pytest.param(pieces.share(1.0), "100.0%", id="everything was ok"),
        pytest.param(pieces.share(0.999999), "99.9%", id="never rounded up to everything"),
        pytest.param(pieces.share(0.5), "50.0%", id="half of it"),
        pytest.param(pieces.share(0.0), "0.0%", id="nothing was ok"),
        pytest.param(pieces.share(None), "–", id="nothing counted"),
        pytest.param(pieces.money(None), "–", id="unknown is not free"),
        pytest.param(pieces.money(0.0), "$0.00", id="free"),
        pytest.param(pieces.money(0.00002), "<$0.001", id="nearly free"),
        pytest.param(pieces.money(0.0614), "$0.061", id="cents"),
        pytest.param(pieces.money(12.346), "$12.35", id="dollars"),
    ],
)
def test_numbers(made: str, shown: str) -> None:
    """Figures keep the digits that mean something."""
    assert Markup(made).shown == shown


def test_an_instant_of_another_day_carries_its_date() -> None:
    """A bare time of day is only used for today."""
    assert Markup(pieces.instant(NOW, NOW)).shown == "18:03:12"
    assert Markup(pieces.instant(NOW - timedelta(days=1), NOW)).shown == "Nov 20 18:03"


def test_what_is_laid_on_by_hand() -> None:
    """Who, what, why and for how long; the route and its candidate say so too; nothing where nothing is laid on."""
    seen = overview("a/x")
    for said in ("a/x→a/x", "forced", "expires in 43 min, at 18:46:12", "a/x, 18:03:12: a/x"):
        assert said in Markup(view.overrides(seen)).shown
    shown = Markup(view.routes(seen)).shown
    assert "pinned" in shown
    assert "drained" in shown
    every = replace(seen.overrides[0], kind=OverrideKind.PAUSE, subject="all", target=None)
    assert "all routes" in Markup(view.overrides(replace(seen, overrides=(every,)))).shown
    assert view.overrides(replace(seen, overrides=())) == ""


def test_a_trail_is_true_in_time_and_height() -> None:
    """A step for each probe: where it was in time, how high the evidence was then, and its colour; and the line."""
    html = incidents.trails([trail("a/x")], NOW)
    places = re.findall(r'<i class="hs-(\w+)" [^>]*style="left:([\d.]+)%;width:([\d.]+)%;height:(\d+)%"', html)
    assert places == [
        ("bad", "0.0", "25.0", "0"),
        ("none", "25.0", "50.0", "30"),
        ("bad", "75.0", "25.0", "60"),
        ("bad", "100.0", "0.0", "89"),
    ]
    assert 'class="hs-verdict" style="bottom:73%"' in html
    assert "10 s before: timeout from a/x, evidence 8.0" in html
    assert re.findall(r'left:([\d.]+)%">−(\d+ s)<', html) == [("75.0", "10 s"), ("50.0", "20 s"), ("25.0", "30 s")]


def test_a_trail_says_its_numbers() -> None:
    """Beneath it for all, and for those who cannot see it."""
    said = "4 probes over 40 s, 3 of them failed (2 server_error, 1 timeout); evidence 12.0, verdict at 9.8"
    markup = Markup(incidents.trails([trail("a/x")], NOW))
    assert said in markup.shown
    assert ("aria-label", f"How the evidence grew: {said}") in markup.attributes


def test_the_trail_of_a_provider_names_its_targets() -> None:
    """Each has a line of its own with what it added, those that failed most first; a single target needs none."""
    shown = Markup(incidents.trails([trail("a/x", "a/y")], NOW)).shown
    assert "a2 targets" in shown
    assert shown.index("y1 of 2") > shown.index("x2 of 2")
    assert "hs-lane" not in incidents.trails([trail("a/x")], NOW)
    many = trail(*(f"a/{n}" for n in range(9)), ages_s=(4, 3, 2, 1))
    crowd = replace(many, probes=tuple(replace(many.probes[0], target=name) for name in many.targets))
    assert "and 3 more targets" in Markup(incidents.trails([crowd], NOW)).shown


@pytest.mark.parametrize(
    "ages_s",
    [
        pytest.param((0, 0, 0, 0), id="all at the moment of the verdict"),
        pytest.param((-5, -5, -5, -5), id="after the verdict, as the clock was set back"),
        pytest.param((3600, 30, 7200, 0), id="out of order"),
        pytest.param((90 * 86400, 30, 20, 0), id="over a whole quarter"),
    ],
)
def test_a_trail_stays_in_its_frame(ages_s: tuple[float, ...]) -> None:
    """Whatever the clock did: nothing is drawn outside, and the ends of the axis stay readable."""
    html = incidents.trails([trail("a/x", "a/y", ages_s=ages_s)], NOW)
    figures = [float(found) for found in re.findall(r"(?:left|width|height|bottom):(-?[\d.]+)%", html)]
    assert figures
    assert all(0 <= figure <= 100 for figure in figures)
    assert html.count("−") <= 4


def test_no_trail_takes_no_room() -> None:
    """In an open incident."""
    bare = replace(overview(), evidence_trails={})
    shown = incidents.open_incidents(bare)
    assert "How the evidence grew" not in shown
    assert "hs-trail" not in shown
    assert incidents.open_incidents(overview()).count("<figure") == 2


def test_the_tab_says_the_worst() -> None:
    """So that a page among many tabs is noticed."""
    seen = overview("chat")
    [route] = (replace(each, target="elsewhere") for each in seen.routes)
    hit, seen = seen, replace(seen, routes=(route,))
    assert view.tab_title(hit) == "chat fails – Hotspare"
    stuck = replace(seen, routes=(replace(route, stuck=True),))
    two = replace(seen, routes=(route, replace(route, name="docs")))
    failing = replace(seen, routes=(replace(route, failed_over=False),))
    assert view.tab_title(stuck) == "chat stuck – Hotspare"
    assert view.tab_title(seen) == "chat failed over – Hotspare"
    assert view.tab_title(two) == "2 routes failed over – Hotspare"
    assert view.tab_title(failing) == "1 target failing – Hotspare"
    assert view.tab_title(replace(failing, targets=())) == "Hotspare"
    assert view.tab_title(overview(life=Liveness.SILENT)) == "monitor not running – Hotspare"
