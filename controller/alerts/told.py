"""What people know once a message has arrived, as a value and as the few words that travel with the message (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Kept together with the delivery of its message, or not at all."""

    incidents: tuple[tuple[int, int, int], ...] = ()
    """Of each the id, the revision of which people know everything (0: of none), and the last line of its timeline."""
    events: tuple[int, ...] = ()
    home: int | None = None
    """The incident whose headline the message is."""
    also: tuple[str, ...] = ()
    """Further keys of deliveries that it does for."""


NOTHING_TOLD: Final = Receipt()


def to_payload(told: Receipt) -> dict[str, str]:
    """As short texts; what is empty is left out."""
    parts = {
        "incidents": " ".join(":".join(map(str, one)) for one in told.incidents),
        "events": " ".join(map(str, told.events)),
        "home": "" if told.home is None else str(told.home),
        "also": "|".join(told.also),
    }
    return {name: text for name, text in parts.items() if text}


def from_payload(payload: Mapping[str, object]) -> Receipt:
    """What `to_payload` wrote; parts that cannot be read are left out."""
    home = _numbers(payload.get("home"))
    triples = (_numbers(part.replace(":", " ")) for part in str(payload.get("incidents", "")).split())
    return Receipt(
        incidents=tuple((one[0], one[1], one[2]) for one in triples if len(one) == 3),
        events=_numbers(payload.get("events")),
        home=home[0] if home else None,
        also=tuple(key for key in str(payload.get("also", "")).split("|") if key),
    )


def _numbers(found: object) -> tuple[int, ...]:
    return tuple(int(part) for part in str(found).split() if part.isascii() and part.isdecimal())
