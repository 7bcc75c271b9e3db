"""Which key of a provider is used."""

import random
from datetime import timedelta

from controller.service.key_ring import AGAIN_AFTER, KeyRing
from tests.support.builders import T0

MINUTE = timedelta(minutes=1)


def test_the_first_that_works_is_used() -> None:
    """A refused one is left out until it works again; then it goes before those behind it."""
    ring = KeyRing(count=3)
    assert ring.next_key(T0) == 0
    assert ring.refuse(0, T0)
    assert not ring.refuse(0, T0), "that was known"
    assert (ring.next_key(T0), ring.in_use, ring.refused) == (1, 1, (0,))
    assert ring.refuse(1, T0)
    assert ring.next_key(T0) == 2
    assert ring.accept(0)
    assert not ring.accept(0)
    assert (ring.next_key(T0), ring.in_use) == (0, 0)


def test_a_refused_one_is_tried_by_one_probe_an_hour() -> None:
    """Whatever the number of probes; and when the clock was set back, at once."""
    ring = KeyRing(count=2)
    ring.refuse(0, T0)
    asked = [ring.next_key(T0 + number * MINUTE) for number in range(181)]
    assert [number for number, key in enumerate(asked) if key == 0] == [60, 120, 180]
    back = T0 - timedelta(days=400)
    assert [ring.next_key(back), ring.next_key(back)] == [0, 1]


def test_where_all_are_refused_each_has_its_turn() -> None:
    """So that any that works again is found by the next probes."""
    ring = KeyRing(count=3)
    for number in range(3):
        ring.refuse(number, T0)
    assert ring.in_use is None
    assert {ring.next_key(T0 + MINUTE) for _ in range(3)} == {0, 1, 2}


def test_it_never_names_a_key_that_is_not_there_or_known_to_be_refused() -> None:
    """Over any course: a refused key is asked again only when its hour is over, or when there is no other."""
    dice = random.Random(4)
    for count in (1, 2, 5):
        ring, now, put_aside = KeyRing(count=count), T0, dict[int, object]()
        for _ in range(2000):
            now += timedelta(minutes=dice.uniform(0, 30))
            number = ring.next_key(now)
            assert 0 <= number < count
            if number in put_aside and len(put_aside) < count:
                assert now - put_aside[number] >= AGAIN_AFTER  # type: ignore[operator]
            if dice.random() < 0.4:
                ring.refuse(number, now)
                put_aside[number] = now
            else:
                ring.accept(number)
                put_aside.pop(number, None)
            assert set(ring.refused) == put_aside.keys()
