"""The API server, from the first configuration on that wants one: to import it takes 8 MB, and a tenth of a second."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from monitor.config.settings import Settings

if TYPE_CHECKING:
    from controller.api.server import ApiServer


class WantedApi:
    """Makes the server with `make` when it is first wanted; `make` imports what it needs."""

    def __init__(self, settings: Settings, make: Callable[[Settings], "ApiServer"]) -> None:
        self._settings, self._make = settings, make
        self._server = make(settings) if settings.api.address else None
        self._wanted = asyncio.Event()

    def reconfigure(self, settings: Settings) -> None:
        """Answer by other settings from now on; on the service's event loop, returns at once."""
        self._settings = settings
        if self._server:
            self._server.reconfigure(settings)
        elif settings.api.address:
            self._wanted.set()

    async def run(self) -> None:
        """For ever."""
        if self._server is None:
            await self._wanted.wait()
            # In a thread: the import must not stall the loop that times the probes.
            server = await asyncio.to_thread(self._make, self._settings)
            server.reconfigure(self._settings)
            self._server = server
        await self._server.run()
