"""Lets no other site's page speak with ours: its websocket is refused before anything looks at the cookies."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

_REFUSED: Final = 1008
_Message = MutableMapping[str, Any]
_App = Callable[[_Message, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]], Awaitable[None]]


class SameOrigin:
    """ASGI middleware: a websocket may come from this host or from `url`, the page's own address, alone.

    Without an `Origin`, which every browser sends, nobody counts as signed in. Streamlit itself also admits pages of
    every port of this machine, and asks a service on the internet for its address in order to compare.
    """

    def __init__(self, app: _App, url: str | None) -> None:
        self._app = app
        self._url = urlsplit(url or "").netloc.lower()

    async def __call__(
        self,
        scope: _Message,
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        """Pass it on, or close it."""
        if scope["type"] == "websocket" and not self._is_ours(dict(scope["headers"])):
            await receive()
            await send({"type": "websocket.close", "code": _REFUSED})
            return
        await self._app(scope, receive, send)

    def _is_ours(self, headers: dict[bytes, bytes]) -> bool:
        origin = headers.get(b"origin")
        if origin is None:
            return True
        site = urlsplit(origin.decode("latin-1")).netloc.lower()
        return bool(site) and site in {headers.get(b"host", b"").decode("latin-1").lower(), self._url}
