"""What `hotspare check` says of this machine: faults that would stop or blind the service, each with its remedy."""

import fcntl
import os
import resource
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from statistics import median
from typing import Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.text import Text

from controller.open_files import FILES_PER_PROBE, OTHER_FILES
from controller.status.queries import read_regions
from monitor.clock import utc_now
from monitor.config.database_url import is_postgres
from monitor.config.settings import Settings
from monitor.formatting import format_elapsed
from monitor.storage.database import DatabaseError, open_reader, require_usable, shared_now
from monitor.storage.sqlite_engine import database_path
from probes.transcript import Transcript
from probes.transport.proxies import Proxies, UnusableProxyError

_LEAST_FREE: Final = 256 * 1024 * 1024
"""Bytes: less is used up within days."""
_LARGEST_SKEW: Final = timedelta(seconds=30)
_LARGEST_SHARED_SKEW_S: Final = 1.0
"""What is less may be the network's."""
_ANSWER_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineProblem:
    """Something of this machine that must be mended."""

    subject: str
    """`clock`, `names`, `proxy`, `files`, `folder`, `disk`, `locks`, `database` or `regions`."""
    found: str
    remedy: str


def machine_faults(settings: Settings, transcripts: Sequence[Transcript], *, offline: bool) -> list[MachineProblem]:
    """Look at the folders and limits, and, unless `offline`, at proxies, names and the clock as providers tell it."""
    faults = [fault for folder in _folders(settings) for fault in folder_faults(folder)]
    faults += files_faults(resource.getrlimit(resource.RLIMIT_NOFILE), len(settings.targets))
    if not offline:
        faults += database_faults(settings.database)
        faults += region_faults(settings)
        faults += proxy_faults({provider.base_url for provider in settings.providers}, settings.network.proxy)
        faults += name_faults(transcripts)
        faults += clock_faults(transcripts) or shared_clock_faults(settings.database)
    return faults


def print_machine(faults: Sequence[MachineProblem], console: Console) -> None:
    """A line for each fault; one where there is none."""
    if not faults:
        console.print(Text.assemble("this machine: ", ("nothing wrong", "green")))
    for fault in faults:
        console.print(Text.assemble(f"this machine, {fault.subject}: ", (f"{fault.found}; {fault.remedy}", "bold red")))


def folder_faults(
    folder: Path, free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
) -> list[MachineProblem]:
    """Whether files can be made and locked there, and whether there is room; `free` gives the bytes left.

    A folder that is not there yet is judged by the nearest one above it, in which the service makes it.
    """
    place = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            faults = _lock_faults(file.fileno(), place)
    except OSError as error:
        found = f"no file can be made in {place}: {error.strerror}"
        return [
            MachineProblem(subject="folder", found=found, remedy="let the service's user write there, or name another")
        ]
    if (left := free(place)) < _LEAST_FREE:
        found = f"{left // 2**20} MiB are free for {place}"
        faults.append(
            MachineProblem(subject="disk", found=found, remedy=f"make room: {_LEAST_FREE // 2**20} MiB at least")
        )
    return faults


def database_faults(url: str) -> list[MachineProblem]:
    """Whether the service can use a database in PostgreSQL; a file is judged by its folder."""
    try:
        require_usable(url)
    except DatabaseError as error:
        remedy = "until then the service starts only from its routing file"
        return [MachineProblem(subject="database", found=str(error), remedy=remedy)]
    return []


def region_faults(settings: Settings) -> list[MachineProblem]:
    """Which regions report nothing, once the database says that any machine ran."""
    try:
        views = read_regions(settings, open_reader(settings.database)) if settings.regions else ()
    except DatabaseError:
        return []  # `database_faults` says so, or nothing ran yet
    return [
        MachineProblem(
            subject="regions", found=f"region {each.sentence}", remedy=f"see `hotspare run` in {each.region}"
        )
        for each in views
        if each.is_silent
    ]


def files_faults(limits: tuple[int, int], targets: int) -> list[MachineProblem]:
    """Whether so many targets can be probed with the files that a process may have open, as (soft, hard)."""
    wanted, hard = FILES_PER_PROBE * targets + OTHER_FILES, limits[1]  # the service raises the soft one
    if hard in {resource.RLIM_INFINITY, -1} or hard >= wanted:
        return []
    found = f"a process may have {hard} files open, and {targets} targets take up to {wanted}"
    return [MachineProblem(subject="files", found=found, remedy=f"`ulimit -Hn {wanted}`, or LimitNOFILE= of the unit")]


