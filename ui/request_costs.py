"""The part of the Cost page about the requests that applications report: by route, target and tag, and elsewhere."""

from collections.abc import Sequence

import streamlit as st

from controller.history import request_costs as words
from controller.history.request_costs import RequestCosts
from monitor.formatting import capitalized
from ui import components
from ui.components import section, text


def show(costs: RequestCosts) -> None:
    """What they cost this month, and what candidates would."""
    st.html(requests(costs))
    if costs.candidates:
        st.html(candidates(costs))


def requests(costs: RequestCosts) -> str:
    """The sentence, and a table by route, target and tag."""
    table = _table("Cost of requests", ("Requests of", *words.COLUMNS), words.rows(costs))
    sentence = f"<p>{text(capitalized(costs.sentence))}.</p>{table}"
    return section("Cost of requests", "as applications report their tokens, without discounts", sentence)


def candidates(costs: RequestCosts) -> str:
    """The same requests at each candidate."""
    table = _table("What candidates would cost", words.CANDIDATE_COLUMNS, words.candidate_rows(costs))
    return section("What candidates would cost", "the requests of this month, if all went there", table)


def _table(label: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    shown = [[text(cell) for cell in row] for row in rows]
    return components.table(label, dict.fromkeys(map(capitalized, columns), ""), shown, kind="hs-costs")
