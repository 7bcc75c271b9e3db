"""What people are told of our own network: that it went, and once, when it is back, for how long and what was held."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from monitor import formatting as words

#: Our network is back once it has been there for this long; until then it is one and the same loss.
_BACK_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectivityNote:
    """Something to tell people once."""

    kind: str
    """`network_lost`, `network_back` or `endpoints_untrusted`."""
    text: str
    tell: bool = False
    """Worth a message, not only a line in the log."""
    lasted_s: float = 0.0
    """Of `network_back`: for how long our network was away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkLoss:
    """One time without our own network, flickering included."""

    since: datetime
    until: datetime | None = None
    """When it was there again; None while it is not."""
    held: Mapping[str, int] = field(default_factory=dict)
    """How many failed probes of each provider are held against nobody for that."""


@dataclass(slots=True)
class _Loss:
    """One time without our network, flickering included; epoch seconds."""

    since_s: float
    until_s: float | None = None
    """When it was there again; None while it is not."""
    untold: bool = False
    """It began under another service, which may have held failures that this one does not know of."""


class ConnectivityMessages:
    """Turns what becomes known of our own network into notes. Instants are epoch seconds."""

    def __init__(self, endpoints: Sequence[str]) -> None:
        self._endpoints = endpoints
        self._loss: _Loss | None = None
        self._held: dict[str, int] = {}
        self._said_untrusted = False
        self._notes: list[ConnectivityNote] = []

    @property
    def loss(self) -> NetworkLoss | None:
        """The present loss, or the last one until it has been over for a minute; None without one."""
        if self._loss is None:
            return None
        until = None if self._loss.until_s is None else instant_of(self._loss.until_s)
        return NetworkLoss(since=instant_of(self._loss.since_s), until=until, held=dict(self._held))

    def said(self) -> tuple[ConnectivityNote, ...]:
        """What people have not been told yet; each note is given once."""
        notes, self._notes = tuple(self._notes), []
        return notes

    def lost(self, since_s: float, why: str) -> None:
        """Our network is not there, since then and for this reason; nothing new while that is known."""
        if self._loss is None:
            self._loss = _Loss(since_s)
            text = f"{why}: failures that may be our own network's are held against nobody, the routes hold"
            self._notes.append(ConnectivityNote(kind="network_lost", text=text))
        self._loss.until_s = None

    def found(self, at_s: float) -> None:
        """It is there."""
        if self._loss is not None and self._loss.until_s is None:
            self._loss.until_s = at_s

    def held(self, providers: Iterable[str]) -> None:
        """A failure of each of these was held against nobody."""
        if self._loss is not None:
            for name in providers:
                self._held[name] = self._held.get(name, 0) + 1

    def passed(self, now_s: float) -> None:
        """Time passed: a loss that has been over for a minute is told, as worth a message where it held anything."""
        loss = self._loss
        if loss is None or loss.until_s is None or now_s - loss.until_s < _BACK_S:
            return
        text = _back(loss.since_s, loss.until_s, self._held)
        tell, lasted_s = bool(self._held) or loss.untold, loss.until_s - loss.since_s
        self._notes.append(ConnectivityNote(kind="network_back", text=text, tell=tell, lasted_s=lasted_s))
        self._loss = None
        self._held = {}

    def untrusted(self) -> None:
        """No neutral endpoint can say whether it is us; said once."""
        if self._said_untrusted:
            return
        self._said_untrusted = True
        asked = ", ".join(self._endpoints) or "none is configured"
        text = f"no neutral endpoint has answered within the hour ({asked}): the providers alone say whether it is us"
        self._notes.append(ConnectivityNote(kind="endpoints_untrusted", text=text))

    def resumed(self) -> None:
        """All until now was the last service's to tell, except the end of a loss that is not over."""
        self._notes = []
        if self._loss is not None:
            self._loss.untold = True

    def set_back(self, now_s: float) -> None:
        """The clock was set back: nothing may lie in the future."""
        if self._loss is not None:
            self._loss.since_s = min(self._loss.since_s, now_s)
            self._loss.until_s = None if self._loss.until_s is None else min(self._loss.until_s, now_s)


def instant_of(epoch_s: float) -> datetime:
    """The aware UTC instant."""
    return datetime.fromtimestamp(epoch_s, UTC)


def _back(since_s: float, until_s: float, held: Mapping[str, int]) -> str:
    """That our network works again, for how long it did not, and what was held against nobody."""
    when = f"{instant_of(since_s):%H:%M:%S} to {instant_of(until_s):%H:%M:%S} UTC"
    text = f"our own network works again; it did not for {words.span(until_s - since_s)} ({when})"
    if not held:
        return f"{text}, and nothing was judged by it"
    each = ", ".join(f"{name} {count}" for name, count in sorted(held.items()))
    return f"{text}: {words.plural(sum(held.values()), 'failed probe')} ({each}) held against nobody, the routes held"
