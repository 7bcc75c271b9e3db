"""Scenario files: each rule with its own broken file and exact message, and everything that can be written, read."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.simulation.scenario import BlipScope, BlipStream, Flap, LatencyDistribution, Outage, QuietBehaviour
from controller.simulation.scenario_file import read
from monitor.config.loader import load
from monitor.config.problems import ConfigError
from probes.outcome import Outcome
from tests.support.paths import DATA, DOCS, ROOT

SCENARIOS = DATA / "scenarios"


def _rules(folder: Path) -> list[Any]:
    return [pytest.param(path, id=path.stem.replace("-", " ")) for path in sorted(folder.glob("*.yaml"))]


@pytest.mark.parametrize("path", _rules(SCENARIOS))
def test_each_mistake_has_its_message(
    path: Path, monkeypatch: pytest.MonkeyPatch, golden: Callable[[Path, str], None]
) -> None:
    """A file that breaks one rule is refused with exactly the message beside it."""
    monkeypatch.chdir(SCENARIOS)
    with pytest.raises(ConfigError) as caught:
        read(Path(path.name), {})
    golden(path.with_suffix(".txt"), str(caught.value))


@pytest.mark.parametrize("path", _rules(SCENARIOS / "warned"))
def test_each_warning_has_its_message(
    path: Path, monkeypatch: pytest.MonkeyPatch, golden: Callable[[Path, str], None]
) -> None:
    """A file that is only doubtful is read, with exactly the warnings beside it."""
    monkeypatch.chdir(path.parent)
    golden(path.with_suffix(".txt"), "\n".join(read(Path(path.name), {}).warnings))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the example to begin with, which is the scenario's and not the configuration's."""
    with pytest.raises(ConfigError, match=r"none\.yaml: there is no such file; copy scenario\.example\.yaml to it"):
        read(tmp_path / "none.yaml", {})


def test_an_example_that_is_not_there_is_not_to_be_copied_to_itself(tmp_path: Path) -> None:
    """Whoever installed the package has no examples, and needs a file of his own."""
    path = tmp_path / "scenario.yaml"
    path.write_text("config: hotspare.example.yaml\nduration: 1h\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="comes with Hotspare's repository, and not with the package; name a file"):
        read(path, {})


def test_the_scenario_of_the_document_can_be_read(tmp_path: Path) -> None:
    """What docs/simulation.md shows works as it stands, beside a configuration."""
    text = (DOCS / "simulation.md").read_text(encoding="utf-8")
    shown = text.partition("```yaml\n")[2].partition("```")[0]
    path = write(tmp_path)
    path.write_text(shown, encoding="utf-8")
    assert len(read(path, {}).outages) == 2


def write(folder: Path, **changes: Any) -> Path:
    """A small good scenario beside a configuration, with some keys changed; JSON is YAML."""
    config = (SCENARIOS / "config" / "hotspare.yaml").read_text(encoding="utf-8")
    (folder / "hotspare.yaml").write_text(config, encoding="utf-8")
    path = folder / "scenario.yaml"
    path.write_text(json.dumps({"config": "hotspare.yaml", "duration": "6h", **changes}), encoding="utf-8")
    return path


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    """The smallest scenario: the usual background, and nothing happens."""
    scenario = read(write(tmp_path), {})
    assert [target.id for target in scenario.settings.targets] == ["openai/a", "openai/b", "anthropic/c"]
    assert (scenario.duration_s, scenario.background) == (21600.0, QuietBehaviour())
    assert (scenario.blips, scenario.outages, scenario.requests_per_s) == (None, (), 0.0)
    assert read(write(tmp_path, blips={}), {}).blips == BlipStream()


def test_everything_that_can_be_written_is_read(tmp_path: Path) -> None:
    """Each key ends up in its place, in its unit."""
    everything: dict[str, Any] = {
        "background": {"failure_rate": "1%", "latency": {"median": "500ms", "p99": "2s"}},
        "blips": {"per_day": 2, "length": ["1s", "2s"], "failure_rate": 0.8, "outcome": "timeout", "scope": "world"},
        "outages": [
            {
                "at": "1h",
                "for": "30m",
                "targets": ["openai/*", "anthropic/c"],
                "failure_rate": "50%",
                "outcome": "rate_limited",
                "ramp": "10m",
                "flap": {"up": "2m", "down": "1m"},
                "latency_factor": 10,
                "retry_after": "20s",
            },
            {"at": "4h", "for": "10m", "targets": "*", "failure_rate": 1, "own_network": True},
        ],
        "limits": [{"targets": "openai/*", "rate": "20/m"}, {"targets": "anthropic/c", "rate": "1/s"}],
        "traffic": {"rate": "600/m", "hosts": 3, "reported": True},
    }
    scenario = read(write(tmp_path, **everything), {})
    assert scenario.background == QuietBehaviour(
        failure_rate=0.01, latency=LatencyDistribution(median_s=0.5, p99_s=2.0)
    )
    assert scenario.blips == BlipStream(
        per_day=2.0, length=(1.0, 2.0), failure_rate=0.8, outcome=Outcome.TIMEOUT, scope=BlipScope.WORLD
    )
    all_targets = frozenset({"openai/a", "openai/b", "anthropic/c"})
    assert scenario.outages == (
        Outage(
            at_s=3600.0,
            for_s=1800.0,
            written="openai/*, anthropic/c",
            targets=all_targets,
            failure_rate=0.5,
            outcome=Outcome.RATE_LIMITED,
            ramp_s=600.0,
            flap=Flap(up_s=120.0, down_s=60.0),
            latency_factor=10.0,
            retry_after_s=20.0,
        ),
        Outage(
            at_s=14400.0,
            for_s=600.0,
            written="*",
            targets=all_targets,
            failure_rate=1.0,
            outcome=Outcome.UNREACHABLE,
            own_network=True,
        ),
    )
    shared, own = scenario.limits
    assert (shared.targets, own.targets) == (frozenset({"openai/a", "openai/b"}), frozenset({"anthropic/c"}))
    assert [shared.per_minute, own.per_minute] == pytest.approx([20.0, 60.0])
    assert scenario.requests_per_s == 10.0


def test_outages_of_other_targets_or_other_times_do_not_overlap(tmp_path: Path) -> None:
    """Two providers may fail at once, and one outage may follow the other at once."""
    one = {"at": "1h", "for": "1h", "targets": "openai/*", "failure_rate": 0.5}
    outages = [one, {**one, "targets": "anthropic/*"}, {**one, "at": "2h"}]
    assert len(read(write(tmp_path, outages=outages), {}).outages) == 3


def test_a_database_in_memory_is_for_what_stores_nothing(tmp_path: Path) -> None:
    """A scenario's configuration may name one; the service refuses the same file."""
    path = write(tmp_path)
    assert read(path, {}).settings.database == "sqlite:///:memory:"
    with pytest.raises(ConfigError, match="forgets everything when the service stops"):
        load(tmp_path / "hotspare.yaml", {"OPENAI_API_KEY": "sk-o", "ANTHROPIC_API_KEY": "sk-a"})


def test_the_warnings_of_the_configuration_are_shown(tmp_path: Path) -> None:
    """They are the scenario's as well, with the configuration's own place."""
    path = write(tmp_path)
    config = tmp_path / "hotspare.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace(", anthropic/c]", "]"), encoding="utf-8")
    [warning] = read(path, {}).warnings
    assert warning.startswith(f"{config}:")
    assert "a single candidate" in warning


