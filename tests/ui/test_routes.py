"""The page of routes: the worst first, why not, what was felt; nothing that others wrote becomes markup."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from controller.history.route_rollup import RouteRollup
from controller.routing.overrides import Override, OverrideKind
from controller.status.details.route import RouteSummary
from controller.status.headline import CandidateStatus, RouteView
from monitor.health import Health
from tests.support.builders import T0
from tests.support.details import route_detail
from ui import routes

HOSTILE = "<script>alert(1)</script>"


def view(name: str = "chat", **changed: object) -> RouteView:
    """A route on the first of two candidates."""
    whole = RouteView(
        name=name,
        target="a/x",
        since=T0,
        reason="it is the first candidate",
        candidates=(
            CandidateStatus(target="a/x", health=Health.UP, serving=True),
            CandidateStatus(target="b/y", health=Health.DOWN, serving=False, why_not="it is down"),
        ),
        failed_over=False,
        stuck=False,
    )
    return replace(whole, **changed)  # type: ignore[arg-type] # the keywords are the fields' names


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({}, ("good", "first choice")),
        ({"failed_over": True}, ("watch", "failed over")),
        ({"stuck": True, "failed_over": True}, ("bad", "stuck")),
        ({"dry_run": True}, ("watch", "dry run")),
        ({"dry_run": True, "would": "b/y"}, ("bad", "dry run")),
        ({"candidates": ()}, ("watch", "no longer a candidate")),
    ],
)
def test_the_state_is_a_word(changed: dict[str, object], state: tuple[str, str]) -> None:
    """Not a colour alone."""
    assert routes.state_of(replace(view(), **changed)) == state  # type: ignore[arg-type]


def test_the_worst_come_first() -> None:
    """Else they stand as configured."""
    every = [view("a"), view("b", failed_over=True), view("c", stuck=True), view("d")]
    assert [route.name for route in routes.worst_first(every)] == ["c", "b", "a", "d"]


def test_all_routes_link_to_each_in_the_same_range() -> None:
    """The one that is shown below is marked for screen readers."""
    felt = RouteSummary(route="chat", total=RouteRollup(observed_s=1000, felt_s=60, without_s=600, flips=2))
    unseen = RouteSummary(route=HOSTILE, total=RouteRollup())
    html = routes.all_routes([view(), view(HOSTILE)], {"chat": felt, HOSTILE: unseen}, "7d", "chat", T0)
    assert '<a aria-current="true" href="routes?route=chat&amp;range=7d" target="_self"><b>chat</b></a>' in html
    for figure in ("94.0<", ">1 min<", ">10 min<", ">2 ×<"):
        assert figure in html
    assert "<script" not in html


def test_a_candidate_says_why_not() -> None:
    """In the viewer's zone, where the clause names an instant."""
    low = CandidateStatus(target="c/z", health=Health.UP, serving=False, why_not="none comes back before 18:30:00 UTC")
    now = T0.astimezone(ZoneInfo("Europe/Berlin"))
    html = routes.present(view(candidates=(*view().candidates, low), published=""), now)
    assert "it points there" in html
    assert "it is down" in html
    assert 'title="18:30:00 UTC">19:30:00</time>' in html
    assert "The routing file is missing." in html
    assert "✕</span> none comes back before <time" in html
    if_need_be = replace(low, eligible=True)
    html = routes.present(view(candidates=(*view().candidates, if_need_be)), now)
    assert "✓</span> none comes back before <time" in html


def test_what_users_felt_is_compared() -> None:
    """With what they would have felt, and with the objective."""
    total = RouteRollup(observed_s=100_000, felt_s=60, without_s=600, flips=2)
    html = routes.felt(RouteSummary(route="chat", total=total, slo=0.999), "24h")
    assert "<dt>Saved</dt><dd>9 min</dd>" in html
    assert "<dt>Of the error budget (99.9 %)</dt><dd>60 %</dd>" in html
    lost = RouteRollup(observed_s=1000, felt_s=60, without_s=0)
    assert "<dt>Lost by it</dt><dd>1 min</dd>" in routes.felt(RouteSummary(route="chat", total=lost), "24h")
    assert "Nothing was observed" in routes.felt(RouteSummary(route="chat", total=RouteRollup()), "24h")


def test_decisions_of_a_dry_run_stand_apart() -> None:
    """And the words for none at all."""
    detail = route_detail()
    html = routes.decisions(replace(detail, moves=(), would_have=detail.moves), T0)
    assert (
        html.index("The route was not moved") < html.index("What the dry run would have done") < html.index("least bad")
    )
    assert "dry run" not in routes.decisions(detail, T0)


def test_an_override_says_who_why_and_until_when() -> None:
    """And how it ended."""
    laid_on = Override(
        kind=OverrideKind.PIN,
        subject="chat",
        target="b/y",
        author=HOSTILE,
        reason="<b>",
        at=T0,
        until=T0 + timedelta(hours=1),
    )
    ended = replace(laid_on, ended_at=T0, ended_by="ben", ended_reason="done")
    detail = replace(route_detail(), overrides=(laid_on, ended))
    html = routes.overrides(detail, T0)
    assert ">in force<" in html
    assert "ben: done" in html
    assert "<script" not in html
    assert ">expired<" in routes.overrides(detail, T0 + timedelta(hours=2))
    assert routes.overrides(route_detail(), T0) == ""


def test_the_path_in_words() -> None:
    """For those who do not see the picture."""
    said = routes.path_in_words(route_detail())
    assert "for 20 min" in said
    assert "down for 1 h" in said
