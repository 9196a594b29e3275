"""A project with a `datamodules` folder of its own: models import beside it, and the command line names it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", ["package", "folder", "file"])
def test_a_folder_of_the_same_name(kind: str, tmp_path: Path) -> None:
    hiding = tmp_path / ("datamodules.py" if kind == "file" else "datamodules")
    if kind == "file":
        hiding.touch()
    else:
        hiding.mkdir()
    if kind == "package":
        (hiding / "__init__.py").touch()
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    # A folder without __init__.py hides nothing: Python prefers a package further down its path.
    answer = python("-c", "import sys; from lightning_gans.cli import main; sys.exit(main(['train', '--list']))")
    if kind == "folder":
        assert (answer.returncode, answer.stderr) == (0, "")
        assert "digits" in answer.stdout
    else:
        assert answer.returncode == 2
        assert answer.stderr == (
            f"error: '{hiding}' hides the data modules of lightning-gans, which have the same name; run from another folder "
            "or take that one off PYTHONPATH (importing models from lightning_gans works beside it)\n"
        )
    if kind == "package":
        code = "from lightning_gans import DCGAN; print(DCGAN((1, 16, 16)).generate(1, seed=0).shape)"
        assert python("-c", code).stdout == "torch.Size([1, 1, 16, 16])\n"
