"""Tells systemd that the service is ready, is alive, and stops (the protocol of sd_notify)."""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

_MILLION: Final = 1_000_000
#: systemd asks for two signs of life within its time, so that one may be late.
_SIGNS: Final = 2


class Supervisor:
    """Who supervises this process, by the variables of its environment; without one, nothing is sent.

    Nothing waits for it and no failure of it is one of the service.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        watched = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        within_us = environ.get("WATCHDOG_USEC", "") if watched else ""
        self.every_s = int(within_us) / _MILLION / _SIGNS if within_us.isdecimal() and int(within_us) else None
        """How often it wants a sign of life; None where it wants none."""

    def tell(self, *assignments: str) -> None:
        """Send these, such as `READY=1`."""
        if not self._address:
            return
        with suppress(OSError, ValueError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(assignments).encode(), self._address)

    async def watch(self, trouble: Callable[[], str | None]) -> None:
        """Give signs of life for ever, unless there is trouble: then systemd starts the service again."""
        if self.every_s is None:
            return
        while True:
            stuck = trouble()
            self.tell(f"STATUS={stuck}") if stuck else self.tell("WATCHDOG=1")
            await asyncio.sleep(self.every_s)
