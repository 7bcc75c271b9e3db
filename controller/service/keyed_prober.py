"""Probes with a key that works where a provider has several, and says which."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from controller.service.key_ring import REFUSALS, KeyRing
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Provider, ProviderKey, Target


@dataclass(kw_only=True)
class KeyedProber:
    """Asks as the prober does. A key that is refused twice in a row gives way to the next within the same probe.

    So a probe ends in `auth` or `quota` only where no key of the provider works.
    """

    ask: Callable[[Target, str], Awaitable[Observation]]
    providers: Iterable[Provider]
    clock: Callable[[], datetime]
    use_key: Callable[[str, ProviderKey], None]
    """Is told the key of a provider that works, whenever it is another one than before."""
    report: Callable[[str, str, str], None]
    """Is given a kind, the provider's name and a text for people."""
    _rings: dict[str, KeyRing] = field(default_factory=dict)
    _used: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rings = {each.name: KeyRing(count=len(each.keys)) for each in self.providers if each.other_keys}

    async def probe(self, target: Target, check: str) -> Observation:
        """What the probe saw; never raises for what a provider does."""
        ring = self._rings.get(target.provider.name)
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
                if observation.outcome is Outcome.OK or observation.outcome is Outcome.SLOW:
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
            self.report("key_accepted", provider.name, f"{provider.with_key(provider.keys[number]).key_source} works")
        if number == ring.in_use and self._used.get(provider.name) != number:
            self._used[provider.name] = number
            self.use_key(provider.name, provider.keys[number])

    def _report_refusal(self, ring: KeyRing, provider: Provider, number: int, observation: Observation) -> None:
        refused = provider.with_key(provider.keys[number]).key_source
        why = "has no money or credit left" if observation.outcome is Outcome.QUOTA else "is refused"
        left = ring.in_use
        then = "no other key is left" if left is None else provider.with_key(provider.keys[left]).key_source
        goes_on = then if left is None else f"{then} is used instead"
        self.report("key_refused", provider.name, f"{refused} {why} ({observation.detail}); {goes_on}")
