"""The routing file that applications read: the table as JSON, published so that no reader ever sees half of it."""

import contextlib
import errno
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from controller.routing.ballast import FULL, Ballast
from controller.routing.decision import Decision
from controller.routing.overrides import NO_OVERRIDES, Overrides
from controller.routing.regional_table import UnknownRegionError, table_of_region
from controller.routing.request_limits import request_limits
from controller.routing.unjournalled import LARGEST_GENERATION
from monitor.config.settings import Settings
from monitor.detection.latency import NO_LATENCY, LatencyEvidence
from monitor.detection.verdict_text import plain_reason
from monitor.formatting import instant
from monitor.health import Health, LowLimit
from monitor.storage.lock import InstanceLock, LockError, instance_lock
from monitor.traffic.answer_times import AnswerTimes
from probes.target import Target

FORMAT = "hotspare.routing/1"

_MODE = 0o644
#: Some network and FUSE filesystems cannot fsync a folder; the rename has happened all the same.
_CANNOT_SYNC_FOLDERS = frozenset({errno.EINVAL, errno.ENOTSUP})
#: Far more than any table of ours.
_MAX_BYTES = 64 * 1024 * 1024
_NO_LATENCIES: Mapping[str, LatencyEvidence] = {}
_NO_TIMES: Mapping[str, AnswerTimes] = {}
_NO_CONTEXTS: Mapping[str, int | None] = {}
_NO_LIMITS: Mapping[str, LowLimit] = {}
_NO_VARIABLES: Mapping[str, str] = {}


class RoutingFileError(Exception):
    """The routing file could not be published; the message is a sentence for people, naming the path."""


def build_table(
    settings: Settings,
    routes: Mapping[str, Decision],
    health: Mapping[str, Health],
    *,
    generation: int,
    written_at: datetime,
    valid_for_s: float,
    epoch: int = 0,
    overrides: Overrides = NO_OVERRIDES,
    latency: Mapping[str, LatencyEvidence] = _NO_LATENCIES,
    reported: Mapping[str, AnswerTimes] = _NO_TIMES,
    contexts: Mapping[str, int | None] = _NO_CONTEXTS,
    low_limits: Mapping[str, LowLimit] = _NO_LIMITS,
    key_variables: Mapping[str, str] = _NO_VARIABLES,
) -> dict[str, Any]:
    """The table for `RoutingFile.publish`, as `routing.schema.json` describes it, in the order of the configuration.

    `routes` are to be published: in a dry run, as configured. A route without a state is left out, a target without a
    known health is `unknown`; `latency`, `reported`, `low_limits` and `contexts`, beyond the configured ones, are by
    target, as `health`; `key_variables`, of the keys in use, by provider. Raises KeyError when a route points at a
    target that the configuration does not have.
    """
    published = [(route, routes[route.name]) for route in settings.routes if route.name in routes]
    wanted = {name for route, state in published for name in (*route.candidates, state.target, *dict(state.weights))}
    ordered = [target for target in settings.targets if target.id in wanted]
    missing = wanted - {target.id for target in ordered}
    if missing:
        raise KeyError(min(missing))
    return {
        "format": FORMAT,
        **({"epoch": epoch} if epoch else {}),
        "generation": generation,
        "written_at": instant(written_at),
        "valid_for_s": _number(valid_for_s),
        **({"dry_run": True} if settings.controller.dry_run else {}),
        **({"regions": list(settings.regions)} if settings.regions else {}),
        **({"report_to": report_to} if (report_to := settings.traffic and settings.traffic.published) else {}),
        "routes": {route.name: _route(state, route.candidates) for route, state in published},
        "targets": {
            target.id: _target(
                target,
                health.get(target.id, Health.UNKNOWN),
                drained=overrides.drained(target.id, target.provider.name) is not None,
                limits=request_limits(
                    latency.get(target.id, NO_LATENCY),
                    longest_probe_s=target.timeouts.total_s,
                    reported=reported.get(target.id),
                ),
                context=contexts.get(target.id, target.context),
                low_limit=low_limits.get(target.id),
                key_variable=key_variables.get(target.provider.name),
            )
            for target in ordered
        },
    }


def _route(state: Decision, candidates: tuple[str, ...]) -> dict[str, Any]:
    return {
        "target": state.target,
        "since": instant(state.at),
        "move": state.move.value,
        "reason": plain_reason(state.reason),
        "candidates": list(candidates),
        "weights": {target: _number(percent) for target, percent in state.weights} or {state.target: 100},
    }


