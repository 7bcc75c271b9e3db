"""The page of routes: all of them, and one in full over a range."""

import streamlit as st

from monitor.storage.database import DatabaseError
from ui import exports, reading, route_charts, routes
from ui.components import empty, section
from ui.screens import parts


def show(path: str) -> None:
    """The page; `?route=` and `?range=` say what is shown."""
    st.set_page_config(page_title=reading.page_title(path, "Routes"))
    with st.container(horizontal=True, vertical_alignment="bottom", key="controls"):
        range_name = parts.choose_range("24h")
    st.fragment(_show, run_every=reading.SLOW_S)(path, range_name)


def _show(path: str, range_name: str) -> None:
    try:
        overview = reading.overview_at(path)
        felt = {summary.route: summary for summary in reading.route_summaries(path, range_name)}
        ordered = routes.worst_first(overview.routes)
        wanted = st.query_params.get("route")
        route = next((each for each in overview.routes if each.name == wanted), ordered[0])
        detail = reading.route_detail(path, route.name, range_name, route.since)
    except DatabaseError as error:
        parts.say_trouble(path, error)
        return
    if wanted and wanted != route.name:
        st.html(empty(f"There is no route {wanted} in the configuration; this is another one."))
    now = overview.now
    st.set_page_config(page_title=reading.page_title(path, f"{route.name}: {routes.state_of(route)[1]}"))
    if len(ordered) > 1:
        st.html(routes.all_routes(ordered, felt, range_name, route.name, now))
    st.html(routes.present(route, now))
    st.html(section("Where it pointed", "and when its candidates were not up", ""))
    st.vega_lite_chart(route_charts.route_timeline(detail), alt=routes.path_in_words(detail))
    st.html(routes.felt(felt[route.name], range_name))
    if any(rollup.felt_s or rollup.without_s for _, rollup in detail.course):
        st.vega_lite_chart(
            route_charts.felt(detail.course, detail.since, detail.until, detail.width),
            alt="Minutes that users were failed",
        )
    st.html(routes.decisions(detail, now))
    parts.draw(routes.overrides(detail, now))
    st.download_button(
        "Decisions as CSV", lambda: exports.decisions(detail), f"{route.name}.csv", "text/csv", on_click="ignore"
    )
