"""The part of the Cost page about the requests that applications report: by route, target and tag, and elsewhere."""

from collections.abc import Iterable

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
    table = cost_table("Cost of requests", ("Requests of", *words.COLUMNS), words.rows(costs))
    sentence = f"<p>{text(capitalized(costs.sentence))}.</p>{table}"
    return section("Cost of requests", "as applications report their tokens, without discounts", sentence)


def candidates(costs: RequestCosts) -> str:
    """The same requests at each candidate."""
    table = cost_table("What candidates would cost", words.CANDIDATE_COLUMNS, words.candidate_rows(costs))
    return section("What candidates would cost", "the requests of this month, if all went there", table)


def cost_table(label: str, columns: Iterable[str], rows: Iterable[Iterable[str | int]]) -> str:
    """A table that a narrow screen stacks and a screen reader reads: a native one is cut there, and drawn pixels."""
    shown = [[f"{cell:,}" if isinstance(cell, int) else text(cell) for cell in row] for row in rows]
    return components.table(label, dict.fromkeys(map(capitalized, columns), ""), shown, kind="hs-costs")
