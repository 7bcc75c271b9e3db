"""Each peer's rule, re-created for the benchmark, does what its source does: sequences worked out by hand."""

from dataclasses import replace

import pytest

from benchmarks.detection import runner, scenarios
from benchmarks.detection.passive import Cooldown, Ejection, Tumbling
from benchmarks.detection.peers import PEERS, Peer
from benchmarks.detection.rules import NEVER, Checkers, KOfN, Quorum, Rule, Share, Streak
from controller.simulation.world import build_timelines


def verdicts(rule: Rule, results: str, *, every_s: float = 30.0, start_s: float = 0.0) -> str:
    """What the rule says after each probe: `x` a failure, `.` a success; `D` unhealthy, `-` healthy."""
    said = ""
    for number, result in enumerate(results):
        at_s = start_s + number * every_s
        while rule.due_s <= at_s:
            rule.tick(rule.due_s)
        rule.observe(at_s, result == "x")
        said += "D" if rule.unhealthy else "-"
    return said


def down(rule: Rule) -> bool:
    """Its verdict now."""
    return rule.unhealthy


@pytest.mark.parametrize(
    ("rule", "results", "said"),
    [
        pytest.param(Streak(bad=3, good=2), "xx.xxx.x..", "-----DDDD-", id="Gatus opens at the third in a row"),
        pytest.param(Streak(bad=3, good=2), "xxx.x.x..", "--DDDDDD-", id="Gatus needs two good ones in a row to close"),
        pytest.param(Streak(bad=1, good=1), ".x.xx.", "-D-DD-", id="Kuma without retries says what the last beat said"),
        pytest.param(Streak(bad=4, good=1), "xxx.xxxxx.", "-------DD-", id="Kuma goes down after its third retry"),
        pytest.param(KOfN(k=3, n=5), ".x.x.x....", "-----D----", id="Cloudprober opens at the third of five"),
        pytest.param(
            KOfN(k=3, n=5), ".xxx..x....", "---DDDD----", id="Cloudprober closes once fewer than three are left"
        ),
        pytest.param(KOfN(k=1, n=1), "x.x", "--D", id="Cloudprober drops the first result of a target"),
        pytest.param(KOfN(k=6, n=10), "." + "x." * 5 + "xx", "-" * 11 + "-D", id="six of ten is not met by five"),
    ],
)
def test_rules_that_count_results(rule: Rule, results: str, said: str) -> None:
    """The verdict after each probe is the one of the sequence worked out by hand."""
    assert verdicts(rule, results) == said


def test_llmstatus_fires_above_half_of_five_minutes_and_not_at_half() -> None:
    """Ten probes in the window: five failed are not more than half, six are; seen at the next look only."""
    rule = Share(more_than=0.5, window_s=300.0, phase_s=1.0)
    assert verdicts(rule, "." * 10 + "xxxxx", every_s=30.0) == "-" * 15
    rule.tick(421.0)
    assert not down(rule)
    rule.observe(450.0, failed=True)
    assert not down(rule)
    rule.tick(481.0)
    assert down(rule)


def test_llmstatus_is_silent_on_fewer_than_three_probes() -> None:
    """No data is taken for health: an incident ends when the probes do."""
    rule = Share(more_than=0.5, window_s=300.0, phase_s=100.0)
    rule.observe(10.0, failed=True)
    rule.observe(20.0, failed=True)
    rule.tick(100.0)
    assert not down(rule)
    rule.observe(110.0, failed=True)
    rule.tick(160.0)
    assert down(rule)
    rule.tick(400.0)
    assert not down(rule)


def test_llmstatus_elevated_needs_more_than_one_in_twenty() -> None:
    """One failure of twenty in ten minutes is not more than 5 %; two of twenty are."""
    rule = Share(more_than=0.05, window_s=600.0, phase_s=585.0)
    assert verdicts(rule, "x" + "." * 19) == "-" * 20
    rule.tick(585.0)
    assert not down(rule)
    rule.observe(600.0, failed=True)
    rule.tick(645.0)
    assert down(rule)


