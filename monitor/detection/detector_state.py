"""What a detector remembers, and what of it is carried over to one of other settings (pure)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from monitor.detection.fresh_evidence import FreshTest
from monitor.detection.parameters import ProviderParameters
from monitor.detection.provider_pool import NO_PROVIDER_EVIDENCE, ProviderEvidence, remove_target
from monitor.detection.target_state import TargetState


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorState:
    """All that a detector remembers at one instant."""

    targets: Mapping[str, TargetState]
    providers: Mapping[str, ProviderEvidence]
    fresh: Mapping[str, FreshTest] = field(default_factory=dict)
    """Tests on fresh evidence under way, by target or provider; after a restart they begin anew."""

    def pools(self, providers: Mapping[str, ProviderParameters]) -> dict[str, ProviderEvidence]:
        """The evidence against each of these providers, without targets that it has no longer."""
        return {name: self._pool(name, parameters.members) for name, parameters in providers.items()}

    def carried_over(
        self, stored: "DetectorState", targets: Collection[str], providers: Collection[str]
    ) -> "DetectorState":
        """What is known goes before what is stored; of the tests under way, those all of whose targets are there."""
        fresh = {
            name: test
            for name, test in self.fresh.items()
            if (name in targets or name in providers) and all(target in targets for target in test.targets)
        }
        return DetectorState(
            targets={**stored.targets, **self.targets}, providers={**stored.providers, **self.providers}, fresh=fresh
        )

    def _pool(self, provider: str, members: Collection[str]) -> ProviderEvidence:
        pool = self.providers.get(provider, NO_PROVIDER_EVIDENCE)
        for stranger in pool.without.keys() - set(members):
            pool = remove_target(pool, stranger)
        return pool