def test_the_example_can_be_read() -> None:
    """Beside its configuration, without any key in the environment, and with what is commented out as well."""
    path = ROOT / "scenario.example.yaml"
    assert len(read(path, {}).outages) == 2


def test_the_other_outages_of_the_example_can_be_read(tmp_path: Path) -> None:
    """What stands in its comments is right, one line at a time: they are alternatives."""
    text = (ROOT / "scenario.example.yaml").read_text(encoding="utf-8")
    text = text.replace("config: hotspare.example.yaml", f"config: {ROOT}/hotspare.example.yaml")
    others = re.findall(r"(?m)^  # (- \{.*)$", text)
    assert len(others) == 5
    for other in others:
        path = tmp_path / "scenario.yaml"
        path.write_text(text.replace(f"  # {other}", f"  {other}"), encoding="utf-8")
        assert len(read(path, {}).outages) == 3


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a/m", {"a/m@eu", "a/m@us"}),
        ("a/m@us", {"a/m@us"}),
        ("*@eu", {"a/m@eu", "b/m@eu"}),
        ("a/*", {"a/m@eu", "a/m@us"}),
    ],
)
def test_an_outage_is_of_all_regions_or_of_one(tmp_path: Path, pattern: str, expected: set[str]) -> None:
    """A name without a region means all of them."""
    provider = "{preset: ollama, models: {m: {}}}"
    routes = "{chat: {candidates: [a/m, b/m]}}"
    text = f"regions: [eu, us]\nproviders: {{a: {provider}, b: {provider}}}\nroutes: {routes}\n"
    (tmp_path / "hotspare.yaml").write_text(text, encoding="utf-8")
    path = tmp_path / "scenario.yaml"
    outage = f'{{at: 1h, for: 10m, targets: "{pattern}", failure_rate: 1}}'
    path.write_text(f"config: hotspare.yaml\nduration: 3h\noutages: [{outage}]\n", encoding="utf-8")
    [found] = read(path, {}).outages
    assert found.targets == expected
