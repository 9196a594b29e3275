"""Recipes and configuration files: which apply to a run, and in which order. Reads YAML, imports no torch.

A recipe is a flat Lightning configuration plus ``model_name`` and ``data_name``. ``--model M`` takes ``M.yaml``; with
``--data D`` it takes ``M-D.yaml`` instead, if there is one, else ``M.yaml`` without the ``data:`` section that was
written for other data. D may be the name of a protocol on a folder, such as imagenet128: ``data_name`` tells the data.
Then come ``--config`` files in their order, then flags.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lightning_gans.cli.errors import UsageError

__all__ = ["Source", "choose_recipe", "fit_to", "is_special", "merge", "read_config"]

RECIPES = Path(__file__).parents[1] / "recipes"
NAMES = ("model_name", "data_name")


@dataclass(frozen=True)
class Source:
    """One configuration and where it came from (``name``, for messages)."""

    name: str
    values: dict[str, Any]

    @property
    def model_name(self) -> str | None:
        """The model this was written for."""
        return self.values.get("model_name")

    @property
    def data_name(self) -> str | None:
        """The data this was written for."""
        return self.values.get("data_name")


def read_config(path: str | Path) -> Source:
    """Read one YAML file.

    Raises:
        UsageError: no such file, no YAML, or no mapping in it.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UsageError(f"configuration file '{path}' is no YAML: {' '.join(str(error).split())}") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text file"
        raise UsageError(f"cannot read configuration file '{path}': {reason}") from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise UsageError(f"configuration file '{path}' holds {type(values).__name__}; allowed: a mapping of options")
    return Source(str(path), values)


def choose_recipe(model: str, data: str | None) -> Source | None:
    """The recipe for a model, on its own data (``data`` None) or on data that was named; None where there is none."""
    special = RECIPES / f"{model}-{data}.yaml"
    general = RECIPES / f"{model}.yaml"
    if data is not None and special.exists():
        return read_config(special)
    return read_config(general) if general.exists() else None


def is_special(recipe: Source, model: str, data: str) -> bool:
    """Whether a recipe is the one for a model on data of this name, not the model's general one."""
    return Path(recipe.name) == RECIPES / f"{model}-{data}.yaml"


def fit_to(source: Source, model: str, data: str) -> dict[str, Any]:
    """What of a configuration applies to a run of this model on this data.

    A ``data:`` section written for other data goes, and so does a ``model:`` section written for another model.
    """
    kept = {key: value for key, value in source.values.items() if key not in NAMES}
    if source.data_name not in (None, data):
        kept.pop("data", None)
    if source.model_name not in (None, model):
        kept.pop("model", None)
    return kept


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Both configurations, section by section; where both set an option, ``above`` wins."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged
