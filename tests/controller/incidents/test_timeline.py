"""A timeline is in order of time, bounded, and keeps its numbers and what people said."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.incidents import text
from controller.incidents.incident import COMMENTS, EntryKind, Incident, IncidentKind, TimelineEntry
from controller.incidents.timeline import MAX_COMMENTS, comments_in, merge_entries, number_entries

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def line(at_s: int, kind: EntryKind = EntryKind.HEALTH, number: int = 0) -> TimelineEntry:
    """A line of that time."""
    return TimelineEntry(at=NOON + timedelta(seconds=at_s), text=f"at {at_s}", kind=kind, number=number)


def test_lines_are_told_in_order_of_time_and_once() -> None:
    """Also where one is known only later, as what a vendor said before we noticed."""
    story = merge_entries([line(5), line(9)], [line(2), line(9), line(7)])
    assert [one.text for one in story] == ["at 2", "at 5", "at 7", "at 9"]


def test_numbers_are_those_of_the_order_in_which_lines_became_known() -> None:
    """Whoever was told of everything up to a number was told of no line twice, and misses none."""
    first = number_entries(merge_entries([], [line(5), line(9)]))
    second = number_entries(merge_entries(first, [line(2), line(11)]))
    assert [(one.text, one.number) for one in second] == [("at 2", 3), ("at 5", 1), ("at 9", 2), ("at 11", 4)]
    assert number_entries(second) == second


MOST = 50


def test_a_full_timeline_keeps_its_beginning_and_its_newest_lines() -> None:
    """What goes is in the middle: however often an incident comes back, the last hour is there."""
    story = merge_entries([line(n, number=n + 1) for n in range(MOST)], [line(60), line(70)], MOST)
    assert len(story) == MOST
    assert [one.text for one in (*story[18:22], *story[-2:])] == [
        *("at 18", "at 19", "at 22", "at 23"),
        *("at 60", "at 70"),
    ]


def test_a_full_timeline_keeps_what_people_said() -> None:
    """A note at the worst moment is still there after a night of flapping."""
    story = merge_entries([line(n) for n in range(MOST)], [line(60, EntryKind.NOTE)], MOST)
    for n in range(100):
        story = merge_entries(story, [line(70 + n)], MOST)
    assert len(story) == MOST
    assert [one.text for one in comments_in(story)] == ["at 60"]
    assert story[-1].text == "at 169"


def test_what_is_left_out_is_counted() -> None:
    """Where the story is shown in short, and where it is too long to be stored."""
    stored = [line(n, number=n + 1) for n in range(60)]
    shown = text.abridged(stored, first=2, last=3)
    assert shown == [*stored[:2], "… 55 lines left out …", *stored[-3:]]
    assert text.abridged(stored[:6], first=2, last=3) == stored[:6]
    assert text.abridged(stored[:1], first=2, last=3) == stored[:1]
    said = replace(stored[30], kind=EntryKind.NOTE)
    assert text.abridged([*stored[:30], said, *stored[31:]], first=2, last=3)[2:4] == ["… 54 lines left out …", said]
    dropped = Incident(
        id=1,
        provider="openai",
        kind=IncidentKind.OUTAGE,
        opened_at=NOON,
        timeline=number_entries(merge_entries([], stored, MOST)),
    )
    assert text.whole_timeline(dropped) == [*stored[:20], "… 10 lines left out …", *stored[30:]]


def test_a_number_is_never_used_again() -> None:
    """A line that was known last and belongs among the earlier ones is kept while it has the highest number."""
    story = number_entries(merge_entries([], [line(n) for n in range(MOST)], MOST))
    story = number_entries(merge_entries(story, [line(25, EntryKind.VENDOR), line(60)], MOST))
    assert ("at 25", 51) in [(one.text, one.number) for one in story]
    story = number_entries(merge_entries(story, [line(70)], MOST))
    story = number_entries(merge_entries(story, [line(26, EntryKind.VENDOR)], MOST))
    last = number_entries(merge_entries(story, [line(80)], MOST))[-1]
    assert (last.text, last.number) == ("at 80", max(one.number for one in story) + 1)


STEPS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 300), st.sampled_from([EntryKind.HEALTH, EntryKind.MOVED, EntryKind.NOTE])), max_size=8
    ),
    max_size=30,
)


@pytest.mark.slow
@given(steps=STEPS)
def test_whatever_joins_it_is_bounded_and_no_number_is_used_twice(steps: list[list[tuple[int, EntryKind]]]) -> None:
    """At most fifty lines in order of time; every line keeps its number, and a number never means two lines."""
    story: tuple[TimelineEntry, ...] = ()
    meaning: dict[int, tuple[datetime, EntryKind]] = {}
    for step in steps:
        spare = MAX_COMMENTS - len(comments_in(story))
        fresh = [line(at, kind) for at, kind in step if kind not in COMMENTS]
        fresh += [line(at, kind) for at, kind in step if kind in COMMENTS][:spare]
        said = {*comments_in(story), *comments_in(fresh)}
        story = number_entries(merge_entries(story, fresh, MOST))
        assert len(story) <= MOST
        assert [one.at for one in story] == sorted(one.at for one in story)
        assert said == set(comments_in(story))
        for one in story:
            assert one.number > 0
            assert meaning.setdefault(one.number, (one.at, one.kind)) == (one.at, one.kind)
