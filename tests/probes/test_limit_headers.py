"""Which limit is nearly used up, by the headers of all providers that state limits, and by hostile ones."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.limit_headers import LONGEST_LIMIT_S, NearLimit, nearly_used_up

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
OPENAI = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "2",
    "x-ratelimit-reset-requests": "12s",
    "x-ratelimit-limit-tokens": "150000",
    "x-ratelimit-remaining-tokens": "149984",
    "x-ratelimit-reset-tokens": "6ms",
}
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "20",
    "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:30Z",
    "anthropic-ratelimit-input-tokens-limit": "20000",
    "anthropic-ratelimit-input-tokens-remaining": "500",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-21T12:00:45Z",
}
MISTRAL = {"x-ratelimit-limit-req-minute": "30", "x-ratelimit-remaining-req-minute": "0"}


@pytest.mark.parametrize(
    ("headers", "near"),
    [
        pytest.param(OPENAI, NearLimit("2 of 60 requests", 12.0), id="OpenAI"),
        pytest.param(OPENAI | {"x-ratelimit-remaining-requests": "6"}, None, id="a tenth is enough"),
        pytest.param(ANTHROPIC, NearLimit("500 of 20,000 tokens", 45.0), id="Anthropic, by tokens"),
        pytest.param(MISTRAL, NearLimit("0 of 30 requests", 60.0), id="Mistral, which states no reset"),
        pytest.param(OPENAI | {"x-ratelimit-remaining-tokens": "0"}, NearLimit("2 of 60 requests", 12.0), id="6 ms"),
        pytest.param({"x-ratelimit-remaining-requests": "1"}, NearLimit("1 requests", 60.0), id="Azure, no limit"),
        pytest.param({"x-ratelimit-remaining-requests": "2"}, None, id="no limit, but two left"),
        pytest.param({"x-ratelimit-remaining-tokens": "1"}, None, id="a token is not the last request"),
        pytest.param({"x-ratelimit-remaining-requests": "-1", "x-ratelimit-remaining-tokens": "-1"}, None, id="-1"),
        pytest.param(MISTRAL | {"x-ratelimit-limit-req-minute": "-1"}, None, id="0 of -1"),
        pytest.param(MISTRAL | {"x-ratelimit-limit-req-minute": "0"}, None, id="0 of 0"),
        pytest.param(MISTRAL | {"x-ratelimit-limit-req-minute": "many"}, None, id="0 of many"),
        pytest.param(
            {"ratelimit-limit": "9", "ratelimit-remaining": "0", "ratelimit-reset": "0"}, None, id="reset now"
        ),
        pytest.param(
            {"ratelimit-limit": "9", "ratelimit-remaining": "0", "ratelimit-reset": "9999999"},
            NearLimit("0 of 9 requests", LONGEST_LIMIT_S),
            id="no longer than an hour",
        ),
        pytest.param({"x-tokens-remaining": "0", "remaining": "0"}, None, id="no limits of a rate"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_a_limit_that_is_nearly_used_up(headers: dict[str, str], near: NearLimit | None) -> None:
    """Under a tenth, of requests or tokens, whatever the names; the scarcest, for as long as it stays so."""
    assert nearly_used_up(headers, now=NOW) == near


PARTS = st.sampled_from(["x", "ratelimit", "remaining", "limit", "reset", "requests", "tokens", "anthropic", "day"])


@given(st.dictionaries(st.lists(PARTS, max_size=5).map("-".join), st.text() | st.floats().map(str), max_size=30))
def test_hostile_headers_give_a_short_plain_answer(headers: dict[str, str]) -> None:
    """No error, no endless wait, and no word of theirs."""
    near = nearly_used_up(headers, now=NOW)
    assert near is None or (0 < near.resets_s <= LONGEST_LIMIT_S and len(near.left) < 60)
    assert near is None or set(near.left) <= set("0123456789,of requests tokens")
