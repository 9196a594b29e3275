"""The registry of models: the files of ``models/``, read without importing them (so without torch).

A file's name is the model's name on the command line; the class is the file's, spelled as in the paper.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["find_class", "import_model", "list_models", "nearest"]

MODELS = Path(__file__).parent / "models"


def list_models() -> list[str]:
    """Names of all models, sorted; each is a file of ``lightning_gans/models``."""
    return sorted(path.stem for path in MODELS.glob("*.py") if not path.stem.startswith("_"))


def nearest(name: str, known: Iterable[str], what: str) -> str:
    """One line for an unknown name: the nearest known one, and the list."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"unknown {what} '{name}'.{hint} Choose from: {', '.join(names)}"


def import_model(name: str) -> Any:
    """The class of the model called ``name`` ("dcgan" -> DCGAN): the first name of its file's ``__all__``.

    Raises:
        ValueError: no such model; the message holds the nearest name and the list.
    """
    if name not in list_models():
        raise ValueError(nearest(name, list_models(), "model"))
    module = importlib.import_module(f"lightning_gans.models.{name}")
    return getattr(module, module.__all__[0])


def find_class(class_name: str) -> Any | None:
    """The model class spelled exactly ``class_name`` ("WGANGP"), or None; imports only the file it stands in."""
    for name in list_models():
        if name.replace("_", "") == class_name.lower():
            found = import_model(name)
            return found if found.__name__ == class_name else None
    return None
