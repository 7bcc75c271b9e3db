"""How long a provider asks us to wait."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.retry_after import retry_after_s

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
MONTH_S = 30 * 86400.0
EPOCH_S = 1795262400


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "6.57"}, 6.57),
        ({"retry-after": "121"}, 121.0),
        ({"retry-after": "7, 9"}, 7.0),
        ({"retry-after": "60s"}, 60.0),
        ({"retry-after": "1m30s"}, 90.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:01:30 GMT"}, 90.0),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:01:30 -0000"}, 90.0),
        ({"retry-after": "2026-11-21T12:01:30Z"}, 90.0),
        ({"retry-after": "2026-11-21T13:01:30+01:00"}, 90.0),
        ({"retry-after": str(EPOCH_S + 90)}, 90.0),
        ({"retry-after": "99999999999"}, MONTH_S),
        ({"retry-after": "1e308"}, MONTH_S),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "next week"}, None),
        ({"retry-after": "5s or so"}, None),
        ({"retry-after": "Sat, 99 Nov 2026 12:01:30 GMT"}, None),
        ({"retry-after": "9999-99-99T99:99:99Z"}, None),
        ({"retry-after": "1" * 10_000}, MONTH_S),
        ({"retry-after": "s" * 10_000}, None),
    ],
    ids=[
        "nothing",
        "seconds",
        "at once",
        "a fraction",
        "longer than a client of OpenAI waits",
        "two headers of one name",
        "seconds with their unit",
        "a duration",
        "milliseconds come first",
        "bad milliseconds do not",
        "a date",
        "a date that has passed",
        "a date without a zone",
        "a date as computers write it",
        "a date elsewhere",
        "seconds since 1970",
        "thirty days at most",
        "a number without end",
        "negative",
        "not a number",
        "for ever",
        "words",
        "a duration and words",
        "no day of any month",
        "no moment at all",
        "ten thousand digits",
        "ten thousand letters",
    ],
)
def test_every_form_of_the_header_is_read(headers: dict[str, str], seconds: float | None) -> None:
    """A sane number of seconds, or None."""
    assert retry_after_s(headers, now=NOW) == seconds


def limits(**stated: str) -> dict[str, str]:
    """Headers of limits: `tokens="0 until 6m0s"`, with `?` for a standing that is not said."""
    headers = {}
    for limit, state in stated.items():
        left, _, reset = state.partition(" until ")
        headers[f"x-ratelimit-reset-{limit}"] = reset
        headers |= {} if left == "?" else {f"x-ratelimit-remaining-{limit}": left}
    return headers


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (limits(requests="0 until 12ms"), 0.012),
        (limits(requests="0 until 1s"), 1.0),
        (limits(tokens="0 until 6m0s"), 360.0),
        (limits(tokens="0 until 1h2m"), 3720.0),
        (limits(tokens="0 until 59.86s"), 59.86),
        (limits(tokens="0 until 250"), 250.0),
        (limits(requests="59 until 1s", tokens="0 until 6m0s"), 360.0),
        (limits(requests="0 until 1s", tokens="0 until 6m0s"), 360.0),
        (limits(requests="59 until 1s", tokens="150 until 6m0s"), None),
        (limits(requests="? until 2m", tokens="? until 7s"), 7.0),
        (limits(requests="? until 2m", tokens="0 until 7s"), 7.0),
        ({"x-ratelimit-reset": str(EPOCH_S + 30)}, 30.0),
        ({"x-ratelimit-reset": str((EPOCH_S + 30) * 1000), "x-ratelimit-remaining": "0"}, 30.0),
        ({"ratelimit-reset": "30"}, 30.0),
        (
            {
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:01Z",
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2026-11-21T12:00:21Z",
            },
            21.0,
        ),
        ({"retry-after": "3"} | limits(tokens="0 until 6m0s"), 3.0),
        (limits(tokens="0 until never", requests="zero until 1e999"), None),
    ],
    ids=[
        "milliseconds",
        "a second",
        "minutes",
        "an hour",
        "a fraction",
        "a number of seconds",
        "only the limit that is reached counts",
        "of two that are reached the later",
        "none that is reached",
        "the next, where nothing is said of how they stand",
        "what is said to be reached comes first",
        "seconds since 1970",
        "milliseconds since 1970",
        "the name of the draft standard",
        "moments",
        "retry-after comes first",
        "nonsense",
    ],
)
def test_limits_say_when_they_are_replenished(headers: dict[str, str], seconds: float | None) -> None:
    """Of an answer that says we asked too much, and of no other: they stand in every answer."""
    assert retry_after_s(headers, now=NOW, limited=True) == seconds
    if "retry-after" not in headers:
        assert retry_after_s(headers, now=NOW) is None


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Rate limit reached for gpt-4o. Please try again in 6.57s. Visit https://x.example", 6.57),
        ("on tokens per day (TPD): Limit 100000. Please try again in 9m38.016s. Need more tokens?", 578.016),
        ("Please try again in 250ms.", 0.25),
        ("Please try again in 1h2m.", 3720.0),
        ("Please retry after 60 seconds.", 60.0),
        ("Please retry in 23.96s.", 23.96),
        ("Try again in 2 minutes and 5 seconds", 125.0),
        ("Too many requests, please wait 30 sec", 30.0),
        ("You will regain access on 2026-11-22 at 00:00 UTC.", 43200.0),
        ("You will regain access on 2027-02-01 at 00:00 UTC.", MONTH_S),
        ("The limit resets at 2026-11-21T12:05:00.123Z", 300.0),
        ("You will regain access on 2026-13-41 at 99:00 UTC.", None),
        ("Please try again later.", None),
        ("retry retry retry in the 5s", None),
        ("Please try again in 99999999999d", MONTH_S),
        ("the 30s deadline has passed", None),
        ("retry " * 10_000 + "in 5s", None),
    ],
)
def test_words_say_when(message: str, seconds: float | None) -> None:
    """A sentence of the provider counts where no header does, and a field of the body counts before it."""
    assert retry_after_s({}, now=NOW, message=message) == seconds
    assert retry_after_s({}, now=NOW, message=message, body_s=38.0) == 38.0
    assert retry_after_s({"retry-after": "1"}, now=NOW, message=message, body_s=38.0) == 1.0


@pytest.mark.parametrize("body_s", [math.nan, -1.0])
def test_a_senseless_field_of_the_body_does_not_count(body_s: float) -> None:
    """What is not a length of time is passed over."""
    assert retry_after_s({}, now=NOW, body_s=body_s, message="retry in 5s") == 5.0


NAMES = st.sampled_from(
    ["retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ratelimit-remaining", "x-ratelimit-reset-tokens"]
)
PIECES = st.sampled_from([*"0123456789.:-+TZ ,", "1e9", "nan", "inf", "ms", "h", "m", "s", "Sat, ", "Nov", "2026"])
STATED = st.text() | st.lists(PIECES, max_size=12).map("".join)


@given(headers=st.dictionaries(NAMES, STATED), words=STATED, body_s=st.none() | st.floats(), limited=st.booleans())
def test_nothing_that_is_said_makes_it_stumble(
    headers: dict[str, str], words: str, body_s: float | None, limited: bool
) -> None:
    """Whatever stands there, the wait is none or between nothing and thirty days."""
    message = f"try again in {words}, or until {words}"
    wait_s = retry_after_s(headers, now=NOW, body_s=body_s, message=message, limited=limited)

    assert wait_s is None or 0 <= wait_s <= MONTH_S
