"""A report of probes is read as it was written; what is damaged costs nothing else."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.storage import probe_report
from monitor.storage.probe_report import ProbeReport, ReportedEvent
from probes.observation import Observation, replaced
from probes.outcome import Outcome

AT = datetime(2026, 11, 29, 12, 0, 1, 5000, tzinfo=UTC)
PROBE = Observation(target="a/m@eu", check="chat", started_at=AT, outcome=Outcome.OK, duration_s=0.5, region="eu")

_seconds = st.none() | st.floats(0, 100)


@given(
    st.lists(
        st.builds(
            Observation,
            target=st.text(),
            check=st.text(),
            started_at=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001 - made aware here
                lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC)
            ),
            outcome=st.sampled_from(Outcome),
            duration_s=st.floats(0, 3600),
            detail=st.text(),
            first_token_s=_seconds,
            cost_usd=_seconds,
            input_tokens=st.none() | st.integers(0, 10**9),
            fresh=st.booleans(),
            afresh=st.booleans(),
            under_way=st.booleans(),
            failed_here=st.booleans(),
        )
    )
)
def test_what_is_reported_is_read(observations: list[Observation]) -> None:
    """Every field, also those that few observations have."""
    report = ProbeReport(observations=tuple(observations), blind_since=AT)
    assert probe_report.decode(probe_report.encode(report)) == report


def test_a_lone_surrogate_costs_one_character() -> None:
    """JSON has no room for it."""
    report = ProbeReport(observations=(PROBE, replaced(PROBE, detail="bad \ud800 text")))
    read = probe_report.decode(probe_report.encode(report))
    assert [each.detail for each in read.observations] == ["", "bad \ufffd text"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "7", '{"observations": 7}', '{"observations": [], "blind_since": "now"}', "[" * 9999],
)
def test_what_is_no_report_is_counted(text: str) -> None:
    """It holds nothing, and says so."""
    assert probe_report.decode(text) == ProbeReport(damaged=1)


@pytest.mark.parametrize(
    "damage",
    [
        {"started_at": "2026-11-29T12:00:01"},
        {"started_at": "0001-01-01T00:00:00+23:00"},
        {"outcome": "splendid"},
        {"duration_s": None},
        {"duration_s": 1e300},
        {"duration_s": -1},
        {"target": 7},
    ],
)
def test_a_damaged_observation_costs_no_other(damage: dict[str, object]) -> None:
    """It is counted."""
    whole = json.loads(probe_report.encode(ProbeReport(observations=(PROBE, PROBE))))
    whole["observations"][0] |= damage
    assert probe_report.decode(json.dumps(whole)) == ProbeReport(observations=(PROBE,), damaged=1)


def test_a_later_version_may_say_more() -> None:
    """Machines of a fleet are not all updated at once."""
    whole = json.loads(probe_report.encode(ProbeReport(observations=(PROBE,))))
    whole["observations"][0]["mood"] = "sunny"
    assert probe_report.decode(json.dumps({**whole, "more": 1})) == ProbeReport(observations=(PROBE,))


def test_instants_are_kept_as_rows_keep_them() -> None:
    """Whoever goes on from the database goes on from the same."""
    early = ProbeReport(observations=(replaced(PROBE, started_at=AT + timedelta(microseconds=999)),))
    assert probe_report.decode(probe_report.encode(early)).observations[0].started_at == AT


def test_damaged_events_cost_no_probe() -> None:
    """They are counted as one."""
    event = ReportedEvent(at=AT, kind="key_refused", subject="a", text="\ud800 is refused")
    whole = probe_report.encode(ProbeReport(observations=(PROBE,), events=(event,)))
    assert [each.kind for each in probe_report.decode(whole).events] == ["key_refused"]
    damaged = probe_report.decode(whole.replace('"kind"', '"sort"'))
    assert (damaged.observations, damaged.events, damaged.damaged) == ((PROBE,), (), 1)
