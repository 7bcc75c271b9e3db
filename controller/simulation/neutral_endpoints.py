"""The neutral endpoints in a simulation: whether they answer, and what the service makes of that."""

from datetime import datetime
from math import inf
from random import Random

from controller.simulation.scenario import Scenario
from controller.simulation.world import own_network_failures
from monitor.connectivity.network_loss import NetworkLossDetector
from probes.observation import Observation

_HOUR_S = 3600.0


class NeutralEndpoints:
    """The neutral endpoints of the made-up world, and the service's judgement on them; it begins at `epoch`."""

    def __init__(self, scenario: Scenario, seed: int, epoch: datetime) -> None:
        self._epoch = epoch
        self._endpoints = scenario.settings.connectivity.endpoints
        self._failures = own_network_failures(scenario)
        self._dice = Random(f"{seed} neutral endpoints")  # noqa: S311 - a simulation
        self._network_loss = NetworkLossDetector(
            self._endpoints, frozenset(p.name for p in scenario.settings.providers)
        )
        self.can_fail = bool(self._failures) or not self._endpoints
        """False where they always answer: no failure can then be blamed on our own network."""
        always = not self._endpoints
        self._from_s = 0.0 if always else min((since_s for (since_s, _), _ in self._failures), default=0.0) - _HOUR_S
        self._until_s = inf if always else max((until_s for (_, until_s), _ in self._failures), default=0.0) + _HOUR_S

    def is_blind(self, observation: Observation, ended_s: float) -> bool:
        """Whether our own network may be the cause of this observation; to be called for all of them, as they end.

        Longer than an hour before and after our network fails, the endpoints have always answered and always do.
        """
        if not self._from_s <= ended_s <= self._until_s:
            return False
        return self._network_loss.follow(observation, self._answering)

    def next_failure_s(self, now_s: float) -> float:
        """From when on they may not answer; infinite when they always will."""
        if not self.can_fail or now_s > self._until_s:
            return inf
        return max(now_s, self._from_s)

    def _answering(self, now: datetime) -> frozenset[str]:
        now_s = (now - self._epoch).total_seconds()
        failing = next((rate for (from_s, until_s), rate in self._failures if from_s <= now_s < until_s), 0.0)
        if not failing:
            return frozenset(self._endpoints)
        return frozenset(endpoint for endpoint in self._endpoints if self._dice.random() >= failing)
