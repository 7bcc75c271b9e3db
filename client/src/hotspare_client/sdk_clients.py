"""Clients of the SDKs of OpenAI and Anthropic for a target; one is kept for each address and key."""

from __future__ import annotations

import asyncio
import importlib
import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hotspare_client.target import Target

#: More addresses and keys than that are not in use at once.
_MOST_CLIENTS = 64
#: Servers without a key take any; the SDKs want one.
_NO_KEY = "none"
_OF_OPENAI = {"openai-chat", "openai-responses", "azure-openai"}


class KeptClients:
    """The clients in use, the one used last at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[tuple[Any, ...], Any] = {}

    def get(self, loop: asyncio.AbstractEventLoop | None, key: tuple[Any, ...], build: Callable[[], Any]) -> Any:
        """The client of `key` for that event loop, or for threads; built where there is none, or it has been closed."""
        with self._lock:
            key = (loop, *key)
            client = self._clients.pop(key, None)
            if client is None or client.is_closed():
                client = build()
                for old in [old for old in self._clients if old[0] is not None and old[0].is_closed()]:
                    del self._clients[old]
            self._clients[key] = client
            if len(self._clients) > _MOST_CLIENTS:
                del self._clients[next(iter(self._clients))]
            return client

    def forget(self) -> None:
        """After a fork: the connections are the parent's, one of whose threads may have held the lock."""
        self._lock, self._clients = threading.Lock(), {}


_KEPT = KeptClients()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_KEPT.forget)


def openai_client(target: Target, options: dict[str, Any], *, in_asyncio: bool) -> Any:
    """What `Target.openai` and `Target.async_openai` promise."""
    if target.dialect not in _OF_OPENAI:
        raise ValueError(f"{target.id} speaks {target.dialect}, which the openai package does not")
    own = {name: options.pop(name, None) for name in ("api_key", "organization", "project")}
    key = own["api_key"] or target.api_key() or _NO_KEY
    sdk = _sdk("openai")
    is_azure = target.dialect == "azure-openai"
    classic = is_azure and target.api_version

    def build() -> Any:
        headers = {f"OpenAI-{name.title()}": own[name] or sdk.Omit() for name in ("organization", "project")}
        if classic:
            make = sdk.AsyncAzureOpenAI if in_asyncio else sdk.AzureOpenAI
            address = {"azure_endpoint": target.base_url, "api_version": target.api_version}
            headers.update({"api-key": key, "Authorization": sdk.Omit()})
        else:
            make = sdk.AsyncOpenAI if in_asyncio else sdk.OpenAI
            address = {"base_url": f"{target.base_url}/openai/v1" if is_azure else target.base_url}
            headers["Authorization"] = f"Bearer {key}"
        headers = _only(headers, "OPENAI_CUSTOM_HEADERS", sdk.Omit())
        return make(**address, api_key=key, max_retries=0, default_headers=headers)

    place = ("openai", target.dialect, target.base_url, target.api_version, key, own["organization"], own["project"])
    return _client(place, build, options, in_asyncio=in_asyncio)


def anthropic_client(target: Target, options: dict[str, Any], *, in_asyncio: bool) -> Any:
    """What `Target.anthropic` and `Target.async_anthropic` promise."""
    if target.dialect != "anthropic":
        raise ValueError(f"{target.id} speaks {target.dialect}, which the anthropic package does not")
    key = options.pop("api_key", None) or target.api_key() or _NO_KEY
    sdk = _sdk("anthropic")

    def build() -> Any:
        make = sdk.AsyncAnthropic if in_asyncio else sdk.Anthropic
        own = {"x-api-key": key, "Authorization": sdk.Omit()}
        headers = _only(own, "ANTHROPIC_CUSTOM_HEADERS", sdk.Omit())
        return make(base_url=target.base_url, api_key=key, max_retries=0, default_headers=headers)

    return _client(("anthropic", target.base_url, key), build, options, in_asyncio=in_asyncio)


def _sdk(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError(f"the {name} package is missing: install hotspare-client[{name}]", name=name) from None


def _client(key: tuple[Any, ...], build: Callable[[], Any], options: dict[str, Any], *, in_asyncio: bool) -> Any:
    try:
        client = _KEPT.get(asyncio.get_running_loop() if in_asyncio else None, key, build)
    except RuntimeError:  # outside of a loop, nobody knows in which one it will be used
        client = build()
    return client.with_options(**options) if options else client


def _only(own: Mapping[str, Any], variable: str, omit: Any) -> dict[str, Any]:
    """The headers `own`, and none of those that the SDK takes from the environment."""
    lines = os.environ.get(variable, "").split("\n")
    names = {name.strip() for name, colon, _ in (line.partition(":") for line in lines) if colon}
    # Whatever their case: some versions of the SDKs tell two spellings apart.
    return {**dict.fromkeys(names - set(own), omit), **own}
