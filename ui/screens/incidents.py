"""The page of incidents: the list by day, and one in full."""

from contextlib import suppress

import streamlit as st

from controller.incidents import post_mortem
from controller.incidents import text as words
from controller.incidents.incident import Incident
from monitor.storage.database import DatabaseError
from ui import exports, incidents, operate, reading, sections
from ui.components import empty, section
from ui.screens import parts


def show(path: str) -> None:
    """The incidents of the past; with `?incident=` all that is known of one, with `?q=` those that are searched for."""
    st.set_page_config(page_title=reading.page_title(path, "Incidents"))
    wanted = st.query_params.get("incident", "")
    if wanted:
        st.fragment(_show_incident, run_every=reading.SLOW_S)(path, wanted)
        _show_comments(path, wanted)
    with st.container(key="controls"):
        query = parts.search("Search incidents")
    st.fragment(_show_list, run_every=reading.SLOW_S)(path, query, says_trouble=not wanted)


def _show_list(path: str, query: str, *, says_trouble: bool) -> None:
    try:
        found = [each for each in reading.incidents(path) if query.strip().casefold() in _words(each).casefold()]
    except DatabaseError as error:
        if says_trouble:
            parts.say_trouble(path, error)
        return
    st.html(incidents.incident_list(found, reading.viewer_now()))
    st.download_button(
        "Incidents as CSV", lambda: exports.incidents(found), "incidents.csv", "text/csv", on_click="ignore"
    )


def _words(incident: Incident) -> str:
    return f"{incident.id} {words.title(incident)} {words.affected_summary(incident)}"


def _show_incident(path: str, wanted: str) -> None:
    now = reading.viewer_now()
    try:
        view, overview = reading.incident(path, wanted), reading.overview_at(path)
    except DatabaseError as error:
        parts.say_trouble(path, error)
        return
    if view is None:
        st.html(empty(f"There is no incident {wanted}."))
        return
    state = "over" if view.incident.resolved_at else "open"
    st.set_page_config(page_title=reading.page_title(path, f"Incident {wanted}, {state}"))
    parts.draw("" if view.incident.resolved_at else sections.banner(overview))
    st.html(section(f"Incident {wanted}", "", incidents.whole_incident(view, now)))
    with st.expander("The report, to be pasted into a ticket or a wiki"):
        st.code(post_mortem.markdown(view.incident, view.periods, now=now), language="markdown", wrap_lines=True)


def _show_comments(path: str, wanted: str) -> None:
    """Apart from the incident, which is drawn anew while somebody writes."""
    with suppress(DatabaseError):  # The incident above says it.
        if view := reading.incident(path, wanted):
            operate.show_comments(reading.settings_at(path), view.incident)
