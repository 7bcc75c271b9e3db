"""The notes about our own network: that it is lost, and when it is back, for how long and what was held (pure)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    notify: bool = False
    """Whether it is worth a message besides the log line."""
    lasted_s: float = 0.0
    """Of `network_back`: how long our network was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkLoss:
    """One loss of our own network, flickering included."""

    since: datetime
    until: datetime | None = None
    """When it was back; None while it is lost."""
    uncounted: Mapping[str, int] = field(default_factory=dict)
    """How many failed probes of each provider count for nothing because of it."""


class ConnectivityMessages:
    """Turns the losses of our own network into notes. Instants are epoch seconds."""

    def __init__(self, endpoints: Sequence[str]) -> None:
        self._endpoints = endpoints
        self.loss: NetworkLoss | None = None
        """The present loss, or the last one until it has been over for a minute; None without one."""
        self._inherited = False
        """It began under another service, which may have held failures that this one does not know of."""
        self._untrusted_noted = False
        self._notes: list[ConnectivityNote] = []

    def take_notes(self) -> tuple[ConnectivityNote, ...]:
        """The notes that people have not been told yet; each is returned once."""
        notes, self._notes = tuple(self._notes), []
        return notes

    def begin_loss(self, since_s: float, reason: str) -> None:
        """Our network has been lost since then; adds a note unless the loss is known."""
        if self.loss is None:
            self.loss, self._inherited = NetworkLoss(since=instant_of(since_s)), False
            text = f"{reason}: failures that our own network may have caused are not counted; the routes hold"
            self._notes.append(ConnectivityNote(kind="network_lost", text=text))
        self.loss = replace(self.loss, until=None)

    def end_loss(self, at_s: float) -> None:
        """Our network is back; the loss is over once it has been for a minute."""
        if self.loss is not None and self.loss.until is None:
            self.loss = replace(self.loss, until=instant_of(at_s))

    def add_uncounted(self, providers: Iterable[str]) -> None:
        """Count one failure of each of these providers that counts for nothing."""
        if self.loss is not None:
            self.loss = replace(self.loss, uncounted=Counter(self.loss.uncounted) + Counter(providers))

    def advance(self, now_s: float) -> None:
        """Add the note on a loss that has been over for a minute; it is worth a message where anything was held."""
        loss = self.loss
        if loss is None or loss.until is None or now_s - loss.until.timestamp() < _BACK_S:
            return
        notify, lasted_s = bool(loss.uncounted) or self._inherited, (loss.until - loss.since).total_seconds()
        when = f"{loss.since:%H:%M:%S} to {loss.until:%H:%M:%S} UTC"
        text = f"our own network works again after {format_elapsed(lasted_s)} ({when})"
        if loss.uncounted:
            each = ", ".join(f"{name} {count}" for name, count in sorted(loss.uncounted.items()))
            text += f": {plural(sum(loss.uncounted.values()), 'failed probe')} ({each}) not counted; the routes held"
        else:
            text += "; no failures were left out"
        self._notes.append(ConnectivityNote(kind="network_back", text=text, notify=notify, lasted_s=lasted_s))
        self.loss = None

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
        self._notes, self._inherited = [], True

    def set_clock_back(self, now_s: float) -> None:
        """Move what lies in the future to now, after the clock was set back."""
        if self.loss is not None:
            now, until = instant_of(now_s), self.loss.until
            self.loss = replace(self.loss, since=min(self.loss.since, now), until=until and min(until, now))


def instant_of(epoch_s: float) -> datetime:
    """The aware UTC instant."""
    return datetime.fromtimestamp(epoch_s, UTC)
