"""Single facts: instants are the viewer's, UTC where one points at them."""

from zoneinfo import ZoneInfo

import pytest

from tests.support.builders import T0
from ui import components

BERLIN = T0.astimezone(ZoneInfo("Europe/Berlin"))
NEW_YORK = T0.astimezone(ZoneInfo("America/New_York"))


def test_an_instant_is_in_the_zone_of_the_viewer() -> None:
    """With UTC as its title."""
    assert components.instant(T0, BERLIN).endswith('title="2026-11-21 18:00:00 UTC">19:00:00</time>')
    assert components.instant(T0, T0).endswith(">18:00:00</time>")


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("since 18:02:11 UTC", ">19:02:11</time>"),
        ("until 14:30 UTC: done", ">15:30</time>: done"),
        ("until 2026-07-01 23:30 UTC", ">2026-07-02 01:30</time>"),
        ("at 99:99:99 UTC", "at 99:99:99 UTC"),
        ("from 2026-99-99 12:00 UTC", "from 2026-99-99 12:00 UTC"),
    ],
)
def test_instants_in_sentences_are_the_viewers_too(sentence: str, shown: str) -> None:
    """Whoever wrote it; summer time is that of the day."""
    assert shown in components.prose(sentence, BERLIN)
    assert components.prose(sentence, T0) == sentence


def test_code_and_markup() -> None:
    """What stands between backticks is code; all else is text."""
    assert components.prose("run `x` <b>", NEW_YORK) == "run <code>x</code> &lt;b&gt;"
