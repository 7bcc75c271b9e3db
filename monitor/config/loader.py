"""A YAML file and the environment to `Settings`: every rule about what may be configured, all mistakes at once."""

import os.path
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from monitor.config.build import read_controller, read_routes, warn_of_blips, warn_of_long_outages
from monitor.config.config_alerts import read_slack
from monitor.config.config_elsewhere import read_digest, read_elsewhere
from monitor.config.config_targets import read_targets
from monitor.config.config_values import Reader, is_nothing
from monitor.config.document import Mapping as YamlMapping
from monitor.config.document import Node, Scalar, Sequence, UnreadableFileError, parse, read_text
from monitor.config.problems import Problems
from monitor.config.schema import Section, open_section
from monitor.settings import NetworkSettings, Settings

#: The detector needs some history after a restart, and the page something to show.
SHORTEST_RETENTION_S = 3600.0

_SQLITE = "sqlite:///"
_IN_MEMORY = frozenset({"sqlite://", "sqlite:///", "sqlite:///:memory:"})
_SECRET_NAME = re.compile(
    r"(?<!first_)token|key|secret|passw|authorization|webhook|credential|apprise|heartbeat_url", re.IGNORECASE
)


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds all that is wrong with it, in the order of the file."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load(path: Path, environ: Mapping[str, str], *, keys: bool = True, stores: bool = True) -> Settings:
    """The settings in this file, with variables from `environ`; raises ConfigError with all mistakes at once.

    The settings carry `warnings` about what was accepted and is still worth knowing. No message holds a key.
    `keys=False` is for what only reads what the service stored: then no key or token need be in the environment, and
    the settings hold none. `stores=False` is for what stores nothing: then a database in memory will do.
    """
    findings = Problems(file=str(path))
    settings = _settings(path, Reader(environ=environ, findings=findings, keys=keys, stores=stores))
    if settings is None or findings.problems:
        raise ConfigError(findings.problems)
    return replace(settings, warnings=findings.warnings)


def _settings(path: Path, reader: Reader) -> Settings | None:
    """What could be read, with defaults where something is wrong; None when nothing could."""
    findings = reader.findings
    try:
        document = parse(read_text(path))
    except UnreadableFileError as error:
        findings.problem(None, str(error))
        return None
    for flaw in document.flaws:
        findings.problem(flaw.place, flaw.text)
    root = document.root
    if not isinstance(root, YamlMapping):
        if not document.flaws:
            found = "is empty" if root is None or is_nothing(root) else "is not a mapping (key: value)"
            findings.problem(None, f"{found}; copy hotspare.example.yaml to it and edit it")
        return None
    for secret in (*_secrets_of(reader.environ), *_literal_secrets(root, "")):
        findings.keep_secret(secret)
    return _read(path, open_section(reader, root, root.place, ""))


def _secrets_of(environ: Mapping[str, str]) -> Iterator[str]:
    return (value for variable, value in environ.items() if _SECRET_NAME.search(variable))


def _literal_secrets(node: Node, name: str) -> Iterator[str]:
    """The values whose key's name says that they are secret, known or not, wherever in the file they are."""
    if isinstance(node, YamlMapping):
        for key, value in node.entries:
            yield from _literal_secrets(value, key.text)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _literal_secrets(item, name)
    elif isinstance(node, Scalar) and "${" not in node.text and _SECRET_NAME.search(name):
        yield node.text


def _read(path: Path, root: Section) -> Settings:
    default = Settings(path=path, targets=(), routes=())
    targets = read_targets(root)
    database, routing_file = _files(root, default)
    controller = read_controller(root.section("controller"))
    alerts = root.section("alerts")
    warn_of_blips(root, targets, controller.blips)
    warn_of_long_outages(root, targets, controller)
    return replace(
        default,
        targets=targets,
        routes=read_routes(root, {target.id: target for target in targets}),
        database=database,
        routing_file=routing_file,
        controller=controller,
        slack=read_slack(alerts),
        elsewhere=read_elsewhere(alerts),
        digest=read_digest(alerts),
        connectivity_endpoints=_endpoints(root.section("connectivity"), default.connectivity_endpoints),
        network=_network(root.section("network")),
        retention_raw_s=root.section("retention").duration("raw", default.retention_raw_s, SHORTEST_RETENTION_S),
        budget_usd_per_month=_budget(root.section("budget")),
    )


def _files(root: Section, default: Settings) -> tuple[str, Path]:
    database = root.text("database", "an address such as sqlite:///var/hotspare.db")
    forgetful = database is not None and not root.reader.stores and database.value in _IN_MEMORY
    problem = _database_problem(database.value) if database and not forgetful else None
    if database and problem:
        root.findings.problem(database.place, problem)
    url = database.value if database and not problem else default.database
    routing_file = _file(root, "routing_file") or default.routing_file
    if os.path.realpath(url.removeprefix(_SQLITE)) == os.path.realpath(routing_file):
        root.findings.problem(root.at("routing_file"), "is the file of the database as well; choose another one")
    return url, routing_file


def _database_problem(url: str) -> str | None:
    # An address may hold a password, so it is never shown.
    if url in _IN_MEMORY:
        return "a database in memory forgets everything when the service stops; write sqlite:/// and the path of a file"
    if not url.startswith(_SQLITE):
        return "is not a database of this version; write sqlite:/// and the path of a file"
    file = url.removeprefix(_SQLITE)
    if file.startswith("file:") or "?" in file:
        return "holds options, which this version does not know; write sqlite:/// and the path of a file"
    return _file_problem(file)


def _file_problem(path: str) -> str | None:
    if not path.isprintable():
        return "holds a control character; expected the path of a file"
    # Not Path.is_dir, here and below: for a name that is too long it raises.
    folder = path.endswith("/") or os.path.isdir(path)  # noqa: PTH112 - see above
    return "is a folder; expected the path of a file" if folder else None


def _file(section: Section, key: str) -> Path | None:
    text = section.text(key, "the path of a file")
    problem = _file_problem(text.value) if text else None
    # Who only reads must be able to look at what has gone wrong with the files.
    if text and problem and section.reader.keys:
        section.refuse(text, problem)
        return None
    return Path(text.value) if text else None


def _endpoints(section: Section, fallback: tuple[str, ...]) -> tuple[str, ...]:
    texts = section.words("endpoints", "a list of http(s) addresses", "an http(s) address")
    return fallback if texts is None else tuple(text.value for text in texts if section.is_url(text))


def _network(section: Section) -> NetworkSettings:
    proxy = section.text("proxy", "an address such as http://proxy.example:3128")
    if proxy:
        section.is_url(proxy, userinfo=True)
    bundle = _file(section, "ca_bundle")
    if bundle and not os.path.isfile(bundle):  # noqa: PTH113 - see _file_problem
        section.findings.problem(section.at("ca_bundle"), "there is no such file; expected certificates in PEM form")
    elif bundle and not _holds_certificates(bundle):
        section.findings.problem(section.at("ca_bundle"), "holds no certificates; expected them in PEM form")
    return NetworkSettings(proxy=proxy.value if proxy else None, ca_bundle=bundle)


def _holds_certificates(bundle: Path) -> bool:
    try:
        ssl.create_default_context(cafile=bundle)
    except OSError:  # what ssl raises is one, too
        return False
    return True


def _budget(section: Section) -> float | None:
    usd = section.number("usd_per_month")
    if usd is None:
        return None
    if usd <= 0:
        section.findings.problem(section.at("usd_per_month"), f"{usd:g} is not more than zero")
    return usd
