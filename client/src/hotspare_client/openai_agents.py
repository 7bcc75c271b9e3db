"""Models of the OpenAI Agents SDK that follow routes (`hotspare-client[openai-agents]`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from agents import Model, ModelProvider, ModelResponse, OpenAIChatCompletionsModel, OpenAIResponsesModel

from hotspare_client.reader import Routing
from hotspare_client.target import Target
from hotspare_client.whole_streams import with_whole_streams


def build_model(target: Target) -> Model:
    """The model of a target that speaks a dialect of OpenAI's; raises ValueError for others."""
    client = target.async_openai()
    if target.dialect == "openai-responses":
        return OpenAIResponsesModel(target.model, openai_client=client)
    return OpenAIChatCompletionsModel(target.model, openai_client=with_whole_streams(client, target.id))


class RouteProvider(ModelProvider):
    """Gives the model that follows a route: to an agent whose `model` is the name of a route, or None for `default`."""

    def __init__(
        self,
        routing: Routing,
        default: str | None = None,
        *,
        build: Callable[[Target], Model] = build_model,
        **terms: Any,
    ) -> None:
        """`build` makes the model of a target, `terms` are those of `Routing.attempts`.

        Raises what `build` raises for any present candidate, so that it is not the outage that brings it to light;
        ValueError where a term makes no sense.
        """
        self._routing, self._default, self._build, self._terms = routing, default, build, terms
        routing.attempts(default or "", **terms)
        for name in routing.status.routes if default is None else (default,):
            for target in routing.candidates(name):
                build(target)

    def get_model(self, model_name: str | None) -> Model:
        """The model of that route; raises ValueError where there is neither a name nor a default."""
        route = model_name or self._default
        if route is None:
            raise ValueError("an agent without a model needs a default route")
        return FollowingModel(self._routing, route, self._build, self._terms)


class FollowingModel(Model):
    """Asks, on each request, where the route points by then, and within a request what `attempts` asks next.

    A stream is given from the first piece of the answer on; what fails before is not seen. After it, the error is
    raised; with `on_cut="restart"` the next target's events follow, from `response.created` on. A request that goes on
    with what a provider keeps (`previous_response_id`, `conversation_id`) is `stateful`.
    """

    def __init__(self, routing: Routing, route: str, build: Callable[[Target], Model], terms: dict[str, Any]) -> None:
        self._routing, self._route, self._build, self._terms = routing, route, build, terms

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """The first good answer; raises the last error as it came, with `hotspare_attempts`."""

        async def ask(target: Target, timeout_s: float) -> ModelResponse:
            return await asyncio.wait_for(self._build(target).get_response(*args, **kwargs), timeout_s)

        async for attempt in self._routing.attempts(self._route, **self._terms_for(kwargs)):
            async with attempt:
                response = await attempt.call(ask)
        return response

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """The first stream that begins."""

        async def ask(target: Target, _timeout_s: float) -> AsyncIterator[Any]:
            return self._build(target).stream_response(*args, **kwargs)

        async for attempt in self._routing.attempts(self._route, **self._terms_for(kwargs)):
            async with attempt:
                async for event in attempt.watch(ask):
                    yield event

    def _terms_for(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        kept = kwargs.get("previous_response_id") or kwargs.get("conversation_id")
        return {**self._terms, "stateful": True} if kept else self._terms
