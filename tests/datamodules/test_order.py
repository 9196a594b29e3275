"""The order of batches: a pure function of the position, the same for any workers and processes, exact after resume."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from datamodules._sampler import PositionSampler
from datamodules.base import ImageDataModule

__all__: list[str] = []

N = 23
BATCHES = 5  # of 4 images, an epoch


class Numbered(ImageDataModule):
    """Image i is labelled i; its left column is i and all else is 0, so that a mirrored image is known as such."""

    classes = tuple(map(str, range(N)))
    min_size = 2

    def load(self, train: bool) -> tuple[Tensor, Tensor]:
        labels = torch.arange(N)
        images = torch.zeros(N, 1, *self.image_shape[1:], dtype=torch.uint8)
        images[..., 0] = labels.view(N, 1, 1).to(torch.uint8)
        return images, labels


class Recorder(LightningModule):
    """Remembers the rows it was trained on; fails in iteration ``fail_at`` of this run."""

    def __init__(self, parts: int | None = None, fail_at: int | None = None) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.rows: list[list[int]] = []
        self.fail_at = fail_at
        if parts is not None:
            self.parts = parts

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        if len(self.rows) == self.fail_at:
            raise RuntimeError("power cut")
        assert set(batch) == {"images", "labels"}
        mirrored = (batch["images"][:, 0, 0, -1] > 0) & (batch["labels"] > 0)
        self.rows.append((batch["labels"] + N * mirrored).tolist())
        return self.weight * 1.0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class SaveEverywhere(Callback):
    """Checkpoints from the hooks that save in practice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, trainer: Trainer, name: str) -> None:
        trainer.save_checkpoint(self.folder / f"{name}.ckpt")

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self.save(trainer, f"batch{trainer.global_step}")

    def on_train_epoch_end(self, trainer: Trainer, *args: Any) -> None:
        self.save(trainer, f"epoch{trainer.current_epoch}")

    def on_train_end(self, trainer: Trainer, *args: Any) -> None:
        self.save(trainer, "end")

    def on_exception(self, trainer: Trainer, *args: Any) -> None:
        self.save(trainer, "exception")


def fit(data: ImageDataModule, model: Recorder, steps: int, ckpt: Path | None = None, **options: Any) -> Trainer:
    options = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, **options}
    trainer = Trainer(
        accelerator="cpu", max_steps=steps, max_epochs=-1, enable_checkpointing=False, num_sanity_val_steps=0, **options
    )
    trainer.fit(model, datamodule=data, ckpt_path=ckpt)
    return trainer


def sampler(batch_size: int = 4, images: int = N, **options: Any) -> PositionSampler:
    return PositionSampler(range(images), images, batch_size, **options)  # type: ignore[arg-type]


def expected(batches: int, **options: Any) -> list[list[int]]:
    """What ``Numbered`` must give: mirroring image 0 changes nothing, as its column is 0."""
    order = sampler(**options)
    return [[0 if row == N else row for row in order.batch(position)] for position in range(batches)]


def test_an_epoch_shows_each_image_at_most_once_and_epochs_differ() -> None:
    order = sampler()
    epochs = [[row for t in range(e * BATCHES, (e + 1) * BATCHES) for row in order.batch(t)] for e in range(3)]
    for rows in epochs:
        assert len(rows) == len(set(rows)) == 20
        assert set(rows) <= set(range(N))
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert sampler(seed=1).batch(0) != order.batch(0)
    assert sampler(seed=1).batch(BATCHES) != order.batch(0)  # (seed, epoch) are not summed
    assert sampler(seed=1).batch(0) != order.batch(BATCHES)


def test_a_batch_does_not_depend_on_what_was_asked_before() -> None:
    forwards = sampler(flip=True)
    there = [forwards.batch(t) for t in range(17)]
    backwards = sampler(flip=True)
    back = [backwards.batch(t) for t in reversed(range(17))]
    assert there == back[::-1]


