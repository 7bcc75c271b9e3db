"""What a follower takes, and when it asks."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hotspare_client.follow import rules
from hotspare_client.table import Table, parse

from tests.support.routing_node import a_table, instant

NOW = datetime(2026, 11, 29, 9, 0, tzinfo=UTC)


def table(epoch: int, generation: int, age_s: float = 0.0) -> Table:
    """A table of this place, written so long ago; it is valid for 90 s."""
    written_at = instant(NOW - timedelta(seconds=age_s))
    return parse(json.dumps(a_table(epoch=epoch, generation=generation, written_at=written_at)).encode())


@pytest.mark.parametrize(
    ("offered", "held", "refusal"),
    [
        (table(0, 1), None, ""),
        (table(0, 43), table(0, 42), ""),
        (table(3, 1), table(0, 42), ""),
        (table(3, 1), table(2, 42), ""),
        (table(0, 42), table(0, 42), ""),
        (table(0, 42), table(0, 42, 30), ""),
        (table(0, 41), table(0, 42), "it offers epoch 0, generation 41, and the file has epoch 0, generation 42: "),
        (table(0, 43), table(3, 1), "it offers epoch 0, generation 43, and the file has epoch 3, generation 1: "),
        (table(0, 42, 30), table(0, 42), "it offers an older copy, of 2026-11-29 08:59:30Z"),
    ],
)
def test_what_is_taken(offered: Table, held: Table | None, refusal: str) -> None:
    """The order is that of (epoch, generation); within it, an older copy is none."""
    verdict = rules.judge(offered, held, is_current=True, is_stale=False, reset=False)
    assert verdict.refusal.startswith(refusal)
    assert bool(verdict.refusal) == bool(refusal)
    assert not verdict.keeps_heartbeat


def test_reset_takes_a_lower_one() -> None:
    """Of a database that was begun anew."""
    assert not rules.judge(table(0, 1), table(3, 42), is_current=True, is_stale=False, reset=True).refusal


def test_once_the_file_is_stale_an_earlier_clock_is_believed() -> None:
    """The clock of the writer was set back: its heartbeat moves, and is before that of the file."""
    assert not rules.judge(table(0, 42, 3600), table(0, 42), is_current=True, is_stale=True, reset=False).refusal


def test_what_nobody_confirms_makes_no_file_look_younger() -> None:
    """An old copy of the same place is not taken; of a higher one the routes are, without its heartbeat."""
    same = rules.judge(table(0, 42, 600), table(0, 42, 3600), is_current=False, is_stale=True, reset=False)
    assert same.refusal == "its heartbeat is of 2026-11-29 08:50:00Z: an old copy, or it has stopped"
    higher = rules.judge(table(0, 43, 600), table(0, 42, 3600), is_current=False, is_stale=True, reset=False)
    assert higher == rules.Verdict(keeps_heartbeat=True)
    no_younger = rules.judge(table(0, 43, 3600), table(0, 42, 600), is_current=False, is_stale=True, reset=False)
    assert no_younger == rules.Verdict()


def test_the_age_of_a_heartbeat() -> None:
    """By the clock at first; one that moves is no older than its predecessor's last sight; one that does not, ages."""
    wall_s = NOW.timestamp() + 3600
    first = rules.next_heartbeat(None, NOW, wall_s=wall_s, now_s=100)
    assert first.age_s == 3600
    same = rules.next_heartbeat(first, NOW, wall_s=wall_s, now_s=120)
    assert (same.age_s, same.age_at_s(130)) == (3620, 3630)
    moved = rules.next_heartbeat(same, NOW + timedelta(seconds=30), wall_s=wall_s, now_s=140)
    assert moved.age_s == 20
    back = rules.next_heartbeat(moved, NOW, wall_s=wall_s, now_s=141)
    assert back.age_s == 3600


def test_pauses() -> None:
    """Short within a round of the nodes, doubled after each round, ten seconds at most, and never all at once."""
    assert [rules.pause_s(failures, 3, 1.0) for failures in range(1, 7)] == [0.2, 0.2, 0.5, 0.2, 0.2, 1.0]
    assert rules.pause_s(3, 3, 0.0) == 0.25
    assert rules.pause_s(10_000_000, 1, 1.0) == 10.0


def test_whoever_does_not_wait_is_not_asked_all_the_time() -> None:
    """A proxy may answer a long poll at once."""
    assert rules.apart_s(0.1, 0.5, changed=False) == pytest.approx(0.9)
    assert rules.apart_s(20.0, 0.5, changed=False) == 0.0
    assert [rules.apart_s(9.0, draw, changed=True) for draw in (0.0, 1.0)] == pytest.approx([0.1, 0.3])


def test_waits() -> None:
    """A quarter of what a heartbeat is good for; less where they are cut off, and more again in time."""
    assert rules.wait_s(None) == 0.0
    assert rules.wait_s(table(0, 1)) == 20.0
    assert rules.wait_s(parse(json.dumps(a_table(valid_for_s=8)).encode())) == 2.0
    assert rules.next_longest_wait_s(20.0, 15.0, cut=True) == 7.5
    assert rules.next_longest_wait_s(20.0, 0.1, cut=True) == 20.0, "it did not wait, so nobody minds waiting"
    assert rules.next_longest_wait_s(1.5, 1.5, cut=True) == 1.0
    assert rules.next_longest_wait_s(7.5, 7.5, cut=False) == 8.5


@pytest.mark.parametrize("header", ["", "abc", '"a"b"', '"\r\nx: y"', f'"{"a" * 201}"', '"ü"'])
def test_what_is_no_tag_is_not_sent_back(header: str) -> None:
    """It would not fit into a header."""
    assert rules.tag_of(header) == ""
    assert rules.tag_of('W/"a-b"') == 'W/"a-b"'


def test_a_heartbeat_is_put_into_a_table() -> None:
    """And nothing else of it changes, lone surrogates apart, which no file can hold."""
    content = json.dumps(a_table(extra={"a": [1.5, "ü\ud800"]})).encode()
    changed = rules.with_heartbeat(content, "2026-11-29T09:00:00.000Z")
    assert rules.heartbeat_in(changed) == "2026-11-29T09:00:00.000Z"
    assert {**json.loads(changed), "written_at": ""} == {
        **json.loads(content),
        "written_at": "",
        "extra": {"a": [1.5, "ü?"]},
    }


def test_trouble_is_told_now_and_then() -> None:
    """At once, every ten seconds when it changes, and every five minutes."""
    assert rules.is_told("a", "", float("inf"))
    assert not rules.is_told("b", "a", 9)
    assert rules.is_told("b", "a", 10)
    assert not rules.is_told("a", "a", 299)
    assert rules.is_told("a", "a", 300)


def test_text_of_others_is_one_line() -> None:
    """Without what moves a terminal's cursor."""
    assert rules.printable("a\n\x1b[2Jb\u202ec") == "a  [2Jb c"
    assert rules.printable("x" * 500, 10) == "xxxxxxxxxx…"
