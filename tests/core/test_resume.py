"""A run that was killed and resumed from its last checkpoint ends bit-identical to the one that was never stopped."""

import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from tests.core.resuming import EVERY, STEPS, train
from tests.core.toys import Toy, images_loader
from tests.training import fit, same_state, state_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("workers", "kill_at"),
    [(0, 6), (2, 14), pytest.param(0, 11, marks=pytest.mark.slow), pytest.param(2, 22, marks=pytest.mark.slow)],
)
def test_sigkill_and_resume(workers: int, kill_at: int, tmp_path: Path) -> None:
    whole = state_of(*train(str(tmp_path / "whole"), workers))
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "tests.core.resuming", str(killed), str(workers), str(kill_at)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == -signal.SIGKILL, result.stderr[-2000:]
    checkpoint = torch.load(killed / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == kill_at // EVERY * EVERY
    model, runner = train(str(killed), workers, ckpt_path=str(killed / "last.ckpt"), seed=123)
    assert model.iterations == STEPS
    assert same_state(whole, state_of(model, runner)) == []


def test_the_comparison_sees_a_difference(tmp_path: Path) -> None:
    """Without the random state of the first run, dropout differs: the test above could fail."""
    first = state_of(*train(str(tmp_path / "a"), 0))
    second = state_of(*train(str(tmp_path / "b"), 0, seed=5))
    assert "/weights/generator.layers.0.weight" in same_state(first, second)


def test_a_foreign_loader_warns_once(tmp_path: Path) -> None:
    path = str(tmp_path / "a.ckpt")
    fit(Toy(), 2, images_loader(40, 4)).save_checkpoint(path)
    with pytest.warns(UserWarning, match=r"^the order of this DataLoader is not restored") as seen:
        fit(Toy(), 4, images_loader(40, 4), ckpt_path=path)
    assert len([w for w in seen if "is not restored" in str(w.message)]) == 1


def test_our_loaders_do_not_warn(tmp_path: Path) -> None:
    path = str(tmp_path / "a.ckpt")
    fit(Toy(), 2).save_checkpoint(path)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        fit(Toy(), 4, ckpt_path=path)
    assert [str(w.message) for w in seen if "restored" in str(w.message) or "resumable" in str(w.message)] == []


def test_another_models_checkpoint_is_refused(tmp_path: Path) -> None:
    from lightning_gans import DCGAN, GAN

    path = str(tmp_path / "gan.ckpt")
    tiny = GAN(image_shape=(1, 8, 8), generator_channels=4, discriminator_channels=2)
    fit(tiny, 1).save_checkpoint(path)
    message = r"^a checkpoint of 'gan' cannot be loaded as 'dcgan'; lightning_gans\.load\(path\) loads any model$"
    with pytest.raises(ValueError, match=message):
        DCGAN.load_from_checkpoint(path)
