"""Worlds from scenario files, such as `hotspare simulate` takes, beside those of the benchmark."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import yaml

from benchmarks.regret.worlds import REQUESTS_PER_S, World
from controller.simulation import scenario_file
from controller.simulation.runner import probe_prices
from monitor.budget.usual_month import apply_budget


def worlds_of(paths: Iterable[Path]) -> list[World]:
    """The worlds of these files, and of those in these folders that name a `config`, in the order of their names.

    Their troubles begin when the file says. Requests come at its rate, or at the benchmark's where it has none. Raises
    ConfigError for a scenario that is wrong, OSError for a file that cannot be read.
    """
    return [_world(path) for given in paths for path in (_scenarios(given) if given.is_dir() else [given])]


def _scenarios(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        if isinstance(document, dict) and "config" in document:
            yield path


def _world(path: Path) -> World:
    scenario = scenario_file.read(path, os.environ)
    paced, _ = apply_budget(scenario.settings, probe_prices(scenario.settings))
    return World(
        name=path.stem,
        says=_first_words(path),
        scenario=replace(scenario, settings=paced, requests_per_s=scenario.requests_per_s or REQUESTS_PER_S),
        troubles=scenario.outages,
        shifted=False,
    )


def _first_words(path: Path) -> str:
    """The comment in the first line, as a cell of a table."""
    first, *_ = path.read_text(encoding="utf-8").split("\n", 1)
    return first.lstrip("# ").replace("|", "/") if first.startswith("#") else "–"
