"""Who is compared: each peer's rule with how it probes, as its source has it."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.detection.passive import Cooldown, Ejection, Tumbling
from benchmarks.detection.rules import Checkers, KOfN, Quorum, Rule, Share, Streak
from probes.outcome import Outcome

ROUTE53_CHECKERS, OPENSTATUS_REGIONS = 16, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Probing:
    """How a peer asks. Everybody asks at the scenario's interval."""

    tries: int = 1
    """A probe fails when so many tries in a row have; the retries are hidden in an SDK or in the checker."""
    pause_s: tuple[float, ...] = ()
    """Before the second try, the third, …"""
    places: int = 1
    """How many places each target is probed from."""
    in_phase: bool = False
    """All places at the same moment, rather than each at its own."""
    deadline_s: float = 30.0
    """An answer that takes longer is a failure."""
    ignores: frozenset[Outcome] = frozenset()
    """What a probe may end in without being a result at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One rule under test."""

    name: str
    make: Callable[[random.Random, set[object]], Rule]
    """A rule for one unit, from dice (for its phase) and a set that all units of the run share."""
    probing: Probing = Probing()
    by_provider: bool = False
    """One verdict for all targets of a provider."""
    memory_s: float = 0.0
    """How far back the rule looks at successes."""
    passive: bool = False
    """It judges the application's own requests and needs them in its path."""
    decides: str
    """The rule in words."""
    source: str
    """Where it was read."""
    mends: str = ""
    """What had to be changed or assumed."""


_VERCEL = Probing(tries=3, pause_s=(2.0, 4.0), deadline_s=45.0)
_OPENAI_SDK = Probing(tries=3, pause_s=(0.5, 1.0), deadline_s=60.0)
_BACKOFF = (0.5, 0.75)
_REFUSED = frozenset({Outcome.RATE_LIMITED, Outcome.QUOTA})

