"""What the drill tells people: facts in, lines out."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hotspare_client import Target

from controller.demo import narration
from controller.demo.narration import NarrationBuilder, ServiceSnapshot, Summary
from controller.demo.scenes import SCENES, Awaited
from monitor.health import Health, TargetHealth, Transition
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check

_START = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
_LUNA = "openai/gpt-6-luna"


def _at(seconds: float) -> datetime:
    return _START + timedelta(seconds=seconds)


def _state(health: Health, evidence: float) -> Mapping[str, TargetHealth]:
    state = TargetHealth(target=_LUNA, health=health, since=_START, reason="", evidence=evidence, threshold=10.0)
    return {_LUNA: state}


def _seen(seconds: float, outcome: Outcome, target: str = _LUNA) -> Observation:
    """An observation whose verdict was in so many seconds after the start."""
    return Observation(
        target=target,
        check=Check.CHAT,
        started_at=_at(seconds) - timedelta(seconds=0.5),
        outcome=outcome,
        duration_s=0.5,
        detail="" if outcome is Outcome.OK else "HTTP 500",
    )


def _change(seconds: float, before: Health, after: Health) -> Transition:
    return Transition(target=_LUNA, at=_at(seconds), before=before, after=after, reason=f"{_LUNA} is {after}: 3 of 4")


def _narrator(*, outage: bool = True) -> NarrationBuilder:
    told = NarrationBuilder()
    if outage:
        told.begin_outage([_LUNA], _at(10))
    return told


def test_the_first_failed_probe_is_told_once() -> None:
    """Only the first failure after the outage began is news, with the time it took to be seen."""
    told = _narrator()
    seen = [_seen(9, Outcome.TIMEOUT), _seen(10.5, Outcome.OK), _seen(12, Outcome.SERVER_ERROR)]
    (line,) = told.report(ServiceSnapshot(at=_at(12.2), observations={_LUNA: seen}))
    assert line.topic == "probe"
    assert line.text == f"the first one failed 2.0 s after the outage began: {_LUNA}, server_error (HTTP 500)"
    again = {_LUNA: [*seen, _seen(12.9, Outcome.SERVER_ERROR)]}
    assert told.report(ServiceSnapshot(at=_at(13), observations=again)) == []


@pytest.mark.parametrize(
    ("outage", "seen"),
    [
        pytest.param(False, _seen(12, Outcome.SERVER_ERROR), id="a failure before the outage is no news"),
        pytest.param(True, _seen(12, Outcome.SERVER_ERROR, "gemini/other"), id="a failure elsewhere is no news"),
        pytest.param(True, _seen(12, Outcome.SLOW), id="a slow answer is no failure"),
    ],
)
def test_failures_that_are_not_the_outage_are_not_told(outage: bool, seen: Observation) -> None:
    """The timeline speaks of the outage's own failures."""
    assert _narrator(outage=outage).report(ServiceSnapshot(at=_at(13), observations={seen.target: [seen]})) == []


def test_evidence_is_told_as_it_passes_each_quarter() -> None:
    """Rising evidence makes one line per quarter of the threshold; falling evidence makes none."""
    told = _narrator()
    course = [1.0, 4.1, 3.8, 4.2, 7.9, 7.5]
    texts = [
        [one.text for one in told.report(ServiceSnapshot(at=_at(12), health=_state(Health.SUSPECT, e)))] for e in course
    ]
    assert texts == [
        [],
        [f"against {_LUNA}: 4.1 of the 10.0 that make a verdict"],
        [],
        [],
        [f"against {_LUNA}: 7.9 of the 10.0 that make a verdict"],
        [],
    ]


def test_evidence_is_no_news_once_the_verdict_is_in() -> None:
    """A target that is down already needs no more evidence."""
    assert _narrator().report(ServiceSnapshot(at=_at(20), health=_state(Health.DOWN, 25.0))) == []


def test_changes_of_health_are_told_once_in_the_words_of_the_service() -> None:
    """The reason sentence of the transition is the line; start-up and suspicion are not told."""
    told = _narrator()
    changes = [
        _change(1, Health.UNKNOWN, Health.UP),
        _change(12, Health.UP, Health.SUSPECT),
        _change(16, Health.SUSPECT, Health.DOWN),
        _change(40, Health.DOWN, Health.RECOVERING),
        _change(60, Health.RECOVERING, Health.UP),
    ]
    lines = [
        line for n in range(6) for line in told.report(ServiceSnapshot(at=_at(60), transitions=tuple(changes[:n])))
    ]
    assert [(line.at, line.text, line.good) for line in lines] == [
        (_at(16), f"{_LUNA} is down: 3 of 4", False),
        (_at(40), f"{_LUNA} is recovering: 3 of 4", True),
        (_at(60), f"{_LUNA} is up: 3 of 4", True),
    ]


def test_a_second_outage_is_reported_like_the_first() -> None:
    """Its first failed probe counts from its own beginning, and evidence begins anew."""
    told = _narrator()
    first = [_seen(12, Outcome.SERVER_ERROR)]
    told.report(ServiceSnapshot(at=_at(13), observations={_LUNA: first}, health=_state(Health.SUSPECT, 5.0)))
    told.begin_outage([_LUNA], _at(40))
    facts = ServiceSnapshot(
        at=_at(45),
        observations={_LUNA: [*first, _seen(43, Outcome.AUTH)]},
        health=_state(Health.SUSPECT, 5.0),
    )
    assert [line.text for line in told.report(facts)] == [
        f"the first one failed 3.0 s after the outage began: {_LUNA}, auth (HTTP 500)",
        f"against {_LUNA}: 5.0 of the 10.0 that make a verdict",
    ]


