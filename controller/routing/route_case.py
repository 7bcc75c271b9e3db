"""What the policy is given of one route, and what it says about it (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from controller.routing.candidates import Candidate
from controller.routing.decision import Decision, MoveKind
from controller.routing.overrides import NO_OVERRIDES, Overrides
from monitor.config.controller_settings import ControllerSettings
from monitor.config.route import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteVerdict:
    """What the policy says about one route."""

    decision: Decision | None = None
    """None: it stays where it is."""
    stuck: bool = False
    """The present target fails and nothing else is eligible."""
    settled: bool = False
    """Only a change of a target's health or of an override can change this verdict, or, where the present target
    fails, another probe of a candidate; time alone cannot."""
    waiting: str | None = None
    """A more preferred target that is up: failback is manual, and waits for an operator."""
    warning: str | None = None
    """What an operator's override costs users right now, as a sentence; it quotes the operator."""
    held: str | None = None
    """The move that a pause holds back from a target that serves its users, as a sentence."""
    drill_over: str | None = None
    """Why the drill that is in force must end now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteCase:
    """One route, and everything that the verdict on it depends on."""

    route: Route
    current: Decision | None
    targets: Mapping[str, Candidate]
    """By id: the route's candidates, and all other targets of their providers."""
    now: datetime
    generation: int
    epoch: int = 0
    controller: ControllerSettings
    overrides: Overrides = NO_OVERRIDES

    @property
    def candidates(self) -> list[Candidate]:
        """The route's candidates, in order of preference."""
        return [self.targets[target] for target in self.route.candidates]

    def candidate(self, target: str | None) -> Candidate | None:
        """The candidate with this id."""
        return self.targets[target] if target in self.route.candidates else None

    def fails(self, candidate: Candidate) -> bool:
        """Whether its health moves the route away."""
        return candidate.health.health in self.route.fail_over_on

    def has_passed(self, since: datetime, for_s: float) -> bool:
        """Whether so long has passed; also when `since` is in the future, because the clock was set back."""
        return not 0 <= (self.now - since).total_seconds() < for_s

    def move(
        self, move: MoveKind, to: Candidate, reason: str, weights: tuple[tuple[str, float], ...] = ()
    ) -> RouteVerdict:
        """The verdict that changes the route like this."""
        decision = Decision(
            route=self.route.name,
            at=self.now,
            move=move,
            before=self.current.target if self.current else None,
            target=to.id,
            reason=reason,
            generation=self.generation,
            epoch=self.epoch,
            weights=weights,
            dry_run=self.controller.dry_run,
        )
        return RouteVerdict(decision=decision)
