"""Twelve hours of a random storm in virtual time, and what is wrong with what people were told of it.

Six providers with four models each fail in every way that is known, alone, together, and again soon after. Each message
is read back as Slack takes it, and compared with where the routes and targets are at that instant.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from controller.demo.fake_slack import FakeSlack
from controller.incidents.incident import FLAPPING, EntryKind, Incident
from monitor.config.alert_settings import AlertSettings, SlackSettings
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.health import FAILING
from probes.observation import Observation, replaced
from probes.outcome import Outcome
from probes.target import Check, Provider, Secret, Target
from tests.support.virtual_service import NOON, Told, VirtualService

HOURS: Final = 12
PROVIDERS: Final = ("openai", "anthropic", "gemini", "mistral", "groq", "azure")
MODELS: Final = ("large", "medium", "small", "nano")
#: New messages come within it: a cycle gathers for 5 s here, and the worker looks once a second.
BOUND: Final = timedelta(seconds=8)
_HOUR: Final = timedelta(hours=1)
_CALLS_APART: Final = timedelta(minutes=5)
"""A call that is not older counts for a further route as well."""
_INTERVAL_S: Final = 60.0
_BACKGROUND: Final = 0.002
_QUIET_S: Final = 900.0
#: How probes of a fault end, with what they say, how long they take, and how often such a fault comes.
_KINDS: Final = (
    (Outcome.SERVER_ERROR, "HTTP 500 server_error: Internal server error.", None, 5),
    (Outcome.OVERLOADED, "HTTP 503 overloaded_error: Overloaded.", None, 3),
    (Outcome.TIMEOUT, "no answer within 10 s", 10.0, 2),
    (Outcome.RATE_LIMITED, "HTTP 429 rate_limit_error: Too many requests.", None, 2),
    (Outcome.BAD_ANSWER, "the answer is wrong", None, 1),
    (Outcome.AUTH, "the key in KEY was refused: HTTP 401.", None, 1),
    (Outcome.QUOTA, "HTTP 429 insufficient_quota: no money.", None, 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Squall:
    """One fault of some targets; seconds from the start."""

    from_s: float
    until_s: float
    targets: frozenset[str]
    outcome: Outcome
    detail: str
    takes_s: float | None
    share: float


def settings(folder: Path, slack: FakeSlack) -> Settings:
    """Twenty-four targets, and four routes over one model of each of four providers."""
    targets = tuple(
        Target(
            provider=Provider(
                name=name, dialect="openai-chat", base_url=f"https://{name}.example/v1", api_key=Secret("k")
            ),
            model=model,
            interval_s=_INTERVAL_S,
            checks=(Check.CHAT,),
        )
        for name in PROVIDERS
        for model in MODELS
    )
    routes = tuple(
        Route(name=f"route-{model}", candidates=tuple(f"{PROVIDERS[(place + n) % 6]}/{model}" for n in range(4)))
        for place, model in enumerate(MODELS)
    )
    alerts = SlackSettings(token=Secret("xoxb-storm"), channel="#storm", api_url=slack.url, most_per_hour=1000)
    return Settings(
        path=folder / "hotspare.yaml",
        database=f"sqlite:///{folder}/hotspare.db",
        routing_file=folder / "routing.json",
        targets=targets,
        routes=routes,
        alerts=AlertSettings(slack=alerts),
    )


def squalls(targets: tuple[str, ...], seed: int) -> list[Squall]:
    """Some three faults an hour, and twice something that hits everything."""
    dice = Random(f"{seed} storm")
    storm: list[Squall] = []
    for number in range(3 * HOURS):
        at_s = dice.uniform(_QUIET_S, HOURS * 3600)
        provider = dice.choice(PROVIDERS)
        siblings = [target for target in targets if target.startswith(f"{provider}/")]
        hit = targets if number < 2 else siblings if dice.random() < 0.6 else dice.sample(siblings, dice.choice((1, 2)))
        outcome, detail, takes_s, _ = dice.choices(_KINDS, [kind[3] for kind in _KINDS])[0]
        share = dice.choice((1.0, 1.0, 0.5, 0.3))
        lasts_s = min(5400.0, 60 * dice.lognormvariate(2.2, 1.0))
        for again in range(dice.choice((1, 1, 1, 3))):
            from_s = at_s + again * (lasts_s + dice.uniform(300, 1500))
            storm.append(
                Squall(
                    from_s=from_s,
                    until_s=from_s + lasts_s,
                    targets=frozenset(hit),
                    outcome=outcome,
                    detail=detail,
                    takes_s=takes_s,
                    share=share,
                )
            )
    return storm


class StormyProviders:
    """What probes observe."""

    def __init__(self, storm: list[Squall], seed: int) -> None:
        self._storm = storm
        self._dice = Random(f"{seed} answers")

    def __call__(self, target: Target, at: datetime) -> Observation:
        """One probe that starts at this instant."""
        at_s = (at - NOON).total_seconds()
        well = Observation(
            target=target.id,
            check=Check.CHAT,
            started_at=at,
            outcome=Outcome.OK,
            duration_s=self._dice.lognormvariate(-1, 0.3),
            http_status=200,
        )
        if self._dice.random() < _BACKGROUND:
            return replaced(well, outcome=Outcome.SERVER_ERROR, detail="HTTP 500", http_status=500)
        for squall in self._storm:
            hit = squall.from_s <= at_s < squall.until_s and target.id in squall.targets
            if hit and self._dice.random() < squall.share:
                duration_s = squall.takes_s or well.duration_s
                return replaced(
                    well, outcome=squall.outcome, detail=squall.detail, duration_s=duration_s, http_status=None
                )
        return well


class Reader:
    """Reads every message as a person would, knows where everything is at that instant, and notes what is wrong."""

    def __init__(self, service: VirtualService) -> None:
        self.wrong: list[str] = []
        self.checked = 0
        """How many statements were compared."""
        self._service = service
        self._new: dict[str, datetime] = {}
        self._replied: set[tuple[str, str]] = set()
        self._stuck: dict[str, datetime] = {}
        """Since when each route that has nowhere to go is known to have none."""
        self.stuck_since: list[tuple[str, datetime]] = []
        service.on_told, service.on_journal = self._read, self._look

    def _look(self) -> None:
        """Note the routes that have nowhere to go from now on."""
        incidents = self._service.journal.open_incidents()
        stuck = {route.route for incident in incidents for route in incident.routes if route.stuck}
        for name in stuck - self._stuck.keys():
            self.stuck_since.append((name, self._service.now))
        self._stuck = {name: self._stuck.get(name, self._service.now) for name in stuck}

    def _read(self, told: Told) -> None:
        body = f"{told.headline}\n{told.body}"
        self._read_once(told, body)
        for sentence in (*self._false_places(told), *self._false_calm(told), *self._false_ends(told)):
            self.wrong.append(f"{told.at:%H:%M:%S} {sentence} [{told.headline.splitlines()[0]}]")

    def _read_once(self, told: Told, body: str) -> None:
        """Nothing is told twice."""
        plain = _AS_OF.sub("", body)
        if told.is_new and plain in self._new and told.at - self._new[plain] < timedelta(hours=1):
            self.wrong.append(f"{told.at:%H:%M:%S} told twice: {told.headline.splitlines()[0]}")
        if told.is_new:
            self._new[plain] = told.at
        if told.thread and not told.edited:
            subject = ""
            for line in told.body.splitlines():
                subject = line if "incident" in line and line.startswith("*") else subject
                if not _ENTRY.match(line):
                    continue
                if (told.thread, subject + line) in self._replied:
                    self.wrong.append(f"{told.at:%H:%M:%S} told twice in a thread: {line}")
                self._replied.add((told.thread, subject + line))

    def _false_places(self, told: Told) -> Iterator[str]:
        """`Users of chat are on …` is where the route points."""
        for sentence in _USERS.finditer(told.body):
            self.checked += 1
            names = re.findall(r"`(route-\w+)`", sentence[1])
            for name in names:
                pointed = self._service.cycle.routes[name].target
                if pointed != sentence[2]:
                    yield f"says that users of {name} are on {sentence[2]}, and they are on {pointed}"

    def _false_calm(self, told: Told) -> Iterator[str]:
        """`Nobody has to act` and `no route uses it` are not said where users are on what fails."""
        incident = self._incident(told)
        if incident is None or told.thread:
            return
        health = self._service.cycle.detection.detector.health
        affected = {affected.target for affected in incident.affected if health[affected.target].health in FAILING}
        on_it = [name for name, pointed in self._service.cycle.routes.items() if pointed.target in affected]
        for phrase in ("Nobody has to act", "No route uses it", "no user is on it"):
            if phrase in told.body:
                self.checked += 1
                if on_it:
                    yield f"says {phrase!r} and users of {', '.join(on_it)} are on what fails"

    def _false_ends(self, told: Told) -> Iterator[str]:
        incident = self._incident(told)
        if incident is not None and told.thread is None and told.headline.startswith("✅ Resolved"):
            self.checked += 1
            if incident.resolved_at is None:
                yield "says that it is resolved, and it is not"

    def _incident(self, told: Told) -> Incident | None:
        number = re.search(r"Incident (\d+)", told.body)
        return self._service.journal.incident(int(number[1])) if number else None


_AS_OF = re.compile(r"as of [^.]*\.")
_ENTRY = re.compile(r"^\S+ `|^\S+ <!date")
_USERS = re.compile(r"Users of ([^.\n]*?) are on `([^`]+)`")


def silent(service: VirtualService, reader: Reader) -> Iterator[str]:
    """What people were not told in time, by what the journal holds at the end."""
    new = [told for told in service.told if told.is_new]
    for incident in service.journal.incidents(10_000):
        for at, what, lately in _beginnings(incident):
            in_time = [told for told in new if at <= told.at <= at + BOUND]
            if at > service.now - BOUND or any(_names(told, incident) for told in in_time):
                continue
            if lately >= FLAPPING and any("Flapping" in told.headline for told in new if at - _HOUR < told.at <= at):
                continue  # that it flaps is told once an hour
            yield f"{at:%H:%M:%S} incident {incident.id} of {incident.provider} {what}: no new message"
    for name, at in reader.stuck_since:
        calls = [told for told in new if at - _CALLS_APART <= told.at <= at + BOUND and "Act now" in told.headline]
        shown = any(name in told.headline + told.body for told in service.told if at <= told.at <= at + BOUND)
        if at <= service.now - BOUND and not (calls and shown):
            yield f"{at:%H:%M:%S} {name} has nowhere to go: no call"


def _names(told: Told, incident: Incident) -> bool:
    return bool(re.search(rf"[Ii]ncidents?(?: show)? {incident.id}\b", told.headline + told.body))


def _beginnings(incident: Incident) -> Iterator[tuple[datetime, str, int]]:
    """When it began and came back, and its how manieth outage within an hour each was."""
    begun = [incident.opened_at]
    yield incident.opened_at, "opened", 1
    for entry in incident.timeline:
        if entry.kind is EntryKind.REOPENED:
            begun.append(entry.at)
            yield entry.at, "came back", sum(entry.at - at < _HOUR for at in begun)


def blow(folder: Path, slack: FakeSlack, seed: int, *, hours: float = HOURS) -> tuple[VirtualService, Reader]:
    """The storm of this seed, played to its end in an empty folder."""
    configured = settings(folder, slack)
    storm = squalls(tuple(target.id for target in configured.targets), seed)
    service = VirtualService(configured, folder, StormyProviders(storm, seed), slack, tick_s=15.0, gather_s=5.0)
    reader = Reader(service)
    service.run(hours * 3600)
    return service, reader
