"""The parameters of traffic: how they follow from the promise, the blips and the rate of requests."""

import math
from dataclasses import replace

import pytest

from monitor.config.controller_settings import Blips
from monitor.detection.traffic_model import TrafficModel, bounds

MODEL = TrafficModel(
    p0=0.005, p1=0.3, requests_per_s=10.0, batches_per_s=4.0, blips=Blips(), false_per_day=1 / 180
)  # fmt: skip


def test_more_requests_need_more_evidence() -> None:
    """Chance has more occasions; counts that come in at once are one occasion."""
    heights = [bounds(replace(MODEL, requests_per_s=rate)).corroborated for rate in (1.0, 10.0, 100.0)]
    assert heights == sorted(heights)
    assert bounds(replace(MODEL, requests_per_s=1000.0)).corroborated == heights[-1]


def test_a_blip_is_forgotten_at_once_where_there_are_many_requests() -> None:
    """At ten a second after four seconds at the most; at one a second a few answers must suffice."""
    quiet = bounds(MODEL)
    seconds = quiet.highest / (10 * 0.33)
    assert seconds < 5
    assert bounds(replace(MODEL, requests_per_s=1.0)).forgotten < quiet.forgotten / 3


def test_the_promise_is_kept_by_the_parts() -> None:
    """Second blips, fresh requests and fresh probes together cause no more than the promise."""
    found = bounds(replace(MODEL, requests_per_s=1.0))
    pairs = MODEL.blips.per_day / 86400 * found.forgotten / 0.33
    assert MODEL.blips_per_day * (2 * found.fresh_chance + pairs) == pytest.approx(MODEL.false_per_day, rel=0.05)


def test_where_there_are_no_blips_chance_alone_must_be_kept_out() -> None:
    """Nothing is divided by zero, and an excursion may last."""
    found = bounds(replace(MODEL, blips=Blips(per_day=0.0)))
    assert found.forgotten == found.highest
    assert 0 < found.fresh < bounds(MODEL).fresh


def test_where_traffic_has_no_share_of_the_promise_nothing_suffices() -> None:
    """As of a target whose reports are not listened to."""
    assert bounds(replace(MODEL, false_per_day=0.0)).fresh == math.inf
