"""Imports without the garbage collector: what is imported is no garbage, and looking through it is slow."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect nothing meanwhile, and afterwards leave out what is there by then, until `gc.unfreeze`."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
