"""The page of the present: one line of truth, the routes, the providers, open incidents, and the days before."""

from collections.abc import Callable

import streamlit as st

from controller.status.overview import Overview
from monitor.storage.database import DatabaseError
from ui import exports, incidents, providers, reading, sections
from ui.screens import parts

_LISTED = 15
_WORTH_A_SEARCH = 3
_FAILING, _ALL = "Failing", "All"


def show(path: str) -> None:
    """The page; `?q=` and `?show=` filter its targets.

    Three parts refresh alone, and unchanged HTML is not drawn again. Incidents stand below the targets: nothing that
    somebody reads there moves when one opens or is over.
    """
    upper = (sections.top, sections.banner, sections.overrides, sections.routes)
    st.fragment(_show_present, run_every=reading.FAST_S)(path, *upper)
    query, only_failing, at_most = _choose(len(reading.settings_at(path).targets))
    st.fragment(_show_providers, run_every=reading.SLOW_S)(path, query, only_failing=only_failing, at_most=at_most)
    st.fragment(_show_incidents, run_every=reading.FAST_S)(path)
    st.fragment(_show_log, run_every=reading.SLOW_S)(path)


def _choose(count: int) -> tuple[str, bool, int]:
    """What is searched for, whether only what fails is shown, and how many targets at most."""
    if count < _WORTH_A_SEARCH:
        return "", False, count
    with st.container(horizontal=True, vertical_alignment="center", key="controls"):
        query = parts.search("Search targets")
        shown = st.segmented_control(
            "Show",
            [_ALL, _FAILING],
            key="show",
            default=_ALL,
            required=True,
            label_visibility="collapsed",
            bind="query-params",
        )
        every = count > providers.AT_ONCE and st.checkbox(f"All {count} at once", key="all", bind="query-params")
    return query, shown == _FAILING, count if every else providers.AT_ONCE


def _show_present(path: str, *renderers: Callable[[Overview], str]) -> None:
    """Show these sections, or why there is nothing to show."""
    try:
        overview = reading.overview_at(path)
    except DatabaseError as error:
        parts.say_trouble(path, error)
        return
    parts.show_state(path, overview)
    for render in renderers:
        parts.draw(render(overview))


def _show_providers(path: str, query: str, *, only_failing: bool, at_most: int) -> None:
    try:
        overview, past = reading.overview_at(path), reading.past(path)
    except DatabaseError:
        return  # The upper part says so.
    st.html(providers.providers(overview, past, query=query, only_failing=only_failing, at_most=at_most))
    parts.draw(sections.money(overview))
    st.download_button(
        "Targets as CSV", lambda: exports.targets(overview, past), "targets.csv", "text/csv", on_click="ignore"
    )


def _show_incidents(path: str) -> None:
    try:
        overview, listed = reading.overview_at(path), reading.incidents(path)
    except DatabaseError:
        return
    parts.draw(incidents.open_incidents(overview))
    parts.draw(incidents.figures_so_far(overview))
    over = [incident for incident in listed if incident.resolved_at]
    st.html(incidents.incident_list(over[:_LISTED], overview.now, title="Past incidents"))


def _show_log(path: str) -> None:
    try:
        overview = reading.overview_at(path)
    except DatabaseError:
        return
    with st.expander("The latest decisions and events"):
        st.html(sections.log(overview))
