"""The page of one target over a range."""

import streamlit as st

from controller.status.details.target import TargetDetail
from monitor.storage.database import DatabaseError
from ui import exports, reading, sections, target_charts, targets
from ui.components import empty, section
from ui.screens import parts


def show(path: str) -> None:
    """The page; `?target=` and `?range=` say what is shown."""
    st.set_page_config(page_title=reading.page_title(path, "Targets"))
    names = [target.id for target in reading.settings_at(path).targets]
    wanted = st.query_params.get("target")
    with st.container(horizontal=True, vertical_alignment="bottom", key="controls"):
        chosen = st.selectbox(
            "Target",
            names,
            index=names.index(wanted) if wanted in names else 0,
            label_visibility="collapsed",
            filter_mode="contains",
        )
        range_name = parts.choose_range("24h")
    if wanted and wanted not in names:
        st.html(empty(f"There is no target {wanted} in the configuration; this is another one."))
    st.query_params["target"] = chosen
    st.fragment(_show, run_every=reading.SLOW_S)(path, chosen, range_name)


def _show(path: str, target: str, range_name: str) -> None:
    try:
        overview = reading.overview_at(path)
        view = next(view for view in overview.targets if view.state.target == target)
        state = view.state
        detail = reading.target_detail(path, target, range_name, state.since)
    except DatabaseError as error:
        parts.say_trouble(path, error)
        return
    now = overview.now
    st.set_page_config(page_title=reading.page_title(path, f"{target}: {state.health}"))
    st.html(targets.present(detail, state, now))
    st.html(sections.recent_probes(view.history))
    if not detail.course:
        st.html(empty("Nothing was observed in this time."))
    else:
        _show_pictures(detail)
    parts.draw(targets.checks(detail))
    st.html(targets.verdicts(detail, now))
    st.html(targets.failures(detail, now))
    ids = [failure.request_id for failure in detail.failures if failure.request_id]
    if ids:
        with st.expander("Request ids of the last failures, for a ticket"):
            st.code("\n".join(ids), language=None)
    st.download_button(
        "What is shown, as CSV",
        exports.course(detail),
        f"{target.replace('/', '_')}.csv",
        "text/csv",
        on_click="ignore",
    )


def _show_pictures(detail: TargetDetail) -> None:
    st.html(section("How its probes ended", "", ""))
    st.vega_lite_chart(
        target_charts.outcomes(detail.course, detail.since, detail.until, detail.width),
        alt=targets.mix_in_words(detail),
    )
    st.html(section("How long answers took", "logarithmic; dotted: the slow limit, and what is usual", ""))
    st.vega_lite_chart(target_charts.latency(detail), alt=targets.latency_in_words(detail))
    left, right = st.columns(2)
    with left:
        st.html(section("By hour and weekday", "the share served, in your zone", ""))
        st.vega_lite_chart(
            target_charts.hours_of_week(detail.hours, reading.viewer_zone()), alt="The share served by hour and weekday"
        )
    with right:
        st.html(section("Where the time goes", "the newest answers", ""))
        if detail.phases:
            st.vega_lite_chart(target_charts.phases(detail.phases), alt=targets.phases_in_words(detail))
        else:
            st.html(empty("No answer with its phases is kept."))
