"""What applications report: what starts probes, what suspects a target, what condemns it, and what never does."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.config.traffic_settings import TrafficSettings
from monitor.detection.detector import Detector
from monitor.detection.traffic_detector import TrafficDetector
from monitor.health import Health
from monitor.traffic.request_counts import RequestCounts
from probes.outcome import Outcome
from tests.support.builders import T0, observation, settings

A = "openai/gpt-6-luna"
_STEP_S = 0.5
_ERRORS = {Outcome.SERVER_ERROR: 3, Outcome.OK: 2}
_GOOD = {Outcome.OK: 5}


class World:
    """A detector of one target that is up, and hosts that report every half second."""

    def __init__(self, folder: Path) -> None:
        configuration = replace(settings(folder, A, "anthropic/claude"), traffic=TrafficSettings())
        self.detector = Detector(configuration, T0)
        self.traffic = TrafficDetector(configuration, self.detector)
        for number in range(12):
            self.detector.observe(observation(".", at_s=number * 30.0, name=A))
        self.now_s = 12 * 30.0
        self.asked: list[float] = []
        """When the probes are due that were asked for."""

    def report(self, hosts: Mapping[str, Mapping[Outcome, int]], seconds: float) -> Iterator[Health]:
        """All hosts report the same again and again; the health after each time."""
        for _ in range(round(seconds / _STEP_S)):
            self.now_s += _STEP_S
            at = T0 + timedelta(seconds=self.now_s)
            counts = [
                RequestCounts(target=A, host=host, ended_at=at, span_s=_STEP_S, outcomes=outcomes)
                for host, outcomes in hosts.items()
            ]
            self.traffic.observe(counts)
            self.asked += [self.now_s + probe.delay_s for probe in self.traffic.take_asked()]
            yield self.health()

    def probe_afresh(self, symbols: str) -> None:
        """Probes asked afresh end so."""
        for symbol in symbols:
            self.now_s += 0.01
            probe = observation(symbol, at_s=self.now_s, name=A, afresh=True)
            self.detector.observe(probe)
            self.traffic.observe_probe(probe)

    def health(self) -> Health:
        """Of the target."""
        return self.detector.state_of(A).health


@pytest.fixture
def world(tmp_path: Path) -> World:
    """With ten minutes of good requests of two hosts behind it."""
    made = World(tmp_path)
    for _ in made.report({"one": _GOOD, "two": _GOOD}, 600):
        pass
    made.asked.clear()
    return made


def test_a_single_failure_among_few_requests_starts_three_probes(tmp_path: Path) -> None:
    """They are what decides: it is evidence of nothing by itself."""
    few = World(tmp_path)
    healths = list(few.report({"one": {Outcome.SERVER_ERROR: 1}}, _STEP_S))
    few.asked.clear()
    few.now_s += 60
    healths += few.report({"one": {Outcome.SERVER_ERROR: 1}}, _STEP_S)
    assert set(healths) == {Health.UP}
    assert len(few.asked) == 3


def test_two_hosts_condemn_a_target_once_a_blip_must_be_over(world: World) -> None:
    """Suspected at once; down after the longest blip, without any probe."""
    healths = list(world.report({"one": _ERRORS, "two": _ERRORS}, 12))
    assert healths[1] is Health.SUSPECT
    down_s = healths.index(Health.DOWN) * _STEP_S
    assert 8 <= down_s <= 10
    reason = world.detector.health[A].reason
    assert "of 2 hosts failed in" in reason
    assert "(server_error); evidence" in reason


def test_a_blip_condemns_nothing_and_is_soon_forgotten(world: World) -> None:
    """Eight seconds of failures at both hosts."""
    list(world.report({"one": _ERRORS, "two": _ERRORS}, 8))
    healths = list(world.report({"one": _GOOD, "two": _GOOD}, 10))
    assert Health.DOWN not in healths
    assert healths[-1] is Health.UP


def test_one_host_alone_brings_at_most_suspect(world: World) -> None:
    """Four probes are asked when the blip must be over; where they are answered, it is not believed any more."""
    healths = list(world.report({"one": _ERRORS, "two": _GOOD}, 9))
    healths += world.report({"one": {Outcome.SERVER_ERROR: 5}, "two": {}}, 3)
    assert Health.DOWN not in healths
    assert len(world.asked) >= 4
    world.probe_afresh("." * 20)
    healths = list(world.report({"one": {Outcome.SERVER_ERROR: 5}, "two": _GOOD}, 60))
    assert set(healths[4:]) == {Health.UP}
    assert world.traffic.take_denied() == [(A, "one")]


def test_one_host_and_one_of_four_probes_condemn_it(world: World) -> None:
    """The probe failed in kind, after the guard."""
    list(world.report({"one": {Outcome.SERVER_ERROR: 5}, "two": {}}, 10))
    assert world.health() is Health.SUSPECT
    world.probe_afresh("..x")
    assert world.health() is Health.DOWN
    assert "and 1 of 3 probes asked afresh" in world.detector.health[A].reason


def test_a_probe_that_fails_in_another_way_is_no_second_source(world: World) -> None:
    """The requests get errors, the probe no answer."""
    list(world.report({"one": {Outcome.SERVER_ERROR: 5}, "two": {}}, 10))
    world.probe_afresh("..t")
    assert world.health() is Health.SUSPECT


def test_without_any_answer_two_hosts_count_as_one(world: World) -> None:
    """It may be their network; a probe decides."""
    gone = {Outcome.UNREACHABLE: 5}
    list(world.report({"one": gone, "two": gone}, 14))
    assert world.health() is Health.SUSPECT
    world.probe_afresh("t")
    assert world.health() is Health.DOWN


@pytest.mark.parametrize(
    "outcome",
    [Outcome.BAD_REQUEST, Outcome.REFUSED, Outcome.BUDGET_SPENT, Outcome.AUTH, Outcome.QUOTA, Outcome.RATE_LIMITED],
)
def test_the_applications_own_faults_are_no_evidence(world: World, outcome: Outcome) -> None:
    """However many."""
    healths = list(world.report({"one": {outcome: 5}, "two": {outcome: 5}}, 30))
    assert set(healths) == {Health.UP}
    assert world.asked == []


def test_traffic_never_brings_a_target_back(world: World) -> None:
    """Only probes do."""
    list(world.report({"one": _ERRORS, "two": _ERRORS}, 12))
    assert world.health() is Health.DOWN
    healths = list(world.report({"one": _GOOD, "two": _GOOD}, 600))
    assert set(healths) == {Health.DOWN}


def test_a_host_that_lies_never_moves_anything_by_itself(world: World) -> None:
    """All failing for a day, in good and bad hours, while probes and the other host are well."""
    moved = []
    for _ in range(40):
        healths = list(world.report({"one": {Outcome.SERVER_ERROR: 50}, "two": _GOOD}, 20))
        world.probe_afresh("." * 8)
        healths += world.report({"one": _GOOD, "two": _GOOD}, 20)
        moved += [health for health in healths if health is Health.DOWN]
    assert moved == []


def test_what_is_unknown_changes_nothing(world: World) -> None:
    """Targets of another configuration."""
    at = T0 + timedelta(seconds=world.now_s)
    counts = RequestCounts(target="who/knows", host="one", ended_at=at, span_s=0.5, outcomes={Outcome.SERVER_ERROR: 9})
    assert world.traffic.observe([counts]) == ()
