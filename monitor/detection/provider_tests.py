"""The tests of several streams as a detector keeps them: of a provider's models, and of a model's regions (pure)."""

from collections.abc import Mapping
from datetime import datetime

from monitor.config.settings import Settings
from monitor.detection import provider_pool
from monitor.detection.across_regions import AcrossRegions
from monitor.detection.parameters import TargetParameters, parameters_by_provider, pool_name
from monitor.detection.provider_bursts import background_rates
from monitor.detection.provider_pool import NO_PROVIDER_EVIDENCE, ProviderEvidence
from monitor.detection.records import DetectorRecords, DueVerdicts
from monitor.detection.target_state import TargetState
from monitor.health import NO_VERDICT
from probes.observation import Observation
from probes.outcome import Blame, Effect

_ANSWERED = frozenset({Effect.UP, Effect.DEGRADED, Effect.THROTTLED})


class ProviderTests:
    """The tests of these settings: of providers by `pool_name`, of models that several regions probe by plain name."""

    def __init__(self, settings: Settings, targets: Mapping[str, TargetParameters]) -> None:
        """`targets` is `parameters_by_target`."""
        self.within = parameters_by_provider(settings, targets)
        """Of the providers that have several targets, as one region sees them."""
        self.across = AcrossRegions(settings, targets)
        self.parameters = {**self.within, **self.across.parameters}
        self.name_of = {target.id: pool_name(target) for target in settings.targets}
        self.names_of = {target: self._names_of(target) for target in self.name_of}
        """The tests that each target's probes count in."""

    def _names_of(self, target: str) -> tuple[str, ...]:
        across = self.across.model_of(target)
        return (self.name_of[target],) if across is None else (self.name_of[target], across)

    def weigh(
        self, name: str, observation: Observation, records: DetectorRecords, *, blind: bool, blip_s: float
    ) -> ProviderEvidence:
        """The evidence of this test after one more probe of one of its targets.

        It changes nothing where a verdict stands against the target, or where it has been reported that this check of
        it fails. What a blind region sees is no evidence, of itself or of others.
        """
        pool, state = self.current(name, records, observation.finished_at), records.targets[observation.target]
        is_across = name in self.across.parameters
        if blind and observation.outcome.blame is Blame.UNDECIDED:
            return pool if is_across else NO_PROVIDER_EVIDENCE
        if state.health not in NO_VERDICT or state.is_reported(observation.check):
            return pool
        seen = self.across.as_of_region(observation) if is_across else observation
        parameters = self.parameters[name]
        if observation.outcome.effect is Effect.DOWN:
            rates = self._backgrounds(name, records.targets)
            return provider_pool.add_failure(pool, seen, parameters, rates, blip_s=blip_s)
        if observation.outcome.effect in _ANSWERED:
            return provider_pool.add_success(pool, seen, parameters)
        return pool

    def _backgrounds(self, name: str, states: Mapping[str, TargetState]) -> dict[str, float]:
        if name in self.across.parameters:
            return self.across.backgrounds(name, states)
        return background_rates(self.within[name].members, states)

    def current(self, name: str, records: DetectorRecords, now: datetime) -> ProviderEvidence:
        """The evidence of this test; none after a long silence, or when the clock was set."""
        pool = records.pools[name]
        return NO_PROVIDER_EVIDENCE if provider_pool.is_stale(pool, now, self.parameters[name].patience_s) else pool

    def plan_verdict(self, name: str, records: DetectorRecords, due: DueVerdicts) -> None:
        """Note when the evidence of this test makes a verdict."""
        due.plan(name, provider_pool.verdict_due_at(records.pools[name], self.parameters[name]))

    def condemned(self, name: str, pool: ProviderEvidence, states: Mapping[str, TargetState]) -> list[str]:
        """The targets that a verdict by this evidence is on."""
        if name in self.across.parameters:
            return self.across.condemned(name, pool, states)
        return list(self.within[name].members)
