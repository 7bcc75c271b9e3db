"""A YAML file and the environment to `Settings`: all mistakes are reported at once."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

from monitor.config.document import Mapping as YamlMapping
from monitor.config.document import Node, Scalar, Sequence, parse, read_text
from monitor.config.problems import ConfigError, Problems
from monitor.config.reading import ReadContext
from monitor.config.section import Section
from monitor.config.settings import Settings
from monitor.config.value_files import UnreadableFileError

S = TypeVar("S", bound=Section)

EXAMPLE: Final = "hotspare.example.yaml"
_DATABASE: Final = re.compile(r"""^database:\s*["']?([^"'\s#$]+)["']?\s*(?:#.*)?$""", re.MULTILINE)
_REVISION_DIGITS: Final = 7
_SECRET_NAME: Final = re.compile(
    r"(?<!first_)(?<!max_)token|key|secret|passw|authorization|webhook|credential|apprise|heartbeat_url", re.IGNORECASE
)


def load(
    path: Path, environ: Mapping[str, str], *, keys: bool = True, stores: bool = True, page: bool = False
) -> Settings:
    """The settings in this file, with variables from `environ`; raises ConfigError with all mistakes at once.

    The settings carry warnings about what was accepted; no message holds a key. With `keys=False`, for commands that
    call no provider, no key or token need be in the environment and the settings hold none. With `stores=False`, for
    commands that store nothing, a database in memory is accepted. The secrets of `ui.sign_in` are read for the `page`
    alone.
    """
    problems = Problems(file=str(path))
    context = ReadContext(environ=environ, problems=problems, keys=keys, stores=stores, page=page)
    settings = read_sections(path, Settings, context, example=EXAMPLE)
    if settings is None or problems.problems:
        raise ConfigError(
            problems.problems,
            unset=context.unset,
            files=context.files,
            revision=context.revision,
            database=settings.database if settings else _database_in(path),
        )
    return replace(
        settings,
        path=path,
        warnings=problems.warnings,
        revision=context.revision,
        files=tuple(map(Path, sorted(context.files))),
        variables=tuple(sorted(context.variables)),
    )


def _database_in(path: Path) -> str | None:
    """The database that a file names which is no YAML, by its line; None where it cannot be told."""
    try:
        named = _DATABASE.search(read_text(path, example=""))
    except UnreadableFileError:
        return None
    return named[1] if named else None


def mark_of(path: Path) -> tuple[object, ...]:
    """What changes with a file's content, its replacement, and with a link on the way to it."""
    try:
        status = path.stat()
    except OSError as error:
        return (path, error.errno)
    return (path, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


def revision_of(path: Path) -> str | None:
    """What `Settings.revision` is of the file as it is now; None where it cannot be read."""
    try:
        return _revision(read_text(path, example=""))
    except UnreadableFileError:
        return None


def _revision(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:_REVISION_DIGITS]


def read_sections(path: Path, kind: type[S], context: ReadContext, *, example: str) -> S | None:
    """The file as far as it can be read; None where it is no mapping. What is wrong is reported to the context."""
    problems = context.problems
    try:
        text = read_text(path, example=example)
        context.revision = _revision(text)
        root = parse(text, problems.problem)
    except UnreadableFileError as error:
        problems.problem(None, str(error))
        return None
    if not isinstance(root, YamlMapping):
        if not problems.problems:
            found = "is empty" if root is None or root.is_nothing() else "is not a mapping (key: value)"
            problems.problem(None, f"{found}; copy {example} to it and edit it")
        return None
    for secret in (*_secrets_of(context.environ), *_literal_secrets(root, "")):
        problems.keep_secret(secret)
    context.root = root
    return kind.adapter().validate_python(root, context=context)


def _secrets_of(environ: Mapping[str, str]) -> Iterator[str]:
    return (value for variable, value in environ.items() if _SECRET_NAME.search(variable))


def _literal_secrets(node: Node, name: str) -> Iterator[str]:
    """The values under keys whose name sounds secret, known keys or not."""
    if isinstance(node, YamlMapping):
        for key, value in node.entries:
            yield from _literal_secrets(value, key.text)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _literal_secrets(item, name)
    elif isinstance(node, Scalar) and "${" not in node.text and _SECRET_NAME.search(name):
        yield node.text
