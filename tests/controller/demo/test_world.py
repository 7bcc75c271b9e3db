"""The simulated providers: what they answer, how fast, and how they fail."""

import asyncio
import math
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.demo import files
from controller.demo.providers import CANDIDATES, PROVIDERS, TARGETS, Fault
from controller.demo.world import LatencyMiddleware, World
from monitor.config.controller_settings import ControllerSettings
from monitor.config.loader import load
from monitor.detection.parameters import LONGEST_BURST, target_parameters
from monitor.detection.threshold import AlarmModel, threshold
from probes.target import Check

_BODY = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "the nonce is 7f3a"}]}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """The providers, running; one set for all tests, each of which leaves them well."""
    with World() as running:
        yield running


async def _ask(world: World, count: int) -> list[httpx.Response]:
    """So many requests to the first provider at once."""
    url = f"{world.base_url('openai')}/chat/completions"
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        return await asyncio.gather(*(client.post(url, json=_BODY) for _ in range(count)))


@pytest.mark.slow
async def test_a_provider_repeats_the_question(world: World) -> None:
    """The reply holds the question, so that a probe's nonce comes back."""
    (response,) = await _ask(world, 1)
    assert response.status_code == 200
    assert "7f3a" in response.json()["choices"][0]["message"]["content"]


@pytest.mark.slow
async def test_a_failing_provider_fails_about_its_share_of_requests(world: World) -> None:
    """Told to fail half, it answers some with HTTP 500 and the rest as before, and no other provider fails."""
    world.set_faults({"openai": Fault(status=500, share=0.5)})
    try:
        counts = Counter(response.status_code for response in await _ask(world, 120))
    finally:
        world.set_faults({})
    assert counts.keys() == {200, 500}
    assert 30 <= counts[500] <= 90


@pytest.mark.slow
async def test_a_healed_provider_answers_everything(world: World) -> None:
    """After the outage not one request fails."""
    world.set_faults({"openai": Fault(status=500, share=1.0)})
    world.set_faults({})
    assert {response.status_code for response in await _ask(world, 20)} == {200}


async def test_the_neutral_page_answers_whatever_happens(world: World) -> None:
    """The endpoint for "is it us?" is not part of any outage."""
    world.set_faults({"gemini": Fault(status=500, share=1.0)})
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            response = await client.get(world.neutral_url("gemini"))
    finally:
        world.set_faults({})
    assert response.status_code == 200


async def test_latencies_vary_around_the_median() -> None:
    """Waits are lognormal around the median with a small tail, and the same for the same seed."""

    async def waits(seed: str) -> list[float]:
        async def app(_scope: object, _receive: object, _send: object) -> None:
            """Answers nothing."""

        async def sleep(seconds: float) -> None:
            asked.append(seconds)

        asked: list[float] = []
        latency = LatencyMiddleware(app, median_s=0.3, seed=seed, sleep=sleep)
        for _ in range(1000):
            await latency({"type": "http", "method": "POST"}, _nothing, _nothing)
        await latency({"type": "http", "method": "GET"}, _nothing, _nothing)
        return asked

    first = await waits("openai")
    assert len(first) == 1000, "what is not a POST does not wait"
    assert statistics.median(first) == pytest.approx(0.3, rel=0.05)
    assert 0.45 < statistics.quantiles(first, n=100)[98] < 0.7
    assert first == await waits("openai")
    assert first != await waits("gemini")


async def _nothing(*_message: object) -> Any:
    """Neither receives nor sends."""


@pytest.mark.slow
def test_the_configuration_of_the_drill_is_valid(world: World, tmp_path: Path) -> None:
    """The service takes it without a warning, with every simulated provider and model in it."""
    configuration = files.write_configuration(tmp_path, world, slack_url="http://127.0.0.1:9/api/")
    settings = load(configuration, files.environment({}))
    assert settings.warnings == ()
    assert tuple(target.id for target in settings.targets) == TARGETS
    assert settings.routes[0].candidates == CANDIDATES
    assert len({candidate.partition("/")[0] for candidate in CANDIDATES}) == len(PROVIDERS)
    assert {target.checks for target in settings.targets} == {(Check.CHAT,)}


@pytest.mark.slow
def test_the_drill_judges_as_real_life_does(world: World, tmp_path: Path) -> None:
    """All times are a fifteenth of the defaults, so the evidence that makes a verdict is the same.

    Quick probes alone are further apart in proportion: never closer than a quarter of the interval, here as there.
    """
    configuration = files.write_configuration(tmp_path, world, slack_url="http://127.0.0.1:9/api/")
    settings = load(configuration, files.environment({}))
    target, drill, real = settings.targets[0], settings.controller, ControllerSettings()
    times = [target.interval_s, drill.min_outage_s, drill.dwell_s, drill.failback.hold_s]
    assert [15 * time for time in times] == [30.0, real.min_outage_s, real.dwell_s, real.failback.hold_s]
    judged, in_real_life = target_parameters(target, drill), target_parameters(replace(target, interval_s=30.0), real)
    assert judged.failed_s == judged.passed_s == target.interval_s / 4
    fifteenfold = AlarmModel(
        p0=0.005,
        p1=in_real_life.p1,
        interval_s=30.0,
        failed_s=15 * judged.failed_s,
        passed_s=15 * judged.passed_s,
        burst=LONGEST_BURST,
        min_outage_s=real.min_outage_s,
        blips=real.blips,
    )
    assert judged.threshold(0.005) == pytest.approx(
        threshold(fifteenfold, per_day=in_real_life.false_per_day), abs=0.05
    )
    in_a_row = [math.ceil(one.threshold(0.005) / fifteenfold.step_up) for one in (judged, in_real_life)]
    assert in_a_row == [3, 3]


@pytest.mark.slow
def test_proxies_do_not_reach_the_processes_of_the_demo() -> None:
    """A proxy in the user's environment would stand between the service and this machine's own servers."""
    environment = files.environment({"HTTPS_PROXY": "http://proxy:1", "http_proxy": "http://proxy:1", "PATH": "/bin"})
    assert environment.keys() == {"PATH", "SLACK_BOT_TOKEN", *files.KEYS}
