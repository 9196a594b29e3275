"""Names on the command line: which models and data sets there are, what each is, and what a wrong name is answered.

Files are read, never imported: no torch on this path.
"""

from __future__ import annotations

import ast
import os
from pathlib import Path
from types import ModuleType

from lightning_gans.cli.errors import UsageError
from lightning_gans.registry import MODELS, list_models, nearest

__all__ = ["check_data", "check_model", "is_path", "listing"]


def check_model(name: str) -> None:
    """Raises UsageError for a name that is no model; it holds the nearest name and the list."""
    if name not in list_models():
        raise UsageError(nearest(name, list_models(), "model"))


def check_data(name: str) -> None:
    """Raises UsageError for a name that is no data set; it holds the nearest name and the list."""
    known = _data().list_data()
    if name not in known:
        raise UsageError(nearest(name, known, "data"))


def is_path(data: str) -> bool:
    """Whether what was given as ``--data`` is a folder or .zip of the user's and not a name."""
    looks = os.sep in data or data.lower().endswith(".zip")  # one that is missing is told as such
    return data not in _data().list_data() and (looks or Path(data).exists())


def listing() -> str:
    """Models and data sets, each with the first line of its file's docstring."""
    models = [(name, _summary(MODELS / f"{name}.py")) for name in list_models()]
    folder = Path(_data().__path__[0])
    data = [(name, _summary(folder / f"{name}.py")) for name in _data().list_data()]
    width = max((len(name) for name, _ in models + data), default=0) + 2

    def rows(entries: list[tuple[str, str]]) -> list[str]:
        return [f"  {name:<{width}}{summary}".rstrip() for name, summary in entries]

    return "\n".join(["models (--model):", *rows(models), "", "data (--data):", *rows(data), ""])


def _data() -> ModuleType:
    """Our data modules.

    Raises:
        UsageError: a folder of the user's project has their name and comes first on Python's path.
    """
    import datamodules

    if not hasattr(datamodules, "list_data"):
        places = [*getattr(datamodules, "__path__", []), getattr(datamodules, "__file__", None)]
        raise UsageError(
            f"'{places[0]}' hides the data modules of lightning-gans, which have the same name; run from another folder or "
            "take that one off PYTHONPATH (importing models from lightning_gans works beside it)"
        )
    return datamodules


def _summary(path: Path) -> str:
    """The first sentence of a file's docstring, or its first line if that is shorter."""
    try:
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except (OSError, SyntaxError):
        return ""
    return docstring.partition("\n\n")[0].replace("\n", " ").partition(". ")[0].strip().rstrip(".")
