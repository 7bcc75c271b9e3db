"""The evidence behind the verdicts of incidents: the probes that each verdict rests on, as the page draws them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from monitor.detection import reasons
from monitor.formatting import format_elapsed, plural
from monitor.health import Health, WeighedProbe
from probes.outcome import Effect

#: What speaks for each verdict that rests on evidence. `misconfigured` needs no more than two plain answers.
VERDICT_EFFECTS: Mapping[Health, frozenset[Effect]] = {
    Health.DOWN: frozenset({Effect.DOWN}),
    Health.DEGRADED: frozenset({Effect.DEGRADED, Effect.THROTTLED}),
    Health.UNUSABLE: frozenset({Effect.DEGRADED, Effect.THROTTLED}),
}
#: The store rounds the evidence of single probes to three digits.
_ROUNDING = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceTrail:
    """The probes whose evidence led to one verdict."""

    targets: tuple[str, ...]
    """The targets of the verdict: one, or all of a provider that fails; sorted by name."""
    at: datetime
    health: Health
    """The verdict: `down`, `degraded` or `unusable`."""
    evidence: float
    threshold: float
    probes: tuple[WeighedProbe, ...]
    """Never empty, the oldest first; of all the provider's targets where the provider fails."""

    def against(self, weighed: WeighedProbe) -> bool:
        """Whether this probe spoke for the verdict."""
        return weighed.outcome.effect in VERDICT_EFFECTS[self.health]

    @property
    def span_s(self) -> float:
        """Seconds from the first probe of the trail to the verdict."""
        return max(0.0, (self.at - min(weighed.at for weighed in self.probes)).total_seconds())

    @property
    def sentence(self) -> str:
        """`14 probes over 41 s, 9 of them failed (server_error); evidence 10.4, verdict at 9.8`."""
        against = Counter(weighed.outcome for weighed in self.probes if self.against(weighed))
        how = "failed" if self.health is Health.DOWN else "poor"
        probes = f"{plural(len(self.probes), 'probe')} over {format_elapsed(self.span_s)}"
        weighed = reasons.evidence_and_threshold(self.evidence, self.threshold)
        return f"{probes}, {against.total()} of them {how} ({reasons.outcome_mix(against)}); {weighed}"


def led_to_verdict(trail: EvidenceTrail, before: Health) -> bool:
    """Whether the verdict came from this evidence. `before` is the health that it ended.

    After a relapse, or a change of what is wrong, the trail of the earlier verdict is still there. Late answers have
    evidence of another kind, which keeps no trail.
    """
    if not trail.probes or trail.probes[-1].evidence < trail.threshold - _ROUNDING:
        return False
    if trail.health is not Health.DOWN:
        return not any(weighed.outcome.effect is Effect.DOWN for weighed in trail.probes)
    relapse = before is Health.RECOVERING and {weighed.target for weighed in trail.probes} == {*trail.targets}
    return not relapse and any(trail.against(weighed) for weighed in trail.probes)
