from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger

from datamodules import DrawnFaces, drawn_faces
from lightning_gans import DCGAN, AnimeGAN, CycleGAN, Pix2Pix
from lightning_gans.batch import to_uint8
from lightning_gans.callbacks import RunCheckpoint, SampleGrid
from lightning_gans.core.pictures import grid
from tests.translation import Domains, Pairs

Make, Run = Callable[..., DCGAN], Callable[..., pl.Trainer]


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_start_cadence_and_end(tiny: Make, run: Run, tmp_path: Path) -> None:
    run(tiny(), SampleGrid(every=4), steps=10)
    assert names(tmp_path / "samples") == ["00000000.png", "00000004.png", "00000008.png", "00000010.png"]


def test_an_end_on_the_cadence_is_drawn_once(tiny: Make, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    generate = DCGAN.generate
    monkeypatch.setattr(DCGAN, "generate", lambda self, n, **o: drawn.append(self.iterations) or generate(self, n, **o))
    run(tiny(), SampleGrid(every=2, n=4), steps=4)
    assert drawn == [0, 2, 4]


def test_always_the_same_latents(tiny: Make, run: Run, tmp_path: Path) -> None:
    model = tiny()
    start = grid(model.generate(16, seed=3), 4)
    run(model, SampleGrid(every=100, n=16, seed=3, folder=tmp_path), steps=2)
    end = grid(model.generate(16, seed=3), 4)
    for iteration, expected in ((0, start), (2, end)):
        with Image.open(tmp_path / f"{iteration:08d}.png") as picture:
            assert picture.mode == "L"
            assert torch.equal(torch.from_numpy(np.array(picture)), expected[0])
    assert not torch.equal(start, end)


def test_classes_in_rows(tiny: Make, run: Run, digits: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    generate = DCGAN.generate

    def spy(self: DCGAN, n: int, **options: Any) -> torch.Tensor:
        asked.append(options["labels"].tolist())
        return generate(self, n, **options)

    monkeypatch.setattr(DCGAN, "generate", spy)
    model = tiny(image_shape=(1, 28, 28), network="mnist", num_classes=10)
    run(model, SampleGrid(n=20), steps=1, data=digits(size=28))
    assert asked[0] == [label for label in range(5) for _ in range(4)]


def test_tags_in_rows(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn_faces, "TRAIN_IMAGES", 64)
    monkeypatch.setattr(drawn_faces, "TEST_IMAGES", 2)
    monkeypatch.setenv("LIGHTNING_GANS_CACHE", str(tmp_path / "cache"))
    asked = []
    generate = AnimeGAN.generate
    monkeypatch.setattr(AnimeGAN, "generate", lambda self, n, **o: asked.append(o["labels"]) or generate(self, n, **o))
    data = DrawnFaces(size=16)
    sizes = {"generator_channels": 4, "discriminator_channels": 2, "generator_blocks": 1}
    model = AnimeGAN((3, 16, 16), tags=data.tags, **sizes)
    run(model, SampleGrid(n=92, seed=5), steps=1, data=data)
    rows = asked[0].view(23, 4, 23)
    assert all(rows[tag, :, tag].all() for tag in range(23))
    assert (asked[0][:, :9].sum(1) == 1).all()
    assert (asked[0][:, -6:].sum(1) == 1).all()
    assert torch.equal(asked[0], asked[1])
    drawn = model.drawn_labels(range(92), 5)
    assert torch.equal(asked[0][:36, 9:], drawn[:36, 9:])  # rows of hair colours change nothing else
    with Image.open(tmp_path / "samples" / "00000001.png") as picture:
        assert picture.size == (4 * 18 + 2, 23 * 18 + 2)


def test_a_resumed_run_does_not_start_again(tiny: Make, run: Run, tmp_path: Path) -> None:
    run(tiny(), RunCheckpoint(tmp_path), steps=3)
    run(tiny(), SampleGrid(every=5, n=4), steps=5, ckpt_path=tmp_path / "last.ckpt")
    assert names(tmp_path / "samples") == ["00000005.png"]


def test_loggers_that_take_images_get_them(tiny: Make, run: Run, digits: Callable[..., Any], tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    colour = digits(channels=3)
    board = TensorBoardLogger(tmp_path, name="", version="")
    wandb = WandbLogger(experiment=MagicMock())
    run(tiny(channels=3), SampleGrid(every=2, n=4), steps=3, logger=[board, wandb], data=colour)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Images("samples")] == [0, 2, 3]
    logged = [call.args[0] for call in wandb.experiment.log.call_args_list if "samples" in call.args[0]]
    assert [metrics["trainer/global_step"] for metrics in logged] == [0, 2, 3]
    assert [metrics["samples"][0].image.size for metrics in logged] == [(38, 38)] * 3
    assert names(tmp_path / "samples") == ["00000000.png", "00000002.png", "00000003.png"]


def test_training_is_the_same_with_and_without(tiny: Make, run: Run, same: Callable[..., bool]) -> None:
    watched, plain = tiny(ema_decay=0.99), tiny(ema_decay=0.99)
    run(watched, SampleGrid(every=1, n=4), steps=4)
    run(plain, steps=4)
    assert same(watched.state_dict(), plain.state_dict())


@pytest.mark.parametrize("held_out", [True, False])
def test_strips_of_translations(held_out: bool, run: Run, tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"receptive_field": 16, "generator_channels": 2, "discriminator_channels": 2}
    model = CycleGAN((1, 16, 16), (1, 16, 16), network="resnet_6", **sizes)
    data: Any = Domains(size=16, batch_size=2)
    data.prepare_data()
    data.setup()
    wanted = data.on_after_batch_transfer(next(iter(data.val_dataloader())), 0)
    if not held_out:
        wanted = {key: torch.randint(0, 256, (2, 1, 16, 16), dtype=torch.uint8) for key in "ab"}
        data = pl.LightningDataModule()
        data.train_dataloader = lambda: torch.utils.data.DataLoader([wanted] * 4, batch_size=None)
    run(model, SampleGrid(every=2, n=16), steps=3, data=data)
    assert names(tmp_path / "samples") == ["00000000.png", "00000002.png", "00000003.png"]
    with Image.open(tmp_path / "samples" / "00000003.png") as picture:
        pixels = torch.from_numpy(np.array(picture))
    assert pixels.shape == (2 * 18 + 2, 2 * 66 + 2)  # two rows; a strip of four pictures each way
    assert torch.equal(pixels[2:18, 2:18], wanted["a"][0, 0])
    assert torch.equal(pixels[20:36, 2 + 66 + 48 : 2 + 66 + 64], wanted["a"][1, 0])  # the other way's target
    output = to_uint8(model.translate(wanted["a"][:1]))[0, 0]
    assert (pixels[2:18, 18:34].int() - output.int()).abs().max() <= 1


def test_strips_leave_training_as_it_is(run: Run, same: Callable[..., bool]) -> None:
    states = []
    for callbacks in ([SampleGrid(every=1, n=4)], []):
        torch.manual_seed(0)
        sizes: dict[str, Any] = {"receptive_field": 16, "generator_channels": 2, "discriminator_channels": 2}
        model = Pix2Pix((1, 32, 32), (1, 32, 32), network="unet_32", release="lua", **sizes)  # with dropout
        run(model, *callbacks, steps=3, data=Pairs(size=32, batch_size=4))
        states.append(model.state_dict())
    assert same(*states)


def test_a_dry_run_leaves_nothing(tiny: Make, run: Run, tmp_path: Path) -> None:
    run(tiny(), SampleGrid(n=4), fast_dev_run=True)
    assert names(tmp_path) == []


def test_bad_options() -> None:
    with pytest.raises(ValueError, match=r"^every 0, n 64; allowed: at least 1 each$"):
        SampleGrid(every=0)
