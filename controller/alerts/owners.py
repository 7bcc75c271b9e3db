"""Who looks after what an incident is about (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from controller.incidents.incident import Incident
from monitor.config.settings import Settings
from probes.target import Owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """The owners of providers and routes, by name."""

    providers: Mapping[str, Owner] = field(default_factory=dict)
    routes: Mapping[str, Owner] = field(default_factory=dict)

    def of(self, incidents: Iterable[Incident]) -> tuple[Owner, ...]:
        """Those of the incidents' providers and of the routes that they touch, each once."""
        found: list[Owner | None] = []
        for incident in incidents:
            found.append(self.providers.get(incident.provider))
            found += [self.routes.get(route.route) for route in incident.routes]
        return tuple(dict.fromkeys(owner for owner in found if owner))


NO_OWNERS: Final = Owners()


def owners_of(settings: Settings) -> Owners:
    """As they are configured."""
    return Owners(
        providers={provider.name: provider.owner for provider in settings.providers if provider.owner},
        routes={route.name: route.owner.owner for route in settings.routes if route.owner},
    )
