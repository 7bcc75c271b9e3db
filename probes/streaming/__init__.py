"""Parsers of streamed replies: server-sent events, and the binary event stream of AWS.

In: chunks of bytes, cut anywhere. Out: `ServerSentEvent`s, whichever the wire format.
"""
