"""What a wrong name is answered."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["choices"]


def choices(given: str, known: Iterable[str]) -> str:
    """The end of a message: the nearest known name, if one is near, and the list."""
    names = list(known)
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f"Did you mean '{close[0]}'? " if close else ""
    return f"{hint}Choose from: {', '.join(names)}"
