"""Who knew first, we or the vendor: by when its page said so, not by what it claims afterwards."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.incidents.incident import EntryKind, Incident, IncidentKind, TimelineEntry, VendorClaim
from controller.incidents.vendor_claim import (
    find_lead,
    lead_phrase,
    lead_sentence,
    unreported_providers,
    vendor_entries,
    vendor_lead,
)
from monitor.health import Health, TargetHealth
from monitor.status_pages.reading import VendorState, VendorStateChange
from tests.support.builders import T0

URL = "https://status.openai.com/proxy/status.openai.com"
LETTERS = {
    "o": VendorState.OPERATIONAL,
    "?": VendorState.UNKNOWN,
    "m": VendorState.MAINTENANCE,
    "d": VendorState.DEGRADED,
    "p": VendorState.PARTIAL_OUTAGE,
}


def at(minutes: float) -> datetime:
    """So long after we noticed."""
    return T0 + timedelta(minutes=minutes)


def reports(*said: tuple[float, str]) -> list[VendorStateChange]:
    """What the page said when, in minutes after we noticed."""
    return [
        VendorStateChange(
            provider="openai",
            at=at(minutes),
            state=LETTERS[letter],
            headline="" if letter in "o?" else f"Trouble at {minutes:g}",
            url=URL,
        )
        for minutes, letter in said
    ]


@pytest.mark.parametrize(
    ("said", "words", "in_the_end"),
    [
        pytest.param(
            [(-60, "o"), (14, "p")],
            "noticed 14 min before status.openai.com",
            "noticed 14 min before status.openai.com",
            id="it says so after us",
        ),
        pytest.param(
            [(-60, "o"), (-3, "d")],
            "status.openai.com said so 3 min before us",
            "status.openai.com said so 3 min before us",
            id="it said so before us",
        ),
        pytest.param(
            [(-60, "o")],
            "status.openai.com still says operational",
            "status.openai.com said nothing of it",
            id="it says that all is well",
        ),
        pytest.param(
            [(-60, "o"), (2, "?")],
            "status.openai.com cannot be read",
            "status.openai.com could not be read",
            id="it cannot be read any more",
        ),
        pytest.param(
            [(-60, "o"), (2, "?"), (5, "p")],
            "noticed 5 min before status.openai.com",
            "noticed 5 min before status.openai.com",
            id="it could not be read for a while",
        ),
        pytest.param(
            [(-60, "d"), (-50, "o"), (9.5, "p")],
            "noticed 9 min 30 s before status.openai.com",
            "noticed 9 min 30 s before status.openai.com",
            id="what it took back before is another story",
        ),
        pytest.param(
            [(-10, "d"), (-5, "p"), (20, "d")],
            "status.openai.com said so 10 min before us",
            "status.openai.com said so 10 min before us",
            id="it found other words meanwhile",
        ),
        pytest.param(
            [(-10, "d"), (-5, "?"), (-2, "p")],
            "status.openai.com said so 10 min before us",
            "status.openai.com said so 10 min before us",
            id="to be unreadable is not to take it back",
        ),
        pytest.param(
            [(-60, "o"), (3, "p"), (9, "o"), (12, "p")],
            "noticed 3 min before status.openai.com",
            "noticed 3 min before status.openai.com",
            id="it took it back afterwards",
        ),
        pytest.param(
            [(0, "p")],
            "noticed at the same moment as status.openai.com",
            "noticed at the same moment as status.openai.com",
            id="at the same moment",
        ),
        pytest.param(
            [(1, "m")],
            "noticed 1 min before status.openai.com",
            "noticed 1 min before status.openai.com",
            id="a maintenance is an admission",
        ),
    ],
)
def test_who_knew_first(said: list[tuple[float, str]], words: str, in_the_end: str) -> None:
    """While the incident is open, and when it is over."""
    found = find_lead(T0, reports(*said))
    assert found
    assert lead_phrase(found, T0) == words
    assert lead_phrase(found, T0, over=True) == in_the_end


def test_who_was_never_asked_has_said_nothing() -> None:
    """A provider without a status page, or a service that has just started."""
    assert find_lead(T0, []) is None


def test_the_sentence_has_the_vendors_own_words() -> None:
    """And when the vendor claims that it began, which does not count."""
    [first] = reports((14, "p"))
    found = find_lead(T0, [replace(first, since=at(-4))])
    assert found == VendorClaim(
        page="status.openai.com",
        state=VendorState.PARTIAL_OUTAGE,
        headline="Trouble at 14",
        said_at=at(14),
        claimed_at=at(-4),
    )
    assert lead_sentence(found, T0) == (
        "Noticed 14 min before status.openai.com (partial outage: Trouble at 14, since 17:56 UTC)."
    )
    assert lead_sentence(replace(found, claimed_at=at(-1440)), T0).endswith("since 20 Nov 18:00 UTC).")
    assert lead_sentence(replace(found, claimed_at=None, headline=""), T0).endswith(
        "status.openai.com (partial outage)."
    )
    well = VendorClaim(page="status.openai.com", state=VendorState.OPERATIONAL)
    assert lead_sentence(well, T0) == "status.openai.com still says operational."


@given(
    times=st.lists(st.integers(-100, 100), max_size=8),
    letters=st.lists(st.sampled_from("o?dp"), min_size=8, max_size=8),
)
def test_once_said_it_stays_said(times: list[int], letters: list[str]) -> None:
    """Reading on changes nothing: so an incident is told of it once."""
    story = reports(*zip(sorted(times), letters, strict=False))
    known = [one for one in story if one.at <= T0]
    told = [find_lead(T0, story[:count]) for count in range(len(known), len(story) + 1)]
    for before, after in pairwise(one for one in told if one):
        assert before.said_at is None or before == after


def incident(provider: str = "openai", kind: IncidentKind = IncidentKind.OUTAGE) -> Incident:
    """One that we noticed at T0."""
    return Incident(id=1, provider=provider, kind=kind, opened_at=T0, affected=(), timeline=(), routes=())


def health(target: str, state: Health, minutes: float = 0) -> TargetHealth:
    """A target that is so since then."""
    return TargetHealth(target=target, health=state, since=at(minutes), reason="")


def test_vendors_are_heard_until_they_have_said_it() -> None:
    """Where an incident is open or about to be, but not where the fault is ours."""
    said = vendor_lead(incident(), IncidentKind.OUTAGE, reports((14, "p")))
    assert said
    assert unreported_providers([incident()], [health("openai/a", Health.DOWN, 3)]) == {"openai": T0}
    assert unreported_providers([], [health("openai/a", Health.DOWN, 3), health("openai/b", Health.DEGRADED, 2)]) == {
        "openai": at(2)
    }
    assert unreported_providers([replace(incident(), vendor=said)], [health("openai/a", Health.DOWN)]) == {}
    ours = [incident(kind=IncidentKind.CONFIGURATION)]
    assert unreported_providers(ours, [health("openai/a", Health.MISCONFIGURED), health("openai/b", Health.UP)]) == {}


def test_what_the_vendor_said_first_is_kept() -> None:
    """In an incident that is its fault; with one line of the timeline, at the time when we read it."""
    said = vendor_lead(incident(), IncidentKind.OUTAGE, reports((14, "p")))
    assert said
    assert vendor_lead(replace(incident(), vendor=said), IncidentKind.OUTAGE, reports((1, "d"))) == said
    assert vendor_lead(replace(incident(), vendor=said), IncidentKind.OUTAGE, []) == said
    assert vendor_lead(incident(), IncidentKind.CONFIGURATION, reports((14, "p"))) is None
    well = vendor_lead(incident(), IncidentKind.OUTAGE, reports((-9, "o")))
    assert list(vendor_entries(None, well)) == []
    line = TimelineEntry(at=at(14), text="status.openai.com says partial outage: Trouble at 14", kind=EntryKind.VENDOR)
    assert list(vendor_entries(None, said)) == list(vendor_entries(well, said)) == [line]
    assert list(vendor_entries(said, said)) == []
