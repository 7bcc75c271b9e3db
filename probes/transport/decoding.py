"""Decodes response bodies, up to a cap of one mebibyte."""

import zlib

CAP = 1024 * 1024
#: Codings that clients may ask for and probes do not.
_UNDECODABLE = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz", "aes128gcm", "exi", "pack200-gzip"})
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
_AUTO = 32 + zlib.MAX_WBITS  # gzip or zlib, by the header


class UndecodableBodyError(ValueError):
    """The body cannot be decoded; the message says why, in a few words."""


class Decoder:
    """Decodes chunks of a body; stops at the cap of received or of decoded bytes.

    Probes ask for `identity`; gzip and deflate are decoded all the same, because some edges compress anyway. Labels
    that name no coding (`none`, `utf-8`, `identity, identity`) are ignored, as clients do.
    """

    def __init__(self, content_encoding: str) -> None:
        codings = [coding.strip() for coding in content_encoding.lower().split(",")]
        compressed = [coding for coding in codings if coding in _COMPRESSED]
        if len(compressed) > 1 or _UNDECODABLE.intersection(codings):
            raise UndecodableBodyError(f"content encoding {content_encoding[:40]}, which was not requested")
        self._inflate = zlib.decompressobj(_AUTO) if compressed else None
        self._raw = self._decoded = 0

    @property
    def full(self) -> bool:
        """Whether the cap is reached."""
        return self._raw >= CAP or self._decoded >= CAP

    def feed(self, chunk: bytes) -> bytes:
        """The decoded bytes of this chunk, cut at the cap; raises UndecodableBodyError for corrupt compression."""
        self._raw += len(chunk)
        room = max(0, CAP - self._decoded)
        try:
            if self._inflate is None or not room:
                decoded = chunk[:room]
            else:
                decoded = self._inflate.decompress(self._inflate.unconsumed_tail + chunk, room)
        except zlib.error as error:
            raise UndecodableBodyError("corrupt compression") from error
        self._decoded += len(decoded)
        return decoded
