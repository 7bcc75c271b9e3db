"""The judge: everything that is known of all targets and providers, one observation at a time, without any IO.

The service, `simulate` and `replay` drive this same object; that is what makes the latter two honest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitor.detection import pacing, reasons
from monitor.detection import provider_pool as pool
from monitor.detection import state_machine as detector
from monitor.detection.pacing import BurstProbe
from monitor.detection.parameters import ProviderParameters, TargetParameters, pool_rules_for, rules_for
from monitor.detection.provider_pool import NO_POOL, ProviderEvidence
from monitor.detection.target_state import TargetState
from monitor.health import NO_VERDICT, Health, TargetHealth, Transition
from monitor.settings import Settings
from probes.observation import Observation
from probes.outcome import Blame, Effect, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorState:
    """All that a judge remembers at one instant."""

    records: Mapping[str, TargetState]
    """By target."""
    pools: Mapping[str, ProviderEvidence]
    """By provider."""


class Detector:
    """Judges the targets of these settings, from the state "nothing known" at `now` on.

    Not thread-safe.
    """

    def __init__(self, settings: Settings, now: datetime) -> None:
        self._rules = rules_for(settings)
        self._pool_rules = pool_rules_for(settings, self._rules)
        self._providers = {target.id: target.provider.name for target in settings.targets}
        self._records = {target: TargetState(target=target, since=now) for target in self._rules}
        self._pools = dict.fromkeys(self._pool_rules, NO_POOL)
        self._waiting: dict[str, datetime] = {}
        """When a verdict that only waits for `min_outage` will be made, by target or provider."""
        self._health: dict[str, TargetHealth] = {}
        self._calm: str | None = None
        """The target just observed, if it deserves no extra probe."""
        self._stale: set[str] = set()
        """Targets of which only the time of the last good answer is newer than in `_health`."""
        for record in self._records.values():
            self._remember(record)

    def observe(self, seen: Observation, *, blind: bool = False) -> tuple[Transition, ...]:
        """Weigh one more observation; what changed. One of an unknown target changes nothing.

        `blind` says that our own network was found to be down meanwhile: failures that may be our own network's then
        count for nothing.
        """
        target = seen.target
        rule = self._rules.get(target)
        if rule is None:
            return ()
        before = self._records[target]
        after = detector.observe(before, seen, rule, blind=blind)
        provider = self._providers[target]
        if seen.outcome is Outcome.OK and after.reason is before.reason and provider not in self._waiting:
            known = self._pools.get(provider, NO_POOL)
            if not known.evidence.value:
                # Nothing but times has changed: nearly every probe of quiet days ends here.
                self._records[target] = after
                self._stale.add(target)
                self._calm = target if after.health is Health.UP else None
                return ()
        self._calm = None
        changed = self._changed(before, after)
        if changed and seen.outcome in detector.OF_THE_KEY and after.health is Health.MISCONFIGURED:
            self._warn_siblings(provider, seen.outcome)
        if provider in self._pools:
            self._pool(provider, seen, blind=blind)
            changed += self._provider_verdict(provider, seen.finished_at)
        return changed

    def tick(self, now: datetime) -> tuple[Transition, ...]:
        """What changes as time passes without observations: verdicts that only waited, and targets gone silent."""
        changed: tuple[Transition, ...] = ()
        for target, record in tuple(self._records.items()):
            after = detector.tick(record, now, self._rules[target])
            if after is not record:
                changed += self._changed(record, after)
        for provider, known in self._pools.items():
            if known.evidence.value:
                self._pools[provider] = self._not_stale(provider, now)
                self._note_waiting(provider)
                changed += self._provider_verdict(provider, now)
        return changed

    def unwatched(self, target: str, now: datetime, reason: str) -> tuple[Transition, ...]:
        """Nobody asks this target any more: what changes. Where it fails already, that stays the last word."""
        before = self._records[target]
        after = detector.unwatched(before, now, reason)
        return () if after is before else self._changed(before, after)

    @property
    def health(self) -> Mapping[str, TargetHealth]:
        """What it says of each target now, by id."""
        for target in self._stale:
            self._health[target] = replace(self._health[target], last_ok_at=self._records[target].last_ok_at)
        self._stale.clear()
        return self._health

    @property
    def due(self) -> datetime | None:
        """When `tick` will change something, if nothing is observed until then, silence aside; None when not."""
        return min(self._waiting.values()) if self._waiting else None

    def extras(self, target: str) -> tuple[BurstProbe, ...]:
        """The extra probes to plan after an observation of this target."""
        if target is self._calm or (self._records[target].health is Health.UP and not self._busy(target)):
            return ()
        planned = []
        record, provider = self._records[target], self._providers[target]
        alone_s = pacing.quick_s(record, self._rules[target], pool=self._pools.get(provider))
        if alone_s is not None:
            planned.append(BurstProbe(slot=target, targets=(target,), delay_s=alone_s))
        if record.health is Health.MISCONFIGURED:
            planned += self._to_confirm(provider)
        if provider in self._pools:
            known, rule = self._pools[provider], self._pool_rules[provider]
            together_s = pacing.pool_quick_s(known, rule)
            members = self._to_ask(rule) if together_s is not None else {}
            if together_s is not None and members:
                suspects = sorted(members, key=lambda name: -self._records[name].down.value)[:1]
                planned.append(
                    BurstProbe(slot=provider, targets=pool.order(known, members, suspects), delay_s=together_s)
                )
        return tuple(planned)

    def resting(self, target: str, now: datetime) -> bool:
        """Whether the provider has asked (Retry-After) not to be probed yet."""
        return pacing.resting(self._records[target], now)

    def record_of(self, target: str) -> TargetState:
        """What is remembered of a target; KeyError when there is none of that name."""
        return self._records[target]

    def memory(self) -> DetectorState:
        """What it remembers now; later observations do not change it."""
        return DetectorState(records=dict(self._records), pools=dict(self._pools))

    def remember(self, memory: DetectorState) -> None:
        """Go on from there. Targets and providers that these settings do not have are left out."""
        for name, rule in self._pool_rules.items():
            known = memory.pools.get(name, NO_POOL)
            for stranger in known.without.keys() - rule.members.keys():
                known = pool.left_out(known, stranger)
            self._pools[name] = known
        for target, record in memory.records.items():
            if target in self._rules:
                self._remember(record)
        for name in self._pools:
            self._note_waiting(name)

    def _changed(self, before: TargetState, after: TargetState) -> tuple[Transition, ...]:
        """Remember what became of a target on its own evidence; the transition, if it is one."""
        target = after.target
        self._remember(after)
        if after.health is before.health:
            return ()
        provider = self._providers[target]
        if provider in self._pools and after.health not in NO_VERDICT and before.health in NO_VERDICT:
            self._pools[provider] = pool.left_out(self._pools[provider], target)
            self._note_waiting(provider)
        changed = detector.transition(before, after, self._rules[target])
        return (changed,) if changed else ()

    def _remember(self, record: TargetState) -> None:
        target = record.target
        rule = self._rules[target]
        self._records[target] = record
        self._health[target] = record.summary(rule)
        self._stale.discard(target)
        at = detector.verdict_at(record, rule)
        if at is not None:
            self._waiting[target] = at
        else:
            self._waiting.pop(target, None)

    def _pool(self, provider: str, seen: Observation, *, blind: bool) -> None:
        """Weigh an observation against the whole provider.

        Unless its target is bad by its own evidence, or people know that this check of it fails.
        """
        known = self._not_stale(provider, seen.finished_at)
        if blind and seen.outcome.blame is Blame.UNDECIDED:
            known = NO_POOL
        elif self._records[seen.target].health in NO_VERDICT and not self._records[seen.target].sick(seen.check):
            if seen.outcome.effect is Effect.DOWN:
                known = pool.failed(known, seen, self._pool_rules[provider], self._backgrounds(provider))
            elif seen.outcome.effect in {Effect.UP, Effect.DEGRADED}:
                known = pool.passed(known, seen, self._pool_rules[provider])
        self._pools[provider] = known
        self._note_waiting(provider)

    def _not_stale(self, provider: str, now: datetime) -> ProviderEvidence:
        """What is held against a provider; nothing after a long silence, or when the clock was set."""
        known = self._pools[provider]
        return NO_POOL if pool.stale(known, now, self._pool_rules[provider].patience_s) else known

    def _siblings(self, provider: str) -> Mapping[str, TargetParameters]:
        """The targets of a provider that has several, with their rules."""
        return self._pool_rules[provider].members if provider in self._pool_rules else {}

    def _warn_siblings(self, provider: str, outcome: Outcome) -> None:
        """The key is the provider's: what is wrong with it is confirmed for its other targets by one probe each."""
        for target in self._siblings(provider):
            self._records[target] = detector.warned(self._records[target], outcome)

    def _to_confirm(self, provider: str) -> list[BurstProbe]:
        """A quick probe of each target of the provider that is suspected of a fault of ours."""
        return [
            BurstProbe(slot=target, targets=(target,), delay_s=rule.failed_s)
            for target, rule in self._siblings(provider).items()
            if self._records[target].suspicion and self._records[target].health in NO_VERDICT
        ]

    def _backgrounds(self, provider: str) -> dict[str, float]:
        """The failure rates of the targets that are in the pool."""
        records = (self._records[target] for target in self._pool_rules[provider].members)
        return {one.target: one.down.background.rate for one in records if one.health in NO_VERDICT}

    def _note_waiting(self, provider: str) -> None:
        known = self._pools[provider]
        if pool.convinced(known) and known.evidence.since:
            rule = self._pool_rules[provider]
            self._waiting[provider] = known.evidence.since + timedelta(seconds=rule.min_outage_s)
        else:
            self._waiting.pop(provider, None)

    def _provider_verdict(self, provider: str, now: datetime) -> tuple[Transition, ...]:
        """Condemn all targets of the provider, if the evidence suffices and has lasted long enough."""
        due = self._waiting.get(provider)
        if due is None or now < due:
            return ()
        known, rule = self._pools[provider], self._pool_rules[provider]
        said = _reason(provider, known, rule, now)
        self._pools[provider] = NO_POOL
        self._waiting.pop(provider, None)
        evidence, weight = known.evidence, (known.evidence.value, known.threshold)
        by_provider, changed = evidence.by_provider, []
        for target, target_rule in rule.members.items():
            before = self._records[target]
            after = detector.condemned(before, now, target_rule, said=said, by_provider=by_provider, weight=weight)
            moved = detector.transition(before, after, target_rule)
            if moved:
                self._remember(after)
                changed.append(replace(moved, evidence=evidence.value, threshold=known.threshold, trail=evidence.trail))
        return tuple(changed)

    def _busy(self, target: str) -> bool:
        """Whether anything may be held against the target or its provider."""
        known = self._pools.get(self._providers[target], NO_POOL)
        record = self._records[target]
        return bool(known.evidence.value or record.suspicion)

    def _to_ask(self, rule: ProviderParameters) -> dict[str, datetime]:
        """The targets of a provider that a burst may ask, with when each was last heard."""
        found = {}
        for target in rule.members:
            record = self._records[target]
            if record.health in NO_VERDICT and not record.resting_until:
                found[target] = record.last_seen_at or record.since
        return found


def _reason(provider: str, known: ProviderEvidence, rule: ProviderParameters, now: datetime) -> str:
    """Why the provider is down: the probes of its targets together, in one sentence with numbers."""
    evidence = known.evidence
    failing = sum(count > 0 for count in known.failures.values())
    counts = reasons.failure_counts(evidence.failures, evidence.probes, evidence.span_s(now), evidence.outcomes)
    weighed = reasons.evidence_and_threshold(evidence.value, known.threshold, p0=known.p0, p1=rule.p1)
    said = f"all of {provider}, as {counts} on {failing} of its {len(rule.members)} targets; {weighed}"
    return said + (f"; last: {evidence.last}" if evidence.last else "")
