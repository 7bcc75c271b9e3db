"""Where a route is best off when all of its candidates fail: on the one that measurably fails less (pure).

The lower bound of the difference of two shares is that of Agresti and Caffo (2000): one success and one failure are
added to each sample, then Wald's interval is taken. It holds for samples as small as a handful of probes.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

from controller.routing.candidates import Candidate
from monitor.health import Health
from probes.outcome import Effect

#: What the reason of such a move begins with.
LEAST_BAD = "least bad"
#: One side of 99 %: with 1.64 (95 %), equals moved 2 to 3 times an hour.
_Z = 2.33
#: One side of 99.9 %, from one least bad candidate to the next: equals are compared again and again.
_Z_AGAIN = 3.09
#: More comparisons at once than these share their error (Bonferroni), or one of many equals would seem better by luck.
_COMPARED = 3
#: So many shares are told one by one.
_LISTED = 3
#: The present target must fail by so much more at the least, a share.
_LEAST_DIFFERENCE = 0.05
#: The health that the outcomes of an effect lead to.
_LEADS_TO = {
    Effect.DOWN: {Health.DOWN},
    Effect.DEGRADED: {Health.DEGRADED, Health.UNUSABLE},
    Effect.THROTTLED: {Health.DEGRADED, Health.UNUSABLE},
    Effect.MISCONFIGURED: {Health.MISCONFIGURED},
}
_NEVER = frozenset({Health.MISCONFIGURED, Health.UNKNOWN})


class FailingShare(NamedTuple):
    """How many of a candidate's recent probes failed."""

    failed: int
    probes: int

    @property
    def text(self) -> str:
        """The share in words: `60 %`, `all`."""
        return "all" if self.failed == self.probes else f"{100 * self.failed / self.probes:.0f} %"


def failing_share(candidate: Candidate, fail_over_on: Collection[Health], since: datetime | None) -> FailingShare:
    """Of its recent probes after `since`: a probe fails when its outcome leads to a health in `fail_over_on`."""
    failing = {effect for effect, health in _LEADS_TO.items() if not health.isdisjoint(fail_over_on)}
    effects = [probe.effect for probe in candidate.recent if since is None or probe.at > since]
    return FailingShare(sum(effect in failing for effect in effects), len(effects))


def least_difference(more: FailingShare, less: FailingShare, z: float = _Z) -> float:
    """The lower bound of how much larger the first share is; `z`: how sure, as a quantile of the normal law."""
    p, q = ((share.failed + 1) / (share.probes + 2) for share in (more, less))
    return p - q - z * sqrt(p * (1 - p) / (more.probes + 2) + q * (1 - q) / (less.probes + 2))


def can_be_least_bad(candidate: Candidate) -> bool:
    """Whether a route may stand on it for want of better: not drained, not our own fault, and not out of sight."""
    return (
        not candidate.blind
        and candidate.drain is None
        and candidate.health.health not in _NEVER
        and bool(candidate.recent)
    )


def least_failing(candidates: Sequence[Candidate], fail_over_on: Collection[Health]) -> Candidate:
    """Where a route begins that must begin somewhere and has no eligible candidate: on the one that failed least.

    By the estimate of Agresti and Caffo; a half where nothing is known. Among equals as configured. On one that is
    drained or misconfigured only where all are.
    """
    fit = [c for c in candidates if c.drain is None and c.health.health is not Health.MISCONFIGURED]
    possible = [c for c in fit if c is candidates[0] or can_be_least_bad(c)]

    def estimate(candidate: Candidate) -> float:
        share = failing_share(candidate, fail_over_on, None)
        return (share.failed + 1) / (share.probes + 2)

    return min(possible or fit or candidates, key=estimate)


def find_least_bad(
    present: Candidate,
    candidates: Sequence[Candidate],
    fail_over_on: Collection[Health],
    since: datetime | None,
    *,
    again: bool = False,
) -> tuple[Candidate, str] | None:
    """The candidate that measurably fails less than the present target, with the reason; None when there is none.

    `again`: the route came to the present target for that, and leaves it on stronger evidence alone.
    """
    shares = {c.id: failing_share(c, fail_over_on, since) for c in candidates if c is present or can_be_least_bad(c)}
    compared = sum(share.probes > 0 for target, share in shares.items() if target != present.id)
    z, mine = _quantile(_Z_AGAIN if again else _Z, compared), shares[present.id]
    better = [
        c
        for c in candidates
        if c is not present and c.id in shares and least_difference(mine, shares[c.id], z) >= _LEAST_DIFFERENCE
    ]
    if not better:
        return None
    to = max(better, key=lambda c: least_difference(mine, shares[c.id], z))
    share = shares[to.id]
    often = f"{100 * share.failed / share.probes:.0f} % of the time"
    others = _others([share for target, share in shares.items() if target != to.id and share.probes])
    return to, f"{LEAST_BAD}: fails {often}, {others}"


def _quantile(z: float, compared: int) -> float:
    """The quantile for each of so many comparisons."""
    if compared <= _COMPARED:
        return z
    normal = NormalDist()
    return -normal.inv_cdf(normal.cdf(-z) * _COMPARED / compared)


def _others(shares: Sequence[FailingShare]) -> str:
    """`the other all`, `the others 60 % and all`, once where they are alike; of many, the least and the most."""
    if len(shares) > _LISTED:
        least, *_, most = sorted(shares, key=lambda share: share.failed / share.probes)
        return f"the {len(shares)} others {least.text} to {most.text}"
    texts = [share.text for share in shares] if len({share.text for share in shares}) > 1 else [shares[0].text]
    listed = " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))
    return f"the other{'s' * (len(shares) > 1)} {listed}"
