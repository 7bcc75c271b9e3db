"""Worlds from scenario files, such as `hotspare simulate` takes, beside those of the benchmark."""

import os
from collections import Counter
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

    Those of the same name are called by their paths. Their troubles begin when the file says. Requests come at its
    rate, or at the benchmark's where it has none. Raises ConfigError for a scenario that is wrong, OSError for a file
    that cannot be read.
    """
    files = dict.fromkeys(path for given in paths for path in (_scenarios(given) if given.is_dir() else [given]))
    times = Counter(path.stem for path in files)
    return [_world(path, name=path.stem if times[path.stem] == 1 else str(path)) for path in files]


def _scenarios(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.glob("*.yaml")):
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError):
            document = {"config": None}  # whoever reads it as a scenario says what is wrong
        if isinstance(document, dict) and "config" in document:
            yield path


def _world(path: Path, *, name: str) -> World:
    scenario = scenario_file.read(path, os.environ)
    paced, _ = apply_budget(scenario.settings, probe_prices(scenario.settings))
    return World(
        name=name,
        says=_first_words(path),
        scenario=replace(scenario, settings=paced, requests_per_s=scenario.requests_per_s or REQUESTS_PER_S),
        troubles=scenario.outages,
        shifted=False,
    )


def _first_words(path: Path) -> str:
    """The comment in the first line, as a cell of a table."""
    first, *_ = path.read_text(encoding="utf-8").split("\n", 1)
    return first.lstrip("# ").replace("|", "/") if first.startswith("#") else "–"
