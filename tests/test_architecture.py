"""The rooms, the direction of imports, and who owns which library: read from the imports themselves."""

import ast
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {
    "probes": {"probes"},
    "monitor": {"monitor", "probes"},
    "controller": {"controller", "monitor", "probes"},
    "ui": {"ui", "controller", "monitor", "probes"},
}
#: Who may import a library; nobody else does.
OWNERS = {
    "httpx": {
        "probes/prober.py",
        "probes/transport.py",
        "probes/proxies.py",
        "probes/faults.py",
        "probes/connectivity.py",
        "probes/webpage.py",
        "controller/telling/outgoing.py",
        "controller/demo/traffic.py",
    },
    "httpcore": {"probes/transport.py", "probes/sockets.py", "probes/faults.py"},
    "genai_prices": {"probes/pricing.py"},
    "botocore": {"probes/signing.py"},
    "apprise": {"monitor/config_elsewhere.py", "controller/telling/apprise_sender.py"},
    "apscheduler": {"monitor/schedule.py"},
    "yaml": {"monitor/yamlfile.py"},
    "alembic": {"monitor/migrations/"},
    "sqlmodel": {"monitor/tables.py"},
    "sqlalchemy": {
        "monitor/",
        "controller/hand.py",
        "controller/telling/backlog.py",
        "controller/telling/deliveries.py",
        "controller/journal.py",
        "controller/decision_rows.py",
        "controller/incidents/incident_rows.py",
        "controller/incidents/incident_facts.py",
        "controller/incidents/remarks.py",
        "controller/telling/relay_rows.py",
        "controller/telling/unheard.py",
        "controller/telling/digest_facts.py",
        "controller/telling/elsewhere.py",
        "controller/telling/weekly.py",
        "controller/buttons/listening.py",
        "controller/buttons/presses.py",
        "controller/buttons/press_book.py",
        "controller/incidents/incident_command.py",
        "controller/overview.py",
        "controller/history.py",
        "controller/last_words.py",
        "controller/trails.py",
        "controller/replay/",
    },
    "slack_sdk": {
        "controller/telling/slack.py",
        "controller/telling/slack_errors.py",
        "controller/telling/slack_webhook.py",
        "controller/buttons/pressing.py",
        "controller/buttons/socket_mode.py",
    },
    "streamlit": {"ui/"},
    "rich": {
        "controller/telling/alerts_command.py",
        "controller/asking.py",
        "controller/incidents/incident_view.py",
        "controller/explaining.py",
        "controller/status.py",
        "controller/terminal.py",
        "controller/demo/",
        "controller/simulation/command.py",
        "controller/plan/command.py",
        "controller/replay/command.py",
    },
    "llmock": {"controller/demo/world.py"},
    "hotspare_client": {"controller/demo/"},
}
#: Modules that decide: they read no clock, no file, no environment.
PURE = [
    "probes/outcome.py",
    "probes/checks.py",
    "probes/verdict.py",
    "probes/eventstream.py",
    "probes/display.py",
    "probes/examination.py",
    "probes/wire_events.py",
    "probes/sight.py",
    "probes/disguise.py",
    "probes/redaction.py",
    "probes/retry_after.py",
    "monitor/blindness.py",
    "monitor/network_news.py",
    "monitor/ailing.py",
    "monitor/notices.py",
    "monitor/baseline.py",
    "monitor/budget.py",
    "monitor/purse.py",
    "monitor/evidence.py",
    "monitor/latency.py",
    "monitor/threshold.py",
    "monitor/detector.py",
    "monitor/poor.py",
    "monitor/record.py",
    "monitor/pool.py",
    "monitor/judge.py",
    "monitor/pacing.py",
    "monitor/words.py",
    "monitor/vendor_word.py",
    "monitor/vendor_pages.py",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "monitor/vendors").glob("*.py"))),
    "controller/policy.py",
    "controller/simulation/tally.py",
    "controller/simulation/results.py",
    "controller/plan/trials.py",
    "controller/plan/alarms.py",
    "controller/plan/forecast.py",
    "controller/plan/promises.py",
    "controller/replay/answer.py",
    "controller/replay/comparison.py",
    "controller/replay/course.py",
    "controller/candidate.py",
    "controller/dry_run.py",
    "controller/overrides.py",
    "controller/override_words.py",
    "controller/buttons/buttons.py",
    "controller/buttons/press.py",
    "controller/buttons/press_rules.py",
    "controller/incidents/incidents.py",
    "controller/incidents/incident_story.py",
    "controller/incidents/timeline.py",
    "controller/incidents/effect.py",
    "controller/incidents/incident_words.py",
    "controller/incidents/report.py",
    "controller/incidents/lead.py",
    "controller/vendor_view.py",
    "controller/telling/messages.py",
    "controller/telling/small_messages.py",
    "controller/telling/aftermath.py",
    "controller/telling/slack_text.py",
    "controller/telling/severity.py",
    "controller/telling/quiet.py",
    "controller/telling/told.py",
    "controller/telling/book.py",
    "controller/telling/desk.py",
    "controller/telling/groups.py",
    "controller/telling/calls.py",
    "controller/telling/letters.py",
    "controller/telling/webhook_letters.py",
    "controller/incidents/incident_document.py",
    "controller/telling/alert.py",
    "controller/telling/backoff.py",
    "controller/telling/digest.py",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "probes/dialects").glob("*.py"))),
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
    "controller/telling/apprise_sender.py",
    "controller/cli.py",
    "controller/demo/drill.py",
    "controller/demo/world.py",
    "monitor/config_elsewhere.py",
    "monitor/database.py",
    "probes/pricing.py",
    "probes/signing.py",
}
SOURCES = sorted(
    path for room in (*ROOMS, "client/src", "benchmarks") for path in (ROOT / room).rglob("*.py")
)  # fmt: skip


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every module that a file imports, and whether at its top level."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in tree.body) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or "", node in tree.body


