"""Few labels: which images show them, what a batch holds, and that the order is a pure function of the position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor

from datamodules import CIFAR10, MNIST, SVHN, Digits, FashionMNIST, Gaussians, ImageFolder, StackedMNIST
from datamodules._partly_labelled import PartlyLabelledSampler, choose_labelled
from datamodules.base import ImageDataModule
from tests.datamodules.folders import folder, ready

__all__: list[str] = []

N = 40
"""Images: image i is all i and of class i % 4."""


class Numbered(ImageDataModule):
    classes = tuple("abcd")
    min_size = 2

    def load(self, train: bool) -> tuple[Tensor, Tensor]:
        numbers = torch.arange(N)
        images = numbers.to(torch.uint8).view(N, 1, 1, 1).repeat(1, 1, *self.image_shape[1:])
        if self.flip:
            images[..., 1:] = 0
        return images, numbers % 4


class Recorder(LightningModule):
    """Remembers the batches it was trained on and validated with, as (image, label)."""

    def __init__(self, parts: int = 1) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[list[tuple[int, int]]] = []
        self.validated: list[list[int]] = []
        self.parts = parts

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        self.seen.append(pairs(batch))
        return self.weight * 1.0

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        self.validated.append([image for image, _ in pairs(batch)])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Blind(Recorder):
    """Does not validate."""

    validation_step = LightningModule.validation_step


def pairs(batch: dict[str, Tensor]) -> list[tuple[int, int]]:
    return list(zip(batch["images"].flatten(1).amax(dim=1).tolist(), batch["labels"].tolist(), strict=True))


def numbered(**options: Any) -> Numbered:
    data = Numbered(**{"size": 2, "batch_size": 8, "labels_per_class": 3, **options})
    data.setup()
    return data


def sampler(batch_size: int = 8, fraction: float = 0.5, **options: Any) -> PartlyLabelledSampler:
    data = numbered()
    assert data.train_dataset.labelled is not None
    return PartlyLabelledSampler(data.train_dataset, N, batch_size, labelled_fraction=fraction, **options)


def fit(data: ImageDataModule, model: Recorder, steps: int, ckpt: Path | None = None) -> Trainer:
    trainer = Trainer(
        accelerator="cpu",
        max_steps=steps,
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(model, datamodule=data, ckpt_path=ckpt)
    return trainer


def test_the_chosen_are_equally_many_of_each_class_and_named_by_the_seed() -> None:
    labels = torch.arange(N) % 4
    chosen = choose_labelled(labels, 3, "abcd", seed=0)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert torch.bincount(labels[chosen]).tolist() == [3, 3, 3, 3]
    assert np.array_equal(choose_labelled(labels, 3, "abcd", seed=0), chosen)
    assert not np.array_equal(choose_labelled(labels, 3, "abcd", seed=1), chosen)
    assert set(chosen) <= set(choose_labelled(labels, 5, "abcd", seed=0))  # more labels keep the first ones


@pytest.mark.parametrize("fraction", [0.5, 0.25, 0.01, 0.99, 1.0])
def test_every_batch_holds_its_share_of_labelled_images(fraction: float) -> None:
    data = numbered(labelled_fraction=fraction)
    labelled = {0.5: 4, 0.25: 2, 0.01: 1, 0.99: 7, 1.0: 8}[fraction]
    assert data.train_dataset.labelled is not None
    chosen = set(data.train_dataset.labelled.tolist())
    loader = data.train_dataloader()
    for _ in range(3):
        for batch in loader:
            rows = pairs(batch)
            shown = [(image, label) for image, label in rows if label >= 0]
            assert len(rows) == 8
            assert len(shown) == labelled
            assert all(image in chosen and label == image % 4 for image, label in shown)


def test_an_epoch_is_one_pass_through_all_images_without_labels() -> None:
    order = sampler()
    assert len(order) == 10 * 8
    rows = [row for position in range(10) for row in order.batch(position)]
    assert sorted(row - 2 * N for row in rows if row >= 2 * N) == list(range(N))


def test_labelled_images_come_in_rounds() -> None:
    order, data = sampler(), numbered()
    assert data.train_dataset.labelled is not None
    chosen = data.train_dataset.labelled.tolist()
    rows = [row for position in range(12) for row in order.batch(position) if row < 2 * N]
    rounds = [rows[start : start + 12] for start in range(0, 48, 12)]  # 3 batches of 4 are a round of 12
    assert all(sorted(part) == chosen for part in rounds)
    assert len({tuple(part) for part in rounds}) == 4


def test_a_batch_larger_than_a_round_repeats_images() -> None:
    rows = [row for row in sampler(batch_size=60).batch(3) if row < 2 * N]
    assert len(rows) == 30
    assert max(rows.count(row) for row in rows) == 3
    assert len(set(rows)) == 12


@pytest.mark.parametrize(("fraction", "size", "share"), [(0.5, 8, 2), (0.25, 16, 2), (0.75, 8, 3)])
def test_parts_and_chunks_of_a_batch_have_their_share(fraction: float, size: int, share: int) -> None:
    rows = sampler(size, fraction).batch(0)
    halves = (rows[: size // 2], rows[size // 2 :])
    assert [sum(row < 2 * N for row in half) for half in halves] == [share, share]


@pytest.mark.parametrize("flip", [False, True])
def test_two_processes_share_the_joint_batch_of_one(flip: bool) -> None:
    joint = sampler(8, flip=flip)
    both = [sampler(4, flip=flip, world=2, rank=rank) for rank in (0, 1)]
    for position in range(25):
        first, second = (order.batch(position) for order in both)
        assert sorted(first + second) == sorted(joint.batch(position))
        assert [sum(row < 2 * N for row in rows) for rows in (first, second)] == [2, 2]


def test_mirrored_images_keep_their_labels() -> None:
    data = numbered(flip=True, batch_size=40)
    assert len(data.train_dataset) == 4 * N
    (batch,) = list(data.train_dataloader())[:1]
    assert set(batch) == {"images", "labels", "flip"}
    shown = batch["labels"] >= 0
    assert batch["flip"][shown].any()
    assert batch["flip"][~shown].any()
    assert not batch["flip"].all()
    assert torch.equal(batch["labels"][shown], batch["images"][shown].flatten(1).amax(dim=1) % 4)
    assert data.train_dataset[2 * N + 5]["labels"].item() == -1
    assert data.train_dataset[-1]["flip"].item()


def test_read_gives_all_labels() -> None:
    assert numbered().train_dataset.read(np.arange(N))["labels"].tolist() == [i % 4 for i in range(N)]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_sees_the_same_batches(workers: int, tmp_path: Path) -> None:
    whole = Recorder(parts=2)
    fit(numbered(num_workers=workers), whole, 17)
    assert all(len(rows) == 16 for rows in whole.seen)
    part = Recorder(parts=2)
    fit(numbered(num_workers=workers), part, 8).save_checkpoint(tmp_path / "half.ckpt")
    resumed = Recorder(parts=2)
    fit(numbered(num_workers=workers), resumed, 17, tmp_path / "half.ckpt")
    assert part.seen + resumed.seen == whole.seen


def test_test_images_are_validated_in_order(recwarn: pytest.WarningsRecorder) -> None:
    model, blind = Recorder(), Blind()
    fit(numbered(), model, 10)
    assert [image for rows in model.validated for image in rows] == list(range(N))
    fit(numbered(), blind, 10)
    assert blind.validated == []
    assert not [warning for warning in recwarn if "val_dataloader" in str(warning.message)]
    state = torch.get_rng_state()
    assert len(list(numbered().predict_dataloader())) == 5
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels_per_class": 0}, "labels_per_class 0; allowed: None, or 1 or more"),
        ({"labelled_fraction": 0.0}, "labelled_fraction 0.0; allowed: above 0, up to 1"),
        ({"labelled_fraction": 1.5}, "labelled_fraction 1.5; allowed: above 0, up to 1"),
        (
            {"labels_per_class": 11},
            "labels_per_class 11: class 'a' has 10 training images; allowed: None, or 1 to 10",
        ),
    ],
)
def test_options_outside_what_is_allowed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        numbered(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize("data", [Digits, MNIST, FashionMNIST, CIFAR10, SVHN, StackedMNIST, Gaussians])
def test_sets_that_take_the_options(data: Any) -> None:
    built = data(labels_per_class=10, labelled_fraction=0.25)
    assert (built.labels_per_class, built.labelled_fraction) == (10, 0.25)


@pytest.mark.parametrize("data", [StackedMNIST(size=8, train_images=40_000), Gaussians(train_points=2_000)])
def test_sets_that_are_made_when_asked_for(data: ImageDataModule) -> None:
    data.labels_per_class, data.batch_size, (_, height, width) = 4, 20, data.image_shape
    data.setup()
    dataset = data.train_dataset
    assert dataset.labelled is not None
    assert len(dataset.labelled) == 4 * (data.num_classes or 0)
    for position, batch in zip(range(3), data.train_dataloader(), strict=False):
        rows = np.asarray(data.train_dataloader().sampler.batch(position))  # type: ignore[union-attr]
        assert batch["images"].shape == (20, data.image_shape[0], height, width)
        whole, hidden = dataset.read(rows % dataset.count), rows >= 2 * dataset.count
        assert hidden.sum() == 10
        assert torch.equal(batch["images"], whole["images"])
        assert batch["labels"].tolist() == np.where(hidden, -1, whole["labels"].numpy()).tolist()


@pytest.mark.parametrize("cache_limit", [None, 0])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_folder(cache_limit: int | None, workers: int, tmp_path: Path) -> None:
    names = [f"{name}/{number}.png" for name in ("cat", "dog") for number in range(6)]
    data = ready(
        folder(tmp_path, *names), labels_per_class=2, batch_size=6, num_workers=workers, cache_limit=cache_limit
    )
    labelled = data.train_dataset.labelled
    assert labelled is not None
    assert [names[row].partition("/")[0] for row in labelled] == ["cat"] * 2 + ["dog"] * 2
    batches = list(data.train_dataloader())
    assert [sorted(batch["labels"].tolist()) for batch in batches[:1]] != [[-1] * 6]
    assert all((batch["labels"] >= 0).sum() == 3 for batch in batches)
    shown = {images.numpy().tobytes(): label for images, label in _rows(batches) if label >= 0}
    chosen = data.train_dataset.read(labelled)
    known = {images.numpy().tobytes(): label for images, label in _rows([chosen])}
    assert shown.items() <= known.items()


def test_a_folder_of_which_some_images_have_labels(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", *(f"{number}.png" for number in range(8)))
    (root / "l.csv").write_text("file,label\n" + "".join(f"{n}.png,{n % 2 if n < 6 else -1}\n" for n in range(8)))
    data = ready(root, labels="l.csv", labels_per_class=3)
    assert data.train_dataset.labelled is not None
    assert data.train_dataset.labelled.tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(
        ValueError, match=r"^labels_per_class 4: class '0' has 3 training images; allowed: None, or 1 to 3$"
    ):
        ready(root, labels="l.csv", labels_per_class=4)


def test_images_without_labels_have_none_to_show(tmp_path: Path) -> None:
    message = "^labels_per_class 1 of images without labels; allowed: None$"
    with pytest.raises(ValueError, match=message):
        ImageFolder(root=folder(tmp_path, "1.png"), labels_per_class=1)
    with pytest.raises(ValueError, match=message):
        Gaussians(mixture="swiss_roll", labels_per_class=1)


def test_a_class_without_images_has_no_labels_to_show() -> None:
    with pytest.raises(ValueError, match=r"^labels_per_class 1: class 'c' has 0 training images; allowed: None$"):
        choose_labelled(torch.tensor([0, 1]), 1, "abc", seed=0)


def _rows(batches: list[dict[str, Tensor]]) -> list[tuple[Tensor, int]]:
    return [pair for batch in batches for pair in zip(batch["images"], batch["labels"].tolist(), strict=True)]


def test_digits_with_ten_labels_a_class() -> None:
    data = Digits(size=8, batch_size=100, labels_per_class=10)
    data.setup()
    batch = next(iter(data.train_dataloader()))
    assert torch.bincount(batch["labels"] + 1)[0] == 50
    assert data.train_dataset.labelled is not None
    assert torch.bincount(data.train_dataset.labels[data.train_dataset.labelled]).tolist() == [10] * 10
