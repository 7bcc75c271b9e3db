"""What several regions show of a model together: it fails in most of them, before each has evidence enough (pure).

The probes of all regions are one stream of `monitor.detection.provider_pool`, whose members are the regions. A verdict
is on the regions that have seen a failure themselves: where a model answers, it is not down.
"""

from collections.abc import Mapping

from monitor.config.settings import Settings
from monitor.detection.parameters import TargetParameters, in_several_regions, parameters_across_regions
from monitor.detection.provider_bursts import background_rates
from monitor.detection.provider_pool import ProviderEvidence
from monitor.detection.target_state import TargetState
from monitor.health import NO_VERDICT
from probes.observation import Observation, replaced


class AcrossRegions:
    """The models of these settings that several regions probe; `targets` is `parameters_by_target`."""

    def __init__(self, settings: Settings, targets: Mapping[str, TargetParameters]) -> None:
        self.parameters = parameters_across_regions(settings, targets)
        """By the model's plain name; the members are its regions."""
        self._target_of = in_several_regions(settings.targets)
        self._targets = targets
        self._place = {
            target: (model, region) for model, regions in self._target_of.items() for region, target in regions.items()
        }

    def model_of(self, target: str) -> str | None:
        """The plain name of a target that several regions probe."""
        place = self._place.get(target)
        return place[0] if place else None

    def as_of_region(self, observation: Observation) -> Observation:
        """The observation of a target as one of its region."""
        return replaced(observation, target=self._place[observation.target][1])

    def condemned(self, model: str, pool: ProviderEvidence, states: Mapping[str, TargetState]) -> list[str]:
        """The targets that a verdict by this evidence is on."""
        seen = ((region, target) for region, target in self._target_of[model].items() if pool.failures.get(region))
        return [target for _, target in seen if states[target].health in NO_VERDICT]

    def backgrounds(self, model: str, states: Mapping[str, TargetState]) -> dict[str, float]:
        """How often it fails in quiet times, by region, of those against whose target no verdict stands."""
        regions = self._target_of[model]
        known = background_rates({target: self._targets[target] for target in regions.values()}, states)
        return {region: known[target] for region, target in regions.items() if target in known}
