"""`plan`: what a configuration will do, tried in the simulation; and the promises that it cannot keep."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from controller.cli.main import main
from controller.cli.output import terminal
from controller.cli.plan import print_plan
from controller.plan import promise_checks
from controller.plan.promise_checks import expected_false_failovers
from controller.plan.runner import ThresholdTimeoutError, find_thresholds, limit_subjects, plan
from controller.plan.trials import AssumedTraffic, TrialSubject, onset_phase, run_trial, trial_subjects
from monitor.config.controller_settings import ControllerSettings
from monitor.config.loader import load
from monitor.config.route import Route
from monitor.config.settings import BudgetSettings, Settings
from monitor.config.traffic_settings import TrafficSettings
from monitor.health import Health
from probes.target import Price, Target
from tests.support.builders import settings, target
from tests.support.worlds import configuration

A, B, C = "openai/a", "openai/b", "anthropic/c"
YAML = """
database: "sqlite:///:memory:"
providers:
  openai: {dialect: openai-chat, api_key: "${OPENAI_API_KEY}", models: {gpt-4o-mini: {}}}
  anthropic: {dialect: anthropic, api_key: "${ANTHROPIC_API_KEY}", models: {claude-haiku-5-5: {}}}
routes:
  chat: {candidates: [CANDIDATES]}
