"""A probe with several keys: what is asked, what is told, and what it ends in."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.service.keyed_prober import KeyedProber
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import ProviderKey, Secret, Target
from tests.support.builders import T0, target

A, B = (ProviderKey(secret=Secret(f"sk-{name}"), variable=f"KEY_{name}") for name in "AB")
LUNA = target("openai/luna")
LUNA = replace(LUNA, provider=replace(LUNA.provider.with_key(A), other_keys=(B,)))


class Lab:
    """A prober over answers that are set by key."""

    def __init__(self, subject: Target = LUNA, **answers: list[Outcome]) -> None:
        self.subject, self.answers, self.now = subject, answers, T0
        self.asked: list[str] = []
        self.used: list[str | None] = []
        self.reports: list[tuple[str, str]] = []
        self.prober = KeyedProber(
            ask=self._ask,
            providers=[subject.provider],
            clock=lambda: self.now,
            use_key=lambda _, key: self.used.append(key.variable),
            report=lambda kind, _, text: self.reports.append((kind, text)),
        )

    async def _ask(self, asked: Target, check: str) -> Observation:
        name = asked.provider.api_key.reveal()[-1]
        self.asked.append(name)
        left = self.answers[name]
        outcome = left.pop(0) if len(left) > 1 else left[0]
        return Observation(
            target=asked.id, check=check, started_at=self.now, outcome=outcome, duration_s=0.1, detail="HTTP 401"
        )

    async def probe(self, times: int = 1) -> list[Outcome]:
        """What so many probes end in."""
        return [(await self.prober.probe(self.subject, "chat")).outcome for _ in range(times)]


async def test_a_refused_key_gives_way_within_the_same_probe() -> None:
    """Asked twice, then told once by its variable; the target is well all the while."""
    lab = Lab(A=[Outcome.AUTH], B=[Outcome.OK])
    assert await lab.probe(3) == [Outcome.OK] * 3
    assert "".join(lab.asked) == "AABBB"
    assert lab.used == ["KEY_B"]
    told = "the variable KEY_A is refused (HTTP 401); the variable KEY_B is used instead"
    assert lab.reports == [("key_refused", told)]


async def test_a_single_refusal_may_be_an_accident() -> None:
    """The same key is asked once more, and kept."""
    lab = Lab(A=[Outcome.AUTH, Outcome.OK], B=[Outcome.OK])
    assert await lab.probe(2) == [Outcome.OK] * 2
    assert ("".join(lab.asked), lab.used, lab.reports) == ("AAA", ["KEY_A"], [])


async def test_it_comes_back_when_it_works_again() -> None:
    """One probe an hour asks; a key that is refused still costs that probe nothing."""
    lab = Lab(A=[Outcome.QUOTA, Outcome.QUOTA, Outcome.QUOTA, Outcome.OK], B=[Outcome.OK])
    await lab.probe()
    assert "has no money or credit left" in lab.reports[0][1]
    lab.now += timedelta(minutes=61)
    assert await lab.probe(2) == [Outcome.OK] * 2
    assert "".join(lab.asked) == "AAB" + "AB" + "B"
    lab.now += timedelta(minutes=61)
    assert await lab.probe(2) == [Outcome.OK] * 2
    assert lab.used == ["KEY_B", "KEY_A"]
    assert lab.reports[1:] == [("key_accepted", "the variable KEY_A works")]


async def test_only_where_no_key_works_is_the_target_misconfigured() -> None:
    """Then each probe asks one key, in turn, and whichever works again is used."""
    lab = Lab(A=[Outcome.AUTH], B=[Outcome.AUTH])
    assert await lab.probe(3) == [Outcome.AUTH] * 3
    assert "".join(lab.asked[:4]) == "AABB"
    assert set(lab.asked[4:]) == {"A", "B"}
    assert lab.reports[1][1].endswith("no other key is left")
    lab.answers["B"] = [Outcome.OK]
    assert Outcome.OK in await lab.probe(2)
    assert lab.used == ["KEY_B"]


@pytest.mark.parametrize("outcome", [Outcome.SERVER_ERROR, Outcome.RATE_LIMITED, Outcome.TIMEOUT, Outcome.MODEL_GONE])
async def test_no_other_failure_is_a_matter_of_keys(outcome: Outcome) -> None:
    """A failing provider is not asked with all of its keys, and no key is called good for it."""
    lab = Lab(A=[outcome], B=[Outcome.OK])
    assert await lab.probe() == [outcome]
    assert (lab.asked, lab.used, lab.reports) == (["A"], [], [])


async def test_a_single_key_is_asked_as_ever() -> None:
    """Confirming a refusal is then the detector's."""
    alone = replace(LUNA, provider=replace(LUNA.provider, other_keys=()))
    lab = Lab(alone, A=[Outcome.AUTH])
    assert await lab.probe(2) == [Outcome.AUTH] * 2
    assert (lab.asked, lab.used, lab.reports) == (["A", "A"], [], [])


async def test_another_configuration_forgets_no_key() -> None:
    """What was put aside stays so, untold, until its hour is over; other keys begin anew."""
    lab, later = Lab(A=[Outcome.AUTH], B=[Outcome.OK]), Lab(A=[Outcome.AUTH], B=[Outcome.OK])
    await lab.probe()
    later.prober.go_on_from(lab.prober)
    assert await later.probe(2) == [Outcome.OK] * 2
    assert ("".join(later.asked), later.used, later.reports) == ("BB", [], [])
    turned = replace(LUNA, provider=replace(LUNA.provider.with_key(B), other_keys=(A,)))
    other = Lab(turned, A=[Outcome.AUTH], B=[Outcome.OK])
    other.prober.go_on_from(later.prober)
    await other.probe()
    assert (other.asked, other.used) == (["B"], ["KEY_B"])
