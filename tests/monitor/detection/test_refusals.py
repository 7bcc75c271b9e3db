"""A target that refuses every probe as a bad request."""

from dataclasses import replace
from pathlib import Path

import pytest

from monitor.detection.detector import Detector
from monitor.detection.parameters import ProbeIdentity, probe_identity
from monitor.detection.target_state import TargetState, from_json, to_json
from monitor.health import Health, Transition
from probes.target import Check
from tests.support.builders import LETTERS, OUTCOMES, T0, fold, observation, parameters, settings, target

BY = parameters()
LUNA, TERRA, OTHER = "openai/gpt-6-luna", "openai/gpt-6-terra", "groq/llama"


@pytest.mark.parametrize(
    ("symbols", "letters"),
    [
        pytest.param(".BBBB", "UUUNN", id="it answered the same probe before"),
        pytest.param("BBBB", "??MM", id="it never answered"),
        pytest.param(".EEEE", "UUUNN", id="the refusal came inside a success"),
        pytest.param(".bbbb", "UUU??", id="a probe that failed on this machine says nothing"),
        pytest.param(".BB.BB.", "UUUUUUU", id="some refusals are none of all"),
        pytest.param(".BBfBBB", "UUU???N", id="a policy between them ends the row"),
        pytest.param(".ffff", "UUU??", id="a policy moves nothing"),
        pytest.param(".xxxBBBB", "USSDDDDD", id="down stays down"),
        pytest.param(".BBB.", "UUUNN", id="one answer does not bring it back"),
        pytest.param(".BBBa", "UUUNN", id="a refused key is to be confirmed"),
        pytest.param(".BBBaa", "UUUNNM", id="and then it is that"),
    ],
)
def test_what_a_row_of_refusals_means(symbols: str, letters: str) -> None:
    """Three refusals in a row of each check, over at least `min_outage`."""
    assert fold(symbols, BY)[0] == letters


def test_it_is_said_what_and_since_when() -> None:
    """With the status, the time, the provider's words, and that either side may have changed."""
    _, state = fold(".BBB", BY)

    assert state.reason == (
        "openai/gpt-6-luna is unusable: answers nothing but HTTP 404 since 18:00 UTC: the provider, or what it accepts,"
        " has changed; last: "
    )
    assert "answers nothing but errors inside HTTP 200 since 18:00 UTC" in fold(".EEE", BY)[1].reason
    assert fold("BBB", BY)[1].reason.startswith("openai/gpt-6-luna is misconfigured: it has never answered since")


def test_it_comes_back_as_from_down() -> None:
    """By the sequential test, and then a whole hold of clean probes."""
    _, refused = fold(".BBB", BY)
    letters, state = fold("." * 60, BY, record=refused)

    assert letters.startswith("N")
    assert letters.lstrip("N").startswith("R")
    assert letters.endswith("U")
    assert not state.refuses_all
    assert from_json(to_json(refused)) == refused


def test_a_short_row_waits_for_min_outage() -> None:
    """However many refusals it holds; and meanwhile nothing is known that was not known before."""
    assert fold("." + "B" * 8, BY, every_s=2)[0] == "U" * 8 + "U"
    assert fold("." + "B" * 9, BY, every_s=2)[0] == "U" * 9 + "N"


@pytest.mark.parametrize(
    ("probe", "last"),
    [
        (ProbeIdentity(version="0.0.1", settings=BY.probe.settings), Health.UNKNOWN),
        (ProbeIdentity(version=BY.probe.version, settings="others"), Health.MISCONFIGURED),
        (None, Health.UNKNOWN),
    ],
    ids=["another version of Hotspare", "other settings", "not known"],
)
def test_what_was_asked_before_decides(probe: ProbeIdentity | None, last: Health) -> None:
    """Only the very same probe tells that the other side has changed."""
    _, answered = fold("..", BY)

    assert fold("BBBB", BY, record=answered.replace(answered_as=probe))[1].health is last


def test_all_checks_must_be_refused() -> None:
    """One that was not asked three times yet is waited for, unless it was not asked for 20 intervals."""
    by = replace(BY, checks=(Check.CHAT, Check.TOOL))

    assert fold(".BBBB", by)[1].health is not Health.UNUSABLE
    assert fold("." + "B" * 22, by)[1].health is Health.UNUSABLE


@pytest.mark.parametrize("symbol", sorted(OUTCOMES))
def test_a_reason_is_about_now(symbol: str) -> None:
    """From the first observation on, whatever it is."""
    assert "no observations yet" not in fold(symbol, BY)[1].reason


def test_siblings_are_untouched(tmp_path: Path) -> None:
    """A refusal is no evidence against the provider."""
    letters = both("." * 3 + "B" * 5, "." * 8, tmp_path, LUNA, TERRA)

    assert letters == ("N", "U")


def test_refusals_at_two_providers_are_the_fault_of_the_probe(tmp_path: Path) -> None:
    """When they begin within an hour and speak one dialect; what was condemned for it is so no more."""
    assert both("." + "B" * 8, "." * 4 + "B" * 5, tmp_path, LUNA, OTHER) == ("?", "?")
    assert both("B" * 8, "B" * 8, tmp_path, LUNA, OTHER) == ("?", "?")
    assert both("." + "B" * 150, "." * 140 + "B" * 11, tmp_path, LUNA, OTHER) == ("N", "N")


def test_the_fault_of_the_probe_moves_nothing(tmp_path: Path) -> None:
    """However long it lasts, and whichever provider is asked."""
    detector = Detector(settings(tmp_path, LUNA, OTHER), T0)
    changes: list[Transition] = []
    for number, symbol in enumerate("...." + "B" * 40):
        for name in (LUNA, OTHER):
            changes += detector.observe(observation(symbol, at_s=30 * number, name=name))

    assert [change.after for change in changes] == [Health.UP, Health.UP, Health.UNKNOWN, Health.UNKNOWN]


def test_one_refusal_elsewhere_takes_no_verdict_back(tmp_path: Path) -> None:
    """It may be chance; while it lasts, it only holds a new verdict off."""
    assert both("." + "B" * 8, "." * 8 + "B", tmp_path, LUNA, OTHER) == ("N", "U")
    assert both("." * 3 + "BBB", "." * 5 + "B", tmp_path, OTHER, LUNA) == ("N", "U")
    assert both("." * 5 + "B", "." * 3 + "BBB", tmp_path, OTHER, LUNA) == ("U", "?")


def both(first: str, second: str, folder: Path, *names: str) -> tuple[str, ...]:
    """The health of two targets after these outcomes, one of each every 30 s."""
    detector = Detector(settings(folder, *names), T0)
    for number, symbols in enumerate(zip(first, second, strict=True)):
        for name, symbol in zip(names, symbols, strict=True):
            detector.observe(observation(symbol, at_s=30 * number, name=name))
    return tuple(LETTERS[detector.health[name].health] for name in names)


def test_the_probe_is_the_same_while_its_settings_are() -> None:
    """Whatever shapes the request counts; the interval does not."""
    of = target()

    assert probe_identity(of) == probe_identity(replace(of, interval_s=5))
    assert probe_identity(of) != probe_identity(replace(of, parameters={"temperature": 1}))
    assert OUTCOMES["B"] is OUTCOMES["b"]
    assert TargetState(target="t", since=T0).answered_as is None
