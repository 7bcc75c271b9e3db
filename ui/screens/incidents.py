"""The page of incidents: the list by day, and one in full."""

from datetime import datetime

import streamlit as st

from controller.incidents import post_mortem
from controller.status.incident_view import IncidentView
from monitor.storage.database import DatabaseError
from ui import incidents, reading
from ui.components import empty, section
from ui.screens import parts


def show(path: str) -> None:
    """The incidents of the past; with `?incident=` all that is known of one."""
    st.set_page_config(page_title=reading.page_title(path, "Incidents"))
    wanted, now = st.query_params.get("incident", ""), reading.viewer_now()
    try:
        if wanted:
            _show_incident(path, reading.incident(path, wanted), wanted, now)
        st.html(incidents.incident_list(reading.incidents(path), now))
    except DatabaseError as error:
        parts.say_trouble(path, error)


def _show_incident(path: str, view: IncidentView | None, wanted: str, now: datetime) -> None:
    if view is None:
        st.html(empty(f"There is no incident {wanted}."))
        return
    st.set_page_config(page_title=reading.page_title(path, f"Incident {wanted}"))
    st.html(section(f"Incident {wanted}", "", incidents.whole_incident(view, now)))
    with st.expander("The report, to be pasted into a ticket or a wiki"):
        st.code(post_mortem.markdown(view.incident, view.periods, now=now), language="markdown", wrap_lines=True)