def test_the_order_is_frozen() -> None:
    """Changing it would make every checkpoint of every user resume in another order."""
    assert sampler().batch(0) == [10, 2, 0, 21]
    assert sampler(flip=True, seed=3).batch(7) == [12, 5, 30, 42]


@pytest.mark.parametrize("flip", [False, True])
def test_two_processes_interleave_to_the_joint_batch(flip: bool) -> None:
    joint = sampler(4, flip=flip)
    first, second = (sampler(2, flip=flip, world=2, rank=rank) for rank in (0, 1))
    assert len(first) == len(second) == len(joint) // 2
    for position in range(12):
        rows = joint.batch(position)
        assert first.batch(position) == rows[0::2]
        assert second.batch(position) == rows[1::2]
        assert not set(rows[0::2]) & set(rows[1::2])


def test_a_set_smaller_than_a_joint_batch_is_repeated_to_fill_one_an_epoch() -> None:
    order = sampler(4, images=3, world=2, rank=0, flip=True)
    other = sampler(4, images=3, world=2, rank=1, flip=True)
    assert len(order) == 4
    for epoch in range(5):
        rows = [0] * 8
        rows[0::2], rows[1::2] = order.batch(epoch), other.batch(epoch)
        images = [row % 3 for row in rows]
        assert sorted(images[:3]) == sorted(images[3:6]) == [0, 1, 2]  # each repeat is a whole permutation
    assert order.batch(0) != order.batch(1)


def test_flips_are_fair_and_drawn_anew_each_epoch() -> None:
    order = sampler(1000, images=1000, flip=True)
    sides = [{row % 1000: row >= 1000 for row in order.batch(epoch)} for epoch in range(2)]
    for side in sides:
        assert len(side) == 1000
        assert 440 < sum(side.values()) < 560  # 3.8 standard deviations
    assert 400 < sum(sides[0][image] != sides[1][image] for image in range(1000)) < 600


def test_set_epoch_changes_nothing() -> None:
    order, touched = sampler(), sampler()
    touched.set_epoch(7)
    assert list(touched) == list(order)


@pytest.mark.parametrize("workers", [0, 2])
def test_without_a_trainer_epochs_follow_each_other(workers: int) -> None:
    data = Numbered(size=2, batch_size=4, num_workers=workers)
    data.setup()
    loader = data.train_dataloader()
    state = torch.get_rng_state()
    seen = [batch["labels"].tolist() for _ in range(3) for batch in loader]
    assert torch.equal(torch.get_rng_state(), state)  # nothing drawn from the global generator
    assert len(loader) == BATCHES
    assert seen == expected(3 * BATCHES)


def test_an_abandoned_epoch_is_over_for_any_number_of_workers() -> None:
    seen = []
    for workers in (0, 2):
        data = Numbered(size=2, batch_size=4, num_workers=workers)
        data.setup()
        loader = data.train_dataloader()
        seen.append([batch["labels"].tolist() for _ in range(2) for batch in islice(loader, 2)])
    assert seen[0] == seen[1] == [expected(7)[t] for t in (0, 1, 5, 6)]


def test_a_batch_is_uint8_and_flips_happen_in_the_hook() -> None:
    data = Numbered(size="2x3", batch_size=20, flip=True, channels=3)
    data.setup()
    assert len(data.train_dataset) == 2 * N
    assert len(data.test_dataset) == N
    (batch,) = data.train_dataloader()
    rows = torch.tensor(sampler(20, flip=True).batch(0))
    assert batch["images"].shape == (20, 3, 2, 3)
    assert (batch["images"].dtype, batch["labels"].dtype, batch["flip"].dtype) == (torch.uint8, torch.int64, torch.bool)
    assert torch.equal(batch["flip"], rows >= N)
    assert batch["flip"].any()
    assert not batch["flip"].all()

    after = data.on_after_batch_transfer(batch, 0)
    assert set(after) == {"images", "labels"}
    assert "flip" in batch  # the loader's own batch is left alone
    straight, mirrored = data.train_dataset.images[rows % N], data.train_dataset.images[rows % N].flip(-1)
    for row in range(20):
        assert torch.equal(after["images"][row], (mirrored if batch["flip"][row] else straight)[row])
    images = torch.zeros(2)
    assert data.on_after_batch_transfer(images, 0) is images  # a foreign batch passes


