"""Decoding and the cap."""

import gzip
import zlib

import pytest

from probes.transport.decoding import CAP, Decoder, UndecodableBodyError


@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "deflate"])
def test_a_body_is_decoded_chunk_by_chunk(encoding: str) -> None:
    """Byte by byte, every encoding gives the body back."""
    body = b"hello " * 100
    raw = {"gzip": gzip.compress(body), "deflate": zlib.compress(body)}.get(encoding, body)
    decoder = Decoder(encoding)

    assert b"".join(decoder.feed(raw[i : i + 1]) for i in range(len(raw))) == body
    assert not decoder.full


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_no_more_than_the_cap_is_decoded(encoding: str) -> None:
    """A body of 20 MiB gives one, compressed or not, and then says that it is full."""
    body = b"x" * (20 * CAP)
    raw = gzip.compress(body) if encoding else body
    decoder = Decoder(encoding)
    decoded = b"".join(decoder.feed(raw[i : i + 65536]) for i in range(0, len(raw), 65536))

    assert len(decoded) == CAP
    assert decoder.full


def test_compressed_emptiness_is_capped_too() -> None:
    """What never decodes to anything is full by its raw size."""
    decoder = Decoder("gzip")
    empty = gzip.compress(b"")
    decoder.feed(empty)
    for _ in range(17):
        decoder.feed(b"\0" * 65536)

    assert decoder.full


def test_what_nobody_asked_for_is_refused() -> None:
    """An unknown encoding and corrupt compression are told apart."""
    with pytest.raises(UndecodableBodyError, match="br"):
        Decoder("br")
    with pytest.raises(UndecodableBodyError, match="corrupt"):
        Decoder("gzip").feed(b"no gzip at all")
