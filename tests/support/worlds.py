"""What the tests of the simulation share: small scenarios."""

from pathlib import Path
from typing import Any

from controller.simulation.scenario import Outage, Scenario
from monitor.config.route import Route
from monitor.config.settings import Settings
from tests.support.builders import settings

NAMES = ("openai/a", "openai/b", "anthropic/c")


def scenario(*outages: Outage, hours: float = 3.0, names: tuple[str, ...] = NAMES, **changed: Any) -> Scenario:
    """A scenario without blips over these targets, with one route over the first and the last of them."""
    return Scenario(
        **{
            "path": Path("made-up.yaml"),
            "settings": configuration(names),
            "duration_s": hours * 3600,
            "outages": outages,
            "requests_per_s": 10.0,
            **changed,
        }
    )


def configuration(names: tuple[str, ...] = NAMES) -> Settings:
    """Settings with these targets and one route over the first and the last of them."""
    return settings(Path("/nowhere"), *names, routes=[Route(name="chat", candidates=(names[0], names[-1]))])


def outage(
    at_s: float = 3600.0, for_s: float = 3600.0, *, targets: tuple[str, ...] = NAMES[:2], **changed: Any
) -> Outage:
    """Half of all requests to OpenAI's targets fail for the second hour, unless told otherwise."""
    return Outage(
        **{
            "at_s": at_s,
            "for_s": for_s,
            "written": ", ".join(targets),
            "targets": frozenset(targets),
            "failure_rate": 0.5,
            **changed,
        }
    )
