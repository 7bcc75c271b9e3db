"""A drill watched by others: Prometheus, a Statuspage client and a badge, each saying what the page says."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.demo import files
from controller.demo.fake_slack import FakeSlack
from controller.demo.providers import CANDIDATES, PROVIDERS, TARGETS, Fault
from controller.demo.world import World
from controller.status.overview import Overview, read
from monitor.clock import utc_now
from monitor.config.loader import load
from monitor.config.settings import Settings
from monitor.storage.database import DatabaseError, open_reader
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

PATIENCE_S = 90
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/hotspare.json"
_CLIENT = """
import json, sys
from statuspage_prometheus_exporter.service_checker import check_status_page_service
print(json.dumps(check_status_page_service("hotspare", {"name": "Hotspare", "url": sys.argv[1]})))
"""


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def fetched(url: str) -> str:
    """What is at an address of ours."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        return str(answer.read().decode())


class Onlookers:
    """A service in the world of the demo, and the programs that watch it."""

    def __init__(self, folder: Path, settings: Settings, world: World, prometheus: int) -> None:
        self.folder, self.world, self.settings = folder, world, settings
        self.api, self._prometheus = f"http://{settings.api.listen}", prometheus

    def page(self) -> Overview | None:
        """The read model of the page."""
        try:
            return read(self.settings, open_reader(self.settings.database), utc_now())
        except DatabaseError:
            return None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The rows that Prometheus has for a query."""
        words = urllib.parse.urlencode({"query": expression})
        rows: list[dict[str, Any]] = json.loads(fetched(f"http://127.0.0.1:{self._prometheus}/api/v1/query?{words}"))[
            "data"
        ]["result"]
        return rows

    def firing(self) -> set[str]:
        """The alerts that fire."""
        alerts = json.loads(fetched(f"http://127.0.0.1:{self._prometheus}/api/v1/alerts"))["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def client(self) -> dict[str, Any]:
        """What `statuspage-prometheus-exporter` reads, in a process of its own."""
        services = self.folder / "services.json"
        services.write_text("{}", encoding="utf-8")
        asked = subprocess.run(
            [sys.executable, "-c", _CLIENT, f"{self.api}/api/v2/summary.json"],
            capture_output=True,
            text=True,
            check=True,
            cwd=self.folder,
            env={"SERVICES_JSON_PATH": str(services)},
        )
        document: dict[str, Any] = json.loads(asked.stdout.splitlines()[-1])
        return document

    def until(self, holds: Callable[[], Any], what: str) -> None:
        """Wait until it holds; others may not have started."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                if holds():
                    return
            except (urllib.error.URLError, ConnectionError):
                pass
            assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_S} s"
            time.sleep(0.2)

    def assert_all_agree(self) -> None:
        """Where the route is, how targets are, and how bad it is: all as the page says, within a scrape."""
        self.until(self._agree, f"all agree: {self.views()}")

    def _agree(self) -> bool:
        views = self.views()
        return all(view == views["page"] for view in views.values())

    def views(self) -> dict[str, Any]:
        """What each of them says: the route's target, whether it was moved, and which targets are down."""
        page, client = self.page(), self.client()
        assert page
        [route] = page.routes
        down = {view.state.target for view in page.targets if view.state.health == "down"}
        weights = self.query("hotspare_route_target_weight_ratio == 1")
        failing = self.query('hotspare_target_health{health="down"} == 1')
        components = {each["name"]: each["status"] for each in client["component_metadata"]}
        badge = fetched(f"{self.api}/badge/route/{route.name}.svg")
        badged = next(candidate for candidate in CANDIDATES if f": {candidate}<" in badge)
        targets = [target for target in components if "/" in target]
        down_there = {target for target in targets if components[target] == "major_outage"}
        return {
            "page": (route.target, down),
            "prometheus": (weights[0]["metric"]["target"], {row["metric"]["target"] for row in failing}),
            "statuspage": (badged if components[route.name] == "operational" else None, down_there),
            "badge": (badged, {t for t in targets if ": down<" in fetched(f"{self.api}/badge/target/{t}.svg")}),
        }


@contextmanager
def started(*command: str, folder: Path, name: str) -> Iterator[None]:
    """A process that ends with the block."""
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=files.environment(), cwd=folder)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


@pytest.fixture
def onlookers(tmp_path: Path) -> Iterator[Onlookers]:
    """The demo's world, a service, and Debian's Prometheus, which scrapes it every second."""
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        pytest.skip("prometheus is not installed: apt-get install prometheus")
    port, api = free_port(), free_port()
    watch = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    watch["global"] = {"evaluation_interval": "1s"}
    watch["scrape_configs"][0] |= {"scrape_interval": "1s", "static_configs": [{"targets": [f"127.0.0.1:{api}"]}]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(watch), encoding="utf-8")
    shutil.copy(ALERTS, tmp_path)
    with World() as world, FakeSlack() as slack:
        config = files.write_configuration(tmp_path, world, slack_url=slack.url)
        text = config.read_text(encoding="utf-8").replace("listen: 127.0.0.1:0", f"listen: 127.0.0.1:{api}")
        config.write_text(text + "budget: {usd_per_month: 5}\n", encoding="utf-8")
        settings = load(config, files.environment())
        run = (sys.executable, "-m", "controller.cli.main", "run", "-c", str(config))
        options = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb"]
        with (
            started(*run, folder=tmp_path, name="run"),
            started(prometheus, *options, f"--web.listen-address=127.0.0.1:{port}", folder=tmp_path, name="prometheus"),
        ):
            yield Onlookers(tmp_path, settings, world, port)


def expressions() -> Iterator[str]:
    """Every query of the dashboard; of every alert the same with the comparison as a value, which rows always have."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]:
        yield from (re.sub(r" (==|>) ", r" \1 bool ", rule["expr"]) for rule in group["rules"])


def test_all_who_watch_a_drill_say_the_same(onlookers: Onlookers) -> None:
    """Before the outage, while it lasts, and after it; every query of dashboard and alerts has rows."""
    first, second = CANDIDATES[0], CANDIDATES[1]
    onlookers.until(
        lambda: onlookers.query(f'sum(hotspare_target_health{{health="up"}}) == {len(TARGETS)}'), "all are up"
    )
    onlookers.assert_all_agree()
    assert onlookers.client()["raw_status"] == "none"
    assert onlookers.firing() == set()

    with pytest.raises(urllib.error.HTTPError, match="400"):
        fetched(f"{onlookers.api}/v1/status?token=hsk_seen")
    onlookers.world.set_faults({PROVIDERS[0].name: Fault(status=500, share=0.5)})
    onlookers.until(lambda: (page := onlookers.page()) and page.routes[0].target != first, "moved")
    onlookers.assert_all_agree()
    [incident] = onlookers.client()["incident_metadata"]
    assert incident["affected_components"]
    assert second in fetched(f"{onlookers.api}/badge/route/{files.ROUTE}.svg")
    onlookers.until(lambda: {"HotspareRouteMoved", "HotspareTargetFailing"} <= onlookers.firing(), "alerts")
    for expression in expressions():
        onlookers.until(partial(onlookers.query, expression), f"rows of {expression}")

    onlookers.world.set_faults({})
    onlookers.until(lambda: (page := onlookers.page()) and page.routes[0].target == first, "back")
    onlookers.assert_all_agree()
    assert "hsk_seen" not in (onlookers.folder / "run.log").read_text(encoding="utf-8")
