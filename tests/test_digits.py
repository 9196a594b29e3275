"""The judge of digits judges rightly, and DCGAN's own recipe passes it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules import Digits
from lightning_gans import load
from lightning_gans.cli import main
from tests.digits import score_digits


def held_out(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    data = Digits(size=32)
    data.setup("fit")
    batch = data.test_dataset.__getitems__(list(range(n)))
    return batch["images"].float() / 127.5 - 1.0, batch["labels"]


def test_real_digits_pass() -> None:
    images, labels = held_out(397)
    score = score_digits(images, labels)
    assert score.problems() == []
    assert score.distance == pytest.approx(1.0, abs=1e-6)
    assert score.nearest == pytest.approx(1.0, abs=1e-6)
    assert score.classes == 10
    assert score.read_as_asked is not None
    assert score.read_as_asked > 0.9


def test_blends_repeats_and_noise_fail() -> None:
    images, labels = held_out(397)
    rng = np.random.default_rng(0)
    blends = (images + images[rng.permutation(397)]) / 2
    ten = torch.stack([images[labels == digit][0] for digit in range(10)])[rng.integers(0, 10, 397)]
    noise = torch.rand(397, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = {name: score_digits(samples) for name, samples in (("blends", blends), ("ten", ten), ("noise", noise))}
    assert found["blends"].distance > 2.5
    assert found["ten"].distance > 8
    assert found["ten"].spread < 0.1
    assert found["noise"].distance > 20
    assert all(score.problems() for score in found.values())


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_dcgan_learns_digits_in_1000_iterations(tmp_path: Path) -> None:
    torch.set_num_threads(2)
    options = ["--trainer.max_steps", "1000", "--trainer.default_root_dir", str(tmp_path), "--logger", "none"]
    assert main(["train", "--model", "dcgan", *options]) == 0
    model = load(tmp_path / "runs" / "dcgan-digits" / "1" / "checkpoints" / "last.ckpt")
    average, raw = (score_digits(model.generate(400, seed=0, ema=ema)) for ema in (True, False))
    assert average.problems() == [], average
    assert average.distance <= 1.25 * raw.distance, (average, raw)
