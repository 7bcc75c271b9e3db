"""The rows that databases hold: what was written under the names of the fields then is read, and written the same."""

import json
from typing import Any

import pytest

from monitor.budget import tracker
from monitor.detection import provider_pool, target_state
from monitor.detection.target_state import CheckFailures
from probes.outcome import Outcome
from probes.target import Check
from tests.support.builders import T0
from tests.support.paths import ROOT

ROWS = [json.loads(line) for line in (ROOT / "tests/data/stored_states.jsonl").read_text().splitlines()]


def rows(kind: str) -> list[dict[str, Any]]:
    """The stored rows of one kind."""
    return [line["row"] for line in ROWS if line["kind"] == kind]


@pytest.mark.parametrize("row", rows("targets"))
def test_states_of_targets(row: dict[str, Any]) -> None:
    """Quiet ones, and such in the middle of every kind of trouble."""
    state = target_state.from_json(json.dumps(row))
    assert state is not None
    # The answers of the last two minutes, by which an earlier version found a target unusable, are of no use any more.
    kept = {name: value for name, value in row.items() if name != "answers"}
    assert json.loads(target_state.to_json(state)) == kept


@pytest.mark.parametrize("row", rows("providers"))
def test_evidence_against_providers(row: dict[str, Any]) -> None:
    """In the middle of an excursion."""
    assert json.loads(provider_pool.to_json(provider_pool.from_json(json.dumps(row)))) == row


@pytest.mark.parametrize("row", rows("budgets"))
def test_how_the_budget_throttles(row: dict[str, Any]) -> None:
    """With intervals stretched and a target stopped."""
    throttling = tracker.from_json(json.dumps(row))
    assert throttling is not None
    assert json.loads(tracker.to_json(throttling)) == row


def test_the_names_of_fields_that_are_called_otherwise_in_the_code() -> None:
    """Each of them with another value than its default."""
    since = "2026-11-21T18:00:00Z"
    check = {"check": "tool", "outcome": "timeout", "failed": 6, "failed_at": since, "mute": 2, "told_at": since}
    row = {"target": "a/b", "since": since, "calm": 7, "held": 8, "ailing": [check], "down": {"evidence": {"calm": 9}}}
    state = target_state.from_json(json.dumps(row))
    assert state is not None
    assert json.loads(target_state.to_json(state)) == row
    assert (state.clean_pending, state.clean_in_hold, state.down.evidence.clean_streak) == (7, 8, 9)
    [failures] = state.check_failures
    assert failures == CheckFailures(
        check=Check.TOOL, outcome=Outcome.TIMEOUT, failed=6, failed_at=T0, inconclusive=2, reported_at=T0
    )