def test_openstatus_flips_at_half_of_its_regions_in_both_directions() -> None:
    """Three of six failing are enough, and then three of six healthy are enough again: the tie is both."""
    rule = Quorum(regions=6)
    said = []
    for region, failed in [(0, True), (1, True), (2, True), (2, True), (2, False), (1, False), (0, False)]:
        rule.observe(0.0, failed, region)
        said.append(rule.unhealthy)
    assert said == [False, False, True, True, False, False, False]


def test_openstatus_counts_only_when_a_region_changes() -> None:
    """A region that repeats itself does not have the regions counted."""
    rule = Quorum(regions=2)
    rule.observe(0.0, True, 0)
    assert down(rule)
    rule.observe(0.0, False, 1)
    assert down(rule)


def test_route_53_is_healthy_while_more_than_18_percent_of_its_checkers_say_so() -> None:
    """Of 16 checkers three are enough (18.75 %), two are not; each needs three in a row in both directions."""
    rule = Checkers(checkers=16)
    for checker in range(13):
        for _ in range(3):
            rule.observe(0.0, True, checker)
    assert not down(rule)
    rule.observe(0.0, True, 13)
    rule.observe(0.0, True, 13)
    assert not down(rule)
    rule.observe(0.0, True, 13)
    assert down(rule)
    rule.observe(0.0, False, 13)
    rule.observe(0.0, False, 13)
    assert down(rule)
    rule.observe(0.0, False, 13)
    assert not down(rule)


def test_litellm_cools_down_at_more_than_half_of_five_requests_for_five_seconds() -> None:
    """Two of four is too few, three of five is more than half; the timer alone lets it back."""
    rule = Cooldown()
    for at_s, failed in [(0.0, False), (1.0, True), (2.0, False), (3.0, True)]:
        rule.observe(at_s, failed)
    assert not down(rule)
    rule.observe(4.0, True)
    assert down(rule)
    assert rule.due_s == 9.0
    rule.tick(9.0)
    assert not down(rule)
    assert rule.due_s == NEVER


@pytest.mark.parametrize(
    ("results", "out"),
    [
        pytest.param("xxxx", False, id="four requests are too few, however bad"),
        pytest.param("...xxx", False, id="three of six are not more than half"),
        pytest.param("..xxx", True, id="three of five are"),
    ],
)
def test_where_litellm_draws_the_line(results: str, out: bool) -> None:
    """More than half, of at least five."""
    rule = Cooldown()
    for number, result in enumerate(results):
        rule.observe(number / 10, result == "x")
    assert down(rule) is out


@pytest.mark.parametrize("rule", [Checkers(checkers=2), Quorum(regions=2)], ids=lambda rule: type(rule).__name__)
def test_a_rule_with_a_failure_on_its_books_is_not_settled(rule: Rule) -> None:
    """Quiet stretches must not be skipped before the place that failed has been well again."""
    rule.observe(0.0, True, 1)
    assert not rule.settled
    for _ in range(3):
        rule.observe(30.0, False, 1)
    assert rule.settled


def test_litellm_counts_failures_and_successes_in_minutes_of_their_own() -> None:
    """The successes of a minute that began before are forgotten while the failures of a later one still count."""
    rule = Cooldown()
    for number in range(50):
        rule.observe(float(number), False)
    for at_s in (51.0, 52.0, 53.0, 54.0):
        rule.observe(at_s, True)
    assert not down(rule)
    rule.observe(61.0, True)
    assert down(rule)


def test_helicone_ejects_above_a_tenth_of_twenty_and_forgets_with_the_lap() -> None:
    """Two of twenty are not more than a tenth, three of twenty are; when the minute is over it is back unproven."""
    rule = Tumbling(phase_s=5.0)
    for number in range(20):
        rule.observe(1.0 + number / 10, number < 2)
    rule.tick(5.0)
    assert not down(rule)
    rule.observe(6.0, True)
    rule.tick(10.0)
    assert down(rule)
    rule.tick(55.0)
    assert down(rule)
    rule.tick(60.0)
    assert not down(rule)