def named(path: Path) -> str:
    """The file as the tables above name it."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_in_one_direction(room: str) -> None:
    """Probes <- monitor <- controller <- ui, and nothing back."""
    for path in (ROOT / room).rglob("*.py"):
        ours = {module.partition(".")[0] for module, _ in imports(path)} & ROOMS.keys()
        assert ours <= ROOMS[room], named(path)


def test_the_client_stands_alone() -> None:
    """Applications install nothing but the standard library with it."""
    for path in (ROOT / "client/src").rglob("*.py"):
        for module, _ in imports(path):
            top = module.partition(".")[0]
            assert top in sys.stdlib_module_names | {"hotspare_client"}, f"{named(path)} imports {module}"


@pytest.mark.parametrize("library", OWNERS)
def test_each_library_has_its_owners(library: str) -> None:
    """A change of library is a change in one place; and an owner that does not use it is no owner."""
    rooms = [path for path in SOURCES if path.parts[len(ROOT.parts)] in ROOMS]
    users = {named(path) for path in rooms for module, _ in imports(path) if module.partition(".")[0] == library}
    for user in users:
        assert any(user == owner or (owner.endswith("/") and user.startswith(owner)) for owner in OWNERS[library]), user
    for owner in OWNERS[library]:
        assert any(user.startswith(owner) for user in users), f"{owner} does not import {library}"


@pytest.mark.parametrize("module", PURE)
def test_what_decides_is_pure(module: str) -> None:
    """No clock, no file, no environment: time and data come as arguments."""
    path = ROOT / module
    for name, _ in imports(path):
        assert name.partition(".")[0] not in IMPURE_MODULES, f"{module} imports {name}"
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert called not in IMPURE_CALLS, f"{module}:{node.lineno} calls {called}"


def test_imports_stand_at_the_top() -> None:
    """Except where the command line keeps what is slow off its start-up path."""
    late = {named(path) for path in SOURCES for _, at_top in imports(path) if not at_top}
    assert late <= LATE_IMPORTS


def test_packages_hold_a_docstring_only() -> None:
    """An import of one module pulls in no other; the client, a library, may name its public things."""
    for path in SOURCES:
        if path.name == "__init__.py" and "client" not in path.parts:
            body = ast.parse(path.read_text()).body
            assert len(body) == 1, named(path)
            assert ast.get_docstring(ast.parse(path.read_text())), named(path)


def test_no_module_hides_one_of_the_standard_library() -> None:
    """A script run from inside a room must not find `http.py` of ours."""
    for path in SOURCES:
        if "migrations" not in path.parts and not path.name.startswith("__"):
            assert path.stem not in sys.stdlib_module_names, named(path)


def test_no_module_of_ours_is_shadowed_by_an_installed_one() -> None:
    """Our generic top-level names must be ours in this environment."""
    site = Path(sysconfig.get_path("purelib"))
    for room in ROOMS:
        assert not (site / room).exists(), f"another distribution installs {room!r}"


def test_one_place_reads_the_wall_clock() -> None:
    """Everybody else is handed the time."""
    rooms = [path for path in SOURCES if path.parts[len(ROOT.parts)] in ROOMS]
    assert [named(path) for path in rooms if "datetime.now(" in path.read_text()] == ["monitor/clock.py"]
