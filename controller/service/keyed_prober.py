"""Probes with a key that works where a provider has several, and says which."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from controller.service.key_ring import REFUSALS, KeyRing
from probes.observation import Observation
from probes.outcome import ANSWERED, Outcome
from probes.target import Provider, ProviderKey, Target


@dataclass(kw_only=True)
class KeyedProber:
    """Asks as the prober does. A key that is refused twice in a row gives way to the next within the same probe.

    So a probe ends in `auth` or `quota` only where no key of the provider works.
    """

    ask: Callable[[Target, str], Awaitable[Observation]]
    providers: Sequence[Provider]
    clock: Callable[[], datetime]
    use_key: Callable[[str, ProviderKey], None]
    """Is told the key of a provider that works, whenever it is another one than before."""
    report: Callable[[str, str, str], None]
    """Is given a kind, the provider's name and a text for people."""
    rings: dict[str, KeyRing] = field(default_factory=dict, init=False)
    """Of the providers with several keys, by name."""
    used: dict[str, int] = field(default_factory=dict, init=False)
    """The key that `use_key` was told last, by provider."""

    def __post_init__(self) -> None:
        self.rings = {each.name: KeyRing(count=len(each.keys)) for each in self.providers if each.other_keys}

    def go_on_from(self, before: "KeyedProber") -> None:
        """Know what another one has found out of the providers whose keys are the same."""
        keys = {each.name: each.keys for each in before.providers}
        same = {each.name for each in self.providers if keys.get(each.name) == each.keys}
        self.rings |= {name: ring for name, ring in before.rings.items() if name in same}
        self.used |= {name: number for name, number in before.used.items() if name in same}

    async def probe(self, target: Target, check: str) -> Observation:
        """What the probe saw; never raises for what a provider does."""
        ring = self.rings.get(target.provider.name)
        if ring is None:
            return await self.ask(target, check)
        tried: set[int] = set()
        number = ring.next_key(self.clock())
        while True:
            was_refused = number in ring.refused
            observation = await self._ask_with(target, check, number)
            if observation.outcome in REFUSALS and not was_refused:
                observation = await self._ask_with(target, check, number)  # once more: it may have been an accident
            if observation.outcome not in REFUSALS:
                if observation.outcome in ANSWERED:
                    self._accept(ring, target.provider, number)
                return observation
            tried.add(number)
            if ring.refuse(number, self.clock()):
                self._report_refusal(ring, target.provider, number, observation)
            if (then := ring.in_use) is None or then in tried:
                return observation
            number = then

    def _ask_with(self, target: Target, check: str, number: int) -> Awaitable[Observation]:
        provider = target.provider
        return self.ask(replace(target, provider=provider.with_key(provider.keys[number])), check)

    def _accept(self, ring: KeyRing, provider: Provider, number: int) -> None:
        if ring.accept(number):
            self.report("key_accepted", provider.name, f"{provider.keys[number].source} works")
        if number == ring.in_use and self.used.get(provider.name) != number:
            self.used[provider.name] = number
            self.use_key(provider.name, provider.keys[number])

    def _report_refusal(self, ring: KeyRing, provider: Provider, number: int, observation: Observation) -> None:
        why = "has no money or credit left" if observation.outcome is Outcome.QUOTA else "is refused"
        left = ring.in_use
        then = "no other key is left" if left is None else f"{provider.keys[left].source} is used instead"
        text = f"{provider.keys[number].source} {why} ({observation.detail}); {then}"
        self.report("key_refused", provider.name, text)
