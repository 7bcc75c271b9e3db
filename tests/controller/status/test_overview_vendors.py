"""What vendors say, beside what we see: in the overview, in `hotspare status`, and never in a decision."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from controller.cli.status import print_overview
from controller.cycle.cycle import Cycle
from controller.incidents.incident import IncidentKind
from controller.journal import Journal
from controller.routing.routing_file import RoutingFile
from controller.status.document import status_document
from controller.status.overview import Overview, read
from controller.status.vendor_views import VendorView, vendor_views
from monitor.config.settings import Settings
from monitor.detection.pacing import BurstProbe
from monitor.health import Health, TargetHealth
from monitor.status_pages.reading import VendorState, VendorStateChange
from monitor.storage.database import open_reader, open_writer
from monitor.storage.store import Store
from tests.support import builders
from tests.support import seeded_database as seeded
from tests.support.builders import T0, observation

NOW = datetime(2026, 11, 21, 18, 3, 12, tzinfo=UTC)
OPENAI = "https://status.openai.com/proxy/status.openai.com"
CLAUDE = "https://status.claude.com/api/v2/summary.json"


def report(
    state: str, headline: str = "", *, at: datetime, provider: str = "openai", url: str = OPENAI, since_min: float = 0
) -> VendorStateChange:
    """What a page said at this time, and claimed to have begun so long before."""
    since = at - timedelta(minutes=since_min) if since_min else None
    return VendorStateChange(
        provider=provider, at=at, state=VendorState(state), headline=headline, since=since, url=url
    )


def keep(settings: Settings, *reports: VendorStateChange) -> None:
    """As the service would."""
    engine = open_writer(settings.database)
    for one in reports:
        Store(engine).record_vendor_report(one)
    engine.dispose()


def overview(settings: Settings) -> Overview:
    """What is known, through a read-only engine."""
    engine = open_reader(settings.database)
    try:
        return read(settings, engine, NOW)
    finally:
        engine.dispose()


@pytest.fixture
def seeded_settings(tmp_path: Path) -> Settings:
    """Three providers of which two have a status page; openai is down."""
    settings = seeded.settings_in(tmp_path)
    seeded.seed(settings, NOW)
    seeded.break_openai(settings, NOW)
    return settings


def test_the_overview_has_the_word_of_each_vendor(seeded_settings: Settings) -> None:
    """Beside the worst health of its targets; those without a page are left out."""
    said = report("partial_outage", "Elevated errors", at=NOW)
    keep(seeded_settings, report("operational", at=NOW - timedelta(hours=1)), said)
    assert overview(seeded_settings).vendors == (
        VendorView(provider="openai", health=Health.DOWN, url=OPENAI, report=said),
        VendorView(provider="anthropic", health=Health.UP, url=CLAUDE),
    )


def test_status_says_it(seeded_settings: Settings) -> None:
    """One line for each vendor, hostile text and all, and the same for scripts."""
    said = report("partial_outage", "Elevated [bold]errors", at=NOW, since_min=14)
    keep(seeded_settings, said, report("operational", at=NOW, provider="anthropic", url=CLAUDE))
    seen = overview(seeded_settings)
    console = Console(file=io.StringIO(), width=120)
    print_overview(seen, console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined] # the StringIO of the line above
    assert "openai: status.openai.com says: partial outage: Elevated [bold]errors, since 17:49 UTC" in lines
    assert "anthropic: status.claude.com says: operational" in lines
    assert status_document(seen)["vendors"] == {
        "openai": {
            "page": OPENAI,
            "state": "partial_outage",
            "headline": "Elevated [bold]errors",
            "since": "2026-11-21T17:49:12.000Z",
            "at": "2026-11-21T18:03:12.000Z",
            "health": "down",
        },
        "anthropic": {
            "page": CLAUDE,
            "state": "operational",
            "headline": None,
            "since": None,
            "at": "2026-11-21T18:03:12.000Z",
            "health": "up",
        },
    }


@pytest.mark.parametrize(
    ("said", "words"),
    [
        pytest.param(None, "status.openai.com has not been read yet", id="not yet"),
        pytest.param(report("unknown", at=NOW), "status.openai.com cannot be read", id="unreadable"),
        pytest.param(report("operational", at=NOW), "status.openai.com says: operational", id="well"),
        pytest.param(report("degraded", at=NOW), "status.openai.com says: degraded", id="without a headline"),
        pytest.param(
            report("maintenance", "Upgrade", at=NOW, since_min=2880),
            "status.openai.com says: maintenance: Upgrade, since 19 Nov 18:03 UTC",
            id="since another day",
        ),
    ],
)
def test_the_words(said: VendorStateChange | None, words: str) -> None:
    """The same on the page and in the terminal."""
    assert VendorView(provider="openai", health=Health.UP, url=OPENAI, report=said).sentence(NOW) == words


def test_what_another_page_said_does_not_count(seeded_settings: Settings) -> None:
    """The configuration names a new page, which has not been read yet."""
    states = {
        target.id: TargetHealth(target=target.id, health=Health.UP, since=NOW, reason="")
        for target in seeded_settings.targets
    }
    old = report("major_outage", at=NOW, url="https://old.example")
    assert [view.report for view in vendor_views(seeded_settings, states, {"openai": old})] == [None, None]


# What follows from it: nothing.


def with_pages(settings: Settings) -> Settings:
    """The same with a status page for each provider."""
    targets = (replace(one, provider=replace(one.provider, status_page=OPENAI)) for one in settings.targets)
    return replace(settings, targets=tuple(targets))


class Stage:
    """A cycle on a real database, in virtual time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.settings = with_pages(builders.settings(folder, "openai/a", "anthropic/b"))
        self.engine = open_writer(self.settings.database)
        self.store, self.journal = Store(self.engine), Journal(self.engine)
        self.cycle = Cycle(self.settings, self.store, self.journal, RoutingFile(self.settings.routing_file))
        self.cycle.start(T0)
        self.bursts: list[tuple[BurstProbe, ...]] = []

    def run(self, symbols: str, *, from_s: float, every_s: float = 10, vendor: str | None = None) -> None:
        """Probes of openai with these outcomes, anthropic always well; the vendor says this before each of them."""
        for number, symbol in enumerate(symbols):
            at_s = from_s + number * every_s
            now = T0 + timedelta(seconds=at_s + 1)
            if vendor and number == 0:
                self.store.record_vendor_report(report(vendor, "Everything burns", at=now))
                self.store.record_vendor_report(report(vendor, "Everything burns", at=now, provider="anthropic"))
            seen = [
                observation(symbol, at_s=at_s, name="openai/a"),
                observation(".", at_s=at_s + 0.5, name="anthropic/b"),
            ]
            self.bursts.append(self.cycle.run(seen, now))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """With a database of its own."""
    return Stage(tmp_path / "stage")


