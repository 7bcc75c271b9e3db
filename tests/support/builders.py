"""What several tests build: targets, settings, observations, and timelines of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.config.controller_settings import ControllerSettings
from monitor.config.route import Route
from monitor.config.settings import Settings
from monitor.detection import state_machine
from monitor.detection.parameters import (
    ProviderParameters,
    TargetParameters,
    parameters_by_provider,
    parameters_by_target,
    target_parameters,
)
from monitor.detection.target_state import TargetState
from monitor.health import Health
from probes.observation import Observation
from probes.outcome import Outcome
from probes.target import Check, Provider, Secret, Target

T0 = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)

OUTCOMES = {
    ".": Outcome.OK,
    "x": Outcome.SERVER_ERROR,
    "o": Outcome.OVERLOADED,
    "t": Outcome.TIMEOUT,
    "s": Outcome.SLOW,
    "w": Outcome.BAD_ANSWER,
    "r": Outcome.RATE_LIMITED,
    "a": Outcome.AUTH,
    "q": Outcome.QUOTA,
    "g": Outcome.MODEL_GONE,
    "b": Outcome.BAD_REQUEST,  # by a fault of this machine
    "B": Outcome.BAD_REQUEST,  # by the API itself, with HTTP 404
    "E": Outcome.BAD_REQUEST,  # the same inside HTTP 200
    "f": Outcome.REFUSED,
}
LETTERS = {
    Health.UNKNOWN: "?",
    Health.UP: "U",
    Health.SUSPECT: "S",
    Health.DEGRADED: "G",
    Health.UNUSABLE: "N",
    Health.DOWN: "D",
    Health.RECOVERING: "R",
    Health.MISCONFIGURED: "M",
}


def target(
    name: str = "openai/gpt-6-luna", *, interval_s: float = 30.0, base_url: str = "http://127.0.0.1:1"
) -> Target:
    """A target at a provider of its own name, with the key variable `OPENAI_API_KEY` for `openai`."""
    provider, _, model = name.partition("/")
    where = Provider(
        name=provider,
        dialect="openai-chat",
        base_url=base_url,
        api_key=Secret("sk-made-up-for-tests"),
        api_key_env=f"{provider.upper()}_API_KEY",
    )
    return Target(provider=where, model=model, interval_s=interval_s)


def parameters(**changed: float) -> TargetParameters:
    """The default parameters of a target at 30 s, with some settings of the controller changed."""
    controller = ControllerSettings(**changed)  # type: ignore[arg-type] # the keywords are the fields' names
    return target_parameters(target(), controller)


def provider_parameters(of: Settings) -> ProviderParameters:
    """The parameters of the provider `openai`, which has several targets in these settings."""
    return parameters_by_provider(of, parameters_by_target(of))["openai"]


def settings(
    folder: Path, *names: str, routes: Sequence[Route] | None = None, controller: ControllerSettings | None = None
) -> Settings:
    """Settings with these targets, and one route `chat` over all of them unless told otherwise."""
    return Settings(
        path=folder / "hotspare.yaml",
        database=f"sqlite:///{folder}/hotspare.db",
        routing_file=folder / "routing.json",
        targets=tuple(target(name) for name in names),
        routes=tuple(routes) if routes is not None else (Route(name="chat", candidates=names),),
        controller=controller or ControllerSettings(),
    )


def in_regions(of: Settings, regions: Sequence[str]) -> Settings:
    """The same targets and routes, each once for each region."""
    return replace(
        of,
        regions=tuple(regions),
        targets=tuple(replace(each, monitored_from=region) for each in of.targets for region in regions),
        routes=tuple(
            replace(
                route,
                name=f"{route.name}@{region}",
                region=region,
                candidates=tuple(f"{name}@{region}" for name in route.candidates),
            )
            for route in of.routes
            for region in regions
        ),
    )


def observation(
    symbol: str = ".",
    *,
    at_s: float = 0.0,
    name: str = "openai/gpt-6-luna",
    detail: str = "",
    retry_after_s: float = 0,
    limit_left: str | None = None,
    afresh: bool = False,
) -> Observation:
    """What a probe saw that started so long after T0 and took a tenth of a second."""
    return Observation(
        target=name,
        check=Check.CHAT,
        started_at=T0 + timedelta(seconds=at_s),
        outcome=OUTCOMES[symbol],
        duration_s=0.1,
        detail=detail,
        http_status={"B": 404, "E": 200}.get(symbol),
        retry_after_s=retry_after_s or None,
        limit_left=limit_left,
        limit_resets_s=60.0 if limit_left else None,
        failed_here=symbol == "b",
        afresh=afresh,
    )


def fold(
    symbols: str, by: TargetParameters, *, every_s: float = 30.0, record: TargetState | None = None
) -> tuple[str, TargetState]:
    """The health after each of these outcomes as letters, and the last record; the first probe starts at T0."""
    record = record or TargetState(target=by.target, since=T0)
    begin_s = (record.last_started_at - T0).total_seconds() + every_s if record.last_started_at else 0.0
    letters = ""
    for number, symbol in enumerate(symbols):
        record = state_machine.observe(record, observation(symbol, at_s=begin_s + number * every_s), by)
        letters += LETTERS[record.health]
    return letters, record
