"""What the answers of the neutral endpoints mean, as values (pure)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from probes.observation import Observation
from probes.outcome import Blame


class ConnectivityState(StrEnum):
    """Whether our own network works, so that failures can be judged."""

    ONLINE = "online"
    BLIND = "blind"
    UNTRUSTED = "untrusted"
    """No endpoint has answered within the last hour: the providers alone decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectivityObservation:
    """One check of the neutral endpoints; `NetworkLossDetector.replay` decides from stored ones as the service did."""

    at: datetime
    state: ConnectivityState
    """What followed from it and from those before."""
    asked: tuple[str, ...]
    answered: frozenset[str]


def blind_regions(before: frozenset[str], observation: Observation, *, blind: bool) -> frozenset[str]:
    """Where our own network was down at the last probe, after one more (`blind`); empty text stands for here."""
    region = {observation.target.partition("@")[2]}
    return before | region if blind and observation.outcome.blame is Blame.UNDECIDED else before - region