@pytest.mark.slow
@pytest.mark.parametrize("symbols", ["." * 20, "x" * 20, ".x" * 10, "." * 5 + "x" * 15 + "." * 40])
def test_no_route_follows_what_a_vendor_says(tmp_path: Path, symbols: str) -> None:
    """With the worst word and with the best, everything is decided as it is without one, at the same time."""
    decided = []
    for number, vendor in enumerate((None, "operational", "major_outage", "unknown")):
        stage = Stage(tmp_path / str(number))
        stage.run(symbols, from_s=0, vendor=vendor)
        decided.append((stage.journal.decisions(), stage.store.transitions(), stage.bursts))
        stage.engine.dispose()
    without, *others = decided
    assert others == [without] * 3
    assert len(without[0]) > ("xxx" in symbols)


def test_an_incident_says_who_knew_first(stage: Stage) -> None:
    """First that the page says that all is well, then by how much we were ahead; its recovery changes nothing."""
    stage.run("." * 5, from_s=0, vendor="operational")
    stage.run("x" * 12, from_s=50)
    [incident] = stage.journal.open_incidents()
    assert incident.vendor
    assert (incident.vendor.state, incident.vendor.said_at) == (VendorState.OPERATIONAL, None)
    opened_s = (incident.opened_at - T0).total_seconds()

    stage.run("x", from_s=opened_s + 839, vendor="partial_outage")
    [changed] = stage.journal.open_incidents()
    assert changed.revision == incident.revision + 1
    assert changed.vendor
    assert changed.vendor.headline == "Everything burns"
    lines = [line.text for line in changed.timeline]
    assert lines[-1] == "status.openai.com says partial outage: Everything burns"
    stage.run("xx", from_s=opened_s + 849)
    assert stage.journal.open_incidents() == [changed]

    stage.run("x", from_s=opened_s + 1000, vendor="operational")
    [kept] = stage.journal.open_incidents()
    assert kept.vendor == changed.vendor
    assert overview_words(stage) == "noticed 14 min before status.openai.com"


def overview_words(stage: Stage) -> str:
    """What `status --json` says of the open incident."""
    engine = open_reader(stage.settings.database)
    try:
        [incident] = status_document(read(stage.settings, engine, NOW))["open_incidents"]
    finally:
        engine.dispose()
    assert incident["vendor"]["noticed_before_s"] == 840
    words: str = incident["vendor"]["words"]
    return words


def test_a_vendor_that_knew_first_is_given_credit(stage: Stage) -> None:
    """With the line of the timeline at its own time, before ours."""
    stage.run("." * 5, from_s=0, vendor="degraded")
    stage.run("x" * 12, from_s=50)
    [incident] = stage.journal.open_incidents()
    assert incident.kind is IncidentKind.OUTAGE
    assert incident.vendor
    assert incident.vendor.said_at == T0 + timedelta(seconds=1)
    assert incident.timeline[0].text == "status.openai.com says degraded: Everything burns"


def test_a_fault_of_ours_has_nothing_to_do_with_the_vendor(stage: Stage) -> None:
    """A refused key is no outage that a vendor could know of."""
    stage.run("." * 5, from_s=0, vendor="major_outage")
    stage.run("a" * 5, from_s=50)
    [incident] = stage.journal.open_incidents()
    assert incident.kind is IncidentKind.CONFIGURATION
    assert incident.vendor is None
