"""Keeps a Router of LiteLLM in step with the routing file (`hotspare-client[litellm]`)."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from litellm import Router
from litellm.router_api import ChangeSet
from litellm.types.router import Deployment

from hotspare_client.policy import stands_in
from hotspare_client.reader import Routing
from hotspare_client.target import Target

LOG = logging.getLogger("hotspare_client")

_LOOK_EVERY_S = 0.25
#: How LiteLLM names the dialects.
_PREFIXES = {
    "openai-chat": "openai",
    "openai-responses": "openai/responses",
    "azure-openai": "azure",
    "anthropic": "anthropic",
}


def build_params(target: Target) -> dict[str, Any]:
    """The `litellm_params` of a target of a dialect of OpenAI's, or Anthropic's; raises ValueError for others."""
    if target.dialect not in _PREFIXES:
        raise ValueError(f"{target.id} speaks {target.dialect}: give follow_routes a `build` that knows it")
    params = {
        "model": f"{_PREFIXES[target.dialect]}/{target.model}",
        "api_base": target.base_url,
        "api_key": target.api_key() or "none",
    }
    if target.dialect == "azure-openai" and target.api_version:
        params["api_version"] = target.api_version
    elif target.dialect == "azure-openai":
        params |= {"model": f"openai/{target.model}", "api_base": f"{target.base_url}/openai/v1"}
    return params


def follow_routes(
    router: Router, routing: Routing, *, build: Callable[[Target], dict[str, Any]] = build_params
) -> Callable[[], None]:
    """From now on each route is a model group of `router`, by its name; returns what ends that, and leaves them there.

    Where the route points has `order` 1, by their shares as `weight` where that is several targets; the candidates that
    can stand in have 2 and more, in the order of preference. Other deployments of `router` stay as they are. A thread
    looks at the file four times a second; there is one in each process after a fork.

    Raises what `build` raises for any present candidate, so that it is not the outage that brings it to light; later
    it is logged, and that target left out.
    """
    for route in routing.status.routes:
        for target in routing.candidates(route):
            build(target)
    follower = RouteFollower(router, routing, build)
    follower.update()
    follower.start()
    return follower.stop


class RouteFollower:
    """The thread, and what it has told the router."""

    def __init__(self, router: Router, routing: Routing, build: Callable[[Target], dict[str, Any]]) -> None:
        self._router, self._routing, self._build = router, routing, build
        self._told: dict[str, tuple[str, dict[str, Any]]] = {}
        self._problems: set[str] = set()
        self._ended = threading.Event()
        if hasattr(os, "register_at_fork"):
            ours = weakref.ref(self)

            def go_on() -> None:
                if follower := ours():
                    follower.start()

            os.register_at_fork(after_in_child=go_on)

    def start(self) -> None:
        """Begin, or go on in a child process."""
        if not self._ended.is_set():
            threading.Thread(target=self._run, name="hotspare-litellm", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end."""
        self._ended.set()

    def update(self) -> None:
        """Tell the router what has changed; nothing while nothing is known."""
        problems: set[str] = set()
        wanted = {name: one for route in self._routing.status.routes for name, one in self._group(route, problems)}
        self._tell(problems)
        changed = {name: one for name, one in wanted.items() if self._told.get(name) != one}
        gone = [name for name in self._told if name not in wanted]
        if wanted and (changed or gone):
            upsert = [
                Deployment(model_name=route, litellm_params=params, model_info={"id": name})
                for name, (route, params) in changed.items()
            ]
            self._router.apply(ChangeSet(upsert=upsert, delete=gone))
            self._told = wanted

    def _group(self, route: str, problems: set[str]) -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
        """The deployments of a route: for each its id, the route, and its parameters."""
        candidates = self._routing.candidates(route)
        current = [each for each in candidates if each.weight]
        others = [each for each in candidates if not each.weight and stands_in(each)]
        for target, order in (*((each, 1) for each in current), *((each, 2 + at) for at, each in enumerate(others))):
            place = {"order": order}
            if order == 1 and len(current) > 1:
                place["weight"] = max(1, round(target.weight * 1000))
            # LiteLLM replaces a deployment by taking it away first: where another place is another deployment, there is
            # always one.
            name = ":".join((route, target.id, *map(str, place.values())))
            try:
                yield name, (route, {**self._build(target), **place})
            except Exception as error:  # noqa: BLE001 - the others serve
                problems.add(f"{target.id} is left out: {error}")

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_S):
            try:
                self.update()
            except Exception as error:  # noqa: BLE001, PERF203 - the next look may do better
                self._tell({f"the router is not in step: {type(error).__name__}: {error}"})

    def _tell(self, problems: set[str]) -> None:
        """Log what was not so at the last look."""
        for problem in sorted(problems - self._problems):
            LOG.error(problem)
        self._problems = problems
