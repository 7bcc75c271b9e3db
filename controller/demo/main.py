"""Runs the demo: starts everything on this machine, runs the outage drill, and leaves nothing behind."""

import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hotspare_client import Routing

from controller.demo import files
from controller.demo.drill import Drill
from controller.demo.fake_slack import FakeSlack
from controller.demo.files import KEYS, ROUTE
from controller.demo.narration import Line, Summary, introduction
from controller.demo.scenes import BY_NAME, SCENES, Scene
from controller.demo.screen import Screen
from controller.demo.traffic import Caller, Traffic
from controller.demo.world import World
from controller.journal import Journal
from controller.service.child_processes import ChildEndedError, Processes
from controller.status.overview import read
from monitor.clock import utc_now
from monitor.config.loader import load
from monitor.storage.database import DatabaseError, open_reader
from monitor.storage.store import Store

_START_S = 15.0
_PAUSE_S = 180.0
_INTERRUPTED = 130
_LOOPBACK = "127.0.0.1"
_STARTING = "starting three simulated providers, the Hotspare service, its page, Slack's stand-in and an application"
_DEFAULT_PORT = 8501


class DemoError(Exception):
    """The demo cannot start; the message says why."""


def main(*, once: bool, as_json: bool, port: int | None, scene: str = SCENES[0].name) -> int:
    """Play a scene, by its name: to its end with `once` or `as_json`, otherwise again and again until interrupted.

    The page is served on `port`, by default on 8501 or a free one. With `as_json` only the summary goes to standard
    output, and the timeline to standard error. Returns the exit status: 0 when the scene passed each time, 1 when it
    failed or a part of the demo ended, 2 when it cannot begin, 130 when it was interrupted before its first result.
    """
    if port is not None and not _is_free(port):
        return _complain(f"--port {port}: something else listens there already; choose another", status=2)
    finished: list[Summary] = []
    screen = Screen(sys.stderr if as_json else sys.stdout, started_at=utc_now())
    try:
        asyncio.run(_run_demo(screen, finished, BY_NAME[scene], once=once or as_json, port=port or _free_port()))
    except asyncio.CancelledError:
        if not finished:
            return _INTERRUPTED
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "llmock":
            raise
        return _complain("the demo needs llmock: pip install '.[demo]' ./client", status=2)
    except (DemoError, ChildEndedError, DatabaseError) as error:
        return _complain(str(error), status=1)
    if as_json:
        sys.stdout.write(json.dumps(finished[-1].document()) + "\n")
    return 1 if any(summary.problems for summary in finished) else 0


async def _run_demo(screen: Screen, finished: list[Summary], scene: Scene, *, once: bool, port: int) -> None:
    """Play the scene, once or until this task is cancelled; every summary is added to `finished`."""
    _cancel_on_signals()
    page = f"http://{_LOOPBACK}:{port}"
    with ExitStack() as stack:
        world = stack.enter_context(World())
        screen.say(Line(utc_now(), "demo", _STARTING))
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="hotspare-demo-")))
        slack = stack.enter_context(FakeSlack())
        configuration = files.write_configuration(folder, world, slack_url=slack.url)
        settings = load(configuration, files.environment())
        processes = stack.enter_context(Processes(folder))
        for command, *options in (["run", "--log-format", "text"], ["page", "--port", str(port)]):
            words = [sys.executable, "-m", "controller.cli.main", command, "-c", str(configuration), *options]
            processes.start(f"hotspare {command}", words, environment=files.environment())
        routing = Routing(settings.routing_file, check_every_s=0.02)
        await _ready(processes, routing, port)
        engine = open_reader(settings.database)
        stack.callback(engine.dispose)
        stack.enter_context(screen)
        first = routing.route(ROUTE)
        application, baseline = Caller(lambda: routing.route(ROUTE), keys=KEYS), Caller(lambda: first, keys=KEYS)
        traffic = Traffic(application=application, baseline=baseline)
        screen.say(*introduction(utc_now(), scene, page=page))
        async with _running(traffic.run()):
            while True:
                drill = Drill(
                    scene=scene,
                    world=world,
                    slack=slack,
                    processes=processes,
                    traffic=traffic,
                    routing=routing,
                    store=Store(engine),
                    journal=Journal(engine),
                    page=partial(read, settings, engine),
                    screen=screen,
                )
                finished.append(await drill.run())
                if once:
                    return
                stays = f"the page stays at {page}; the scene begins again in {_PAUSE_S / 60:g} min; Ctrl-C ends it"
                screen.say(Line(utc_now(), "demo", stays))
                await drill.wait(_PAUSE_S)


async def _ready(processes: Processes, routing: Routing, port: int) -> None:
    """Wait for the first routing file and for the page; raises DemoError or ChildEndedError when they do not come."""
    deadline = time.monotonic() + _START_S
    while routing.route(ROUTE) is None or _is_free(port):
        processes.check()
        if time.monotonic() > deadline:
            raise DemoError(f"the demo did not start within {_START_S:g} s\n{processes.recent_output()}")
        await asyncio.sleep(0.1)


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run a coroutine while the block runs."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _cancel_on_signals() -> None:
    """Let Ctrl-C, `kill` and a closed terminal end the demo in good order, also when repeated."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in one
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((_LOOPBACK, port)) != 0


def _free_port() -> int:
    """The page's default port, or one that the system chooses."""
    for port in (_DEFAULT_PORT, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((_LOOPBACK, port))
            return int(probe.getsockname()[1])
    raise DemoError("no port is free for the page")


def _complain(message: str, *, status: int) -> int:
    sys.stderr.write(f"{message}\n")
    return status
