"""The packages, the direction of imports, and who owns which library: read from the imports themselves."""

import ast
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support.paths import ROOT

TOP_PACKAGES = {
    "probes": {"probes"},
    "monitor": {"monitor", "probes"},
    "controller": {"controller", "monitor", "probes"},
    "ui": {"ui", "controller", "monitor", "probes"},
}
#: Who may import a library, as path patterns; nobody else does.
OWNERS = {
    "httpx": ["probes/transport/*", "controller/demo/*"],
    "h11": ["probes/transport/http_transport.py", "probes/transport_errors.py"],
    "genai_prices": ["probes/pricing.py"],
    "botocore": ["probes/dialects/aws_signing.py"],
    "apprise": ["monitor/config/*", "controller/alerts/channels/apprise_process.py"],
    "apscheduler": ["monitor/scheduler.py"],
    "yaml": ["monitor/config/document.py"],
    "alembic": ["monitor/storage/migrations/*"],
    "mcp": ["controller/mcp_server.py"],
    "opentelemetry": ["controller/tracing/exporter.py"],
    "prometheus_client": ["controller/api/metrics.py"],
    "starlette": ["controller/api/*", "controller/demo/world.py", "ui/server.py"],
    "uvicorn": ["controller/api/protocol.py", "controller/api/server.py"],
    "psycopg": ["monitor/storage/*"],
    "sqlalchemy": ["monitor/storage/*", "*/store.py", "*_store.py", "*/queries.py", "controller/journal.py"],
    "slack_sdk": ["controller/alerts/slack/*"],
    "websockets": ["controller/alerts/slack/buttons/socket_mode.py"],
    "streamlit": ["ui/*"],
    "rich": ["controller/cli/*", "controller/demo/*"],
    "llmock": ["controller/demo/world.py"],
    "hotspare_client": ["controller/demo/*"],
}
#: Libraries that count as one: SQLModel is SQLAlchemy by another name.
SAME = {"sqlmodel": "sqlalchemy"}
#: What SQLAlchemy gives that anybody may name in a signature: a database that is passed through.
PASSED_THROUGH = {"Engine", "Connection"}
#: Modules that act. All others decide: they read no clock, file or environment, and take time and data as arguments.
ACTING = [
    *(
        "probes/prober.py",
        "probes/exchange.py",
        "probes/loop_lag.py",
        "probes/pricing.py",
        "probes/transport_errors.py",
    ),
    *("probes/transport/*", "probes/dialects/aws_signing.py"),
    *("monitor/clock.py", "monitor/scheduler.py", "monitor/config/*", "monitor/storage/*"),
    *("monitor/connectivity/checker.py", "monitor/status_pages/poller.py", "monitor/traffic/receiver.py"),
    *(
        "controller/journal.py",
        "controller/override_operations.py",
        "controller/mcp_server.py",
        "controller/cycle/*",
        "controller/service/*",
    ),
    *("*/store.py", "*_store.py", "*/queries.py", "*/runner.py", "*/workers.py", "*_worker.py", "controller/cli/*"),
    *("controller/routing/routing_file.py", "controller/routing/active_overrides.py"),
    *("controller/routing/unjournalled_file.py", "controller/routing/ballast.py"),
    "controller/fleet/*",
    *("controller/alerts/registry.py", "controller/alerts/heartbeat.py", "controller/alerts/service_health.py"),
    "controller/alerts/channels/*",
    *("controller/alerts/direct_notice.py", "controller/reload_request.py"),
    *(
        "controller/alerts/digest/scheduler.py",
        "controller/alerts/slack/channel.py",
        "controller/alerts/slack/bounded_http.py",
    ),
    *("controller/alerts/slack/errors.py", "controller/alerts/slack/buttons/*"),
    *("controller/api/app.py", "controller/api/bounds.py", "controller/api/reader.py", "controller/api/server.py"),
    *("controller/api/protocol.py", "controller/api/routing_feed.py", "controller/api/control.py"),
    "controller/tracing/exporter.py",
    *("controller/simulation/*", "controller/demo/*", "ui/*"),
]
#: Modules inside these that decide all the same.
PURE = [
    *("monitor/config/units.py", "monitor/config/problems.py", "controller/simulation/metrics.py"),
    *("controller/simulation/results.py", "controller/alerts/slack/buttons/buttons.py"),
    *("controller/demo/narration.py", "controller/demo/providers.py", "controller/demo/scenes.py"),
    "controller/service/region_sight.py",
    *("monitor/storage/pending_writes.py", "monitor/storage/probe_report.py", "controller/fleet/succession.py"),
    "monitor/storage/checked_line.py",
    *(
        *("ui/charts.py", "ui/components.py", "ui/exports.py", "ui/history.py"),
        *("ui/incidents.py", "ui/route_charts.py", "ui/routes.py", "ui/sections.py"),
        *("ui/target_charts.py", "ui/targets.py"),
    ),
]
IMPURE_MODULES = {
    "os",
    "time",
    "socket",
    "random",
    "secrets",
    "subprocess",
    "threading",
    "asyncio",
    "logging",
    "pathlib",
}
IMPURE_CALLS = {"now", "utcnow", "today", "open", "print", "monotonic", "perf_counter"}
#: Where imports inside functions keep a slow library off the start-up path.
LATE_IMPORTS = {
    "monitor/config/checks.py",
    "probes/custom_check.py",
    "controller/cli/arguments.py",
    "controller/cli/mcp_command.py",
    "controller/cli/output.py",
    "controller/cli/run_log.py",
    "controller/service/service.py",
    "controller/service/wanted_api.py",
    "controller/alerts/registry.py",
    "controller/alerts/slack/buttons/service.py",
    "controller/cli/run.py",
    "controller/cli/main.py",
    "controller/demo/world.py",
    "monitor/config/alert_settings.py",
    "monitor/storage/database.py",
    "monitor/storage/schema.py",
    "monitor/storage/upsert.py",
    "monitor/storage/writer.py",
    "probes/pricing.py",
    "probes/dialects/aws_signing.py",
    "client/src/hotspare_client/pydantic_ai.py",
    "client/src/hotspare_client/sdk_clients.py",
    "client/src/hotspare_client/target.py",
}
#: What a file of the client names of the libraries that it is for; nothing else of it needs them.
OF_LIBRARIES = {
    "client/src/hotspare_client/litellm_router.py": {"litellm"},
    "client/src/hotspare_client/openai_agents.py": {"agents"},
    "client/src/hotspare_client/pydantic_ai.py": {"pydantic_ai"},
    "client/src/hotspare_client/target.py": {"anthropic", "openai"},
}
SOURCES = sorted(
    path for package in (*TOP_PACKAGES, "client/src", "benchmarks") for path in (ROOT / package).rglob("*.py")
)  # fmt: skip


