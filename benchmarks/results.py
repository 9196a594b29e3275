"""Results of a benchmark's runs, kept in files so that no run is done twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lightning_gans.core.writing import whole_file

__all__ = ["keep"]


def keep(path: Path, result: dict[str, Any], indent: int | None = 1) -> None:
    """As JSON, written whole or not at all; without `indent` in one line, for results that hold pictures or points."""
    with whole_file(path) as part:
        part.write_text(json.dumps(result, indent=indent) + "\n")
