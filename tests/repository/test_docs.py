"""The documents name what the code has: outcomes, commands, options, benchmarks, modules; no link is dead."""

import argparse
import ast
import re
import tomllib
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS
from controller.cli.main import command_parser
from probes.outcome import Outcome
from tests.support.paths import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
#: Documents with the client's, which is a distribution of its own.
ALL_DOCUMENTS = [*DOCUMENTS, ROOT / "client/README.md"]
MOST_WORDS = 32_000
WIDTH = 120
_FOLDERS = "probes|monitor|controller|ui|client|benchmarks|tests|docs"


def document(name: str) -> str:
    """The text of a document."""
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_documented_with_its_blame(outcome: Outcome) -> None:
    """A row of the table names it, and who is at fault."""
    lines = document("docs/outcomes.md").splitlines()
    assert any(line.startswith(f"|`{outcome}`|{outcome.blame}|") for line in lines)


def commands() -> dict[str, list[str]]:
    """Every command and its options, as the parser knows them."""
    [choices] = [action.choices for action in command_parser()._actions if action.dest == "command"]
    assert choices
    return {name: sorted(options(command)) for name, command in dict(choices).items()}


def options(command: argparse.ArgumentParser) -> set[str]:
    """Those of a command, and of all that can be done with it."""
    names = {option for action in command._actions for option in action.option_strings if action.dest != "help"}
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            names |= {option for inner in action.choices.values() for option in options(inner)}
    return names


@pytest.mark.parametrize("name", commands())
def test_every_command_and_option_is_documented(name: str) -> None:
    """A section for each command; its options in the section, those of all commands above."""
    preface, *sections = re.split(r"^## ", document("docs/commands.md"), flags=re.MULTILINE)
    [section] = [text for text in sections if text.startswith(f"{name}\n")]
    for option in commands()[name]:
        assert f"`{option}" in section + preface, f"{name} {option}"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_is_documented(name: str) -> None:
    """With the command that prints its figures."""
    assert f"make bench ARGS={name}" in document("docs/benchmarks.md")


@pytest.mark.parametrize("path", ALL_DOCUMENTS, ids=lambda path: path.name)
def test_no_link_is_dead(path: Path) -> None:
    """Every relative link and picture leads to a file that is there, and to a heading of it where it names one."""
    for link, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", path.read_text(encoding="utf-8")):
        target = path.parent / link if link else path
        assert target.exists(), f"{path.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{path.name}: {link}#{anchor}"


def anchors(path: Path) -> set[str]:
    """The headings of a document as links name them."""
    headings = re.findall(r"(?m)^#+ (.+)$", path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", ALL_DOCUMENTS, ids=lambda path: path.name)
def test_prose_is_wrapped_at_one_width(path: Path) -> None:
    """Lines of at most 120 characters; tables, pictures, quotations and blocks of code are as wide as they are."""
    prose = re.sub(r"(?ms)^ *```.*?^ *```$", "", path.read_text(encoding="utf-8")).splitlines()
    long = [line for line in prose if len(line) > WIDTH and not line.lstrip().startswith(("|", "!", ">"))]
    assert long == []


def test_the_documents_stay_short() -> None:
    """All of them together, counted as `wc -w` counts."""
    assert sum(len(path.read_text(encoding="utf-8").split()) for path in DOCUMENTS) <= MOST_WORDS


@pytest.mark.parametrize("path", ALL_DOCUMENTS, ids=lambda path: path.name)
def test_every_path_that_is_named_exists(path: Path) -> None:
    """Files and folders of the repository; `<name>` and `*` stand for any name."""
    for named in re.findall(rf"`((?:{_FOLDERS})/[^`\s]*)`", path.read_text(encoding="utf-8")):
        pattern = re.sub(r"<\w+>", "*", named).rstrip("/")
        assert any(ROOT.glob(pattern)), f"{path.name}: {named}"


@pytest.mark.parametrize("path", ALL_DOCUMENTS, ids=lambda path: path.name)
def test_every_module_that_is_named_exists(path: Path) -> None:
    """Dotted names are modules, or things in one, or keys of the configuration (`controller.detect`)."""
    configuration = document("docs/configuration.md")
    for named in re.findall(
        r"`((?:probes|monitor|controller|ui|benchmarks)(?:\.\w+)+)`", path.read_text(encoding="utf-8")
    ):
        file = ROOT / named.replace(".", "/")
        known = file.is_dir() or file.with_suffix(".py").exists() or file.parent.with_suffix(".py").exists()
        assert known or f"`{named}" in configuration, f"{path.name}: {named}"


@pytest.mark.slow
def test_every_class_that_contributing_names_exists() -> None:
    """A recipe that names a class that is gone leads nowhere."""
    classes = {
        node.name
        for room in ("probes", "monitor", "controller", "ui")
        for file in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    named = set(re.findall(r"`([A-Z][a-z]\w+)(?:\.\w+)?`", document("CONTRIBUTING.md"))) - {"Makefile"}
    assert named <= classes, named - classes


def test_every_document_can_be_found_from_the_readme() -> None:
    """A document that nothing leads to might as well not be there."""
    for path in (ROOT / "docs").glob("*.md"):
        assert f"docs/{path.name}" in document("README.md"), path.name


def test_the_readme_shows_it_and_has_the_two_commands() -> None:
    """A newcomer sees a picture and finds what to type."""
    readme = document("README.md")
    assert "make demo" in readme
    assert "make test" in readme
    assert re.search(r"!\[[^\]]+\]\(docs/[^)]+\.png\)", readme)


def test_the_version_has_a_place_in_the_changelog() -> None:
    """What is released is described."""
    version = tomllib.loads(document("pyproject.toml"))["project"]["version"]
    assert f"## {version}" in document("CHANGELOG.md")


@pytest.mark.parametrize("path", [*ROOT.glob("*.lock"), *(ROOT / "client").glob("*.lock")], ids=lambda path: path.stem)
def test_a_lock_names_no_host(path: Path) -> None:
    """It is a plain list of requirements with versions and hashes."""
    packages = path.read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    assert [line for line in packages if "==" not in line or "--hash=sha256:" not in line or "://" in line] == []


def test_no_file_names_the_host_of_a_registry() -> None:
    """Packages are named, not addressed: where they come from is the reader's own setting."""
    host = re.compile("pypi" + r"\.org|pythonhosted" + r"\.org|registry\.npm" + "js")
    for path in (
        *DOCUMENTS,
        ROOT / "requirements.lock",
        ROOT / "pyproject.toml",
        ROOT / "Makefile",
        ROOT / "client/README.md",
    ):
        assert not host.search(path.read_text(encoding="utf-8")), path.name
