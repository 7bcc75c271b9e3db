"""A model of Pydantic AI that follows a route (`hotspare-client[pydantic-ai]`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import fields
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.providers.azure import AzureProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from hotspare_client.reader import Routing
from hotspare_client.request import NoTargetError
from hotspare_client.stream_watch import StreamCutError
from hotspare_client.target import Target
from hotspare_client.whole_streams import with_whole_streams


def build_model(target: Target) -> Model:
    """The model of a target that speaks a dialect of OpenAI's, or Anthropic's; raises ValueError for others."""
    if target.dialect == "anthropic":
        from pydantic_ai.models.anthropic import AnthropicModel  # noqa: PLC0415 - it needs an SDK of its own
        from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: PLC0415 - likewise

        return AnthropicModel(target.model, provider=AnthropicProvider(anthropic_client=target.async_anthropic()))
    client = with_whole_streams(target.async_openai(), target.id)
    provider: AzureProvider | OpenAIProvider | OpenAICompatibleProvider
    if target.dialect == "azure-openai":
        provider = AzureProvider(openai_client=client)
    elif urlsplit(target.base_url).hostname == "api.openai.com":
        provider = OpenAIProvider(openai_client=client)
    else:
        provider = OpenAICompatibleProvider(target.provider, openai_client=client)
    if target.dialect == "openai-responses":
        return OpenAIResponsesModel(target.model, provider=provider)
    return OpenAIChatModel(target.model, provider=provider)


class RouteModel(FallbackModel):
    """Asks, on each request, where the route points by then, and within a request what `attempts` asks next.

    To Pydantic AI it is a fallback model of all candidates. A stream is given from its first event on; what fails
    before is not seen. After it, the error is raised; with `on_cut="restart"` the next target's events follow, whose
    parts replace those of the same index: `stream_output` and `stream_response` do so, `stream_text` joins both.
    """

    def __init__(
        self, routing: Routing, route: str, *, build: Callable[[Target], Model] = build_model, **terms: Any
    ) -> None:
        """`build` makes the model of a target, `terms` are those of `Routing.attempts`.

        Raises what `build` raises for any present candidate, so that it is not the outage that brings it to light;
        ValueError where a term makes no sense.
        """
        self._routing, self._route, self._build, self._terms = routing, route, build, terms
        routing.attempts(route, **terms)
        for target in routing.candidates(route):
            build(target)
        super().__init__(TestModel())

    @property
    def models(self) -> list[Model]:
        """Those of the candidates, that of the present target first. Raises NoTargetError where there are none."""
        pick = self._routing.route(self._route)
        others = (each for each in self._routing.candidates(self._route) if pick is None or each.id != pick.id)
        targets = [*([pick] if pick else []), *others]
        if not targets:
            raise NoTargetError(f"no target for route {self._route!r}: {self._routing.status.problem}")
        return [self._build(target) for target in targets]

    @models.setter
    def models(self, _models: list[Model]) -> None:
        """What `FallbackModel` sets once is not needed."""

    @property
    def model_name(self) -> str:
        """The route: the model that answers is in the response."""
        return f"route:{self._route}"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The first good answer; raises the last error as it came, with `hotspare_attempts`."""
        if _is_suspended(messages):
            return await super().request(messages, model_settings, model_request_parameters)

        async def ask(target: Target, timeout_s: float) -> ModelResponse:
            settings: ModelSettings = {**(model_settings or {}), "request_timeout": timeout_s}
            return await self._alone(target).request(messages, settings, model_request_parameters)

        async for attempt in self._routing.attempts(self._route, **self._terms):
            async with attempt:
                response = await attempt.call(ask)
        return response

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: Any = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """The first stream that begins."""
        arguments = (messages, model_settings, model_request_parameters, run_context)
        if _is_suspended(messages):
            async with super().request_stream(*arguments) as stream:
                yield stream
            return
        route_stream = RouteStream(model_request_parameters)
        events = self._events(route_stream, arguments)
        try:
            await route_stream.begin(events)
            yield route_stream
        finally:
            await events.aclose()

    async def _events(self, route_stream: RouteStream, arguments: Any) -> AsyncGenerator[ModelResponseStreamEvent]:
        async for attempt in self._routing.attempts(self._route, **self._terms):
            async with attempt, AsyncExitStack() as stack:

                async def ask(
                    target: Target, _timeout_s: float, stack: AsyncExitStack = stack
                ) -> AsyncIterator[ModelResponseStreamEvent]:
                    opening = self._alone(target).request_stream(*arguments)
                    route_stream.current = await stack.enter_async_context(opening)
                    return _whole(route_stream.current, target)

                async for event in attempt.watch(ask):
                    yield event

    def _alone(self, target: Target) -> FallbackModel:
        """The model of one target, with the preparations that a model behind another one needs; its errors as is."""
        return FallbackModel(self._build(target), fallback_on=_never)


class RouteStream(StreamedResponse):
    """A stream whose source may change before its first event, and later by a restart."""

    current: StreamedResponse
    """The stream of the target that is asked now."""

    async def begin(self, events: AsyncGenerator[ModelResponseStreamEvent]) -> None:
        """Wait for the first event."""
        first = await anext(events)
        self._event_iterator = self._follow(first, events)

    async def _follow(
        self, first: ModelResponseStreamEvent, others: AsyncGenerator[ModelResponseStreamEvent]
    ) -> AsyncGenerator[ModelResponseStreamEvent]:
        self._take_over()
        yield first
        async for event in others:
            self._take_over()
            yield event
        self._take_over()

    def _take_over(self) -> None:
        for field in fields(StreamedResponse):
            if field.name not in {"model_request_parameters", "_event_iterator"}:
                setattr(self, field.name, getattr(self.current, field.name))

    def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        raise NotImplementedError  # it is given by `begin`

    def get(self) -> ModelResponse:
        """What has come so far."""
        return self.current.get()

    async def cancel(self) -> None:
        """End the stream; what has come so far stays."""
        await self.current.cancel()
        self._take_over()

    async def close_stream(self) -> None:
        """Close the connection."""
        await self.current.close_stream()

    @property
    def usage(self) -> RequestUsage:
        """Of the stream that is read now."""
        return self.current.usage

    @property
    def model_name(self) -> str:
        """The model that answers."""
        return self.current.model_name

    @property
    def provider_name(self) -> str | None:
        """The provider that answers."""
        return self.current.provider_name

    @property
    def provider_url(self) -> str | None:
        """Its address."""
        return self.current.provider_url

    @property
    def timestamp(self) -> datetime:
        """When the answer began."""
        return self.current.timestamp


async def _whole(stream: StreamedResponse, target: Target) -> AsyncGenerator[ModelResponseStreamEvent]:
    """The events of `stream`; raises StreamCutError where it ends before its right end."""
    async for event in stream:
        yield event
    if stream.finish_reason is None and not stream.cancelled:
        raise StreamCutError(f"the stream of {target.id} ended without its end")


def _is_suspended(messages: list[ModelMessage]) -> bool:
    """Whether the request goes on with an answer that only the provider that began it can end."""
    return bool(messages) and getattr(messages[-1], "state", None) == "suspended"


def _never(_error: Exception) -> bool:
    return False