IN_PACKAGES = [path for path in SOURCES if path.parts[len(ROOT.parts)] in TOP_PACKAGES]


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file, parsed once."""
    return ast.parse(path.read_text())


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every module that a file imports, and whether at its top level."""
    tree = parsed(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in tree.body) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names] if module in TOP_PACKAGES else [module]
            yield from ((name, node in tree.body) for name in names)


def named(path: Path) -> str:
    """The file as the tables above name it."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("package", TOP_PACKAGES)
def test_packages_import_in_one_direction(package: str) -> None:
    """Probes <- monitor <- controller <- ui, and nothing back."""
    for path in (ROOT / package).rglob("*.py"):
        ours = {module.partition(".")[0] for module, _ in imports(path)} & TOP_PACKAGES.keys()
        assert ours <= TOP_PACKAGES[package], named(path)


def test_the_client_stands_alone() -> None:
    """Applications install nothing but the standard library with it."""
    for path in (ROOT / "client/src").rglob("*.py"):
        for module, _ in imports(path):
            top = module.partition(".")[0]
            allowed = {"hotspare_client"} | OF_LIBRARIES.get(named(path), set())
            assert top in sys.stdlib_module_names | allowed, f"{named(path)} imports {module}"


def matches(path: Path, patterns: list[str]) -> bool:
    """Whether one of the patterns names the file; `*` crosses folders."""
    return any(fnmatch(named(path), pattern) for pattern in patterns)


def package_of(module: str) -> str:
    """A package with its sub-packages counts as one; a module at the top level of a package counts as one, too."""
    return ".".join(module.split(".")[:2])


def test_no_cycle_between_files_or_packages() -> None:
    """Each file, and each package, can be understood after what it imports."""
    ours = {named(path)[:-3].replace("/", "."): path for path in IN_PACKAGES if path.name != "__init__.py"}
    files = {module: {name for name in _imported(path) if name in ours} for module, path in ours.items()}
    packages: dict[str, set[str]] = {}
    for module, imported in files.items():
        packages.setdefault(package_of(module), set()).update(map(package_of, imported - {module}))
    TopologicalSorter(files).prepare()  # raises CycleError, which names the cycle
    TopologicalSorter({name: imported - {name} for name, imported in packages.items()}).prepare()


def _imported(path: Path) -> Iterator[str]:
    """Every name that could be a module of ours: `from a.b import c` imports a.b.c or a.b."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield node.module or ""