def test_envoy_ejects_for_longer_each_time_and_forgives_while_it_behaves() -> None:
    """Five in a row: 30 s out, then 60 s; every look that finds it in the pool takes one ejection off the count."""
    rule = Ejection(phase_s=0.0, out=set())
    assert verdicts(rule, "xxxx.xxxxx", every_s=0.1, start_s=0.05) == "---------D"
    rule.tick(10.0)
    rule.tick(20.0)
    rule.tick(30.0)
    assert down(rule)
    rule.tick(40.0)
    assert not down(rule)
    verdicts(rule, "xxxxx", every_s=0.1, start_s=41.0)
    rule.tick(71.5)
    assert down(rule)
    rule.tick(101.5)
    assert not down(rule)
    rule.tick(110.0)
    rule.tick(120.0)
    verdicts(rule, "xxxxx", every_s=0.1, start_s=121.0)
    rule.tick(152.0)
    assert not down(rule)


def test_envoy_ejects_no_second_host_of_a_small_cluster() -> None:
    """A tenth of two hosts is none, but one may always go; the second stays whatever it does."""
    out: set[object] = set()
    first, second = Ejection(phase_s=0.0, out=out), Ejection(phase_s=0.0, out=out)
    assert verdicts(first, "xxxxx", every_s=0.1, start_s=0.1).endswith("D")
    assert verdicts(second, "xxxxxxxxxx", every_s=0.1, start_s=1.0) == "-" * 10


def named(name: str) -> Peer:
    """The peer of that name."""
    [peer] = [peer for peer in PEERS if peer.name == name]
    return peer


@pytest.mark.parametrize(
    ("name", "flagged"),
    [("Gatus 3/2", 0.296), ("Uptime Kuma, 0 retries", 0.493), ("OpenStatus, 1 region", 0.122), ("check-cx", 0.122)],
)
def test_the_share_of_a_half_outage_that_is_flagged_is_the_one_known(name: str, flagged: float) -> None:
    """As an independent simulation of the same rules had it: the share of the hour for which routes are away."""
    away_s, seeds = 0.0, 60
    for seed in range(seeds):
        case = scenarios.outage(0.5, models=1).seeded(seed)
        moves = runner.run(named(name), case.scenario, build_timelines(case.scenario, seed), seed).moves["r1"]
        ends = [at_s for at_s, _ in moves[1:]] + [case.end_s]
        spans = zip(moves, ends, strict=True)
        away_s += sum(
            max(0.0, min(until_s, case.end_s) - max(from_s, case.begin_s))
            for (from_s, target), until_s in spans
            if target != "a/m1"
        )
    assert away_s / seeds / 3600 == pytest.approx(flagged, abs=0.035)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_run_can_be_repeated(peer: Peer) -> None:
    """The same peer, world and seed give the same moves and the same number of probes."""
    case = scenarios.outage(0.5, models=1)
    timelines = build_timelines(case.scenario, 7)
    assert runner.run(peer, case.scenario, timelines, 7) == runner.run(peer, case.scenario, timelines, 7)


class Watched(Streak):
    """A rule that is never skipped over."""

    @property
    def settled(self) -> bool:
        """Never, so that every probe reaches it."""
        return False


@pytest.mark.slow
def test_skipping_quiet_stretches_changes_nothing() -> None:
    """With every single probe run, routes leave as often (within chance) as when quiet stretches are skipped."""
    case = scenarios.quiet(models=1, blips=True, days=12)
    skipping = named("Uptime Kuma, 0 retries")
    plodding = replace(skipping, name="plodding", make=lambda _dice, _shared: Watched(bad=1, good=1))
    counts = [
        sum(
            len(runner.run(peer, case.scenario, build_timelines(case.scenario, seed), seed).moves["r1"]) - 1
            for seed in range(3)
        )
        for peer in (skipping, plodding)
    ]
    assert counts[0] == pytest.approx(counts[1], rel=0.12)
    assert min(counts) > 500


def test_the_dice_of_a_peer_are_its_own() -> None:
    """Two peers with the same rule meet the same outage, but not the same failures of single requests."""
    case = scenarios.outage(0.5, models=1)
    timelines = build_timelines(case.scenario, 1)
    one = named("Cloudprober 3 of 5")
    peers = one, replace(one, name="another")
    moves = [runner.run(peer, case.scenario, timelines, 1).moves for peer in peers]
    assert moves[0] != moves[1]
