"""An incident's inner parts as the JSON document that the journal keeps, and back."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from controller.incidents.incident import (
    AffectedTarget,
    EntryKind,
    Incident,
    IncidentKind,
    IncidentNumbers,
    RouteImpact,
    TargetNumbers,
    TimelineEntry,
    VendorLead,
)
from monitor.health import Health
from monitor.status_pages.reading import VendorState
from monitor.storage.columns import from_ms, maybe_from_ms, maybe_to_ms, storable, to_ms
from probes.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentJson:
    """The parts of an incident that only make sense together."""

    affected: tuple[AffectedTarget, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    routes: tuple[RouteImpact, ...] = ()
    vendor: VendorLead | None = None
    numbers: IncidentNumbers | None = None
    request_ids: tuple[str, ...] = ()
    on_failing_s: tuple[tuple[str, float], ...] = ()


def dump(incident: Incident) -> str:
    """The incident's affected targets, timeline, routes and figures; instants in epoch milliseconds."""
    document = {
        "affected": [
            {"target": a.target, "health": a.health.value, "since_ms": to_ms(a.since), "reason": a.reason}
            for a in incident.affected
        ],
        "timeline": [_line(line) for line in incident.timeline],
        "routes": [
            {
                "route": r.route,
                "target": r.target,
                "stuck": r.stuck,
                "failing": r.failing and r.failing.value,
                "unpublished": r.unpublished,
                "weights": dict(r.weights),
                "would": r.would,
                "waiting": r.waiting,
            }
            for r in incident.routes
        ],
        "vendor": _vendor(incident.vendor) if incident.vendor else None,
        "numbers": _numbers(incident.numbers) if incident.numbers else None,
        "request_ids": list(incident.request_ids),
        "on_failing_s": dict(incident.on_failing_s),
    }
    return storable(json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def _line(line: TimelineEntry) -> dict[str, Any]:
    written = {"at_ms": to_ms(line.at), "text": line.text, "kind": line.kind.value, "n": line.number}
    return written | ({"author": line.author} if line.author is not None else {})


def _numbers(found: IncidentNumbers) -> list[dict[str, Any]]:
    return [{"target": one.target, "outcomes": dict(one.outcomes)} for one in found.targets]


def _vendor(found: VendorLead) -> dict[str, Any]:
    return {
        "page": found.page,
        "state": found.state.value,
        "headline": found.headline,
        "said_ms": maybe_to_ms(found.said_at),
        "claimed_ms": maybe_to_ms(found.claimed_at),
    }


def load(text: str) -> IncidentJson:
    """What `dump` wrote, or what another version did: parts it does not know or cannot read are left out.

    Never raises: an incident with a gap can still be told and resolved.
    """
    try:
        return _document(json.loads(text))
    except (ValueError, OverflowError):
        return IncidentJson()


def kind_named(word: object) -> IncidentKind:
    """The kind; one that this version does not know is shown as an outage."""
    return next((kind for kind in IncidentKind if kind == word), IncidentKind.OUTAGE)


def moment_named(word: object) -> EntryKind:
    """The kind of a line; one that this version does not know, or that was not kept, is `other`."""
    return next((moment for moment in EntryKind if moment == word), EntryKind.OTHER)


def health_named(word: object) -> Health:
    """The health; one that this version does not know is `unknown`."""
    return next((health for health in Health if health == word), Health.UNKNOWN)


def _document(document: object) -> IncidentJson:
    return IncidentJson(
        affected=tuple(
            AffectedTarget(
                target=part["target"],
                health=health_named(part.get("health")),
                since=from_ms(part["since_ms"]),
                reason=str(part.get("reason", "")),
            )
            for part in _parts(document, "affected", {"target": str, "since_ms": int})
        ),
        timeline=tuple(
            TimelineEntry(
                at=from_ms(part["at_ms"]),
                text=part["text"],
                kind=moment_named(part.get("kind")),
                author=_maybe_text(part.get("author")),
                number=_maybe_ms(part.get("n")) or 0,
            )
            for part in _parts(document, "timeline", {"at_ms": int, "text": str})
        ),
        routes=tuple(
            RouteImpact(
                route=part["route"],
                target=part["target"],
                stuck=part.get("stuck") is True,
                failing=_health_or_none(part.get("failing")),
                unpublished=part.get("unpublished") is True,
                weights=_figures(part.get("weights")),
                would=_maybe_text(part.get("would")),
                waiting=_maybe_text(part.get("waiting")),
            )
            for part in _parts(document, "routes", {"route": str, "target": str})
        ),
        vendor=_vendor_lead(document),
        numbers=_read_numbers(document),
        request_ids=tuple(one for one in _list(document, "request_ids") if isinstance(one, str)),
        on_failing_s=_figures(document.get("on_failing_s")) if isinstance(document, dict) else (),
    )


def _read_numbers(document: object) -> IncidentNumbers | None:
    if not isinstance(document, dict) or not isinstance(document.get("numbers"), list):
        return None
    return IncidentNumbers(
        targets=tuple(
            TargetNumbers(target=part["target"], outcomes=_outcomes(part["outcomes"]))
            for part in _parts(document, "numbers", {"target": str, "outcomes": dict})
        )
    )


def _outcomes(found: dict[str, object]) -> tuple[tuple[Outcome, int], ...]:
    known = {outcome.value: outcome for outcome in Outcome}
    return tuple((known[word], count) for word, count in found.items() if word in known and isinstance(count, int))


def _vendor_lead(document: object) -> VendorLead | None:
    part = document.get("vendor") if isinstance(document, dict) else None
    if not isinstance(part, dict) or not isinstance(part.get("page"), str):
        return None
    return VendorLead(
        page=part["page"],
        state=next((state for state in VendorState if state == part.get("state")), VendorState.UNKNOWN),
        headline=_maybe_text(part.get("headline")) or "",
        said_at=maybe_from_ms(_maybe_ms(part.get("said_ms"))),
        claimed_at=maybe_from_ms(_maybe_ms(part.get("claimed_ms"))),
    )


def _maybe_ms(found: object) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _health_or_none(value: object) -> Health | None:
    return health_named(value) if isinstance(value, str) else None


def _maybe_text(found: object) -> str | None:
    return found if isinstance(found, str) else None


def _figures(found: object) -> tuple[tuple[str, float], ...]:
    pairs = found.items() if isinstance(found, dict) else ()
    return tuple((name, float(figure)) for name, figure in pairs if isinstance(figure, int | float))


def _parts(document: object, name: str, required: Mapping[str, type]) -> Iterator[dict[str, Any]]:
    """The list's objects that have the required fields in the required types."""
    for part in _list(document, name):
        if isinstance(part, dict) and all(isinstance(part.get(key), kind) for key, kind in required.items()):
            yield part


def _list(document: object, name: str) -> list[Any]:
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, list) else []
