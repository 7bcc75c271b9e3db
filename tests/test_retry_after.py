"""How long a provider asks us to wait."""

from datetime import UTC, datetime

import pytest

from probes.retry_after import retry_after_s

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "6.57"}, 6.57),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:01:30 GMT"}, 90.0),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:01:30 -0000"}, None),
        ({"retry-after": "99999999999"}, 30 * 86400.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "next week"}, None),
        ({"retry-after": "1" * 10_000}, 30 * 86400.0),
    ],
    ids=[
        "nothing",
        "seconds",
        "at once",
        "a fraction",
        "milliseconds come first",
        "bad milliseconds do not",
        "a date",
        "a date that has passed",
        "a date without a zone",
        "thirty days at most",
        "negative",
        "not a number",
        "for ever",
        "words",
        "ten thousand digits",
    ],
)
def test_every_form_is_read(headers: dict[str, str], seconds: float | None) -> None:
    """A sane number of seconds, or None."""
    assert retry_after_s(headers, now=NOW) == seconds
