"""What the tests of incidents share: a small world whose targets change, and the incidents that follow from it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from controller.incidents.cycle_facts import CycleFacts
from controller.incidents.incident import Incident
from controller.incidents.tracker import update_incidents
from controller.routing.decision import Decision, MoveKind
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.health import Health, TargetHealth
from probes.target import Provider, Secret, Target

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LUNA, MINI, HAIKU = "openai/luna", "openai/mini", "anthropic/haiku"
CHAT = Route(name="chat", candidates=(LUNA, HAIKU))

LETTERS = {
    "?": Health.UNKNOWN,
    "U": Health.UP,
    "S": Health.SUSPECT,
    "d": Health.DEGRADED,
    "u": Health.UNUSABLE,
    "D": Health.DOWN,
    "R": Health.RECOVERING,
    "M": Health.MISCONFIGURED,
}


def settings(*targets: str, routes: Sequence[Route] = (CHAT,)) -> Settings:
    """A configuration with these targets."""
    return Settings(path=Path("hotspare.yaml"), targets=tuple(map(target, targets)), routes=tuple(routes))


def target(target_id: str) -> Target:
    """A target by its id."""
    name, model = target_id.split("/")
    provider = Provider(name=name, dialect="openai-chat", base_url="http://127.0.0.1", api_key=Secret("k"))
    return Target(provider=provider, model=model)


def seen(target_id: str, health: Health, since: datetime) -> TargetHealth:
    """What the detector says."""
    return TargetHealth(target=target_id, health=health, since=since, reason=f"{target_id} is {health}: 9 of 14 failed")


class World:
    """A configuration, its targets' health and its routes, one cycle a second; keeps incidents as the journal does."""

    def __init__(self, configured: Settings | None = None) -> None:
        self.settings = configured or settings(LUNA, MINI, HAIKU)
        self.now = NOON
        self.health: dict[str, TargetHealth] = {}
        self.routes = {
            route.name: Decision(route=route.name, target=route.candidates[0], at=NOON, reason="no observations yet")
            for route in self.settings.routes
        }
        self.open: list[Incident] = []
        self.closed: list[Incident] = []

    def cycle(
        self,
        health: Mapping[str, Health] | None = None,
        *,
        move: str | None = None,
        stuck: bool = False,
        forget_decision: bool = False,
    ) -> list[Incident]:
        """One cycle in which the health changes and the route `chat` moves; what `update_incidents` says of it."""
        self.now += timedelta(seconds=1)
        for name, new in (health or {}).items():
            if name not in self.health or self.health[name].health is not new:
                self.health[name] = seen(name, new, self.now)
        decisions = [self._move(move)] if move else []
        return self.ask(
            stuck={"chat": "it waits"} if stuck else {}, decisions=[] if forget_decision else decisions, after_s=0
        )

    def ask(self, *, after_s: float = 1.0, **facts: Any) -> list[Incident]:
        """One cycle so much later in which only these facts are new; keeps and returns what changed."""
        self.now += timedelta(seconds=after_s)
        changed = self.look(**facts)
        self._keep(changed)
        return changed

    def look(self, **facts: Any) -> list[Incident]:
        """What `update_incidents` says of the world as it is, with these facts besides; nothing is kept."""
        given = {
            "settings": self.settings,
            "now": self.now,
            "health": self.health,
            "routes": self.routes,
            "open_incidents": self.open,
            "resolved": self.closed,
        }
        return update_incidents(CycleFacts(**{**given, **facts}))

    def settle_on_least_bad(self, to: str, reason: str) -> list[Incident]:
        """One cycle in which the stuck route `chat` moves to the candidate that fails less."""
        before = self.routes["chat"].target
        move = Decision(
            route="chat", at=self.now, move=MoveKind.LEAST_BAD, before=before, target=to, reason=f"least bad: {reason}"
        )
        self.routes["chat"] = move
        return self.ask(stuck={"chat": "it waits"}, decisions=[move])

    def _move(self, to: str) -> Decision:
        before = self.routes["chat"].target
        reason = self.health[before].reason
        self.routes["chat"] = Decision(route="chat", target=to, before=before, at=self.now, reason=reason)
        return Decision(
            route="chat", at=self.now, move=MoveKind.FAILOVER, before=before, target=to, reason=reason, generation=2
        )

    def _keep(self, changed: Sequence[Incident]) -> None:
        known = {incident.id: incident for incident in (*self.closed, *self.open)}
        number = len(known)
        for incident in changed:
            number += incident.id == 0
            kept = incident if incident.id else replace(incident, id=number)
            known[kept.id] = kept
        self.open = [incident for incident in known.values() if not incident.resolved_at]
        self.closed = [incident for incident in known.values() if incident.resolved_at]


def lines(incident: Incident) -> list[str]:
    """The words of the timeline."""
    return [line.text for line in incident.timeline]
