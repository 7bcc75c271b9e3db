"""What several regions show of a provider together, and that one region never condemns another."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.detection.detector import Detector
from monitor.health import Health
from tests.support.builders import T0, in_regions, observation, settings

EVERY_S = 30.0


def detector(*regions: str, models: Sequence[str] = ("openai/gpt", "anthropic/claude")) -> Detector:
    """One that knows these models, probed from these regions."""
    return Detector(in_regions(settings(Path("/nowhere"), *models), regions), T0)


def play(judge: Detector, seen: Mapping[str, str], rounds: int = 4, *, blind: str = "") -> dict[str, Health]:
    """The health of the model in each region after so many rounds of probes, which end as its symbol says."""
    for number in range(rounds):
        for place, (region, symbol) in enumerate(seen.items()):
            at_s = number * EVERY_S + place * EVERY_S / len(seen)
            probe = observation(symbol, at_s=at_s, name=f"openai/gpt@{region}")
            judge.observe(probe, blind=region == blind and symbol != ".")
            judge.tick(probe.finished_at)
    return {region: judge.health_of(f"openai/gpt@{region}").health for region in seen}


def test_what_all_regions_see_is_evidence_for_each() -> None:
    """Three regions that fail once in turn and once more condemn before one of them alone would."""
    together, alone = detector("eu", "us", "ap"), detector("eu", "us", "ap")
    assert set(play(together, {"eu": "x", "us": "x", "ap": "x"}, rounds=2).values()) == {Health.DOWN}
    assert play(alone, {"eu": "x", "us": ".", "ap": "."}, rounds=2)["eu"] is not Health.DOWN
    reason = together.health_of("openai/gpt@eu").reason
    assert "down: 4 of 4 probes failed in 30 s (server_error) from 3 of its 3 regions; evidence" in reason


@pytest.mark.parametrize("others", [("us",), ("us", "ap"), ("us", "ap", "sa", "af")])
def test_one_region_moves_itself_alone(others: tuple[str, ...]) -> None:
    """A provider that only one region cannot reach is down there, and up elsewhere, however long it lasts."""
    judge = detector("eu", *others)
    health = play(judge, {"eu": "x"} | dict.fromkeys(others, "."), rounds=30)
    assert health == {"eu": Health.DOWN} | dict.fromkeys(others, Health.UP)


def test_a_tie_keeps() -> None:
    """Two of four regions fail: each is judged by its own probes, so that two failures of a third do not condemn it."""
    judge = detector("eu", "us", "ap", "sa")
    play(judge, {"eu": "x", "us": "x", "ap": ".", "sa": "."}, rounds=3)
    assert play(judge, {"ap": "x"}, rounds=1) == {"ap": Health.SUSPECT}


def test_a_model_that_fails_everywhere_condemns_no_sibling() -> None:
    """However many regions see it fail, the other models of its provider answer."""
    judge = detector("eu", "us", "ap", models=("openai/gpt", "openai/nano", "openai/mini"))
    for number in range(120):
        region, model = ("eu", "us", "ap")[number % 3], ("gpt", "nano", "mini")[number // 3 % 3]
        name = f"openai/{model}@{region}"
        judge.observe(observation("x" if model == "gpt" else ".", at_s=number * 3.0, name=name))
    assert {name: state.health is Health.DOWN for name, state in judge.health.items()} == {
        name: "/gpt@" in name for name in judge.health
    }


def test_a_blind_region_is_no_evidence() -> None:
    """Failures of a region that has lost its own network count neither there nor elsewhere."""
    judge = detector("eu", "us")
    seen = {"eu": "t", "us": "."}
    play(judge, seen, rounds=6, blind="eu")
    assert play(judge, {"us": "x"}, rounds=1)["us"] is Health.SUSPECT
    assert judge.health_of("openai/gpt@eu").health is not Health.DOWN


def test_it_is_carried_over_a_restart() -> None:
    """What the regions have shown is remembered with what is known of the targets."""
    judge, again = detector("eu", "us", "ap"), detector("eu", "us", "ap")
    play(judge, {"eu": "x", "us": "x", "ap": "x"}, rounds=1)
    again.restore(judge.snapshot())
    assert again.snapshot().providers["openai/gpt"].failures == {"eu": 1, "us": 1, "ap": 1}
    last = observation("x", at_s=EVERY_S, name="openai/gpt@eu")
    assert [each.target for each in again.observe(last)] == [each.target for each in judge.observe(last)]
    assert again.health_of("openai/gpt@us").health is judge.health_of("openai/gpt@us").health
    assert not again.tick(last.finished_at + timedelta(seconds=1))


def test_each_region_is_blind_for_itself() -> None:
    """One answer there shows that its network is back; other regions neither make it blind nor cure it."""
    judge = detector("eu", "us")
    play(judge, {"eu": "t", "us": "."}, rounds=2, blind="eu")
    assert judge.blind == {"eu"}
    play(judge, {"us": "."}, rounds=1)
    assert judge.blind == {"eu"}
    play(judge, {"eu": "."}, rounds=1)
    assert judge.blind == frozenset()
