"""The page of the present: one line of truth, the routes, the targets, open incidents, and the days before."""

from collections.abc import Callable

import streamlit as st

from controller.status.overview import Overview
from monitor.storage.database import DatabaseError
from ui import incidents, reading, sections
from ui.screens import parts


def show(path: str) -> None:
    """The page; its upper part is small and refreshed every 2 s, and unchanged HTML is not drawn again.

    The lower part, the bars of every probe and the past, is refreshed at the probe interval, but every 2 to 10 s.
    """
    upper = (sections.top, sections.banner, sections.overrides, sections.routes)
    ongoing = (incidents.open_incidents, incidents.figures_so_far)
    st.fragment(_show, run_every=reading.FAST_S)(path, *upper, *ongoing, says_trouble=True)
    lower = (sections.targets, sections.vendors, incidents.past_incidents, sections.log)
    shortest_s = min((target.interval_s for target in reading.settings_at(path).targets), default=reading.SLOW_S)
    slow_s = min(max(shortest_s, reading.FAST_S), reading.SLOW_S)
    st.fragment(_show, run_every=slow_s)(path, *lower, says_trouble=False)


def _show(path: str, *renderers: Callable[[Overview], str], says_trouble: bool) -> None:
    """Show these sections; where the database cannot be used, the part of the page that `says_trouble` says so."""
    try:
        overview = reading.overview_at(path)
    except DatabaseError as error:
        if says_trouble:
            parts.say_trouble(path, error)
        return
    if says_trouble:
        st.set_page_config(page_title=sections.tab_title(overview, reading.settings_at(path).ui.title))
    for render in renderers:
        # An empty element keeps the order: nothing below is drawn again when an incident opens.
        st.html(render(overview) or "<span></span>")
