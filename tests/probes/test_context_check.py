"""The check `context`: how large its request is, and by which deadlines it is asked."""

from dataclasses import replace

import pytest

from probes.checks import Task, find_flaw, usual_tokens
from probes.context_check import CONTEXT, ContextCheck
from probes.request_reply import Reply
from probes.target import Check
from tests.support.builders import target

WORD = "k7f3q9x2"


@pytest.mark.parametrize("tokens", [1, 100, 50_000])
def test_the_request_has_the_size_that_is_asked_for(tokens: int) -> None:
    """Four characters a token; the word that is asked for is new each time, and stands before all the text."""
    custom = ContextCheck(tokens=tokens).task
    task = Task(check=CONTEXT, nonce=WORD, custom=custom)
    assert task.prompt.index(WORD) < 60
    assert abs(len(task.prompt) - 4 * tokens) <= 120
    assert find_flaw(task, Reply(text=f"It is {WORD.upper()}.")) is None
    assert "lacks" in (find_flaw(task, Reply(text="the sun was hot")) or "")
    asked = replace(target("openai/m"), context_check=ContextCheck(tokens=tokens))
    assert usual_tokens(asked, CONTEXT)[0] == pytest.approx(tokens, abs=60)


def test_it_has_deadlines_of_its_own() -> None:
    """A long request takes its time, so that none is slow; other checks keep theirs."""
    plain = target("openai/m")
    asked = replace(plain, context_check=ContextCheck(tokens=9, timeout_s=60.0))
    long = asked.with_deadlines_of(CONTEXT)
    assert (long.timeouts.total_s, long.timeouts.first_token_s, long.slow_s) == (60.0, 60.0, 60.0)
    assert long.timeouts.connect_s == plain.timeouts.connect_s
    assert asked.with_deadlines_of(Check.CHAT) is asked
    assert plain.with_deadlines_of(CONTEXT) is plain
    assert (asked.own_checks, plain.own_checks, plain.own_check(CONTEXT)) == ((CONTEXT,), (), None)