"""


def written(folder: Path, candidates: str, more: str = "") -> Path:
    """A configuration with one route over these candidates."""
    path = folder / "hotspare.yaml"
    path.write_text(YAML.replace("CANDIDATES", candidates) + more)
    return path


def planned(wanted: Settings, *, seeds: int = 2, jobs: int = 1) -> dict[str, Any]:
    """A small plan."""
    return plan(wanted, seeds=seeds, jobs=jobs)


def slowed(wanted: Settings, interval_s: float) -> Settings:
    """The same with another interval for every target."""
    return replace(wanted, targets=tuple(replace(one, interval_s=interval_s) for one in wanted.targets))


# What is tried.


def test_the_provider_of_each_first_candidate_fails_and_each_first_candidate_with_siblings_alone() -> None:
    """Anthropic's only model has no siblings: its provider's outage is its own."""
    routes = [Route(name="chat", candidates=(A, C)), Route(name="back", candidates=(C, A))]
    found = trial_subjects(settings(Path("/nowhere"), A, B, C, routes=routes))
    assert [(one.name, set(one.failing), one.alone) for one in found] == [
        ("openai", {A, B}, False),
        ("anthropic", {C}, False),
        (A, {A}, True),
    ]


def test_an_outage_that_leaves_a_route_nowhere_to_go_is_not_tried_on_it() -> None:
    """Both candidates at one provider: only the model alone can be left."""
    found = trial_subjects(settings(Path("/nowhere"), A, B, routes=[Route(name="chat", candidates=(A, B))]))
    assert [one.name for one in found] == [A]


def test_a_trial_has_the_targets_that_matter_and_no_others() -> None:
    """All targets of the providers of the routes that are hit, for they share evidence."""
    wanted = settings(Path("/nowhere"), A, B, C, "gemini/d", routes=[Route(name="chat", candidates=(A, C))])
    assert [one.id for one in trial_subjects(wanted)[0].settings.targets] == [A, B, C]


@pytest.mark.slow
def test_a_total_outage_is_left_within_a_minute() -> None:
    """At 30 s: the first failed probe, and fresh ones once the longest blip of 8 s must be over."""
    [whole, alone] = trial_subjects(configuration())
    for subject in (whole, alone):
        for seed in range(4):
            left_s = run_trial(subject, 1.0, seed)["chat"]
            assert left_s is not None
            assert 8 < left_s < 75


def test_what_never_moves_is_said_to_never_move() -> None:
    """A route that only looks for wrong keys does not leave a target that fails."""
    wanted = configuration()
    deaf = replace(wanted.routes[0], fail_over_on=frozenset({Health.MISCONFIGURED}))
    [whole, _] = trial_subjects(replace(wanted, routes=(deaf,)))
    assert run_trial(whole, 1.0, 0) == {"chat": None}


def test_a_large_configuration_tries_all_providers_and_some_models_alone() -> None:
    """What would take too long is left out, and the plan says how much."""
    names = [f"{provider}/m{number}" for provider in ("a", "b") for number in range(100)]
    routes = [Route(name=f"r{number}", candidates=(f"a/m{number}", f"b/m{number}")) for number in range(100)]
    every = trial_subjects(settings(Path("/nowhere"), *names, routes=routes))
    tried = limit_subjects(every)
    assert [one.name for one in tried if not one.alone] == ["a"]
    assert 1 <= sum(one.alone for one in tried) < 20
    assert len(every) == 101


# What it comes to.


@pytest.mark.slow
def test_the_same_plan_whatever_the_number_of_processes() -> None:
    """All but the time that it took."""
    one, two = planned(configuration(), jobs=1), planned(configuration(), jobs=2)
    assert one.pop("wall_s") is not two.pop("wall_s")
    assert json.dumps(one) == json.dumps(two)


def test_the_document_tells_routes_outages_targets_and_cost() -> None:
    """Every figure under its own name."""
    document = planned(configuration())
    [route] = document["routes"]
    assert [(one["of"], one["alone"], one["failure_rate"], one["runs"]) for one in route["outages"]] == [
        (of, alone, rate, 2) for of, alone in (("openai", False), (A, True)) for rate in (0.2, 0.5, 1.0)
    ]
    assert route["outages"][2]["time_to_flip_s"]["mean"] < route["outages"][0]["time_to_flip_s"]["mean"]
    assert 0 < route["false_failovers"]["per_90d"] <= route["false_failovers"]["promised_per_90d"] == 1
    assert [one["target"] for one in document["targets"]] == [A, B, C]
    # 2,880 a day at 30 s, and some more for bursts.
    assert 86_400 <= document["targets"][0]["probes_per_month"] <= 110_000
    assert document["price_unknown"] == [A, B, C]
    assert document["usd_per_month"] is None


@pytest.mark.slow
def test_the_calculated_false_failovers_keep_the_promise_at_every_interval() -> None:
    """The thresholds are made for that: of the target, of its provider, and of probes asked afresh."""
    for interval_s in (10.0, 30.0, 300.0):
        found = expected_false_failovers(slowed(configuration(), interval_s))["chat"]
        assert 0 < found.per_route_90d <= 1.01
        assert len(found.by_test) == 3
        assert all(rate > 0 for rate in found.by_test)
        assert found.bounded


@pytest.mark.slow
def test_reported_requests_move_routes_sooner_for_half_of_the_error_budget() -> None:
    """By the rate that was asked for; what they may cost in false failovers is said."""
    listening = replace(configuration(), traffic=TrafficSettings())
    document = plan(listening, seeds=2, jobs=1, traffic=AssumedTraffic(requests_per_s=10.0, hosts=2))
    assert document["assumptions"]["traffic"] == {"requests_per_s": 10.0, "hosts": 2}
    [route] = document["routes"]
    times = [one["time_to_flip_s"]["max"] for one in route["outages"] if one["failure_rate"] == 0.5]
    assert all(time_s < 20 for time_s in times)
    false = route["false_failovers"]
    assert false["traffic_per_90d"] == pytest.approx(0.5)
    assert false["traffic_per_90d"] < false["per_90d"] <= 1.01
    without = planned(configuration())
    assert without["assumptions"]["traffic"] is None
    assert without["routes"][0]["false_failovers"]["traffic_per_90d"] == 0


def test_what_takes_too_long_to_calculate_is_bad_news_and_said(tmp_path: Path) -> None:
    """Blips of minutes, dozens a day: the detector itself could not start."""
    blips = "controller: {blips: {per_day: 30, length: [60s, 180s]}}"
    path = written(tmp_path, "openai/gpt-4o-mini, anthropic/claude-haiku-5-5", blips)
    wanted = load(path, {}, keys=False, stores=False)
    with pytest.raises(ThresholdTimeoutError, match=r"not found within 0\.1 s"):
        find_thresholds(wanted, timeout_s=0.1)


def test_the_verdict_is_one_sentence_with_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """The design's own example."""
    wanted = replace(configuration(), controller=ControllerSettings(dry_run=True))
    document = planned(wanted)
    half = document["routes"][0]["outages"][1]
    half["time_to_flip_s"] = {"mean": 31.2, "p50": 30.0, "p95": 58.4, "max": 70.0}
    document["routes"][0]["false_failovers"]["days_each"] = 140.2
    document["usd_per_month"], document["price_unknown"] = 3.104, []
    print_plan(document, wanted, terminal())
    printed = capsys.readouterr().out
    assert (
        "a 50 % outage of openai moves `chat` after 31 s on average, 58 s at worst in 19 of 20;"
        " expect one false failover in 140 days\n"
    ) in printed
    assert "$3.10 a month for " in printed
    assert "assumed: 0.5 % of quiet probes fail, 5 blips a day of 3s to 8s" in printed
    assert "controller.dry_run is true" in printed