def proxy_faults(addresses: Iterable[str], configured: str | None) -> list[MachineProblem]:
    """Whether each proxy on the way to these addresses takes connections; names none of its password."""
    proxies, faults = Proxies(configured), dict[str, MachineProblem]()
    for address in sorted(addresses):
        try:
            proxy = proxies.proxy_for(address)
        except UnusableProxyError as error:
            faults[str(error)] = MachineProblem(subject="proxy", found=str(error), remedy="correct it")
            continue
        if proxy is None:
            continue
        host, port = proxy.url.host, proxy.url.port
        try:
            socket.create_connection((host, port), timeout=_ANSWER_S).close()
        except OSError as error:
            where = "network.proxy" if configured is not None else "the environment's proxy"
            found = f"{where} {host}:{port} takes no connection: {error.strerror or error}"
            remedy = f"correct it, or except {urlsplit(address).hostname} by no_proxy"
            faults.setdefault(found, MachineProblem(subject="proxy", found=found, remedy=remedy))
    return list(faults.values())


def name_faults(transcripts: Sequence[Transcript]) -> list[MachineProblem]:
    """Whether names resolve here: at fault is this machine where not one of several did."""
    details = [each.observation.detail or "" for each in transcripts]
    if len(details) < 2 or not all("does not resolve" in detail for detail in details):
        return []
    found = "no provider's name resolves"
    return [MachineProblem(subject="names", found=found, remedy="see /etc/resolv.conf; `getent hosts one.one.one.one`")]


def clock_faults(transcripts: Sequence[Transcript]) -> list[MachineProblem]:
    """How far the clock is from that of most providers, by the `Date` of their answers."""
    skews = [skew.total_seconds() for each in transcripts if (skew := _skew(each)) is not None]
    off = timedelta(seconds=median(skews)) if skews else timedelta()
    if abs(off) <= _LARGEST_SKEW:
        return []
    found = f"the clock is {format_elapsed(abs(off.total_seconds()))} {'behind' if off > timedelta() else 'ahead'}"
    return [MachineProblem(subject="clock", found=found, remedy="keep it by NTP: `timedatectl set-ntp true`")]


def shared_clock_faults(url: str, *, now: Callable[[], datetime] = utc_now) -> list[MachineProblem]:
    """How far the clock is from that of PostgreSQL, by which all machines on it go; a file has none."""
    if not is_postgres(url):
        return []
    begun = now()
    theirs, took = shared_now(url), now() - begun
    ahead_s = (begun + took / 2 - theirs).total_seconds()
    if abs(ahead_s) <= _LARGEST_SHARED_SKEW_S + took.total_seconds() / 2:
        return []
    found = f"the clock is {format_elapsed(abs(ahead_s))} {'ahead of' if ahead_s > 0 else 'behind'} the database's"
    remedy = "keep both by NTP: all machines go by the database's, and what else runs here does not"
    return [MachineProblem(subject="clock", found=found, remedy=remedy)]


def _folders(settings: Settings) -> list[Path]:
    folders = [settings.routing_file.absolute().parent]
    with suppress(DatabaseError):  # kept nowhere
        folders.append(database_path(settings.database).absolute().parent)
    return list(dict.fromkeys(folders))


def _lock_faults(descriptor: int, place: Path) -> list[MachineProblem]:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        found = f"the file system of {place} has no locks: {os.strerror(error.errno or 0)}"
        return [MachineProblem(subject="locks", found=found, remedy="use a local disk")]
    return []


def _skew(transcript: Transcript) -> timedelta | None:
    """The provider's time less ours, at the begin of the answer; None without a readable `Date`."""
    response, observation = transcript.response, transcript.observation
    headers = {name.lower(): value for name, value in response.headers} if response else {}
    stated = headers.get("date")
    try:
        at = parsedate_to_datetime(stated) if stated else None
    except ValueError:
        return None
    if at is None or at.tzinfo is None:
        return None
    return at - observation.started_at - timedelta(seconds=observation.first_byte_s or observation.duration_s)
