"""Starting a new run from the weights of another: what fits is loaded, what does not is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lightning_gans import CGAN, DCGAN, GAN
from lightning_gans.core.loading import init_from, write_weights
from tests.cli.conftest import TINY, Call, files
from tests.training import fit

CKPT = Path("runs") / "dcgan-digits" / "1" / "checkpoints" / "last.ckpt"
FROM = ["train", "--model", "dcgan", *TINY, "--data.size", "16", "--trainer.max_steps", "1", "--init_from", CKPT]


def state(path: Path) -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return loaded


def tiny(**options: object) -> DCGAN:
    sizes = {"latent_dim": 6, "generator_channels": 4, "discriminator_channels": 4}
    return DCGAN((1, 16, 16), **{**sizes, **options})  # type: ignore[arg-type]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    model = tiny(ema_decay=0.5)
    fit(model, 2).save_checkpoint(tmp_path / "a.ckpt")
    return tmp_path / "a.ckpt"


def test_the_same_model_starts_whole_as_a_new_run(checkpoint: Path) -> None:
    model = tiny(ema_decay=0.5)
    loaded, skipped, unused = init_from(model, checkpoint)
    theirs = state(checkpoint)
    assert (loaded, skipped, unused) == (len(theirs), [], 0)
    assert all(torch.equal(value, theirs[key]) for key, value in model.state_dict().items())
    assert (model.iterations, model.images_seen, model.seed) == (0, 0, None)


def test_weights_that_no_trainer_wrote_start_a_run_and_resume_none(call: Call) -> None:
    path = Path("weights.ckpt")
    write_weights(tiny(), path)
    assert isinstance(DCGAN.load_from_checkpoint(path), DCGAN)
    started = call(*FROM[:-1], path, "--model.latent_dim", "6")
    assert started.code == 0, started.err
    resumed = call(*FROM[:-2], "--ckpt_path", path, "--model.latent_dim", "6")
    assert (resumed.code, resumed.last) == (
        1,
        "error: checkpoint 'weights.ckpt' holds weights and no run to go on with; allowed: --init_from weights.ckpt",
    )


def test_a_larger_image_keeps_the_layers_that_fit(checkpoint: Path) -> None:
    model = DCGAN((3, 16, 16), latent_dim=6, generator_channels=4, discriminator_channels=4)
    started = init_from(model, checkpoint)
    theirs = state(checkpoint)
    assert started.skipped == [
        "generator.layers.6.weight (4x1x4x4 there, 4x3x4x4 here)",
        "discriminator.layers.0.weight (4x1x4x4 there, 4x3x4x4 here)",
    ]
    assert torch.equal(model.state_dict()["generator.layers.0.weight"], theirs["generator.layers.0.weight"])
    assert started.loaded == len(model.state_dict()) - 2
    assert started.unused == len([key for key in theirs if key.startswith("generator_ema.")])


def test_an_average_that_is_missing_there_starts_at_the_weights(tmp_path: Path) -> None:
    fit(tiny(), 2).save_checkpoint(tmp_path / "raw.ckpt")
    model = tiny(ema_decay=0.5)
    assert init_from(model, tmp_path / "raw.ckpt").skipped == []
    average = model.generator_ema.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(value, average[key]) for key, value in model.generator.state_dict().items())


def test_other_classes(tmp_path: Path) -> None:
    def build(classes: int) -> CGAN:
        return CGAN((1, 8, 8), classes, generator_channels=24, discriminator_channels=24)

    fit(build(10), 1).save_checkpoint(tmp_path / "ten.ckpt")
    assert init_from(build(3), tmp_path / "ten.ckpt").skipped == [
        "generator.classes.weight (20x10 there, 20x3 here)",
        "discriminator.classes.linear.weight (25x10 there, 25x3 here)",
    ]


def test_a_start_that_depends_on_data_does_not_undo_it(tmp_path: Path) -> None:
    sizes = {"latent_dim": 6, "generator_channels": 12, "discriminator_channels": 4}
    fit(GAN((1, 8, 8), **sizes), 3).save_checkpoint(tmp_path / "a.ckpt")
    model = GAN((1, 8, 8), **sizes, lr=1e-6)
    init_from(model, tmp_path / "a.ckpt")
    bias = model.generator.pixels.bias.detach().clone()
    fit(model, 1)
    torch.testing.assert_close(model.generator.pixels.bias.detach(), bias, atol=1e-4, rtol=0)


def test_nothing_fits(checkpoint: Path) -> None:
    model = GAN((1, 8, 8), latent_dim=6, generator_channels=12, discriminator_channels=4)
    with pytest.raises(ValueError, match=r"^nothing in '.*a\.ckpt' \(model 'dcgan'\) fits GAN as it is built here$"):
        init_from(model, checkpoint)


def test_the_command_says_what_it_skipped(call: Call, run_copy: Path) -> None:
    theirs = state(run_copy / "checkpoints" / "last.ckpt")
    answer = call(*FROM, "--data.channels", "3", "--model.lr", "1e-9")
    assert answer.code == 0, answer.err
    line = next(line for line in answer.err.splitlines() if line.startswith("started from"))
    assert line.startswith(f"started from '{CKPT}': ")
    assert "; 3 skipped: generator.layers.6.weight (8x1x4x4 there, 8x3x4x4 here), discriminator.layers.0.weight" in line
    ours = state(run_copy.parent / "2" / "checkpoints" / "last.ckpt")
    torch.testing.assert_close(
        ours["generator.layers.3.weight"], theirs["generator.layers.3.weight"], atol=1e-8, rtol=0
    )


def test_not_together_with_going_on(call: Call, run_copy: Path, tmp_path: Path) -> None:
    before = files(tmp_path)
    answer = call(*FROM, "--ckpt_path", "last")
    message = "error: --init_from starts a new run, --ckpt_path goes on with one: give one of them"
    assert (answer.code, answer.last) == (2, message)
    answer = call(*FROM[:-1], "nowhere.ckpt")
    assert (answer.code, answer.last) == (1, "error: no checkpoint at 'nowhere.ckpt'")
    assert files(tmp_path) == before
