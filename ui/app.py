"""The Streamlit script behind the pages: reads what is known, and shows it in sections."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from os import environ
from pathlib import Path
from typing import cast

import streamlit as st

from controller.history.availability import PERIODS
from controller.history.queries import History, read_past
from controller.incidents import post_mortem
from controller.status.incident_view import IncidentView, read_incident, read_incidents
from controller.status.overview import Overview, read
from controller.status.public_view import public_incident, public_incident_view, public_overview
from monitor.clock import utc_now
from monitor.config.loader import load
from monitor.config.settings import Settings
from monitor.history.rollup import DAY, HOUR, Rollup, span_start
from monitor.storage.database import DatabaseError, database_path, open_reader
from monitor.storage.store import Store
from ui import charts, components, cost, history, incidents, operate, sections
from ui.components import section
from ui.masthead import logo_address, masthead

_STATIC = Path(__file__).parent / "static"
_FAST_S = 2.0
_SLOWEST_S = 10.0
_PAST_S = 60.0
_LONGEST_ID = 15


@st.cache_resource(show_spinner=False)
def _settings(path: str) -> Settings:
    return load(Path(path), environ, keys=False)


@st.cache_resource(show_spinner=False, ttl=_FAST_S / 2)
def _overview(path: str) -> Overview:
    """The overview, read at most once a second for all viewers together; raises DatabaseError."""
    settings = _settings(path)
    overview = read(settings, open_reader(settings.database), utc_now())
    return public_overview(overview) if settings.ui.public else overview


@st.cache_resource(show_spinner=False)
def _logo(path: str) -> str | None:
    return logo_address(_settings(path).ui.logo)


def _show(path: str, *renderers: Callable[[Overview], str], says_trouble: bool) -> None:
    """Show these sections; where the database cannot be used, the part of the page that `says_trouble` says so."""
    try:
        overview = _overview(path)
    except DatabaseError as error:
        if says_trouble:
            _say_trouble(path, error)
        return
    if says_trouble:
        st.set_page_config(page_title=sections.tab_title(overview, _settings(path).ui.title))
    for render in renderers:
        # An empty element keeps the order: nothing below is drawn again when an incident opens.
        st.html(render(overview) or "<span></span>")


@st.cache_data(show_spinner=False, ttl=_PAST_S)
def _past(path: str) -> History:
    """The last 90 days, read at most once a minute for all viewers together; raises DatabaseError."""
    settings = _settings(path)
    return read_past(open_reader(settings.database), settings, utc_now())


@st.cache_data(show_spinner=False, ttl=_PAST_S)
def _rollups(path: str, target: str, length: timedelta) -> Sequence[tuple[datetime, Rollup]]:
    """The target's hours, or from a week on its days; raises DatabaseError."""
    now, span = utc_now(), HOUR if length <= PERIODS["7 d"] else DAY
    store = Store(open_reader(_settings(path).database))
    return store.rollups([target], span, since=span_start(now - length, span), until=now).get(target, [])


def show(path: str) -> None:
    """All pages for the configuration at `path`, which must be valid; the address says which one is shown."""
    pages = [
        st.Page(partial(_show_status, path), title="Status", url_path="status", default=True),
        st.Page(partial(_show_history, path), title="History", url_path="history"),
        st.Page(partial(_show_incidents, path), title="Incidents", url_path="incidents"),
    ]
    if not _settings(path).ui.public:
        pages.append(st.Page(partial(_show_cost, path), title="Cost", url_path="cost"))
    if _settings(path).ui.sign_in:
        pages.append(st.Page(partial(_show_operate, path), title="Operate", url_path="operate"))
    page = st.navigation(pages, position="hidden")
    st.set_page_config(page_title=_settings(path).ui.title, page_icon=str(_STATIC / "icon.png"), layout="wide")
    st.html(_STATIC / "page.css")
    links = [(each.title, each.url_path or "./") for each in pages]
    st.html(masthead(_settings(path).ui, _logo(path), links, page.title))
    page.run()


