"""What a benchmark says when it is given something wrong."""

import importlib
import sys
from pathlib import Path

import pytest

__all__ = ["says"]


def says(benchmark: str, *arguments: str | Path, capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """The exit code and stderr of a benchmark that ends before it has begun; stdout must be empty."""
    module = importlib.import_module(benchmark)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"{benchmark}.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            module.main()
    out, err = capsys.readouterr()
    assert out == ""
    return stop.value.code, err
