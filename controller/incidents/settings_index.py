"""What the configuration says of targets, providers and routes, looked up by name (pure)."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from monitor.config.settings import Settings


@dataclass(frozen=True, slots=True)
class SettingsIndex:
    """Made once for a configuration: a cycle must not cost more for targets that nothing happens to."""

    provider_of: Mapping[str, str]
    """The provider of every target."""
    members: Mapping[str, tuple[str, ...]]
    """The targets of every provider."""
    candidates: Mapping[str, AbstractSet[str]]
    """The candidates of every route."""
    neighbours: Mapping[str, AbstractSet[str]]
    """The providers of the candidates of the routes that a target is a candidate of."""
    region_of: Mapping[str, str]
    """The region that every target is seen from."""

    @classmethod
    def of(cls, settings: Settings) -> "SettingsIndex":
        """That of these settings."""
        provider_of = {target.id: target.provider.name for target in settings.targets}
        members: dict[str, list[str]] = {}
        for target, provider in provider_of.items():
            members.setdefault(provider, []).append(target)
        neighbours: dict[str, set[str]] = {}
        for route in settings.routes:
            providers = {provider_of[target] for target in route.candidates if target in provider_of}
            for target in route.candidates:
                neighbours.setdefault(target, set()).update(providers)
        return cls(
            provider_of=provider_of,
            members={provider: tuple(targets) for provider, targets in members.items()},
            candidates={route.name: frozenset(route.candidates) for route in settings.routes},
            neighbours=neighbours,
            region_of={target.id: target.monitored_from for target in settings.targets},
        )

    def concerned(self, targets: Iterable[str]) -> set[str]:
        """The providers whose incidents say something that depends on the health of one of these targets."""
        providers = set[str]()
        for target in targets:
            if target in self.provider_of:
                providers.add(self.provider_of[target])
                providers |= self.neighbours.get(target, frozenset())
        return providers
