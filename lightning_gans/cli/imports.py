"""Importing torch and Lightning, which is most of the time until a command answers."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quick_imports"]


@contextmanager
def quick_imports() -> Iterator[None]:
    """No garbage collection meanwhile: it takes a fifth of the time and finds hardly any garbage among modules."""
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # what was imported stays: no collection need look at it ...
        atexit.register(gc.unfreeze)  # ... until the end, when libraries count what they leaked
        gc.enable()