@pytest.mark.parametrize("package", ["monitor", "controller"])
def test_few_modules_lie_at_the_top_of_a_package(package: str) -> None:
    """A top-level package reads like a table of contents: packages, and at most six modules beside them."""
    assert len([path for path in (ROOT / package).glob("*.py") if path.name != "__init__.py"]) <= 6


def test_no_class_name_stands_for_two_things() -> None:
    """One name, one class, in all rooms."""
    names = Counter(
        node.name
        for path in IN_PACKAGES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("library", OWNERS)
def test_each_library_has_its_owners(library: str) -> None:
    """A change of library is a change in one place; and an owner that does not use it is no owner."""
    users = [path for path in IN_PACKAGES if any(top == library for top in _used(path))]
    assert [named(path) for path in users if not matches(path, OWNERS[library])] == []
    for pattern in OWNERS[library]:
        assert any(matches(path, [pattern]) for path in users), f"{pattern} does not import {library}"


def _used(path: Path) -> Iterator[str]:
    """The libraries that a file uses; of SQLAlchemy not what is only passed through."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (SAME.get(top, top) for alias in node.names for top in [alias.name.partition(".")[0]])
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            if not (node.module == "sqlalchemy" and names <= PASSED_THROUGH):
                top = (node.module or "").partition(".")[0]
                yield SAME.get(top, top)


DECIDING = [path for path in IN_PACKAGES if matches(path, PURE) or not matches(path, ACTING)]


@pytest.mark.parametrize("path", DECIDING, ids=named)
def test_what_decides_is_pure(path: Path) -> None:
    """No clock, no file, no environment: time and data come as arguments."""
    for name, _ in imports(path):
        assert name.partition(".")[0] not in IMPURE_MODULES, f"{named(path)} imports {name}"
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert called not in IMPURE_CALLS, f"{named(path)}:{node.lineno} calls {called}"


def test_imports_stand_at_the_top() -> None:
    """Except where the command line keeps what is slow off its start-up path."""
    late = {named(path) for path in SOURCES for _, at_top in imports(path) if not at_top}
    assert late <= LATE_IMPORTS


def test_packages_hold_a_docstring_only() -> None:
    """An import of one module pulls in no other; the client, a library, may name its public things."""
    for path in SOURCES:
        if path.name == "__init__.py" and "client" not in path.parts:
            body = parsed(path).body
            assert len(body) == 1, named(path)
            assert ast.get_docstring(parsed(path)), named(path)


def test_no_module_hides_one_of_the_standard_library() -> None:
    """A script run from inside a package must not find `http.py` of ours."""
    for path in SOURCES:
        if "migrations" not in path.parts and not path.name.startswith("__"):
            assert path.stem not in sys.stdlib_module_names, named(path)


def test_no_module_of_ours_is_shadowed_by_an_installed_one() -> None:
    """Our generic top-level names must be ours in this environment."""
    site = Path(sysconfig.get_path("purelib"))
    for package in TOP_PACKAGES:
        assert not (site / package).exists(), f"another distribution installs {package!r}"


def test_one_place_reads_the_wall_clock() -> None:
    """Everybody else is handed the time."""
    assert [named(path) for path in IN_PACKAGES if "datetime.now(" in path.read_text()] == ["monitor/clock.py"]


def test_tests_mirror_the_packages() -> None:
    """`tests/monitor/config/test_loader_secrets.py` tests `monitor/config/loader.py`; a package may be tested whole."""
    for path in (file for top in TOP_PACKAGES for file in (ROOT / "tests" / top).rglob("test_*.py")):
        package = ROOT / path.parent.relative_to(ROOT / "tests")
        names = {package.name, *(module.stem for module in package.iterdir() if module.stem != "__init__")}
        subject = path.stem.removeprefix("test_")
        assert any(f"{subject}_".startswith(f"{name}_") for name in names), named(path)
