"""A wheel in an empty environment trains outside the checkout; recipes and data modules travel with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_readme import example

ROOT = Path(__file__).parents[1]


def run(*command: str, cwd: Path) -> str:
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    result = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env={**clean, "PIP_QUIET": "1"}
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_wheel_in_an_empty_environment(tmp_path: Path) -> None:
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(tmp_path), str(ROOT), cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    run(sys.executable, "-m", "venv", str(tmp_path / "venv"), cwd=tmp_path)
    python = str(tmp_path / "venv" / "bin" / "python")
    run(python, "-m", "pip", "install", str(wheel), cwd=tmp_path)
    where = run(
        python,
        "-c",
        "import lightning_gans, datamodules; print(lightning_gans.__file__, datamodules.__file__)",
        cwd=tmp_path,
    )
    assert all(str(tmp_path / "venv") in path for path in where.split())
    command = str(tmp_path / "venv" / "bin" / "lightning-gans")
    tiny = ["--model.generator_channels", "8", "--model.discriminator_channels", "8", "--trainer.max_steps", "3"]
    run(command, "train", "--model", "dcgan", *tiny, cwd=tmp_path)
    folder = tmp_path / "runs" / "dcgan-digits" / "1"
    assert (folder / "samples" / "00000003.png").stat().st_size > 0
    run(command, "generate", str(folder / "checkpoints" / "last.ckpt"), "--n", "4", "--out", "grid.png", cwd=tmp_path)
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")
    for mark in ("class MyData", "my_batches"):  # the README's other two ways
        run(python, "-c", example(mark), cwd=tmp_path)