# What it cannot keep.


def answer_of(wanted: Settings, **changed: Any) -> dict[str, Any]:
    """A plan in which all is well, made up, with some of its figures changed."""
    times = {"mean": 40.0, "p50": 40.0, "p95": 80.0, "max": 90.0}
    outage = {"of": "openai", "failure_rate": 0.5, "for_s": 3600.0, "runs": 100, "flipped": 100}
    false = {
        "per_90d": 0.7,
        "promised_per_90d": 1.0,
        "bounded": True,
        "simulated": {"count": 0, "days": 20.0, "per_90d_95": [0.0, 16.6]},
    }
    outage |= {"time_to_flip_s": times | changed.pop("times", {})} | changed.pop("outage", {})
    routes = [
        {"route": one.name, "outages": [outage], "false_failovers": false | changed.pop("false", {})}
        for one in wanted.routes
    ]
    targets = slower(*((one.id, one.interval_s, one.interval_s) for one in wanted.targets))
    answer = {"routes": routes, "targets": targets, "usd_per_month": 3.0, "budget": None, "budget_usd_per_month": 2.0}
    return {**answer, **changed}


def slower(*intervals: tuple[str, float, float]) -> list[dict[str, Any]]:
    """The targets of a plan by name, configured and stretched interval."""
    return [
        {"target": name, "interval_s": usual, "stretched_interval_s": longer, "stretch": longer / usual}
        for name, usual, longer in intervals
    ]


