"""httpx without its command line, which it imports where it can, with rich and click: 5 MB and a tenth of a second."""

import sys

if "httpx" not in sys.modules:
    sys.modules["httpx._main"] = None  # type: ignore[assignment]

import httpx

__all__ = ["httpx"]
