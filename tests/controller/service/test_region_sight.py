"""People hear once that a region is silent or blind, and once that it is not."""

from datetime import UTC, datetime, timedelta

from controller.service.region_sight import RegionSight, region_events

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def told(before: str | None, *, silent_s: float = 1.0, blind_s: float | None = None, reporter: str = "h1") -> list[str]:
    """The kinds that follow."""
    since = None if blind_s is None else NOW - timedelta(seconds=blind_s)
    seen = RegionSight(region="eu", silent_s=silent_s, reporter=reporter, blind_since=since)
    return [event.kind for event in region_events(seen, before, NOW)]


def test_a_region_that_reports_is_no_news() -> None:
    """Nor is one that has been blind, or silent, for a moment."""
    assert told(None) == told(None, silent_s=29) == told(None, blind_s=59) == told("region_reports_again") == []


def test_silence_is_told_once() -> None:
    """And so is its end, also to whoever leads by then."""
    assert told(None, silent_s=30) == told("region_reports_again", silent_s=30) == ["region_silent"]
    assert told("region_silent", silent_s=3600) == []
    assert told("region_silent") == ["region_reports_again"]


def test_blindness_is_told_once() -> None:
    """A region that comes back blind is not well."""
    assert told(None, blind_s=60) == told("region_silent", blind_s=60) == ["region_blind"]
    assert told("region_blind", blind_s=600) == told("region_silent", blind_s=5) == []
    assert told("region_blind") == ["region_reports_again"]
    assert told("region_blind", silent_s=30, blind_s=90) == ["region_silent"]


def test_the_text_says_what_to_do() -> None:
    """The fact first, the number after."""
    seen = RegionSight(region="us", silent_s=40.0, reporter="host-7")
    [event] = region_events(seen, None, NOW)
    assert event.text == (
        "region us: nothing for 40 s (host-7 was the last); its targets become unknown, and its routes stay where they"
        " are. See that `hotspare run` runs there and reaches the database"
    )
    [event] = region_events(RegionSight(region="us", silent_s=40.0, reporter=""), None, NOW)
    assert "(no machine of it ever has)" in event.text
