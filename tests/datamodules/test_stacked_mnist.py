"""Stacked MNIST: what a picture is made of, which pictures there are, and that they are made when they are asked for."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datamodules import MNIST, Digits, StackedMNIST
from datamodules._idx import FILES, IDXError
from datamodules.stacked_mnist import StackedDigits
from lightning_gans.metrics.modes import class_modes, stacked_classes

__all__: list[str] = []


def stacked(**options: Any) -> StackedMNIST:
    data = StackedMNIST(**options)
    data.prepare_data()
    data.setup("fit")
    return data


def singles(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All embedded digits, (1797, size, size), and their labels; training digits first."""
    data = Digits(size=size)
    data.setup()
    labels = [dataset.labels for dataset in (data.train_dataset, data.test_dataset)]
    images = torch.cat([data.train_dataset.images, data.test_dataset.images])[:, 0]
    return images, torch.cat(labels)  # type: ignore[arg-type]


def write_idx(folder: Path) -> Path:
    """MNIST's four files with 20 and 10 images: image i has pixels i and is of class i % 10."""
    folder.mkdir(parents=True)
    for split, n in enumerate((20, 10)):
        images = np.repeat(np.arange(n, dtype=np.uint8), 28 * 28).tobytes()
        labels = (np.arange(n) % 10).astype(np.uint8).tobytes()
        sizes = b"".join(side.to_bytes(4, "big") for side in (n, 28, 28))
        (folder / f"{FILES[2 * split]}.gz").write_bytes(gzip.compress(bytes((0, 0, 8, 3)) + sizes + images))
        (folder / FILES[2 * split + 1]).write_bytes(bytes((0, 0, 8, 1)) + sizes[:4] + labels)
    return folder


def test_what_is_known_before_anything_is_loaded() -> None:
    data = StackedMNIST()
    assert data.image_shape == (3, 32, 32)
    assert StackedMNIST(size=28).image_shape == (3, 28, 28)
    assert data.num_classes == 1000
    assert data.class_names is not None
    assert (data.class_names[0], data.class_names[42], data.class_names[999]) == ("000", "042", "999")
    assert not hasattr(data, "train_dataset")


def test_a_picture_is_three_digits_and_its_label_their_number() -> None:
    data = stacked(size=28)
    assert (len(data.train_dataset), len(data.test_dataset)) == (128_000, 26_000)
    images, labels = singles(28)
    for dataset in (data.train_dataset, data.test_dataset):
        assert isinstance(dataset, StackedDigits)
        rows = np.array([5, 77, 5, 25_999])
        batch = dataset.read(rows)
        assert batch["images"].shape == (4, 3, 28, 28)
        assert batch["images"].dtype == torch.uint8
        triples = torch.from_numpy(dataset.triples[rows])
        assert torch.equal(batch["images"], images[triples])
        assert torch.equal(batch["labels"], stacked_classes(labels[triples]))
        assert batch["labels"].dtype == torch.int64


def test_32_pixels_are_28_with_a_black_border_of_2() -> None:
    rows = np.arange(50)
    large, small = (stacked(size=size).train_dataset.read(rows) for size in (32, 28))
    assert torch.equal(large["images"][..., 2:-2, 2:-2], small["images"])
    assert large["images"].sum() == small["images"].sum() > 0
    assert torch.equal(large["labels"], small["labels"])


def test_only_the_digits_are_kept() -> None:
    data = stacked(train_images=1_000_000)
    assert len(data.train_dataset) == 1_000_000
    assert data.train_dataset.images.shape == (1797, 1, 32, 32)


