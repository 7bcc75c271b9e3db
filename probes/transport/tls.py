"""Which certificate authorities are trusted."""

import os
import ssl
from pathlib import Path

import httpx


def tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """A context that trusts `ca_bundle` alone, else what httpx, the system, SSL_CERT_FILE and SSL_CERT_DIR name.

    Raises ValueError for an unusable bundle, OSError for an unusable SSL_CERT_FILE.
    """
    if ca_bundle is None:
        return _default_context()
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except OSError as error:  # includes ssl.SSLError
        raise ValueError(
            f"network.ca_bundle {str(ca_bundle)!r}: expected a file of PEM certificates: {error}"
        ) from error


def _default_context() -> ssl.SSLContext:
    try:
        context = httpx.create_ssl_context()
    except OSError as error:
        file = os.environ.get("SSL_CERT_FILE")
        raise OSError(f"SSL_CERT_FILE {file!r}: expected a file of PEM certificates: {error}") from error
    context.load_default_certs()
    return context
