"""Parsers of streams: bytes, cut anywhere, into events.

Server-sent events and the binary event stream of AWS; both give `ServerSentEvent`s.
"""