def test_one_item_looks_like_a_row_of_a_batch() -> None:
    data = Numbered(size=2, batch_size=4)
    data.setup()
    item = data.test_dataset[5]
    assert item["images"].shape == (1, 2, 2)
    assert item["labels"].item() == 5
    assert [item["labels"].item() for item in data.test_dataset] == list(range(N))  # type: ignore[attr-defined]
    with pytest.raises(IndexError):
        data.test_dataset[N]
    data = Numbered(size=2, flip=True)
    data.setup()
    last = data.train_dataset[-1]
    assert (last["labels"].item(), last["flip"].item()) == (N - 1, True)


@pytest.mark.parametrize(("parts", "rows"), [(None, 4), (3, 12)])
def test_images_per_iteration_are_batch_size_times_parts(parts: int | None, rows: int) -> None:
    model = Recorder(parts=parts)
    fit(Numbered(size=2, batch_size=4), model, 3)
    assert model.rows == expected(3, batch_size=rows)


def test_lightning_shorter_epochs_do_not_change_the_order() -> None:
    model = Recorder()
    fit(Numbered(size=2, batch_size=4), model, 11, limit_train_batches=3)
    assert model.rows == expected(11)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_sees_the_batches_of_the_run_that_was_never_stopped(workers: int, tmp_path: Path) -> None:
    def numbered() -> Numbered:
        return Numbered(size=2, batch_size=4, flip=True, num_workers=workers)

    whole = Recorder()
    fit(numbered(), whole, 17, callbacks=[SaveEverywhere(tmp_path)])
    assert whole.rows == expected(17, flip=True)

    # Mid-epoch, an epoch's last batch, its first, in the first and later epochs; after an epoch's end; after the last.
    starts = {"batch3": 3, "batch5": 5, "batch6": 6, "batch10": 10, "batch12": 12, "epoch0": 5, "epoch1": 10, "end": 17}
    for name, start in starts.items():
        resumed = Recorder()
        fit(numbered(), resumed, 23, ckpt=tmp_path / f"{name}.ckpt")
        assert resumed.rows == expected(23, flip=True)[start:], name


@pytest.mark.parametrize("done", [0, 8, 10])
def test_a_run_that_failed_in_mid_step_resumes_with_the_batch_it_failed_on(done: int, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        fit(Numbered(size=2, batch_size=4), Recorder(fail_at=done), 17, callbacks=[SaveEverywhere(tmp_path)])
    resumed = Recorder()
    fit(Numbered(size=2, batch_size=4), resumed, 17, ckpt=tmp_path / "exception.ckpt")
    assert resumed.rows == expected(17)[done:]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 2}, "channels 2; allowed: 'auto', 1, 3, 4"),
        ({"batch_size": 0}, "batch_size 0; allowed: 1 or more"),
        ({"num_workers": -1}, "num_workers -1; allowed: 0 or more"),
        ({"seed": -1}, "seed -1; allowed: 0 or more"),
        ({"seed": 2**32}, "seed 4294967296; allowed: 0 to 4294967295"),
        ({"size": "32by32"}, "size '32by32'; allowed: a number of pixels, or 'HxW'"),
        ({"size": -5}, "size -5; allowed: a number of pixels, or 'HxW'"),
        ({"size": "8x1"}, "size 8x1; allowed: 2 or more"),
    ],
)
def test_options_outside_what_is_allowed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Numbered(**options)
    assert str(caught.value) == message


def test_the_default_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LIGHTNING_GANS_DATA", raising=False)
    assert Numbered().root == Path.home() / ".cache/lightning-gans/data"
    monkeypatch.setenv("LIGHTNING_GANS_DATA", str(tmp_path))
    assert Numbered().root == tmp_path
    assert Numbered(root="~/x").root == Path.home() / "x"