PEERS = (
    Peer(
        name="Gatus 3/2",
        decides="3 failures in a row; healthy after 2 good ones",
        source="`watchdog/alerting.go`, 08c4635",
        make=lambda _dice, _shared: Streak(bad=3, good=2),
        probing=Probing(deadline_s=10.0),
        mends="its default",
    ),
    Peer(
        name="Uptime Kuma, 0 retries",
        decides="the last result",
        source="`server/model/monitor.js`, 6398a95",
        make=lambda _dice, _shared: Streak(bad=1, good=1),
        probing=Probing(deadline_s=24.0),
        mends="its default",
    ),
    Peer(
        name="Uptime Kuma, 3 retries",
        decides="4 failures in a row; healthy after 1 good one",
        source="`server/model/monitor.js`, 6398a95",
        make=lambda _dice, _shared: Streak(bad=4, good=1),
        probing=Probing(deadline_s=24.0),
        mends="retry interval = interval",
    ),
    Peer(
        name="Cloudprober 3 of 5",
        decides="3 of the last 5 failed",
        source="`internal/alerting/alerting.go`, 321da49",
        make=lambda _dice, _shared: KOfN(k=3, n=5),
        mends="with a validator for status 2xx; without one HTTP 500 is a success to it",
    ),
    Peer(
        name="Cloudprober 6 of 10",
        decides="6 of the last 10 failed",
        source="`internal/alerting/alerting.go`, 321da49",
        make=lambda _dice, _shared: KOfN(k=6, n=10),
        mends="with a validator for status 2xx",
    ),
    Peer(
        name="llmstatus DOWN",
        decides="more than 50 % of a provider's probes of 5 min failed, looked at every minute",
        source="`internal/detector/rules.go`, bc91500",
        make=lambda dice, _shared: Share(more_than=0.5, window_s=300.0, phase_s=dice.uniform(0, 60)),
        by_provider=True,
        memory_s=300.0,
        mends="one region, one probe type; at its default interval of 300 s it can never fire",
    ),
    Peer(
        name="llmstatus ELEVATED",
        decides="more than 5 % of a provider's probes of 10 min failed, looked at every minute",
        source="`internal/detector/rules.go`, bc91500",
        make=lambda dice, _shared: Share(more_than=0.05, window_s=600.0, phase_s=dice.uniform(0, 60)),
        by_provider=True,
        memory_s=600.0,
        mends="one region, one probe type",
    ),
    Peer(
        name="check-cx",
        decides="the last result",
        source="`lib/providers/ai-sdk-check.ts`, 52dacb4",
        make=lambda _dice, _shared: Streak(bad=1, good=1),
        probing=_VERCEL,
        mends="the last sample; three tries hidden in its SDK",
    ),
    Peer(
        name="OpenStatus, 6 regions",
        decides="at least half of the regions say so, both ways",
        source="`apps/workflows/src/checker/index.ts`, of 2026-08-21",
        make=lambda _dice, _shared: Quorum(regions=OPENSTATUS_REGIONS),
        probing=Probing(tries=3, pause_s=_BACKOFF, places=OPENSTATUS_REGIONS, in_phase=True),
        mends="three tries per region",
    ),
    Peer(
        name="OpenStatus, 1 region",
        decides="the last result",
        source="`apps/workflows/src/checker/index.ts`, of 2026-08-21",
        make=lambda _dice, _shared: Quorum(regions=1),
        probing=Probing(tries=3, pause_s=_BACKOFF),
        mends="three tries",
    ),
    Peer(
        name="Route 53, 16 checkers",
        decides="3 in a row per checker, both ways; healthy while more than 18 % of the checkers say so",
        source="its developer guide",
        make=lambda _dice, _shared: Checkers(checkers=ROUTE53_CHECKERS),
        probing=Probing(places=ROUTE53_CHECKERS),
        mends="its deadline of 2 s lifted, which healthy models miss",
    ),
    Peer(
        name="LiteLLM health check",
        decides="the last result",
        source="`proxy/health_check.py`, 1.109.1",
        make=lambda _dice, _shared: Streak(bad=1, good=1),
        probing=_OPENAI_SDK,
        mends="health-check routing on, which is off by default; three tries hidden in its SDK; default interval 300 s",
    ),
    Peer(
        name="LiteLLM health check, 1 try",
        decides="the last result",
        source="`proxy/health_check.py`, 1.109.1",
        make=lambda _dice, _shared: Streak(bad=1, good=1),
        probing=Probing(deadline_s=60.0, ignores=_REFUSED),
        mends="the same without retries, and with `health_check_ignore_transient_errors`: 429 is no result",
    ),
    Peer(
        name="AISIX",
        decides="the last result",
        source="`background_model_check` of `aisix-core/src/models/model.rs`, 100fef65",
        make=lambda _dice, _shared: Streak(bad=1, good=1),
        probing=Probing(ignores=_REFUSED),
        mends="429 is no result (nor is 408, which no simulated provider sends)",
    ),
    Peer(
        name="agentgateway 1/1",
        decides="the last result",
        source="`health.active`, pull request 3352, not yet merged in September 2026",
        make=lambda _dice, _shared: Streak(bad=1, good=1),
        mends="both thresholds 1",
    ),
    Peer(
        name="agentgateway 3/3",
        decides="3 failures in a row; healthy after 3 good ones",
        source="`health.active`, pull request 3352, not yet merged in September 2026",
        make=lambda _dice, _shared: Streak(bad=3, good=3),
        mends="both thresholds 3",
    ),
    Peer(
        name="LiteLLM cooldown",
        decides="more than half of at least 5 requests of a minute failed; back after 5 s by the timer",
        source="`router_utils/cooldown_handlers.py`, 1.109.1",
        make=lambda _dice, _shared: Cooldown(),
        passive=True,
        mends="router defaults, without its retries",
    ),
    Peer(
        name="Helicone",
        decides="more than 10 % of at least 20 requests of a minute failed, looked at every 5 s; a new minute forgets",
        source="`ai-gateway/src/discover/monitor/health/provider.rs`, 42d2998",
        make=lambda dice, _shared: Tumbling(phase_s=dice.uniform(0, 5)),
        by_provider=True,
        passive=True,
    ),
    Peer(
        name="Envoy, 5 in a row",
        decides="5 failures in a row; back after 30 s times the ejections so far, at most 300 s",
        source="`outlier_detection_impl.cc` and its documentation",
        make=lambda dice, shared: Ejection(phase_s=dice.uniform(0, 10), out=shared),
        passive=True,
        mends="outlier detection's defaults",
    ),
)
