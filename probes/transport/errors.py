"""Exceptions that transport raises besides those of httpx and httpcore."""


class ResponseTooLargeError(Exception):
    """The other side has sent more bytes than the limit allows."""


class UndecodableBodyError(ValueError):
    """The body cannot be decoded; the message says why, in a few words."""


class UnusableProxyError(ValueError):
    """The proxy cannot be used; the message says why, without its password."""
