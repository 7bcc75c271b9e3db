"""What the detector remembers survives a restart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.detection.background import BackgroundRate
from monitor.detection.evidence import EvidenceTrack
from monitor.detection.target_state import TargetState, from_json, to_json
from monitor.health import Health
from tests.support.builders import OUTCOMES, T0, fold, parameters

SEEN = st.text("".join(OUTCOMES) + "..........xxx", max_size=50)
#: As versions wrote it that had one `quality` for all poor answers and kept the background with the evidence.
_FORMERLY = (
    '{"target":"openai/gpt-6-luna","since":"2026-11-21T18:00:30.100000Z","health":"%s","reason":"openai/gpt-6-luna is '
    '%s: 3 of 3 probes failed in 1 min","down":{"value":%s,"failures":3,"probes":3,'
    '"since":"2026-11-21T18:00:30.100000Z","outcomes":{"server_error":3},'
    '"background":{"failures":1.0,"probes":2000.0}},"quality":{"value":7.1,"failures":2,"probes":2,'
    '"since":"2026-11-21T18:00:30.100000Z","outcomes":{"slow":2},"background":{"probes":1.0}},"answers":'
    '[{"at":"2026-11-21T18:00:00.100000Z","bad":true}],"last_started_at":"2026-11-21T18:01:30Z",'
    '"last_seen_at":"2026-11-21T18:01:30.100000Z","last_ok_at":"2026-11-21T18:00:00.100000Z"}'
)


@pytest.mark.parametrize("seen", ["", ".", ".x", ".xxx....", ".aa", ".sswwrr", ".xxx" + "." * 20, ".bb", ".wbr"])
def test_a_record_comes_back_exactly(seen: str) -> None:
    """Through JSON and back nothing is lost."""
    record = fold(seen, parameters())[1] if seen else TargetState(target="openai/gpt-6-luna", since=T0)
    assert from_json(to_json(record)) == record


@pytest.mark.parametrize(
    "text", ["", "null", "{}", "[]", '{"target": 1}', "\x00", '{"target": "a/b", "since": "soon"}']
)
def test_what_is_not_a_record_is_none(text: str) -> None:
    """A foreign or broken record is no error: its history is folded anew."""
    assert from_json(text) is None


@given(SEEN, SEEN)
def test_it_goes_on_after_a_restart_as_without_one(before: str, after: str) -> None:
    """In the middle of whatever is going on."""
    _, record = fold(before, parameters())
    again = from_json(to_json(record))
    assert again == record
    assert fold(after, parameters(), record=again) == fold(after, parameters(), record=record)


@pytest.mark.parametrize(
    ("health", "evidence", "then"),
    [
        pytest.param(Health.UP, 0, ("..x", "UUS"), id="up"),
        pytest.param(Health.SUSPECT, 8.2, (".", "U"), id="suspect: what was held against it is weighed anew"),
        pytest.param(Health.SUSPECT, 8.2, ("xxx", "SSD"), id="suspect and failing: found out all the same"),
        pytest.param(Health.DOWN, 11.9, ("." * 9, "DDDDDDDDR"), id="down: recovers as from any outage"),
        pytest.param(Health.DEGRADED, 0, ("." * 9, "GGGGGGGGU"), id="degraded"),
        pytest.param(Health.UNUSABLE, 0, ("." * 9, "GGGGGGGGU"), id="unusable"),
        pytest.param(Health.MISCONFIGURED, 0, ("." * 9, "MMMMMMMMR"), id="misconfigured"),
    ],
)
def test_a_record_of_a_former_version_is_gone_on_from(health: Health, evidence: float, then: tuple[str, str]) -> None:
    """Its health, times and what it had learned are kept; nothing is condemned or forgiven by the update."""
    record = from_json(_FORMERLY % (health, health, evidence))
    assert record is not None
    assert (record.health, record.down) == (health, EvidenceTrack(background=BackgroundRate(failures=1, probes=2000)))
    assert fold(then[0], parameters(), record=record)[0] == then[1]


def test_a_record_that_counted_what_said_nothing_over_all_checks_is_gone_on_from() -> None:
    """As the last version wrote it: the count begins anew, check by check."""
    record = from_json('{"target":"openai/gpt-6-luna","since":"2026-11-21T18:00:30Z","health":"up","mute":2}')
    assert record is not None
    assert fold("bbb", parameters(), record=record)[0] == "UU?"


@pytest.mark.parametrize(
    ("seen", "proven"),
    [("." * 8, False), ("." * 9, True), (".x" + "." * 12, False), (".xxx" + "." * 36, True), ("." * 40 + "x", True)],
)
def test_a_target_is_proven_by_its_good_answers_or_its_return(seen: str, proven: bool) -> None:
    """Nine good answers at the start, more where some fail; coming back from an outage is proof as well."""
    _, state = fold(seen, parameters())
    assert state.target_health(parameters()).proven is proven
