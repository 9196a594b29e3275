"""Runs in processes of their own: train.py, several processes, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.cli.conftest import TINY

ROOT = Path(__file__).parents[2]
BASE = ["--model", "dcgan", *TINY, "--data.size", "16", "--trainer.log_every_n_steps", "2"]


def start(folder: Path, *flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "train.py"), *BASE, *flags]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def test_two_processes_share_one_folder(tmp_path: Path) -> None:
    process = start(tmp_path, "--trainer.devices", "2", "--trainer.max_steps", "4", "--samples.n", "4")
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert [path.name for path in (tmp_path / "runs" / "dcgan-digits").iterdir()] == ["1"]
    run = Path("runs") / "dcgan-digits" / "1"
    assert err.count("pictures: ") == 1
    assert err.splitlines()[-1] == (
        f"pictures: {run}/samples, more: lightning-gans generate {run}/checkpoints/last.ckpt --n 64 --out samples.png"
    )
    assert out == ""
    assert (tmp_path / run / "metrics.csv").read_text().count("\n") == 5  # two of training, two of scores
    checkpoint = torch.load(tmp_path / run / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 4
    assert checkpoint["adversarial"]["images_seen"] == 4 * 64 * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGINT, "Saved iteration"), (signal.SIGTERM, "error: stopped by SIGTERM")]
)
def test_a_signal_saves_and_ends_with_one(tmp_path: Path, number: signal.Signals, said: str) -> None:
    process = start(tmp_path, "--trainer.max_steps", "100000", "--checkpoint.every", "100000")
    metrics = tmp_path / "runs" / "dcgan-digits" / "1" / "metrics.csv"
    deadline = time.monotonic() + 120
    while not (metrics.exists() and metrics.read_text().count("\n") > 2) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert said in err
    assert "Traceback" not in err
    assert (metrics.parent / "checkpoints" / "last.ckpt").is_file()


def test_the_package_runs_as_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lightning_gans", "generat"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("error: unknown command 'generat'. Did you mean generate?")
    assert found.stderr.count("\n") == 1
