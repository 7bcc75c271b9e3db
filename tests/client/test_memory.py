"""What the client remembers of the last minute."""

from hotspare_client.memory import BUDGET_LEAST, SKIP_S, Memory


def test_a_failure_is_remembered_for_five_seconds() -> None:
    """And forgotten afterwards."""
    memory = Memory()
    assert not memory.is_failing("a", 100.0)
    memory.note_failure("a", 100.0)
    assert memory.is_failing("a", 100.0 + SKIP_S - 0.01)
    assert not memory.is_failing("b", 100.0)
    assert not memory.is_failing("a", 100.0 + SKIP_S)


def test_the_budget_of_repeats() -> None:
    """Three a minute, or a tenth of the requests of the last minute; what is older does not count."""
    memory = Memory()
    assert [memory.take_extra(10.0) for _ in range(5)] == [True] * BUDGET_LEAST + [False] * 2
    for _ in range(50):
        memory.count_request(20.0)
    assert [memory.take_extra(30.0) for _ in range(4)] == [True, True, False, False]
    assert [memory.take_extra(69.9) for _ in range(1)] == [False]
    assert [memory.take_extra(100.0) for _ in range(4)] == [True, True, True, False]


def test_a_long_silence_leaves_nothing_behind() -> None:
    """A slot that was used an hour ago does not count for this minute."""
    memory = Memory()
    for _ in range(1000):
        memory.count_request(5.0)
    assert [memory.take_extra(3605.0) for _ in range(4)] == [True, True, True, False]
