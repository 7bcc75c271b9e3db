"""Providers and their targets: those that fail first, the vendor's word beside ours, bars that everybody can read."""

import re
from dataclasses import replace
from zoneinfo import ZoneInfo

from controller.history.availability import DAYS, target_availability
from controller.history.queries import History
from controller.status.overview import Overview
from monitor.health import Health
from monitor.history.rollup import DAY, OutcomeCounts, span_start
from monitor.liveness import Liveness
from tests.ui.test_sections import HOSTILE, NOW, Markup, overview
from ui import providers

TODAY = span_start(NOW, DAY)


def past(target: str = "a/x") -> History:
    """A good day, a bad one with an incident, and one that is worth a look."""
    counts = {
        TODAY: OutcomeCounts(total=1_000, ok=999, answered=999),
        TODAY - DAY: OutcomeCounts(total=1_000, ok=500, answered=500),
        TODAY - 2 * DAY: OutcomeCounts(total=1_000, ok=960, answered=960),
    }
    availability = target_availability(target, counts, {TODAY: counts[TODAY]}, NOW)
    return History(now=NOW, routes=(), targets=(availability,), incidents_by_day={target: {TODAY - DAY: (4, 7)}})


def several(**healths: Health) -> Overview:
    """Targets `<letter>/x` with these healths."""
    [view] = overview("a/x").targets
    views = (
        replace(view, state=replace(view.state, target=f"{name}/x", health=health)) for name, health in healths.items()
    )
    return replace(overview("a"), targets=tuple(views))


def _names(html: str) -> list[str]:
    return re.findall(r'aria-label="Provider (\w+)"', html)


def test_those_that_fail_come_first() -> None:
    """Else they stand as configured; a filter leaves the others out."""
    seen = several(a=Health.UP, b=Health.DOWN, c=Health.SUSPECT, d=Health.DEGRADED)
    assert _names(providers.providers(seen, past())) == ["b", "d", "a", "c"]
    assert _names(providers.providers(seen, past(), only_failing=True)) == ["b", "d"]


def test_a_search_is_of_names() -> None:
    """In any case; it says how many are shown, and that none is."""
    seen = several(alpha=Health.UP, beta=Health.DOWN)
    html = providers.providers(seen, past(), query=" ALP ")
    assert _names(html) == ["alpha"]
    assert "1 of 2 targets" in html
    assert "None of 2 targets is like that." in providers.providers(seen, past(), query="<b>")


def test_of_many_targets_the_first_are_shown() -> None:
    """Those that fail, with how many there are."""
    html = providers.providers(several(a=Health.UP, b=Health.DOWN, c=Health.UP), past(), at_most=2)
    assert _names(html) == ["b", "a"]
    assert "2 of 3 targets, those that fail first" in html


def test_the_vendors_word_stands_beside_ours() -> None:
    """In its own words, in the viewer's zone."""
    [vendor] = overview("a").vendors
    seen = replace(several(a=Health.DOWN), vendors=(vendor,))
    assert "status.example says: degraded: a, since 18:03 UTC" in Markup(providers.providers(seen, past())).shown
    berlin = replace(seen, now=NOW.astimezone(ZoneInfo("Europe/Berlin")))
    assert "since 19:03" in Markup(providers.providers(berlin, past())).shown


def test_each_day_is_a_bar_with_its_words() -> None:
    """Days with something to tell are reached by the keyboard; one with an incident leads to the latest."""
    html = providers.providers(several(a=Health.UP), past())
    bars = re.findall(r'<(i|a) class="hs-(\w+)"([^>]*)>', html.partition("hs-legend")[0].partition("hs-strip")[2])
    assert len(bars) == DAYS
    assert [(tag, colour) for tag, colour, _ in bars[-4:]] == [
        ("i", "gap"),
        ("i", "watch"),
        ("a", "bad"),
        ("i", "good"),
    ]
    watch, bad, good = (attributes for _, _, attributes in bars[-3:])
    assert 'tabindex="0"' in watch
    assert 'href="incidents?incident=7"' in bad
    assert "served 50.0 %, 1,000 probes, 500 not answered; incident 4, 7" in bad
    assert "tabindex" not in good
    assert f"3 of the last {DAYS} days observed; worst 2026-11-20: served 50.0 %" in html


def test_a_target_says_why_without_saying_its_name_twice() -> None:
    """The reason stands below the target and its health; one that is up says nothing."""
    html = providers.providers(overview("a/x"), past())
    shown = Markup(html).shown
    assert "a/x is down" not in shown
    assert "last: server_error: HTTP 500" in shown
    assert "hs-why" not in providers.providers(several(a=Health.UP), past())


def test_how_fast_it_is_now() -> None:
    """First tokens where there are streams, whole answers where there are none."""
    seen = several(a=Health.UP)
    assert "840ms" in Markup(providers.providers(seen, past())).shown
    assert ">answer<" in providers.providers(seen, past())
    [view] = seen.targets
    history = replace(view.history, first_token_p50_s=0.21, first_token_p95_s=1.5)
    shown = Markup(providers.providers(replace(seen, targets=(replace(view, history=history),)), past())).shown
    assert "210ms1.50s" in shown


def test_what_nobody_watches_is_called_old() -> None:
    """And a target without a past is shown all the same."""
    stale = overview("a/x", life=Liveness.STOPPED)
    assert "as they were at" in providers.providers(stale, past())
    assert "a/x" in Markup(providers.providers(stale, replace(past(), targets=()))).shown


def test_no_text_becomes_markup() -> None:
    """Whatever a name, a vendor or a provider says."""
    markup = Markup(providers.providers(overview(HOSTILE), past(HOSTILE)))
    assert not {"script", "img", "b>"} & set(markup.tags)
    assert not [name for name, _ in markup.attributes if name.startswith("on")]
    assert markup.balanced
