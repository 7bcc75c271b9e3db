"""What is to run when."""

from datetime import timedelta

from monitor.detection.timetable import Timetable
from tests.support.builders import T0


async def run(_argument: object) -> None:
    """Stands for a probe."""


def due(table: Timetable, at_s: float) -> list[str]:
    """The names of what is due then."""
    return [entry.name for entry in table.take_due(T0 + timedelta(seconds=at_s))]


def test_what_runs_again_and_again_keeps_its_times() -> None:
    """Of several missed runs one is made, however late; the next is where it would have been."""
    table = Timetable()
    table.plan("a", run, None, T0, timedelta(seconds=10))
    assert (due(table, -1), due(table, 0), due(table, 0)) == ([], ["a"], [])
    assert due(table, 400 * 86_400 + 3) == ["a"]
    assert table.next_due == table.due_of("a") == T0 + timedelta(days=400, seconds=10)


def test_the_earliest_comes_first_and_the_last_plan_of_a_name_counts() -> None:
    """What is due at the same instant comes in the order in which it was planned."""
    table = Timetable()
    for name, at_s in (("a", 3), ("b", 2), ("c", 2), ("a", 1), ("b", 9), ("d", 1)):
        table.plan(name, run, None, T0 + timedelta(seconds=at_s))
    table.remove("d")
    assert (due(table, 5), due(table, 10), table.next_due) == (["a", "c"], ["b"], None)


def test_what_is_replaced_ever_again_takes_no_room() -> None:
    """A provider's next extra probe is planned anew with each failure."""
    table = Timetable()
    for number in range(10_000):
        table.plan("a", run, None, T0 + timedelta(hours=1, seconds=number))
    assert len(table._heap) < 200
    table.clear()
    assert (table.next_due, table.due_of("a")) == (None, None)
