"""The page of a target: what came, with ids to copy, in the viewer's zone; nothing of it becomes markup."""

from dataclasses import replace

from controller.status.details.target import FailedProbe
from monitor.health import Health, TargetHealth, Transition
from probes.outcome import Outcome
from tests.support.builders import T0
from tests.support.details import target_detail
from ui import targets

HOSTILE = '<script>alert(1)</script>" onmouseover="x'


def test_a_failing_target_says_why() -> None:
    """Since when, with what evidence, and how the time was."""
    state = TargetHealth(target="openai/a", health=Health.DOWN, since=T0, reason=HOSTILE, evidence=12.5, threshold=9.8)
    html = targets.present(target_detail(), state, T0)
    assert "12.5 of 9.8" in html
    assert "66.7 % served" in html
    assert "3 probes, 1 more failed on our side" in html
    assert "<script" not in html


def test_checks_are_compared() -> None:
    """How each ended, and how long it took."""
    html = targets.checks(target_detail())
    assert "2 ok, 1 server_error" in html
    assert targets.checks(replace(target_detail(), checks={})) == ""


def test_a_failure_has_all_for_a_ticket() -> None:
    """Status, words, and an id that one click selects; what came may be hostile."""
    failure = FailedProbe(
        at=T0,
        check="chat",
        outcome=Outcome.SERVER_ERROR,
        detail=HOSTILE,
        http_status=500,
        request_id=HOSTILE,
        failed_here=True,
    )
    html = targets.failures(replace(target_detail(), failures=(failure,)), T0)
    assert ">500<" in html
    assert '<code class="hs-copy">&lt;script' in html
    assert "on our side" in html
    assert "<script" not in html
    assert 'onmouseover="' not in html
    assert "No probe failed" in targets.failures(target_detail(), T0)


def test_a_change_shows_the_evidence_against_the_threshold() -> None:
    """And from which health to which."""
    change = Transition(
        target="openai/a",
        at=T0,
        before=Health.SUSPECT,
        after=Health.DOWN,
        reason="9 of 14 probes failed",
        evidence=10.4,
        threshold=9.8,
        trail=(),
    )
    html = targets.verdicts(replace(target_detail(), transitions=(change,)), T0)
    assert html.index("suspect") < html.index("down</span>") < html.index("10.4 of 9.8")
    assert "did not change" in targets.verdicts(target_detail(), T0)


def test_pictures_have_words() -> None:
    """For those who do not see them."""
    detail = target_detail()
    assert targets.mix_in_words(detail) == "How the probes of openai/a ended: 2 ok, 1 server_error"
    assert "median 0.1" in targets.latency_in_words(detail)
    assert targets.phases_in_words(detail) == "chat, used connection: wait 500 ms, rest 250 ms"
