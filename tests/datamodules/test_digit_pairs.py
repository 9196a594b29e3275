"""Digit pairs: what belongs together stays together, labels of held-out pairs, both directions, exact resume."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from datamodules import DigitPairs, Digits
from datamodules._digit_transforms import coloured, edge, negative
from lightning_gans.batch import normalize_batch

__all__: list[str] = []


def pairs(**options: Any) -> DigitPairs:
    data = DigitPairs(**options)
    data.prepare_data()
    data.setup("fit")
    return data


def digits(size: int = 32) -> Digits:
    data = Digits(size=size)
    data.setup()
    return data


def made(transform: str, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    if transform == "colour":
        return images, coloured(images, labels)
    return (edge if transform == "edge" else negative)(images), images


@pytest.mark.parametrize("transform", ["edge", "negative", "colour"])
@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
@pytest.mark.parametrize("size", [28, 32])
def test_pairs_are_made_of_the_digits(transform: str, direction: str, size: int) -> None:
    data, plain = pairs(transform=transform, direction=direction, size=size), digits(size)
    assert (len(data.train_dataset), len(data.test_dataset)) == (1400, 397)
    for ours, theirs in ((data.train_dataset, plain.train_dataset), (data.test_dataset, plain.test_dataset)):
        batch = ours.__getitems__(list(range(0, 397, 11)))
        rows = slice(0, 397, 11)
        assert theirs.labels is not None
        a, b = made(transform, theirs.images[rows], theirs.labels[rows])
        source, target = (a, b) if direction == "AtoB" else (b, a)
        assert torch.equal(batch["source"], source)
        assert torch.equal(batch["target"], target)
        assert tuple(source.shape[1:]) == data.source_shape
        assert tuple(target.shape[1:]) == data.target_shape == data.image_shape
        assert torch.equal(ours.read(np.arange(0, 397, 11))["images"], target)


def test_what_is_known_before_anything_is_loaded() -> None:
    data = DigitPairs()
    assert (data.source_shape, data.target_shape) == ((1, 32, 32), (1, 32, 32))
    assert (data.num_classes, data.class_names) == (None, None)
    data = DigitPairs(transform="colour", direction="BtoA", size=28)
    assert (data.source_shape, data.target_shape) == ((3, 28, 28), (1, 28, 28))
    assert not hasattr(data, "train_dataset")


def test_held_out_pairs_have_labels_and_batches_to_train_on_have_not() -> None:
    data, plain = pairs(batch_size=16), digits()
    assert plain.test_dataset.labels is not None
    held_out = list(data.val_dataloader())
    assert torch.equal(torch.cat([batch["labels"] for batch in held_out]), plain.test_dataset.labels)
    batch = next(iter(data.train_dataloader()))
    assert set(batch) == {"source", "target"}
    assert len(batch["source"]) == 16
    normal = normalize_batch(batch, first=True)
    assert normal["source"].dtype == normal["target"].dtype == torch.float32


def test_a_batch_is_what_the_sampler_dealt() -> None:
    data = pairs(batch_size=8, num_workers=2)
    loader = data.train_dataloader()
    for position, batch in zip(range(3), loader, strict=False):
        rows = loader.sampler.batch(position)  # type: ignore[attr-defined]
        expected = data.train_dataset.__getitems__(rows)
        assert torch.equal(batch["source"], expected["source"])
        assert torch.equal(batch["target"], expected["target"])
        assert torch.equal(edge(batch["target"]), batch["source"])


def test_what_a_checkpoint_keeps_builds_the_same_pairs() -> None:
    data = pairs(transform="colour", direction="BtoA", size=28)
    assert data.source is not None
    assert data.source["name"] == "digit_pairs"
    again = pairs(**data.source["options"])
    for key in ("source", "target", "labels"):
        assert torch.equal(again.test_dataset[5][key], data.test_dataset[5][key])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transform": "blur"}, "transform 'blur'; allowed: 'edge', 'negative', 'colour'"),
        ({"direction": "atob"}, "direction 'atob'; allowed: 'AtoB', 'BtoA'"),
        ({"digits": "usps"}, "digits 'usps'; allowed: 'embedded', 'mnist'"),
        ({"size": 7}, "size 7; allowed: 8 or more"),
    ],
)
def test_options_outside_what_is_allowed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        DigitPairs(**options)
    assert str(caught.value) == message