def test_all_classes_are_there_in_their_shares() -> None:
    data = stacked(size=8)
    for dataset in (data.train_dataset, data.test_dataset):
        assert dataset.labels is not None
        found = class_modes(dataset.labels, 1000)
        assert found.modes == 1000
        assert found.kl < 0.03
        for place in (100, 10, 1):  # each channel shows each digit
            shares = (dataset.labels // place % 10).bincount(minlength=10) / len(dataset)
            assert (shares - 0.1).abs().max() < 0.01


def test_pictures_and_their_order_depend_on_the_seed_only() -> None:
    first = stacked(size=8, train_images=64, batch_size=8)
    torch.manual_seed(123)
    np.random.seed(123)
    again, other = (stacked(size=8, train_images=64, batch_size=8, seed=seed) for seed in (0, 1))
    assert torch.equal(first.train_dataset.labels, again.train_dataset.labels)  # type: ignore[arg-type]
    assert not torch.equal(first.train_dataset.labels, other.train_dataset.labels)  # type: ignore[arg-type]
    assert not torch.equal(first.train_dataset.labels, first.test_dataset.labels[:64])  # type: ignore[index, arg-type]
    order = first.train_dataloader().sampler
    batches = list(first.train_dataloader())
    assert len(batches) == 8
    for position, batch in enumerate(batches):
        rows = np.array(order.batch(position))  # type: ignore[attr-defined]
        assert torch.equal(batch["images"], first.train_dataset.read(rows)["images"])
    for workers in (1, 2):
        same = stacked(size=8, train_images=64, batch_size=8, num_workers=workers)
        for batch, other_batch in zip(batches, same.train_dataloader(), strict=True):
            assert torch.equal(batch["images"], other_batch["images"])
            assert torch.equal(batch["labels"], other_batch["labels"])


def test_the_pictures_are_frozen() -> None:
    """Changing them would change every published figure."""
    data = stacked(size=8, train_images=3)
    assert isinstance(data.train_dataset, StackedDigits)
    assert data.train_dataset.triples.tolist() == [[757, 1669, 26], [952, 686, 817], [1793, 1323, 550]]


def test_digits_may_be_held_out() -> None:
    every, apart = stacked(size=8), stacked(size=8, held_out=True)
    assert [len(dataset.images) for dataset in (every.train_dataset, every.test_dataset)] == [1797, 1797]
    assert [len(dataset.images) for dataset in (apart.train_dataset, apart.test_dataset)] == [1400, 397]
    images, _ = singles(8)
    assert torch.equal(apart.test_dataset.images[:, 0], images[1400:])


def test_mnist(tmp_path: Path) -> None:
    write_idx(tmp_path / "MNIST/raw")
    data = stacked(root=tmp_path, digits="mnist", download=False, size=28)
    assert data.train_dataset.images.shape == (30, 1, 28, 28)
    batch = data.train_dataset.read(np.arange(40))
    assert isinstance(data.train_dataset, StackedDigits)
    triples = torch.from_numpy(data.train_dataset.triples[:40])
    pixels = torch.where(triples < 20, triples, triples - 20)
    assert torch.equal(batch["images"][..., 3, 4].long(), pixels)
    assert torch.equal(batch["labels"], stacked_classes(pixels % 10))
    assert data.source is not None
    assert data.source["name"] == "stacked_mnist"
    again = stacked(**data.source["options"])
    assert torch.equal(again.train_dataset.read(np.arange(40))["images"], batch["images"])


def test_missing_mnist_is_told_as_of_mnist(tmp_path: Path) -> None:
    with pytest.raises(IDXError) as ours:
        stacked(root=tmp_path, digits="mnist", download=False)
    with pytest.raises(IDXError) as mnists:
        MNIST(root=tmp_path, download=False).prepare_data()
    assert str(ours.value) == str(mnists.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"digits": "svhn"}, "digits 'svhn'; allowed: 'embedded', 'mnist'"),
        ({"train_images": 0}, "train_images 0; allowed: 1 or more"),
        ({"size": 7}, "size 7; allowed: 8 or more"),
        ({"size": 27, "digits": "mnist"}, "size 27; allowed: 28 or more"),
        ({"seed": -1}, "seed -1; allowed: 0 or more"),
    ],
)
def test_options_outside_what_is_allowed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        StackedMNIST(**options)
    assert str(caught.value) == message
