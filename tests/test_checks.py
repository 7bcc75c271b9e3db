"""What is asked, and what counts as an answer."""

import pytest

from probes.checks import prompt, satisfied
from probes.target import Check


@pytest.mark.parametrize("check", Check)
def test_the_prompt_holds_the_nonce_and_is_short(check: Check) -> None:
    """The nonce must come back from an echo that keeps 120 characters."""
    asked = prompt(check, "k7f3q9x2")

    assert "k7f3q9x2" in asked
    assert len(asked) <= 100


@pytest.mark.parametrize(
    ("reply", "good"),
    [
        ("k7f3q9x2", True),
        ("K7F3Q9X2.", True),
        ("Hello! You said: Reply with exactly this word: k7f3q9x2", True),
        ("", False),
        ("k7f3 q9x2", False),
        ("k7f3q9x", False),
    ],
)
@pytest.mark.parametrize("check", Check)
def test_a_reply_with_the_nonce_satisfies(check: Check, reply: str, good: bool) -> None:
    """The nonce is enough, whatever stands around it; anything less is not."""
    assert satisfied(check, "k7f3q9x2", reply) is good
