"""What the incident tracker is given once per cycle (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from controller.incidents.incident import Incident, Slot, TimelineEntry
from controller.incidents.settings_index import SettingsIndex
from controller.routing.decision import Decision
from controller.routing.overrides import NO_OVERRIDES, Overrides
from monitor.config.settings import Settings
from monitor.connectivity.messages import NetworkLoss
from monitor.health import TargetHealth
from monitor.status_pages.reading import VendorStateChange


@dataclass(frozen=True, kw_only=True)
class CycleFacts:
    """The state of everything that incidents depend on, in one cycle."""

    settings: Settings
    now: datetime
    health: Mapping[str, TargetHealth]
    """By target; may lack configured targets (nothing known yet), and others than those are ignored."""
    routes: Mapping[str, Decision]
    """The published routes, after the decisions of this cycle."""
    decisions: Sequence[Decision] = ()
    """The decisions of this cycle."""
    open_incidents: Sequence[Incident] = ()
    resolved: Sequence[Incident] = ()
    """Incidents resolved lately, which may be reopened."""
    stuck: Mapping[str, str] = field(default_factory=dict)
    """The routes that have nothing eligible left, with what moves them, in words."""
    unpublished: Mapping[str, str] = field(default_factory=dict)
    """The routes whose move could not be written to the routing file, with the target that users are still on."""
    waiting: Mapping[str, str] = field(default_factory=dict)
    """The routes that an operator must bring back, with the target that has proven itself."""
    warnings: Mapping[str, str] = field(default_factory=dict)
    """What an override costs users, one sentence by route."""
    would: Mapping[str, str] = field(default_factory=dict)
    """Where a dry run would have each route that it leaves as configured, in words."""
    vendors: Mapping[str, Sequence[VendorStateChange]] = field(default_factory=dict)
    """What each provider's status page said, oldest first, as `vendor_claim.vendor_lead` takes it."""
    onsets: Mapping[str, Sequence[TimelineEntry]] = field(default_factory=dict)
    """How each failing target began to fail, by target: its first failed probe, or that of a sibling where the whole
    provider fails, and what made it suspect, as far as is known."""
    overrides: Overrides = NO_OVERRIDES
    """The overrides in force."""
    loss: NetworkLoss | None = None
    """The present loss of our own network, if any."""
    changed: AbstractSet[str] | None = None
    """The targets of which health, its time or its reason are no longer those of the last cycle; None: unknown."""
    providers: AbstractSet[str] | None = None
    """The providers whose incidents may change; None: all. Those of others are what they were."""
    known_index: SettingsIndex | None = None
    """That of the settings, where it is known."""

    @cached_property
    def open_by_slot(self) -> Mapping[Slot, Incident]:
        """The open incidents."""
        return {incident.slot: incident for incident in self.open_incidents}

    @cached_property
    def resolved_by_slot(self) -> Mapping[Slot, Incident]:
        """The incident of each slot that was resolved last."""
        oldest_first = sorted(self.resolved, key=lambda incident: incident.resolved_at or incident.opened_at)
        return {incident.slot: incident for incident in oldest_first}

    @cached_property
    def index(self) -> SettingsIndex:
        """That of the settings."""
        return self.known_index or SettingsIndex.of(self.settings)

    @property
    def provider_of(self) -> Mapping[str, str]:
        """The provider of every configured target."""
        return self.index.provider_of

    @property
    def candidates(self) -> Mapping[str, AbstractSet[str]]:
        """The candidates of every configured route."""
        return self.index.candidates

    def health_of(self, target: str) -> TargetHealth | None:
        """That of a configured target; None where nothing is known of it, or it is not configured."""
        return self.health.get(target) if target in self.index.provider_of else None

    def concerns(self, incident: Incident) -> bool:
        """Whether the incident may change."""
        return self.providers is None or incident.provider in self.providers

    @property
    def reviewed(self) -> Iterator[TargetHealth]:
        """The health of the configured targets of these providers, as far as it is known."""
        providers = self.index.members.keys() if self.providers is None else self.providers
        for provider in providers:
            yield from self.of_provider(provider)

    def of_provider(self, provider: str) -> Iterator[TargetHealth]:
        """The health of a provider's configured targets, as far as it is known."""
        known = (self.health.get(target) for target in self.index.members.get(provider, ()))
        return (state for state in known if state)
