"""An incident's inner parts as the JSON document that the journal keeps, and back."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from controller.incident import Affected, Happening, Incident, IncidentKind, RouteNow
from monitor.columns import from_ms, storable, to_ms
from monitor.health import Health


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The parts of an incident that only make sense together."""

    affected: tuple[Affected, ...] = ()
    timeline: tuple[Happening, ...] = ()
    routes: tuple[RouteNow, ...] = ()


def dump(incident: Incident) -> str:
    """The incident's affected targets, timeline and routes; instants in epoch milliseconds."""
    document = {
        "affected": [
            {"target": a.target, "health": a.health.value, "since_ms": to_ms(a.since), "reason": a.reason}
            for a in incident.affected
        ],
        "timeline": [{"at_ms": to_ms(h.at), "text": h.text} for h in incident.timeline],
        "routes": [
            {
                "route": r.route,
                "target": r.target,
                "stuck": r.stuck,
                "unpublished": r.unpublished,
                "weights": dict(r.weights),
                "would": r.would,
                "waiting": r.waiting,
            }
            for r in incident.routes
        ],
    }
    return storable(json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def load(text: str) -> Document:
    """What `dump` wrote, or what another version did: parts it does not know or cannot read are left out.

    Never raises: an incident with a gap can still be told and resolved.
    """
    try:
        return _document(json.loads(text))
    except (ValueError, OverflowError):
        return Document()


def kind_named(word: object) -> IncidentKind:
    """The kind; one that this version does not know is shown as an outage."""
    return next((kind for kind in IncidentKind if kind == word), IncidentKind.OUTAGE)


def health_named(word: object) -> Health:
    """The health; one that this version does not know is `unknown`."""
    return next((health for health in Health if health == word), Health.UNKNOWN)


def _document(document: object) -> Document:
    return Document(
        affected=tuple(
            Affected(
                target=part["target"],
                health=health_named(part.get("health")),
                since=from_ms(part["since_ms"]),
                reason=str(part.get("reason", "")),
            )
            for part in _parts(document, "affected", {"target": str, "since_ms": int})
        ),
        timeline=tuple(
            Happening(at=from_ms(part["at_ms"]), text=part["text"])
            for part in _parts(document, "timeline", {"at_ms": int, "text": str})
        ),
        routes=tuple(
            RouteNow(
                route=part["route"],
                target=part["target"],
                stuck=part.get("stuck") is True,
                unpublished=part.get("unpublished") is True,
                weights=_weights(part.get("weights")),
                would=_maybe_text(part.get("would")),
                waiting=_maybe_text(part.get("waiting")),
            )
            for part in _parts(document, "routes", {"route": str, "target": str})
        ),
    )


def _maybe_text(found: object) -> str | None:
    return found if isinstance(found, str) else None


def _weights(found: object) -> tuple[tuple[str, float], ...]:
    pairs = found.items() if isinstance(found, dict) else ()
    return tuple((target, float(percent)) for target, percent in pairs if isinstance(percent, int | float))


def _parts(document: object, name: str, required: Mapping[str, type]) -> Iterator[dict[str, Any]]:
    """The list's objects that have the required fields in the required types."""
    parts = document.get(name) if isinstance(document, dict) else None
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, dict) and all(isinstance(part.get(key), kind) for key, kind in required.items()):
            yield part
