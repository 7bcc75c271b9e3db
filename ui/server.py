"""Starts the page, a process of its own that serves the Streamlit script; or writes the status as one file."""

import argparse
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from os import environ
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from monitor.config.loader import load
from monitor.config.page_settings import PageSettings
from monitor.config.problems import ConfigError
from ui.same_origin import SameOrigin
from ui.static_file import write_static

_SCRIPT = Path(__file__).with_name("app.py")
_OPTIONS = {
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.toolbarMode": "minimal",
    "logger.hideWelcomeMessage": True,
    "logger.level": "warning",
    "runner.magicEnabled": False,
    # A full collection after every rerun costs more than the rerun.
    "runner.postScriptGC": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
    # Both themes, or the browser's dark mode is ignored.
    "theme.light.backgroundColor": "#f7f8fa",
    "theme.light.primaryColor": "#1f68b5",
    "theme.light.secondaryBackgroundColor": "#ffffff",
    "theme.light.textColor": "#1c2430",
    "theme.dark.backgroundColor": "#0f1318",
    "theme.dark.primaryColor": "#6cb2f5",
    "theme.dark.secondaryBackgroundColor": "#171c23",
    "theme.dark.textColor": "#e6e9ee",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until SIGINT or SIGTERM: `python -m ui.server --config FILE --port N`; returns the exit status.

    0 after a signal; 2, with the reason on standard error, when the configuration is broken or the port is taken.
    Once it listens, one line on standard error says where.
    """
    parser = argparse.ArgumentParser(prog="hotspare page", description=__doc__)
    parser.add_argument("-c", "--config", type=Path, default=Path("hotspare.yaml"), help="the configuration")
    parser.add_argument("--port", type=int, default=8501, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--address", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--static", type=Path, metavar="DIR", help="write the status as DIR/index.html, and end")
    options = parser.parse_args(arguments)
    if options.static:
        return write_static(options.config, options.static)
    try:
        settings = load(options.config, environ, keys=False, page=True)
        _require_free(options.address, options.port)
    except (ConfigError, OSError, OverflowError) as error:
        problem = str(error)
        if not isinstance(error, ConfigError):
            why = (isinstance(error, OSError) and error.strerror) or problem
            where = f"{options.address} port {options.port}"
            problem = f"cannot listen on {where}: {why}; choose another with --port or --address"
        print(problem, file=sys.stderr)  # noqa: T201 -- for the person at the terminal
        return 2
    if settings.ui.sign_in and find_spec("authlib") is None:
        print("ui.sign_in needs: pip install 'hotspare[auth]'", file=sys.stderr)  # noqa: T201 -- likewise
        return 2
    # uvicorn shuts down in good order, then raises the signal once more: that must end the process quietly.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    app = st.App(
        _SCRIPT,
        lifespan=_announce,
        middleware=[Middleware(SameOrigin, url=settings.ui.url)],
        secrets={"config": str(options.config.resolve()), **_auth_secrets(settings.ui)},
    )
    origins = [settings.ui.url] if settings.ui.url else []
    options_here = {
        "server.address": options.address,
        "server.port": options.port,
        "server.corsAllowedOrigins": origins,
    }
    app.run(config={**_OPTIONS, **options_here})
    return 0


def _auth_secrets(page: PageSettings) -> dict[str, Any]:
    """What Streamlit's sign-in reads, where there is one."""
    if page.sign_in is None:
        return {}
    return {
        "auth": {
            "redirect_uri": f"{page.url}/oauth2callback",
            "cookie_secret": page.sign_in.cookie_secret.reveal(),
            "client_id": page.sign_in.client_id,
            "client_secret": page.sign_in.client_secret.reveal(),
            "server_metadata_url": page.sign_in.metadata_url,
        }
    }


@asynccontextmanager
async def _announce(_app: st.App) -> AsyncIterator[None]:
    url = f"http://{st.get_option('server.address')}:{st.get_option('server.port')}"
    print(f"The page is at {url} (Ctrl-C ends it)", file=sys.stderr, flush=True)  # noqa: T201 -- likewise
    yield


def _require_free(address: str, port: int) -> None:
    """Raise OSError when the port cannot be had: Streamlit would say so with a traceback, or take another one."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))


if __name__ == "__main__":
    sys.exit(main())
