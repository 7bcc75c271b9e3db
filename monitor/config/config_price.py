"""The configuration of what a model costs, where the price list does not know it or knows it wrong."""

from monitor.config.config_values import is_empty
from monitor.config.schema import Section
from probes.target import Price

#: Ten times the dearest model there is; more than that is a price per thousand or per token in the wrong place.
_HIGHEST_USD = 10_000.0


def read_price(model: Section) -> Price | None:
    """The price of a model; None where the section does not say, or says something wrong, which is reported."""
    node = model.entries.get("price")
    if node is None or is_empty(node):
        return None
    section = model.section("price")
    if not section.readable:
        return None
    for key in ("input", "output"):
        if not section.has(key):
            section.missing(key, "dollars per million tokens, such as 0.10")
    usd = {key: _usd(section, key) for key in ("input", "output", "cached")}
    if usd["input"] is None or usd["output"] is None:
        return None
    return Price(input_usd=usd["input"], output_usd=usd["output"], cached_usd=usd["cached"])


def _usd(section: Section, key: str) -> float | None:
    usd = section.number(key)
    if usd is not None and not 0 <= usd <= _HIGHEST_USD:
        text = f"{usd:g} is not a price in dollars per million tokens; expected 0 to {_HIGHEST_USD:g}"
        section.findings.problem(section.at(key), text)
        return None
    return usd
