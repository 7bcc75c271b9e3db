"""`hotspare-follow`: the command."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from hotspare_client.follow.follower import Follower
from hotspare_client.follow.local_file import FileHeldError, LocalFile
from hotspare_client.follow.node import AddressError, Node, TokenError
from hotspare_client.follow.rules import printable
from hotspare_client.route_script import FILE_VARIABLE, USUAL_FILE

_TOKEN_VARIABLE = "HOTSPARE_TOKEN"  # noqa: S105 - its name
_LONGEST_TOKEN = 4096
_EPILOG = f"""\
The nodes are asked in turn, the first one first; the one that answers is asked on. A node is a Hotspare's API,
or a proxy before it: its address, without /v1/routing.

The token is read from --token-file, else from {_TOKEN_VARIABLE}; never from an argument, which others can see.

exit codes:
  0  ended by SIGTERM or SIGINT; with --once: the file has the table of a node
  1  with --once: no node gave a table that could be used, or the file could not be written
  2  wrong arguments, or a token or certificate file that cannot be read
  3  another follower, or a service, writes in the folder of the file
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow until a signal, or once; returns the exit code."""
    parser = follow_parser()
    asked = parser.parse_args(arguments)
    tell = _Log(as_json=asked.json).tell
    try:
        token = _token_from(asked.token_file)
        token()
        tls = ssl.create_default_context(cafile=asked.ca_file) if asked.ca_file else None
        nodes = [Node(address, token=token, tls=tls, region=asked.region or "") for address in asked.nodes]
    except (AddressError, TokenError) as error:
        parser.error(str(error))
    except (OSError, ssl.SSLError) as error:
        parser.error(f"--ca-file {asked.ca_file} cannot be used: {error.strerror or error}")
    file = LocalFile(Path(asked.file))
    try:
        follower = Follower(nodes, file, tell=tell, reset=asked.reset, region=asked.region or "", notify=_notify)
    except FileHeldError as error:
        tell("error", "file_held", str(error))
        return 3
    except OSError as error:
        tell("error", "file_not_written", f"{file.path} cannot be written: {error.strerror}")
        return 1
    if asked.once:
        return 0 if follower.once() else 1
    for number in (signal.SIGTERM, signal.SIGINT):
        # At once, wherever it is: the file is whole at any time.
        signal.signal(number, lambda *_: os._exit(0))
    tell("info", "follow_started", f"{', '.join(node.address for node in nodes)} into {file.path}")
    follower.follow()
    return 1


def follow_parser() -> argparse.ArgumentParser:
    """Of its arguments."""
    parser = argparse.ArgumentParser(
        prog="hotspare-follow",
        description="Keep the routing file of this host at the table of a Hotspare elsewhere.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("nodes", nargs="+", metavar="NODE", help="its address, such as https://hotspare.example")
    usual = os.environ.get(FILE_VARIABLE) or USUAL_FILE
    parser.add_argument("--file", default=usual, help=f"the routing file; else {FILE_VARIABLE}, else {USUAL_FILE}")
    text = "the region of this host, where Hotspare has regions: its routes, by their names there"
    parser.add_argument("--region", type=_region, help=text)
    parser.add_argument(
        "--token-file", metavar="PATH", help="holds the token of the scope `read`; read at each request"
    )
    parser.add_argument("--ca-file", metavar="PATH", help="certificates to trust, in place of those of the system")
    parser.add_argument("--once", action="store_true", help="ask once, write the file, and end")
    parser.add_argument(
        "--reset", action="store_true", help="take the first table even if its (epoch, generation) is lower"
    )
    parser.add_argument("--json", action="store_true", help="log in JSON lines")
    return parser


def _region(given: str) -> str:
    if not re.fullmatch("[a-z0-9][a-z0-9_-]{0,99}", given):
        raise argparse.ArgumentTypeError(f"{printable(given, 100)!r} is no region: expected a word such as eu")
    return given


def _token_from(path: str | None) -> Callable[[], str]:
    """Reads the token, anew each time, so that it may be replaced. The function raises TokenError."""

    def token() -> str:
        if path is None:
            place, text = _TOKEN_VARIABLE, os.environ.get(_TOKEN_VARIABLE, "").strip()
        else:
            place = f"the token file {path}"
            try:
                with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
                    text = file.read(_LONGEST_TOKEN + 1).decode("ascii").strip()
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is not a text"
                raise TokenError(f"{place} cannot be read: {why}") from None
            if not text:
                raise TokenError(f"{place} is empty")
        if len(text) > _LONGEST_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
            raise TokenError(f"{place} holds no token: expected one word")
        return text

    return token


class _Log:
    """Lines on standard error."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def tell(self, level: str, event: str, text: str, **more: Any) -> None:
        """One line; who does not read it is no reason to end."""
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = printable(text, 1000)
        line = f"{at} {level} {event}: {text}"
        if self._as_json:
            line = json.dumps({"at": at, "level": level, "event": event, "text": text, "fields": more})
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


def _notify(words: str) -> None:
    """To systemd, where it started this process as a unit of `Type=notify`."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(words.encode(), f"\0{address[1:]}" if address.startswith("@") else address)


if __name__ == "__main__":
    sys.exit(main())
