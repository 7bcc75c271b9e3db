"""What the bytes of one connection are read from and written to, and how it is encrypted."""

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

#: The most bytes that `Stream.read` returns at once.
CHUNK = 2048

T = TypeVar("T")


class ConnectError(Exception):
    """No connection came about; the cause is the system's or TLS's error."""


class ReadError(Exception):
    """The connection broke while it was read; the cause is the system's or TLS's error."""


class Stream(ABC):
    """One connection."""

    @abstractmethod
    async def read(self, most: int = CHUNK) -> bytes:
        """The next bytes, at most `most`, empty at the end; raises ReadError, or what broke the connection."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Waits until the operating system has accepted all that was written."""

    @abstractmethod
    def close(self) -> None:
        """Closes the connection at once, whatever is on its way."""

    async def read_exactly(self, count: int) -> bytes:
        """So many bytes; fewer only where the other side has sent no more."""
        data = b""
        while len(data) < count and (chunk := await self.read(count - len(data))):
            data += chunk
        return data


class TlsStream(Stream):
    """An encrypted connection over another, to be begun with `shake_hands`.

    asyncio's own takes 256 KiB for each connection, and leaves them to the collector of garbage.
    """

    def __init__(self, below: Stream, context: ssl.SSLContext, server_hostname: str) -> None:
        self._below = below
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)

    async def shake_hands(self) -> None:
        """Agree on keys with the other side, whose certificate is verified; raises ConnectError."""
        try:
            await self._exchange(self._tls.do_handshake)
        except ssl.SSLEOFError as error:
            raise ConnectError("the connection ended with its handshake") from ConnectionResetError(str(error))
        except (OSError, ReadError) as error:  # includes ssl.SSLError
            raise ConnectError(str(error)) from error

    async def read(self, most: int = CHUNK) -> bytes:
        """The next bytes; whether the end came too soon, HTTP says."""
        if self._tls.pending():
            await asyncio.sleep(0)  # as before each chunk of a backlog
        try:
            return await self._exchange(partial(self._tls.read, most))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""
        except ssl.SSLError as error:
            raise ReadError(str(error)) from error

    async def write(self, data: bytes) -> None:
        """Waits until the operating system has accepted all of it, encrypted."""
        left = memoryview(data)
        while left:
            left = left[await self._exchange(partial(self._tls.write, left)) :]

    def close(self) -> None:
        """Closes the connection below."""
        self._below.close()

    async def _exchange(self, step: Callable[[], T]) -> T:
        """What this step of TLS results in, once as much was sent and received as it takes."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._send()
                if data := await self._below.read():
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            except ssl.SSLError:
                with suppress(OSError, ReadError):
                    await self._send()  # the other side is told why
                raise
            else:
                await self._send()
                return result

    async def _send(self) -> None:
        if data := self._outgoing.read():
            await self._below.write(data)
