"""What strangers may see: nothing that a provider wrote, no reason, cost, machine or person, whatever happens."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.history.queries import History
from controller.routing.override_text import OverrideEvent
from controller.routing.overrides import Override, OverrideKind
from controller.routing.store import OverrideStore
from controller.status.incident_view import IncidentView
from controller.status.overview import read
from controller.status.public_view import public_incident_view, public_overview
from monitor.storage.database import open_operator, open_reader
from tests.support import seeded_database as seeded
from tests.support.incident_builders import incident
from ui import incidents, providers, sections

NOW = datetime(2026, 11, 21, 18, 3, 12, tzinfo=UTC)
SECRET = (
    "alert(1)",
    "HTTP 500",
    "9 of 14",
    "evidence 10",
    "verdict at",
    "watch-1",
    "4711",
    "$",
    "ana,",
    "by ana",
    "a hunch",
    "req_",
    "hotspare ",
)


def test_the_overview_of_an_outage(tmp_path: Path) -> None:
    """Every section of the page is shown, and each says what fails; none says why, or who did what."""
    settings = seeded.settings_in(tmp_path)
    seeded.seed(settings, NOW)
    seeded.break_openai(settings, NOW, detail=seeded.HOSTILE)
    pin = Override(
        kind=OverrideKind.PIN,
        subject="summaries",
        target=seeded.SONNET,
        author="ana",
        reason="a hunch",
        at=NOW - timedelta(minutes=1),
        until=NOW + timedelta(hours=1),
    )
    event = OverrideEvent(kind="pinned", subject="summaries", text="ana pinned it: a hunch")
    OverrideStore(open_operator(settings.database)).begin(pin, lambda _: event)
    overview = public_overview(read(settings, open_reader(settings.database), NOW))
    parts = [sections.top, sections.banner, sections.overrides, sections.routes, incidents.open_incidents]
    parts += [incidents.figures_so_far, sections.money, sections.log]
    html = "".join(part(overview) for part in parts)
    html += providers.providers(overview, History(now=NOW, routes=(), targets=()))
    assert "chat has failed over to anthropic/claude-haiku-5-5" in html
    assert "an operator" in html
    for secret in SECRET:
        assert secret not in html, secret
    assert public_overview(overview) == overview


def test_one_incident() -> None:
    """Its times and what it touched stay; evidence, notes and names go."""
    told = incident(id=7, request_ids=("req_1",), acknowledged_by="ana", runbooks=("https://wiki.internal",))
    view = public_incident_view(IncidentView(incident=told, periods=(), trails=()))
    html = incidents.whole_incident(view, NOW)
    assert "Outage of openai" in html
    assert "A route was moved" in html
    for secret in (*SECRET, "wiki.internal"):
        assert secret not in html, secret
    assert view.incident.onset == told.onset
    assert view.incident.lasted_s(NOW) == replace(told).lasted_s(NOW)
