"""The Streamlit script behind the page: reads the overview every few seconds and shows its sections."""

from collections.abc import Callable
from os import environ
from pathlib import Path
from typing import cast

import streamlit as st

from controller.status.overview import Overview, read
from monitor.clock import utc_now
from monitor.config.loader import load
from monitor.settings import Settings
from monitor.storage.database import DatabaseError, database_path, open_reader
from ui import activity, incidents, sections

_STATIC = Path(__file__).parent / "static"
_FAST_S = 2.0
#: The lower part is refreshed at the probe interval, but every 2 to 10 s.
_SLOWEST_S = 10.0


@st.cache_resource(show_spinner=False)
def _settings(path: str) -> Settings:
    return load(Path(path), environ, keys=False)


@st.cache_resource(show_spinner=False, ttl=_FAST_S / 2)
def _overview(path: str) -> Overview:
    """The overview, read at most once a second for all viewers together; raises DatabaseError."""
    settings = _settings(path)
    return read(settings, open_reader(settings.database), utc_now())


def _show_state(path: str) -> None:
    """The upper part: small, refreshed every 2 s; unchanged HTML is not drawn again."""
    try:
        overview = _overview(path)
    except DatabaseError as error:
        there = database_path(_settings(path).database).exists()
        st.html(
            sections.trouble("The database cannot be used" if there else "There is nothing to show yet", str(error))
        )
        return
    _show(
        overview,
        sections.top,
        sections.banner,
        activity.overrides,
        sections.routes,
        incidents.open_incidents,
        incidents.figures_so_far,
    )


def _show_details(path: str) -> None:
    """The lower part: the bars of every probe, and the past."""
    try:
        overview = _overview(path)
    except DatabaseError:
        return  # The upper part shows the error.
    _show(overview, sections.targets, activity.vendors, incidents.past_incidents, activity.log)


def _show(overview: Overview, *renderers: Callable[[Overview], str]) -> None:
    for render in renderers:
        # An empty element keeps the order: nothing below is drawn again when an incident opens.
        st.html(render(overview) or "<span></span>")


def _slow_s(settings: Settings) -> float:
    shortest = min((target.interval_s for target in settings.targets), default=_SLOWEST_S)
    return min(max(shortest, _FAST_S), _SLOWEST_S)


def show(path: str) -> None:
    """The whole page for the configuration at `path`, which must be valid."""
    st.set_page_config(page_title="Hotspare", page_icon=str(_STATIC / "icon.png"), layout="wide")
    st.html(_STATIC / "page.css")
    st.fragment(_show_state, run_every=_FAST_S)(path)
    st.fragment(_show_details, run_every=_slow_s(_settings(path)))(path)


if __name__ == "__main__":
    show(cast(str, st.secrets["config"]))
