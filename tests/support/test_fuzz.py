"""A few hundred damaged answers of every dialect; `make fuzz` goes on for as long as one likes."""

import asyncio
import base64
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.dialects.registry import DIALECTS
from probes.outcome import Outcome
from probes.request_reply import Reply
from tests.probes.test_outcome import RECORDED
from tests.support.fuzz import FlawError, hold_no_key, run, tried
from tests.support.mutations import Case, mutant
from tests.support.oddities import KEY


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One for all answers."""
    with asyncio.Runner() as runner:
        yield runner.get_loop()


@pytest.mark.slow
@settings(deadline=None, max_examples=400)
@given(seed=st.integers(0, 2**32))
def test_any_answer_has_one_outcome(loop: asyncio.AbstractEventLoop, seed: int) -> None:
    """Whatever is done to an answer, reading it ends in one outcome, within bounds, and shows no key."""
    assert tried(loop, mutant(random.Random(seed)), shown=seed % 4 == 0) in Outcome


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_dialect_is_left_out(dialect: str) -> None:
    """The dice have answers of every dialect to damage."""
    assert any(recorded.dialect == dialect for recorded in RECORDED)


def test_an_answer_is_kept_as_it_was() -> None:
    """What has failed once can be tried again from its file."""
    for number in range(50):
        case = mutant(random.Random(number))
        assert Case.from_json(case.as_json()) == case


@pytest.mark.slow
def test_a_bug_is_found_made_smaller_and_kept(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dialect that stumbles over a word fails the run, and what it stumbles over is what is kept."""

    def stumbling(body: Mapping[str, Any]) -> Reply:
        raise KeyError(body["usage"])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(DIALECTS, "anthropic", replace(DIALECTS["anthropic"], read_reply=stumbling))
    good, bad = (case_of("bedrock", "answer"), case_of("anthropic", "answer"))

    assert run(loop, [good, bad, bad], seconds=60) == 1
    (kept,) = (tmp_path / "var" / "fuzz").iterdir()
    assert "case 1: KeyError at test_fuzz.py" in capsys.readouterr().out
    assert len(Case.from_json(kept.read_text()).body) < len(bad.body) / 2
    assert run(loop, [Case.from_json(kept.read_text())], seconds=60) == 1
    assert run(loop, [good], seconds=60) == 0


@pytest.mark.parametrize("shown", [KEY[4:12], base64.b64encode(KEY.encode()).decode()])
def test_a_shown_key_is_a_failure(shown: str) -> None:
    """The target notices a piece of the key, and the key in base64."""
    with pytest.raises(FlawError, match="a piece of the key is shown"):
        hold_no_key(f"it says: {shown}!")
    hold_no_key(KEY[4:11])


def case_of(dialect: str, name: str) -> Case:
    """A recorded answer as it is."""
    recorded = next(one for one in RECORDED if (one.dialect, one.name) == (dialect, name))
    headers = tuple(recorded.headers)
    return Case(
        dialect=dialect, check=recorded.check, status=recorded.status, headers=headers, body=recorded.body, cuts=()
    )
