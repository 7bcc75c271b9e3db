"""The command line: its errors, its exit status, and how it starts."""

import io
import shlex
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from controller.cli import probe, status
from controller.cli.main import COMMANDS, GROUPS, command_parser, main
from controller.status.overview import read
from monitor.storage.database import open_reader
from tests.support import seeded_database as seeded
from tests.support.builders import observation

CONFIG = """\
database: sqlite:///{folder}/hotspare.db
routing_file: {folder}/routing.json
providers:
  openai: {{dialect: openai-chat, base_url: "http://127.0.0.1:1/v1", api_key: key-of-nobody, models: {{m: {{}}}}}}
  other: {{dialect: openai-chat, base_url: "http://127.0.0.1:1/v1", api_key: key-of-nobody, models: {{m: {{}}}}}}
routes: {{chat: {{candidates: [openai/m, other/m]}}}}
connectivity: {{endpoints: []}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A valid configuration for providers that refuse every connection."""
    path = tmp_path / "hotspare.yaml"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, with no input and no terminal."""
    return subprocess.run(
        [sys.executable, "-m", "controller.cli.main", *words], capture_output=True, text=True, check=False, timeout=60
    )


def test_a_broken_configuration_is_2_with_every_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The mistakes go to standard error, nothing to standard output."""
    broken = tmp_path / "broken.yaml"
    broken.write_text("provider: {}\nroutes: []\n")
    assert main(["check", "-c", str(broken)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) >= 2
    assert "did you mean 'providers'?" in captured.err


@pytest.mark.parametrize("words", [[], ["rnu"], ["run", "--bogus"], ["page", "--port", "99999"], ["once", "-c"]])
def test_wrong_usage_is_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With a hint on standard error."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: hotspare" in capsys.readouterr().err


def test_an_unknown_target_is_2(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names what is known."""
    assert main(["once", "-t", "openai/x", "-c", str(config)]) == 2
    assert "'openai/x' is no target" in capsys.readouterr().err


def test_providers_that_refuse_are_bad_news(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table says what happened, and the exit status is 1."""
    assert main(["once", "-c", str(config)]) == 1
    assert capsys.readouterr().out.count("unreachable") == 2


def test_status_without_a_database_says_what_to_do(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, one sentence."""
    assert main(["status", "-c", str(config)]) == 2
    assert "hotspare run" in capsys.readouterr().err


def harm_routing_is_a_folder(folder: Path) -> None:
    """Somebody mounted a folder there."""
    (folder / "routing.json").mkdir()


def harm_database_is_text(folder: Path) -> None:
    """The path of something else."""
    (folder / "hotspare.db").write_text("this is not a database, and long enough to be looked at " * 10)


def harm_database_is_a_folder(folder: Path) -> None:
    """Somebody mounted a folder there."""
    (folder / "hotspare.db").mkdir()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        pytest.param(harm_routing_is_a_folder, "routing_file", id="the routing path is a folder"),
        pytest.param(harm_database_is_text, "hotspare.db", id="the database is none"),
        pytest.param(harm_database_is_a_folder, "database: is a folder", id="the database is a folder"),
    ],
)
def test_what_the_service_cannot_start_with_is_2(harm: object, said: str, config: Path) -> None:
    """One sentence that names the path, no traceback."""
    assert callable(harm)
    harm(config.parent)
    done = run("run", "-c", str(config))
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_starts_without_what_it_does_not_need() -> None:
    """`--help` loads none of the slow libraries."""
    code = (
        "import sys; sys.argv = ['hotspare', '--help']\n"
        "from controller.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "slow = {'sqlmodel', 'sqlalchemy', 'httpx', 'streamlit', 'apscheduler', 'slack_sdk', 'rich', 'pydantic'}\n"
        "print(sorted(slow & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.strip() == "[]"


@pytest.mark.slow
def test_the_service_starts_without_what_it_does_not_need() -> None:
    """Nothing that draws on a terminal, which a library would bring along."""
    code = (
        "import sys, controller.service.service, controller.service.configured_parts, controller.service.probing\n"
        "print(sorted({'rich', 'click', 'pygments', 'streamlit', 'alembic', 'slack_sdk'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error(config: Path) -> None:
    """`hotspare once | head -0` ends quietly."""
    command = f"{sys.executable} -m controller.cli.main once -c {config} | true"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_the_tables_fit_a_narrow_terminal() -> None:
    """At 80 columns nothing is cut away, least of all what the provider said."""
    seen = [
        replace(
            observation("a", name="anthropic/claude-haiku-5-5", detail="HTTP 401: " + "no " * 40), input_tokens=None
        ),
        replace(
            observation(".", name="gemini/gemini-3.5-flash-lite"), cost_usd=0.0000123, input_tokens=9, output_tokens=4
        ),
    ]
    console = Console(width=80, file=io.StringIO(), highlight=False)
    probe.print_table(seen, console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "…" not in shown
    assert "$0.000012" in shown
    assert shown.split().count("no") == 40
    assert max(map(len, shown.splitlines())) <= 80


def test_status_fits_a_narrow_terminal(tmp_path: Path) -> None:
    """Every figure whole, every target's name readable."""
    settings = seeded.settings_in(tmp_path)
    now = datetime.now(UTC)
    seeded.seed(settings, now)
    seeded.break_openai(settings, now)
    engine = open_reader(settings.database)
    console = Console(width=80, file=io.StringIO(), highlight=False)
    status.print_overview(read(settings, engine, now), console, verbose=True)
    engine.dispose()
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "…" not in shown
    assert "14.2/9.8" in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.slow
@pytest.mark.parametrize("words", ["once --json", "check --schema", "simulate --schema"])
def test_a_full_disk_behind_the_output_is_told(config: Path, words: str) -> None:
    """One sentence and 2, no traceback."""
    command = (
        f"{sys.executable} -m controller.cli.main {words} {'' if 'schema' in words else f'-c {config}'} > /dev/full"
    )
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, "cannot go on: No space left on device")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", ["check", "simulate"])
def test_a_reader_of_the_schema_may_go_away(command: str) -> None:
    """`| head` is no error: nothing on standard error, and success."""
    line = f"{sys.executable} -m controller.cli.main {command} --schema; echo $? >&2"
    done = subprocess.run(
        ["/bin/bash", "-c", f"({line}) | head -c 1 >/dev/null"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == "0\n"


def test_help_lists_every_command_by_group_and_each_has_an_example() -> None:
    """What people want comes first; an example of each command is valid usage of it."""
    text = command_parser(()).format_help()
    assert [text.index(f"\n{group}:") for group in GROUPS] == sorted(text.index(f"\n{group}:") for group in GROUPS)
    parser = command_parser()
    for name, command in COMMANDS.items():
        assert f"\n  {name} " in text
        words = shlex.split(command.example, comments=True)
        assert words[0] == name
        assert parser.parse_args(words[: words.index(">>") if ">>" in words else None]).command == name


@pytest.mark.slow
def test_a_shell_completes_commands_options_and_files(tmp_path: Path) -> None:
    """By the script that `completion bash` prints."""
    (tmp_path / "hotspare.yaml").touch()
    script = tmp_path / "completion.sh"
    script.write_text(run("completion", "bash").stdout)
    for words, completed in (("st", "status"), ("pin --rea", "--reason"), ("check -c hot", "hotspare.yaml")):
        typed = ["hotspare", *words.split()]
        shell = f"""
            source {script}
            COMP_WORDS=({" ".join(typed)}) COMP_CWORD={len(typed) - 1}
            _shtab_hotspare hotspare {typed[-1]} {typed[-2]} 2>/dev/null
            echo "${{COMPREPLY[@]}}"
        """
        done = subprocess.run(["/bin/bash", "-c", shell], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == completed