def _show_status(path: str) -> None:
    """How everything is now.

    The upper part is small and refreshed every 2 s; unchanged HTML is not drawn again. The lower part, the bars of
    every probe and the past, is refreshed at the probe interval, but every 2 to 10 s.
    """
    upper = (sections.top, sections.banner, sections.overrides, sections.routes)
    ongoing = (incidents.open_incidents, incidents.figures_so_far)
    st.fragment(_show, run_every=_FAST_S)(path, *upper, *ongoing, says_trouble=True)
    lower = (sections.targets, sections.vendors, incidents.past_incidents, sections.log)
    shortest_s = min((target.interval_s for target in _settings(path).targets), default=_SLOWEST_S)
    slow_s = min(max(shortest_s, _FAST_S), _SLOWEST_S)
    st.fragment(_show, run_every=slow_s)(path, *lower, says_trouble=False)


def _show_history(path: str) -> None:
    """The last 90 days of every route and target; with `?target=` also the charts of one."""
    st.set_page_config(page_title=f"History – {_settings(path).ui.title}")
    try:
        target = st.query_params.get("target")
        if target in {known.id for known in _settings(path).targets}:
            _show_target(path, target)
        past = _past(path)
    except DatabaseError as error:
        _say_trouble(path, error)
        return
    st.html(history.routes(past))
    st.html(history.targets(past))


def _show_incidents(path: str) -> None:
    """The incidents of the past; with `?incident=` all that is known of one."""
    st.set_page_config(page_title=f"Incidents – {_settings(path).ui.title}")
    wanted, now, is_public = st.query_params.get("incident", ""), utc_now(), _settings(path).ui.public
    try:
        engine = open_reader(_settings(path).database)
        if wanted.isdecimal() and len(wanted) <= _LONGEST_ID:
            view = read_incident(engine, int(wanted), now)
            view = public_incident_view(view) if view and is_public else view
            _show_incident(view, wanted, now, _settings(path).ui.title)
        listed = read_incidents(engine)
        st.html(incidents.incident_list([*map(public_incident, listed)] if is_public else listed, now))
    except DatabaseError as error:
        _say_trouble(path, error)


def _show_incident(view: IncidentView | None, wanted: str, now: datetime, title: str) -> None:
    if view is None:
        st.html(f'<p class="hs-empty">There is no incident {wanted}.</p>')
        return
    st.set_page_config(page_title=f"Incident {wanted} – {title}")
    st.html(section(f"Incident {wanted}", "times in UTC", incidents.whole_incident(view, now)))
    with st.expander("The report, to be pasted into a ticket or a wiki"):
        st.code(post_mortem.markdown(view.incident, view.periods, now=now), language="markdown", wrap_lines=True)


def _show_cost(path: str) -> None:
    st.set_page_config(page_title=f"Cost – {_settings(path).ui.title}")
    try:
        cost.show(path, _settings(path))
    except DatabaseError as error:
        _say_trouble(path, error)


def _show_operate(path: str) -> None:
    st.set_page_config(page_title=f"Operate – {_settings(path).ui.title}")
    try:
        operate.show(_settings(path))
    except DatabaseError as error:
        _say_trouble(path, error)


def _show_target(path: str, target: str) -> None:
    st.html(section(components.target(target), "how its probes ended, and how long answers took; times are yours", ""))
    ranges = list(PERIODS)
    chosen = st.query_params.get("range")
    length = st.segmented_control(
        "Range",
        ranges,
        default=chosen if chosen in ranges else ranges[1],
        label_visibility="collapsed",
        required=True,
    )
    st.query_params["range"] = length
    rollups = _rollups(path, target, PERIODS[length])
    if not rollups:
        st.html('<p class="hs-empty">Nothing was observed in this time.</p>')
        return
    st.vega_lite_chart(charts.outcomes(rollups))
    st.vega_lite_chart(charts.latency(rollups))


def _say_trouble(path: str, error: DatabaseError) -> None:
    there = database_path(_settings(path).database).exists()
    title = "The database cannot be used" if there else "There is nothing to show yet"
    st.html(sections.trouble(title, str(error)))


if __name__ == "__main__":
    show(cast(str, st.secrets["config"]))