def test_lines_come_in_the_order_of_what_happened() -> None:
    """Facts that arrive together are told by their own times."""
    facts = ServiceSnapshot(
        at=_at(17),
        observations={_LUNA: [_seen(12, Outcome.SERVER_ERROR)]},
        health=_state(Health.SUSPECT, 5.0),
        transitions=(_change(16, Health.SUSPECT, Health.DOWN),),
    )
    assert [line.topic for line in _narrator().report(facts)] == ["probe", "health", "evidence"]


def test_a_moved_route_says_where_to_and_after_how_long() -> None:
    """The routing file's own reason is part of the line."""
    target = Target(
        id="anthropic/claude-haiku-5-5",
        provider="anthropic",
        model="claude-haiku-5-5",
        dialect="anthropic",
        base_url="http://127.0.0.1:9",
        api_key_env=None,
        health="up",
        route="chat",
        reason=f"{_LUNA} is down",
        since=_at(16),
    )
    line = narration.route_moved(target, after_s=6.04, event="the outage began", began_at=_at(10))
    assert line.text == f"chat now points at anthropic/claude-haiku-5-5, 6.0 s after the outage began: {_LUNA} is down"


def test_a_route_that_could_stay_says_that_it_serves_again() -> None:
    """Where everything failed, the provider that it stands on may be the first to come back."""
    target = Target(
        id="anthropic/claude-haiku-5-5",
        provider="anthropic",
        model="claude-haiku-5-5",
        dialect="anthropic",
        base_url="http://127.0.0.1:9",
        api_key_env=None,
        health="recovering",
        route="chat",
        reason="",
        since=_at(5),
    )
    line = narration.route_moved(target, after_s=9.04, event="anthropic came back", began_at=_at(20))
    text = "chat stays on anthropic/claude-haiku-5-5, which serves again, 9.0 s after anthropic came back"
    assert (line.at, line.text) == (_at(29.04), text)


def test_slack_is_shown_as_people_read_it() -> None:
    """Slack's escapes are undone once, and the text stands in one line."""
    line = narration.slack_message(_START, "🔴 down\n&lt;!channel&gt; &amp;lt;", edited=False)
    assert line.text == "new message: 🔴 down – <!channel> &lt;"


def test_the_introduction_says_how_fast_time_runs() -> None:
    """Nobody may take the demo's seconds for those of real life."""
    text = " ".join(line.text for line in narration.introduction(_START, SCENES[0], page="x"))
    assert "2 s instead of 30 s" in text
    assert "1 s instead of 15 s" in text
    assert "20 s instead of 5 min" in text


def _summary(**changed: object) -> Summary:
    fine: dict[str, object] = {
        "scene": "outage",
        "probe_interval_s": 2.0,
        "time_to_flip_s": 6.04321,
        "time_to_return_s": 31.5,
        "slack_delivered": 4,
        "slack_undelivered": 0,
        "failed_share": {"quiet": 0.0, "outage": 0.123456, "outage_without_failover": 0.5, "after": None},
    }
    return Summary(**{**fine, **changed})  # type: ignore[arg-type]  # each value has its field's type


def test_the_summary_is_the_documented_one() -> None:
    """The keys are those of the contract, in seconds and shares; nothing known is null."""
    assert _summary().document() == {
        "scene": "outage",
        "probe_interval_s": 2.0,
        "time_to_flip_s": 6.04,
        "time_to_return_s": 31.5,
        "slack_delivered": 4,
        "slack_undelivered": 0,
        "failed_share": {"quiet": 0.0, "outage": 0.1235, "outage_without_failover": 0.5, "after": None},
    }


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        pytest.param({"missed": Awaited.SERVED}, "did not leave", id="the route stayed"),
        pytest.param({"missed": Awaited.HOME}, "did not come back", id="the route did not return"),
        pytest.param({"slack_delivered": 0}, "notified of nothing", id="Slack heard nothing"),
        pytest.param({"slack_undelivered": 1}, "could not be delivered", id="Slack missed the last word"),
    ],
)
def test_a_drill_without_everything_that_had_to_happen_has_failed(changed: dict[str, object], problem: str) -> None:
    """Each missing piece is a problem of its own, and the last lines say so."""
    (sentence,) = _summary(**changed).problems
    assert problem in sentence
    _, line = narration.drill_result(_START, _summary(**changed))
    assert sentence in line.text
    assert line.good is False


def test_a_good_drill_has_passed() -> None:
    """Nothing is missing, and the verdict has the two times."""
    assert _summary().problems == ()
    _, line = narration.drill_result(_START, _summary())
    assert "after 6.0 s" in line.text
    assert "31.5 s after the end" in line.text


def test_what_users_felt_is_told_in_percent() -> None:
    """Before, during, without failover, after; a dash where nobody asked."""
    line, _ = narration.drill_result(_START, _summary())
    assert line.text == "failed requests: before 0.0 %, during the outage 12.3 % (without failover 50.0 %), after –"
