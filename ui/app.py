"""The Streamlit script behind the pages: their navigation, and the address of each."""

from functools import partial
from pathlib import Path
from typing import cast

import streamlit as st

from monitor.storage.database import DatabaseError
from ui import cost, operate, reading, sections
from ui.masthead import logo_address, masthead
from ui.screens import incidents, parts, routes, status, target

_STATIC = Path(__file__).parent / "static"


@st.cache_resource(show_spinner=False)
def _logo(path: str) -> str | None:
    return logo_address(reading.settings_at(path).ui.logo)


def show(path: str) -> None:
    """All pages for the configuration at `path`, which must be valid; the address says which one is shown."""
    pages = [
        st.Page(partial(status.show, path), title="Status", url_path="status", default=True),
        st.Page(partial(routes.show, path), title="Routes", url_path="routes"),
        st.Page(partial(target.show, path), title="Targets", url_path="target"),
        st.Page(partial(incidents.show, path), title="Incidents", url_path="incidents"),
        # Links of older versions lead there.
        st.Page(partial(target.show, path), title="History", url_path="history", visibility="hidden"),
    ]
    settings = reading.settings_at(path).ui
    if not settings.public:
        pages.append(st.Page(partial(_show_cost, path), title="Cost", url_path="cost"))
    if settings.sign_in:
        pages.append(st.Page(partial(_show_operate, path), title="Operate", url_path="operate"))
    page = st.navigation(pages, position="top")
    st.set_page_config(page_title=settings.title, page_icon=str(_STATIC / "icon.png"), layout="wide")
    st.html(_STATIC / "page.css")
    st.html(masthead(settings, _logo(path)))
    st.fragment(_show_pulse, run_every=reading.FAST_S)()
    page.run()


def _show_pulse() -> None:
    """What is seen once the connection is lost: the style sheet shows it then, in place of Streamlit's own words."""
    st.html(sections.lost(reading.viewer_now()))


def _show_cost(path: str) -> None:
    st.set_page_config(page_title=reading.page_title(path, "Cost"))
    try:
        cost.show(path, reading.settings_at(path))
    except DatabaseError as error:
        parts.say_trouble(path, error)


def _show_operate(path: str) -> None:
    st.set_page_config(page_title=reading.page_title(path, "Operate"))
    try:
        operate.show(reading.settings_at(path))
    except DatabaseError as error:
        parts.say_trouble(path, error)


if __name__ == "__main__":
    show(cast(str, st.secrets["config"]))
