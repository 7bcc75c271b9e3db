"""What several pages show: that there is nothing to show, a range to choose, a file to take away."""

import streamlit as st

from controller.status.details.ranges import RANGES
from controller.status.overview import Overview
from monitor.storage.database import DatabaseError, is_there
from ui import reading, sections


def say_trouble(path: str, error: DatabaseError) -> None:
    """A whole page that says why there is nothing to show."""
    there = is_there(reading.settings_at(path).database)
    title = "The database cannot be used" if there else "There is nothing to show yet"
    st.html(sections.trouble(title, str(error)))


def show_state(path: str, overview: Overview) -> None:
    """Let the tab's title and icon say the worst."""
    title = sections.tab_title(overview, reading.settings_at(path).ui.title)
    st.set_page_config(page_title=title, page_icon=sections.tab_icon(overview.level))


def draw(html: str) -> None:
    """Show HTML, or an empty element that keeps the order, so that nothing below is drawn again when some comes."""
    st.html(html or "<span></span>")


def search(label: str) -> str:
    """What the viewer searches for, kept as `?q=` in the address."""
    query: str | None = st.text_input(
        label,
        key="q",
        type="search",
        placeholder=label,
        label_visibility="collapsed",
        live=True,
        bind="query-params",
        max_chars=100,
        width=300,
    )
    return query or ""


def choose_range(default: str) -> str:
    """The range that the address and the viewer choose, by its name in `RANGES`."""
    written = st.query_params.get("range", "").replace(" ", "")  # older addresses have `7 d`
    chosen: str = st.segmented_control(
        "Range",
        list(RANGES),
        default=written if written in RANGES else default,
        format_func=lambda name: f"{name[:-1]} {name[-1]}",
        label_visibility="collapsed",
        required=True,
    )
    st.query_params["range"] = chosen
    return chosen
