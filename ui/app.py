"""The Streamlit script behind the page: reads the overview every few seconds and shows its sections."""

from collections.abc import Callable
from os import environ
from pathlib import Path
from typing import cast

import streamlit as st

from controller.status.overview import Overview, read
from monitor.clock import utc_now
from monitor.config.loader import load
from monitor.config.settings import Settings
from monitor.storage.database import DatabaseError, database_path, open_reader
from ui import incidents, sections

_STATIC = Path(__file__).parent / "static"
_FAST_S = 2.0
_SLOWEST_S = 10.0


@st.cache_resource(show_spinner=False)
def _settings(path: str) -> Settings:
    return load(Path(path), environ, keys=False)


@st.cache_resource(show_spinner=False, ttl=_FAST_S / 2)
def _overview(path: str) -> Overview:
    """The overview, read at most once a second for all viewers together; raises DatabaseError."""
    settings = _settings(path)
    return read(settings, open_reader(settings.database), utc_now())


def _show(path: str, *renderers: Callable[[Overview], str], says_trouble: bool) -> None:
    """Show these sections; where the database cannot be used, the part of the page that `says_trouble` says so."""
    try:
        overview = _overview(path)
    except DatabaseError as error:
        if says_trouble:
            there = database_path(_settings(path).database).exists()
            title = "The database cannot be used" if there else "There is nothing to show yet"
            st.html(sections.trouble(title, str(error)))
        return
    if says_trouble:
        st.set_page_config(page_title=sections.tab_title(overview))
    for render in renderers:
        # An empty element keeps the order: nothing below is drawn again when an incident opens.
        st.html(render(overview) or "<span></span>")


def show(path: str) -> None:
    """The whole page for the configuration at `path`, which must be valid.

    The upper part is small and refreshed every 2 s; unchanged HTML is not drawn again. The lower part, the bars of
    every probe and the past, is refreshed at the probe interval, but every 2 to 10 s.
    """
    st.set_page_config(page_title="Hotspare", page_icon=str(_STATIC / "icon.png"), layout="wide")
    st.html(_STATIC / "page.css")
    upper = (sections.top, sections.banner, sections.overrides, sections.routes)
    ongoing = (incidents.open_incidents, incidents.figures_so_far)
    st.fragment(_show, run_every=_FAST_S)(path, *upper, *ongoing, says_trouble=True)
    lower = (sections.targets, sections.vendors, incidents.past_incidents, sections.log)
    shortest_s = min((target.interval_s for target in _settings(path).targets), default=_SLOWEST_S)
    slow_s = min(max(shortest_s, _FAST_S), _SLOWEST_S)
    st.fragment(_show, run_every=slow_s)(path, *lower, says_trouble=False)


if __name__ == "__main__":
    show(cast(str, st.secrets["config"]))
