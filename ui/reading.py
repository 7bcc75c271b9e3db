"""What the pages read: each fact at most once in a while for all viewers together. Everything raises DatabaseError."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from os import environ
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from controller.history.queries import History, read_past
from controller.incidents.incident import Incident
from controller.status.details.public import public_route_detail, public_target_detail
from controller.status.details.queries import read_route_detail, read_route_summaries, read_target_detail
from controller.status.details.ranges import RANGES
from controller.status.details.route import RouteDetail, RouteSummary
from controller.status.details.target import TargetDetail
from controller.status.incident_view import IncidentView, read_incident, read_incidents
from controller.status.overview import Overview, read
from controller.status.public_view import public_incident, public_incident_view, public_overview
from monitor.clock import utc_now
from monitor.config.loader import load, mark_of
from monitor.config.problems import ConfigError
from monitor.config.settings import Settings
from monitor.history.rollup import span_start
from monitor.storage.database import open_reader, shared_now

FAST_S = 2.0
"""How often what is now is read."""
SLOW_S = 10.0
"""How often a page shows anew what it has read of the past."""
PAST_S = 30.0
"""How often the past is read; of a long time less often."""
#: So that it does not flicker, a picture is drawn anew when this share of its time, or so long, has passed.
_DRAWN, _DRAWN_WITHIN = 360, timedelta(minutes=5)
_MOST_PICTURES = 200
_LONGEST_ID = 15


@dataclass
class ReadConfiguration:
    """The last configuration that was valid, and the marks of its files before it was read."""

    settings: Settings
    marks: tuple[tuple[object, ...], ...]


@st.cache_resource(show_spinner=False)
def _last_good(path: str) -> ReadConfiguration:
    """Of the file at `path`, which must be valid when it is first read."""
    marks = (mark_of(Path(path)),)
    return ReadConfiguration(load(Path(path), environ, keys=False), marks)


@st.cache_resource(show_spinner=False, ttl=FAST_S)
def settings_at(path: str) -> Settings:
    """The configuration at `path`; while that is not valid, the last that was. The first must be."""
    known = _last_good(path)
    marks = tuple(map(mark_of, (Path(path), *known.settings.files)))
    if marks != known.marks:
        with suppress(ConfigError):
            known.settings, known.marks = load(Path(path), environ, keys=False), marks
    return known.settings


@st.cache_resource(show_spinner=False, ttl=FAST_S / 2)
def _overview(path: str) -> Overview:
    settings = settings_at(path)
    overview = read(settings, open_reader(settings.database), shared_now(settings.database))
    return public_overview(overview) if settings.ui.public else overview


def overview_at(path: str) -> Overview:
    """The overview, read at most once a second for all viewers together, with `now` in the viewer's zone."""
    overview = _overview(path)
    return replace(overview, now=overview.now.astimezone(viewer_zone()))


@st.cache_resource(show_spinner=False, ttl=PAST_S, refresh_mode="background")
def past(path: str) -> History:
    """The last 90 days; nobody changes the value, which would take longer to copy for each viewer than to draw."""
    settings = settings_at(path)
    return read_past(open_reader(settings.database), settings, shared_now(settings.database))


@st.cache_data(show_spinner=False, ttl=FAST_S, refresh_mode="background")
def incidents(path: str) -> Sequence[Incident]:
    """The latest incidents, open and resolved, the newest first."""
    settings = settings_at(path)
    listed = read_incidents(open_reader(settings.database))
    return [*map(public_incident, listed)] if settings.ui.public else listed


def incident(path: str, wanted: str) -> IncidentView | None:
    """The incident of this id, as the address has it; None where there is none."""
    if not (wanted.isdecimal() and len(wanted) <= _LONGEST_ID):
        return None
    settings = settings_at(path)
    view = read_incident(open_reader(settings.database), int(wanted), shared_now(settings.database))
    return public_incident_view(view) if view and settings.ui.public else view


def page_title(path: str, fact: str) -> str:
    """What the browser's tab is called: the fact first, then the name of the page."""
    return f"{fact} – {settings_at(path).ui.title}"


def target_detail(path: str, target: str, range_name: str, changed_at: datetime | None) -> TargetDetail:
    """One configured target over one of `RANGES`; `changed_at` is when its health last changed."""
    return _target_detail(path, target, range_name, _drawn_at(range_name, changed_at))


def route_detail(path: str, route: str, range_name: str, changed_at: datetime | None) -> RouteDetail:
    """One configured route over one of `RANGES`; `changed_at` is when it was last moved."""
    return _route_detail(path, route, range_name, _drawn_at(range_name, changed_at))


def route_summaries(path: str, range_name: str) -> Sequence[RouteSummary]:
    """What users of every route felt over one of `RANGES`."""
    return _route_summaries(path, range_name, _drawn_at(range_name))


def _drawn_at(range_name: str, changed_at: datetime | None = None) -> datetime:
    """Now, in steps that are small beside the range, and at a change: what was read then holds for all viewers."""
    step = min(max(timedelta(seconds=PAST_S), RANGES[range_name] / _DRAWN), _DRAWN_WITHIN)
    drawn_at = span_start(utc_now(), step)
    return max(drawn_at, changed_at) if changed_at else drawn_at


@st.cache_data(show_spinner=False, max_entries=_MOST_PICTURES)
def _target_detail(path: str, target: str, range_name: str, now: datetime) -> TargetDetail:
    settings = settings_at(path)
    detail = read_target_detail(open_reader(settings.database), settings.target(target), RANGES[range_name], now)
    return public_target_detail(detail) if settings.ui.public else detail


@st.cache_data(show_spinner=False, max_entries=_MOST_PICTURES)
def _route_detail(path: str, route: str, range_name: str, now: datetime) -> RouteDetail:
    settings = settings_at(path)
    chosen = next(each for each in settings.routes if each.name == route)
    detail = read_route_detail(open_reader(settings.database), settings, chosen, RANGES[range_name], now)
    return public_route_detail(detail) if settings.ui.public else detail


@st.cache_data(show_spinner=False, max_entries=_MOST_PICTURES)
def _route_summaries(path: str, range_name: str, now: datetime) -> Sequence[RouteSummary]:
    settings = settings_at(path)
    return read_route_summaries(open_reader(settings.database), settings, RANGES[range_name], now)


def viewer_zone() -> ZoneInfo:
    """The zone of the viewer's browser; UTC where it says none, or one that is not known here."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def viewer_now() -> datetime:
    """Now, in the viewer's zone: what is shown beside it is written in that zone."""
    return utc_now().astimezone(viewer_zone())