@pytest.mark.parametrize(
    ("wanted", "changed", "expected"),
    [
        pytest.param(configuration(), {}, "", id="all is well"),
        pytest.param(
            slowed(configuration(), 600.0),
            {"times": {"mean": 1062.0}},
            "a 50 % outage of openai moves `chat` only after 17 min 42 s on average, and 5 min is late:"
            " the interval is 10m; about 2m would do",
            id="the interval is too long",
        ),
        pytest.param(
            replace(configuration(), controller=ControllerSettings(min_outage_s=600.0)),
            {"times": {"mean": 640.0}},
            "a 50 % outage of openai moves `chat` only after 10 min 40 s on average, and 5 min is late:"
            " controller.min_outage is 10m",
            id="the shortest outage is too long",
        ),
        pytest.param(
            slowed(configuration(), 3600.0),
            {"outage": {"flipped": 60, "for_s": 216_000.0}},
            "a 50 % outage of openai moved `chat` in only 60 of 100 trials within 2 d 12 h:"
            " the interval is 1h; about 3s would do",
            id="it goes unnoticed",
        ),
        pytest.param(
            configuration(),
            {
                "budget": {"configured_usd_per_month": 2.55, "not_even_hourly": [], "lasts_days": None},
                "targets": slower((A, 30.0, 45.0), (B, 30.0, 45.0), (C, 60.0, 180.0)),
            },
            "the configured intervals cost $2.55 a month, budget.usd_per_month is $2: some targets are probed less"
            f" often ({C} 1m → 3m, 2 targets 30s → 45s), and outages there are found later",
            id="the budget is too small",
        ),
        pytest.param(
            configuration(),
            {
                "budget": {"configured_usd_per_month": 3000.0, "not_even_hourly": [A], "lasts_days": 2.5},
                "targets": slower((A, 30.0, 3600.0), (B, 30.0, 30.0), (C, 60.0, 60.0)),
            },
            "the configured intervals cost $3,000 a month, budget.usd_per_month is $2: paid targets are probed"
            " less often (30s → 1h), and outages there are found later; it does not pay for even one probe an hour of"
            f" {A}: the money for those probes lasts 2.5 days, and none of them is made after that until the next"
            " month",
            id="the budget does not even pay for a probe an hour",
        ),
        pytest.param(
            slowed(configuration(), 600.0),
            {
                "budget": {"configured_usd_per_month": 2.0, "not_even_hourly": [], "lasts_days": None},
                "targets": slower((A, 30.0, 600.0), (B, 30.0, 30.0), (C, 60.0, 60.0)),
                "times": {"mean": 1062.0},
            },
            "a 50 % outage of openai moves `chat` only after 17 min 42 s on average, and 5 min is late: the interval is"
            " 10m, for the budget; about 2m would do\n"
            "the configured intervals cost $2 a month, budget.usd_per_month is $2: paid targets are probed"
            " less often (30s → 10m), and outages there are found later",
            id="the interval is too long because of the budget",
        ),
        pytest.param(
            configuration(),
            {"budget": {"configured_usd_per_month": 1.5, "not_even_hourly": [], "lasts_days": None}},
            "",
            id="the budget suffices",
        ),
        pytest.param(
            replace(configuration(), routes=(Route(name="chat", candidates=(A,)),)),
            {"outage": {"failure_rate": 0.2}},
            "nothing moves `chat`: it has a single candidate",
            id="a single candidate",
        ),
        pytest.param(
            replace(configuration(), routes=(Route(name="chat", candidates=(A, B)),)),
            {},
            "an outage of openai leaves `chat` nowhere to go: all its candidates are there",
            id="one provider for all",
        ),
        pytest.param(
            replace(
                configuration(),
                routes=(Route(name="chat", candidates=(A, C), fail_over_on=frozenset({Health.MISCONFIGURED})),),
            ),
            {},
            "no failure moves `chat`: `down` is not in its fail_over_on",
            id="failures do not move it",
        ),
        pytest.param(
            configuration(),
            {"false": {"bounded": False, "per_90d": 41.0}},
            "`chat` will move without an outage 41 times in 90 days,"
            " the promise is 1 per 90d (controller.false_failovers):"
            " no evidence tells such controller.blips from an outage of 30% (controller.detect);"
            " a longer controller.min_outage would",
            id="blips like outages",
        ),
        pytest.param(
            configuration(),
            {"false": {"simulated": {"count": 9, "days": 20.0, "per_90d_95": [18.5, 76.9]}}},
            "`chat` moved without an outage 9 times in 20 simulated days,"
            " the promise is 1 per 90d (controller.false_failovers)",
            id="the simulation contradicts the calculation",
        ),
    ],
)
def test_a_promise_that_cannot_be_kept_is_named_with_its_remedy(
    wanted: Settings, changed: dict[str, Any], expected: str
) -> None:
    """A sentence with what was found, what is expected and what to change."""
    assert "\n".join(promise_checks.broken_promises(wanted, answer_of(wanted, **changed))) == expected


