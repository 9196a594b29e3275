"""What the benchmark of coupled generators can judge."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_gans import CoGAN, CycleGAN
from lightning_gans.core.adversarial import AdversarialModule
from lightning_gans.core.loading import write_weights
from tests.benchmarks.wrong import says

SMALL: dict[str, Any] = {"generator_channels": 4, "discriminator_channels": 4}


def checkpoint(path: Path, module: AdversarialModule, data: str | None = "digit_domains", **options: Any) -> Path:
    """As training on such data leaves it."""
    write_weights(module, path)
    held = torch.load(path, weights_only=True)
    torch.save({**held, "data": data and {"name": data, "options": {"size": 28, **options}}}, path)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return checkpoint(tmp_path / "good.ckpt", CoGAN(latent_dim=6, **SMALL), transform="negative")


def test_what_it_cannot_judge_is_told_in_one_line(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the table begins, so behind a good checkpoint too."""
    missing = tmp_path / "missing.ckpt"
    assert says("coupled", good, missing, capsys=capsys) == (1, f"error: no checkpoint at '{missing}'\n")
    colour = checkpoint(tmp_path / "colour.ckpt", CoGAN((3, 28, 28), latent_dim=6, **SMALL), transform="colour")
    message = f"error: '{colour}' was trained with transform 'colour'; allowed: edge, negative\n"
    assert says("coupled", good, colour, capsys=capsys) == (2, message)
    digits = checkpoint(tmp_path / "digits.ckpt", CoGAN(latent_dim=6, **SMALL), "digits")
    message = f"error: '{digits}' was trained on digits; allowed: digit_domains\n"
    assert says("coupled", digits, capsys=capsys) == (2, message)
    untold = checkpoint(tmp_path / "untold.ckpt", CoGAN(latent_dim=6, **SMALL), None)
    message = f"error: '{untold}' does not say what it was trained on; allowed: digit_domains\n"
    assert says("coupled", untold, capsys=capsys) == (2, message)
    other = checkpoint(
        tmp_path / "cyclegan.ckpt", CycleGAN((1, 28, 28), generator_channels=4, discriminator_channels=4)
    )
    message = f"error: '{other}' holds model 'cyclegan'; allowed: cogan\n"
    assert says("coupled", other, capsys=capsys) == (2, message)


def test_a_good_checkpoint_has_a_row(
    good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["coupled.py", str(good), "--n", "8"])
    with torch.no_grad():
        importlib.import_module("coupled").main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("| real, negative | 1.000 | 0.750 |")
    assert lines[3].startswith("| negative, 0 iterations |")
