"""The notes about our own network: that it is lost, and when it is back, for how long and what was held (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from monitor.formatting import format_elapsed, plural

#: Our network is back once it has been for this long; until then it is the same loss.
_BACK_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectivityNote:
    """One event of our own network, to be logged and perhaps reported."""

    kind: str
    """`network_lost`, `network_back` or `endpoints_untrusted`."""
    text: str
    tell: bool = False
    """Whether it is worth a message besides the log line."""
    lasted_s: float = 0.0
    """Of `network_back`: how long our network was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkLoss:
    """One loss of our own network, flickering included."""

    since: datetime
    until: datetime | None = None
    """When it was back; None while it is lost."""
    held: Mapping[str, int] = field(default_factory=dict)
    """How many failed probes of each provider count for nothing because of it."""


@dataclass(slots=True)
class _Loss:
    """The present loss, as in `NetworkLoss`; epoch seconds."""

    since_s: float
    until_s: float | None = None
    held: dict[str, int] = field(default_factory=dict)
    inherited: bool = False
    """It began under another service, which may have held failures that this one does not know of."""


class ConnectivityMessages:
    """Turns the losses of our own network into notes. Instants are epoch seconds."""

    def __init__(self, endpoints: Sequence[str]) -> None:
        self._endpoints = endpoints
        self._loss: _Loss | None = None
        self._untrusted_noted = False
        self._notes: list[ConnectivityNote] = []

    @property
    def loss(self) -> NetworkLoss | None:
        """The present loss, or the last one until it has been over for a minute; None without one."""
        if self._loss is None:
            return None
        until = None if self._loss.until_s is None else instant_of(self._loss.until_s)
        return NetworkLoss(since=instant_of(self._loss.since_s), until=until, held=dict(self._loss.held))

    def take_notes(self) -> tuple[ConnectivityNote, ...]:
        """The notes since the last call."""
        notes, self._notes = tuple(self._notes), []
        return notes

    def begin_loss(self, since_s: float, reason: str) -> None:
        """Our network has been lost since then; adds a note unless the loss is known."""
        if self._loss is None:
            self._loss = _Loss(since_s)
            text = f"{reason}: failures that our own network may have caused are not counted; the routes hold"
            self._notes.append(ConnectivityNote(kind="network_lost", text=text))
        self._loss.until_s = None

    def end_loss(self, at_s: float) -> None:
        """Our network is back; the loss is over once it has been for a minute."""
        if self._loss is not None and self._loss.until_s is None:
            self._loss.until_s = at_s

    def count_held(self, providers: Iterable[str]) -> None:
        """Count one failure of each of these providers that counts for nothing."""
        if self._loss is not None:
            for name in providers:
                self._loss.held[name] = self._loss.held.get(name, 0) + 1

    def advance(self, now_s: float) -> None:
        """Add the note on a loss that has been over for a minute; it is worth a message where anything was held."""
        loss = self._loss
        if loss is None or loss.until_s is None or now_s - loss.until_s < _BACK_S:
            return
        text = _back_text(loss.since_s, loss.until_s, loss.held)
        tell, lasted_s = bool(loss.held) or loss.inherited, loss.until_s - loss.since_s
        self._notes.append(ConnectivityNote(kind="network_back", text=text, tell=tell, lasted_s=lasted_s))
        self._loss = None

    def add_untrusted(self) -> None:
        """Add the note that no neutral endpoint is trusted, once."""
        if self._untrusted_noted:
            return
        self._untrusted_noted = True
        asked = ", ".join(self._endpoints) or "none is configured"
        text = f"no neutral endpoint has answered within the hour ({asked}): the providers decide whether it is us"
        self._notes.append(ConnectivityNote(kind="endpoints_untrusted", text=text))

    def resumed(self) -> None:
        """Drop the notes, which the last service told; the end of a present loss is still to be told."""
        self._notes = []
        if self._loss is not None:
            self._loss.inherited = True

    def set_clock_back(self, now_s: float) -> None:
        """Move what lies in the future to now, after the clock was set back."""
        if self._loss is not None:
            self._loss.since_s = min(self._loss.since_s, now_s)
            self._loss.until_s = None if self._loss.until_s is None else min(self._loss.until_s, now_s)


def instant_of(epoch_s: float) -> datetime:
    """The aware UTC instant."""
    return datetime.fromtimestamp(epoch_s, UTC)


def _back_text(since_s: float, until_s: float, held: Mapping[str, int]) -> str:
    when = f"{instant_of(since_s):%H:%M:%S} to {instant_of(until_s):%H:%M:%S} UTC"
    text = f"our own network works again after {format_elapsed(until_s - since_s)} ({when})"
    if not held:
        return f"{text}; no failures were left out"
    each = ", ".join(f"{name} {count}" for name, count in sorted(held.items()))
    return f"{text}: {plural(sum(held.values()), 'failed probe')} ({each}) not counted; the routes held"
