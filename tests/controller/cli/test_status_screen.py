"""`hotspare status` on terminals of any size: it fits, and the worst comes first."""

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from controller.alerts.next_action import NextAction, Urgency
from controller.cli.status_screen import fitted_screen, whole_screen
from controller.status.headline import CandidateStatus, Level, RouteView
from controller.status.overview import Overview, TargetView
from controller.status.probe_history import ProbeHistory, RecentDetails
from monitor.health import Health, TargetHealth
from monitor.history.rollup import OutcomeCounts
from monitor.liveness import Liveness, ServiceStatus
from tests.support.incident_builders import incident

NOW = datetime(2026, 11, 21, 18, 3, 12, tzinfo=UTC)
HOSTILE = "日本語 [bold] \u202e" + "x" * 120


def overview(providers: int, failing: int, *, routes: int = 6, name: str = "") -> Overview:
    """Providers with four targets each, of which the last `failing` are down; a route for each of the first models."""
    health = [Health.DOWN if n >= providers - failing else Health.UP for n in range(providers)]
    targets = tuple(
        TargetView(state=state(f"p{n}{name}/m{m}{name}", health[n]), history=HISTORY, details=RecentDetails())
        for n in range(providers)
        for m in range(4)
    )
    return Overview(
        now=NOW,
        level=Level.BAD,
        headline="openai is down",
        action=NextAction(urgency=Urgency.NOW, sentence="Act now: " + "ask the vendor, " * 9),
        service=ServiceStatus(liveness=Liveness.RUNNING),
        routes=tuple(route(f"route-{n}{name}", f"p{n % providers}{name}/m0{name}", health, n) for n in range(routes)),
        targets=targets,
        open_incidents=tuple(incident(id=n + 1, provider=f"p{n}{name}") for n in range(failing)),
        past_incidents=(),
        decisions=(),
        events=(),
    )


HISTORY = ProbeHistory(
    last_hour=OutcomeCounts(total=120, ok=119, answered=119),
    since_back=OutcomeCounts(total=120, ok=119, answered=119),
    last_day=OutcomeCounts(total=120, ok=119, answered=119),
    p50_s=0.82,
    p95_s=2.1,
    first_token_p50_s=None,
    cost_day_usd=None,
    bucket_s=30,
    strip=tuple,
)


def state(target: str, health: Health) -> TargetHealth:
    """A verdict whose reason quotes a hostile provider."""
    reason = f"{target} is {health}: {HOSTILE}"
    return TargetHealth(target=target, health=health, since=NOW - timedelta(minutes=3), reason=reason)


def route(name: str, target: str, health: list[Health], at: int) -> RouteView:
    """A route on its first choice, stuck where that fails."""
    fails = health[at % len(health)] is Health.DOWN
    candidate = CandidateStatus(target=target, health=health[at % len(health)], serving=True)
    reason = f"{target} is down: {HOSTILE}" if fails else "no observations yet"
    return RouteView(
        name=name, target=target, since=NOW, reason=reason, candidates=(candidate,), failed_over=False, stuck=fails
    )


def screen(of: Overview, columns: int, rows: int | None) -> list[str]:
    """What is printed."""
    console = Console(width=columns, file=io.StringIO())
    lines = fitted_screen(of, console, rows)
    assert all(line.cell_len <= columns for line in lines)
    return [line.plain for line in lines]


@pytest.mark.parametrize("name", ["", "-" + "n" * 70], ids=["short", "of 80 characters"])
@pytest.mark.parametrize(("columns", "rows"), [(80, 23), (60, 15), (130, 50)])
@pytest.mark.parametrize(("providers", "failing"), [(2, 0), (2, 2), (6, 0), (6, 1), (6, 3), (6, 6), (20, 7)])
def test_it_fits(providers: int, failing: int, columns: int, rows: int, name: str) -> None:
    """Headline and what to do are whole, the failing stand before the others, and all targets are accounted for."""
    shown = screen(overview(providers, failing, name=name), columns, rows)
    assert len(shown) <= rows
    assert shown[0] == "openai is down"
    assert " ".join(shown).count("ask the vendor,") == 9
    listed = [line for line in shown if re.search(r"  (up|down) +\S+ ", line)]
    assert listed == sorted(listed, key=lambda line: " down " not in line)
    counted = sum(int(number) for line in shown for number in re.findall(r"\b(\d+) (?:other |more )?targets", line))
    assert counted + len([line for line in listed if " targets" not in line]) == 4 * providers


def test_two_providers_are_shown_fully() -> None:
    """All of four targets, all routes and the incident on 80 × 24, and nothing left for --verbose."""
    shown = screen(overview(2, 1, routes=2), 80, 23)
    assert not any("--verbose" in line for line in shown)
    assert sum(line.startswith(("p0/", "p1/")) for line in shown) == 8
    assert any(line.startswith("Incident 1: ") for line in shown)


def test_what_is_left_out_is_shown_by_verbose() -> None:
    """Timelines, evidence and whole names; a pipe gets every target in its row."""
    known = overview(6, 6, name="-" + "n" * 70)
    whole = "\n".join(line.plain for line in whole_screen(known, Console(width=80, file=io.StringIO())))
    for target in known.targets:
        assert target.state.target in whole
    assert "Route chat moved from openai/gpt-6-luna to anthropic/claude-haiku-5-5" in " ".join(whole.split())
    piped = screen(overview(6, 3), 400, None)
    assert sum(line.startswith("p") for line in piped) == 24
