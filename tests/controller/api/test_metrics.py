"""Metrics: what the page says, in the format and after the conventions of Prometheus."""

import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.controller.api.conftest import ApiLab
from tests.support import seeded_database as seeded

pytestmark = pytest.mark.slow


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_metrics_say_what_the_page_says(api: ApiLab) -> None:
    """Where the route is, what is down, and that an incident is open."""
    found = samples((await api.client.get("/metrics")).text)
    assert found["hotspare_target_health", (("health", "down"), ("target", seeded.LUNA))] == 1
    assert found["hotspare_target_health", (("health", "up"), ("target", seeded.LUNA))] == 0
    assert found["hotspare_route_target_weight_ratio", (("route", "chat"), ("target", seeded.HAIKU))] == 1
    assert found["hotspare_route_failed_over", (("route", "chat"),)] == 1
    assert found["hotspare_incidents_open", (("kind", "outage"),)] == 1
    assert found["hotspare_incidents_open", (("kind", "blindness"),)] == 0


async def test_refused_requests_are_counted(api: ApiLab) -> None:
    """By reason, so that somebody notices."""
    await api.client.get("/v1/status", headers={"Host": "evil.example"})
    found = samples((await api.client.get("/metrics")).text)
    assert found["hotspare_api_refused_total", (("reason", "host_refused"),)] == 1


async def test_labels_are_few(api: ApiLab) -> None:
    """Nothing of what providers write, and no number of an incident, becomes a label."""
    allowed = {
        "target",
        "health",
        "window",
        "route",
        "level",
        "urgency",
        "state",
        "provider",
        "kind",
        "version",
        "reason",
    }
    found = samples((await api.client.get("/metrics")).text)
    assert {label for _, labels in found for label, _ in labels} <= allowed
    assert "script" not in str(found)


async def test_promtool_has_nothing_to_say(api: ApiLab) -> None:
    """Names, types and units as Prometheus' own linter wants them."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    given = (await api.client.get("/metrics")).content
    linted = subprocess.run([promtool, "check", "metrics"], input=given, capture_output=True, check=False)  # noqa: ASYNC221
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, b"", b"")