def _target(
    target: Target,
    health: Health,
    *,
    drained: bool,
    limits: Mapping[str, float],
    context: int | None,
    low_limit: LowLimit | None,
    key_variable: str | None,
) -> dict[str, Any]:
    provider = target.provider
    others = {key.variable for key in provider.other_keys}
    rare = {
        "context": context,
        "preset": provider.preset,
        "region": provider.region,
        "api_version": provider.api_version,
    }
    return {
        "provider": provider.name,
        "model": target.model,
        "dialect": provider.dialect,
        "base_url": provider.base_url,
        "api_key_env": key_variable if key_variable in others else provider.api_key_env,
        "health": health.value,
        "drained": drained,
        **({"limits": {name: _number(seconds) for name, seconds in limits.items()}} if limits else {}),
        **{name: value for name, value in rare.items() if value is not None},
        **({"low_limit": {"left": low_limit.left, "until": instant(low_limit.until)}} if low_limit else {}),
        **({"signing": True} if provider.signing else {}),
    }


def _number(value: float) -> float:
    """Whole numbers without a `.0`."""
    return int(value) if float(value).is_integer() else value


class RoutingFile:
    """The published file: replaced as a whole, and checked for changes by others. One writer per path and thread.

    On a full disk it publishes with the room of the `ballast`. `folder` is the lock of who publishes in that folder:
    where the folder has been replaced it is taken again, and nothing is published while another process holds it. Of a
    table with regions, the file of a `region` has what applications there need.
    """

    def __init__(
        self, path: Path, *, ballast: Ballast | None = None, folder: InstanceLock | None = None, region: str = ""
    ) -> None:
        self._path = path
        self.region = region
        """Whose table it has; empty: that of all."""
        self.ballast = ballast
        """What it gives up on a full disk; None: nothing."""
        self._folder = folder
        self._content = b""
        """What we last wrote; empty while that is nothing."""
        self._table_content = b""
        """The table that it is of."""
        self._attributes = (0, 0, 0, 0)
        """Mode, inode, size and time of change of that file."""

    def publish(self, table: Mapping[str, Any]) -> None:
        """Put `table` in place of whatever is at the path, durably and readable by every user of the machine.

        1. a temporary file in the same folder, so that the rename cannot cross filesystems
        2. chmod 0644, because temporary files are created for their owner only
        3. fsync, so that a power cut cannot leave an empty or hidden file under the final name
        4. rename over the old file: a reader has the old table or the new one, never a mixture
        5. fsync of the folder, so that the rename survives a power cut too

        Missing folders are created. A symbolic link at the path is replaced, not followed. Raises RoutingFileError
        when a step fails. Up to the rename, the old file is then untouched and no temporary file remains; when only
        the last step fails, readers have the new file already.
        """
        table_content = _as_json(table)
        try:
            content = _as_json(table_of_region(table, self.region)) if self.region else table_content
        except UnknownRegionError as error:
            raise RoutingFileError(f"cannot publish the routing file {self._path}: {error}") from error
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._require_folder()
            if not self._content:
                self._remove_leftovers()
            self._attributes = self._replace_on_full_disk(content)
            self._content, self._table_content = content, table_content
            _sync_folder(self._path.parent)
        except OSError as error:
            raise RoutingFileError(_explain(self._path, error)) from error
        if self.ballast:
            self.ballast.lay()

    @property
    def content(self) -> bytes:
        """What we last published, of all regions; empty while that is nothing. From any thread."""
        return self._table_content

    def read_table(self) -> dict[str, Any]:
        """The file as it stands, unchecked but for its format; empty when there is none of ours. Never raises."""
        try:
            table = json.loads(_read(self._path, _MAX_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        return table if isinstance(table, dict) and table.get("format") == FORMAT else {}

    def read_generation(self) -> int:
        """The generation of the file as it stands; 0 when it is missing, unreadable or not ours. Never raises."""
        generation = self.read_table().get("generation")
        return generation if type(generation) is int and 0 < generation <= LARGEST_GENERATION else 0

    def read_targets(self) -> dict[str, str]:
        """The target of each route in the file as it stands, of a region `chat@eu`; empty without one. Never raises."""
        try:
            table = json.loads(_read(self._path, _MAX_BYTES))
            end = f"@{table['region']}" if table.get("region") else ""
            return {f"{name}{end}": f"{route['target']}{end}" for name, route in table["routes"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}

    def find_tampering(self) -> str | None:
        """One sentence when the file is no longer what we last wrote; None when it is, or when we wrote none yet.

        Costs one stat while nothing has changed. With the same content and permissions a changed file is ours again.
        """
        if not self._content:
            return None
        try:
            status = os.lstat(self._path)
            if _attributes(status) == self._attributes:
                return None
            change = self._change(status)
        except FileNotFoundError:
            return f"routing file {self._path} was deleted by someone else"
        except OSError as error:
            return f"routing file {self._path} cannot be read any more: {_strerror(error)}"
        if change:
            return f"routing file {self._path} {change}"
        self._attributes = _attributes(status)
        return None

    def _change(self, status: os.stat_result) -> str | None:
        if not stat.S_ISREG(status.st_mode):
            return "was replaced by something that is not a plain file"
        if status.st_size != len(self._content) or _read(self._path, status.st_size) != self._content:
            return "was changed by someone else"
        mode, ours = stat.S_IMODE(status.st_mode), stat.S_IMODE(self._attributes[0])
        return None if mode == ours else f"was given permissions {mode:04o} by someone else, expected {ours:04o}"

    def _require_folder(self) -> None:
        """Raise RoutingFileError unless this process is the one that publishes in this folder."""
        if self._folder is None or self._folder.is_current():
            return
        self._folder.release()
        try:
            self._folder.acquire()
        except LockError as error:
            raise RoutingFileError(f"cannot publish the routing file {self._path}: {error}") from error

    def _replace_on_full_disk(self, content: bytes) -> tuple[int, int, int, int]:
        try:
            return self._replace(content)
        except OSError as error:
            if error.errno not in FULL or self.ballast is None or not self.ballast.release(len(content)):
                raise
        return self._replace(content)

    def _replace(self, content: bytes) -> tuple[int, int, int, int]:
        """Steps 1 to 4; returns the attributes of the new file."""
        path = self._path
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), _MODE)
                os.fsync(file.fileno())
                attributes = _attributes(os.fstat(file.fileno()))
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
        return attributes

    def _remove_leftovers(self) -> None:
        """Remove the temporary files of a writer that was killed between steps 1 and 4, as far as that is possible."""
        ours = re.compile(re.escape(f".{self._path.name}.") + r"[a-z0-9_]{8}\.tmp")
        for entry in self._path.parent.iterdir():
            if ours.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    entry.unlink()


@contextlib.contextmanager
def own_file(path: Path, region: str = "") -> Iterator[RoutingFile]:
    """The file with its ballast, and its folder locked for the time of a block; raises LockError."""
    card = path.with_name(f"{path.name}.lock")
    with instance_lock(path.parent, card=card, folder=True) as folder:
        yield RoutingFile(path, ballast=Ballast(path), folder=folder, region=region)


def _as_json(table: Mapping[str, Any]) -> bytes:
    # A provider's text in a reason may hold lone surrogates, which UTF-8 cannot carry.
    return (json.dumps(table, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode(errors="replace")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC_FOLDERS:
            raise
    finally:
        os.close(descriptor)


def _read(path: Path, limit: int) -> bytes:
    """At most `limit` bytes of a plain file; O_NONBLOCK because opening a FIFO would wait for its writer."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a plain file")
        return file.read(limit)


def _attributes(status: os.stat_result) -> tuple[int, int, int, int]:
    """Mode, inode, size and time of change; a rename leaves all four as they are."""
    return status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns


def _strerror(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _explain(path: Path, error: OSError) -> str:
    """The sentence for people: what was wrong, and what to do about it."""
    cause, hint = _CAUSES.get(error.errno or 0, (_strerror(error), "check the path and the disk"))
    place = {"path": path, "folder": path.parent}
    return f"cannot publish the routing file {path}: {cause.format(**place)}; {hint.format(**place)}"


_CAUSES = {
    errno.EISDIR: ("it is a folder", "give the path of a file inside it, such as {path}/routing.json"),
    errno.EACCES: ("no permission to write into {folder}", "let the service's user write there"),
    errno.EPERM: ("no permission to write into {folder}", "let the service's user write there"),
    errno.EROFS: ("{folder} is on a read-only filesystem", "choose a folder that can be written"),
    errno.ENOSPC: ("the disk is full", "free some space under {folder}"),
    errno.EDQUOT: ("the disk quota is used up", "free some space under {folder}"),
    errno.EFBIG: ("the file would be larger than the system allows", "raise the file size limit of the service"),
    errno.ENOTDIR: ("a part of {folder} is a file, not a folder", "choose a path inside a folder"),
    errno.EEXIST: ("{folder} exists and is not a folder", "choose a path inside a folder"),
    errno.ELOOP: ("{folder} is a loop of symbolic links", "repair the links"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter path"),
    errno.EMFILE: ("the service has too many open files", "raise its limit (ulimit -n)"),
    errno.EIO: ("the disk reported an error", "check the disk"),
}