@pytest.mark.slow
def test_a_budget_is_planned_with() -> None:
    """The plan is that of the stretched intervals, and says what was configured; own models are not stretched."""
    price = Price(input_usd=100.0, output_usd=100.0)
    plain = configuration()
    wanted = replace(plain, targets=tuple(replace(one, price=price if one.id == A else None) for one in plain.targets))
    # At $0.003 a probe, 30 days at 30 s cost $259.20.
    planned = plan(replace(wanted, budget=BudgetSettings(usd_per_month=100.0)), seeds=2, jobs=1)
    found = {one["target"]: (one["interval_s"], one["stretched_interval_s"]) for one in planned["targets"]}
    assert found == {one.id: (30.0, 120.0 if one.id == A else 30.0) for one in wanted.targets}
    assert planned["budget"] == {"configured_usd_per_month": 259.2, "not_even_hourly": [], "lasts_days": None}
    assert [one["stretch"] for one in planned["targets"]] == [4.0 if one.id == A else 1.0 for one in wanted.targets]
    assert planned["targets"][0]["usd_per_month"] < 100.0
    assert not planned["keeps_promises"]
    generous = plan(replace(wanted, budget=BudgetSettings(usd_per_month=1000.0)), seeds=2, jobs=1)
    assert {one["stretch"] for one in generous["targets"]} == {1.0}
    assert generous["targets"][0]["stretched_interval_s"] == 30.0


@pytest.mark.slow
def test_a_plan_counts_what_the_dearest_gets() -> None:
    """Of one that is beyond the budget the probes that are paid for, and it is named; the others are as they were."""
    plain = configuration()
    cheap, dear = Price(input_usd=0.01, output_usd=0.01), Price(input_usd=1000.0, output_usd=1000.0)
    targets = tuple(replace(one, price=dear if one.id == C else cheap) for one in plain.targets)
    wanted = replace(plain, targets=targets, budget=BudgetSettings(usd_per_month=5.0))
    planned = plan(wanted, seeds=2, jobs=1)
    assert planned["budget"]["not_even_hourly"] == [C]
    assert {one["target"]: one["stretch"] for one in planned["targets"]} == {A: 1.0, B: 1.0, C: 128.0}
    assert planned["usd_per_month"] <= 5.0


# The command.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("candidates", "status"),
    [("openai/gpt-4o-mini, anthropic/claude-haiku-5-5", 0), ("openai/gpt-4o-mini", 1)],
    ids=["a good configuration", "a single candidate is bad news"],
)
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], candidates: str, status: int) -> None:
    """Without keys and without a database; one document, and the exit status says whether promises are kept."""
    path = written(tmp_path, candidates)
    assert main(["plan", "-c", str(path), "--seeds", "2", "--jobs", "1", "--json"]) == status
    document = json.loads(capsys.readouterr().out)
    assert document["keeps_promises"] is (status == 0)
    assert bool(document["warnings"]) is (status == 1)
    assert document["usd_per_month"] > 0
    assert document["seeds"] == 2


def test_a_wrong_configuration_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the loader's own words."""
    assert main(["plan", "-c", str(tmp_path / "missing.yaml")]) == 2
    assert "missing.yaml" in capsys.readouterr().err


def test_onsets_are_spread_over_the_interval() -> None:
    """However many seeds there are: no trial may always begin just before a probe."""
    for seeds in (5, 20, 100):
        onsets = sorted(onset_phase(seed) for seed in range(seeds))
        assert 0 <= onsets[0] < onsets[-1] < 1
        assert max(later - sooner for sooner, later in pairwise(onsets)) < 2.5 / seeds


def test_targets_of_long_intervals_get_their_time() -> None:
    """An outage lasts an hour, or sixty intervals."""

    def of(one: Target) -> float:
        return TrialSubject(
            name="x", settings=replace(configuration(), targets=(one,)), failing=frozenset({one.id})
        ).longest_s

    assert of(target(A)) == 3600.0
    assert of(target(A, interval_s=600.0)) == 36_000.0
