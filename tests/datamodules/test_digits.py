"""Digits: the split, the sizes and what becomes of the 8x8 originals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor

from datamodules import Digits

__all__: list[str] = []


def digits(**options: Any) -> Digits:
    data = Digits(**options)
    data.prepare_data()
    data.setup("fit")
    return data


def originals() -> tuple[Tensor, Tensor]:
    """All 8x8 originals scaled to [0, 255], train before test; and their labels."""
    data = load_digits()
    images = (torch.from_numpy(data.images) * 255 / 16).round().to(torch.uint8)
    return images, torch.from_numpy(data.target).long()


def test_the_shape_is_known_before_anything_is_loaded() -> None:
    data = Digits(size="28x40", channels=3)
    assert data.image_shape == (3, 28, 40)
    assert data.num_classes == 10
    assert data.class_names == ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
    assert data.tags is None
    assert not hasattr(data, "train_dataset")


def test_size_8_is_the_original_split_in_1400_and_397() -> None:
    data = digits(size=8)
    images, labels = originals()
    assert torch.equal(data.train_dataset.images[:, 0], images[:1400])
    assert torch.equal(data.train_dataset.labels, labels[:1400])
    assert torch.equal(data.test_dataset.images[:, 0], images[1400:])
    assert torch.equal(data.test_dataset.labels, labels[1400:])
    assert len(data.test_dataset) == 397


def test_the_split_is_disjoint_and_does_not_depend_on_seeds() -> None:
    data = digits(size=8)
    train, test = (
        {image.numpy().tobytes() for image in part.images} for part in (data.train_dataset, data.test_dataset)
    )
    assert len(train) == 1400  # the 1,797 images all differ, so images stand for indices
    assert len(test) == 397
    assert not train & test
    torch.manual_seed(123)
    np.random.seed(123)
    other = digits(size=8, seed=5)
    assert torch.equal(other.train_dataset.images, data.train_dataset.images)
    assert torch.equal(other.test_dataset.labels, data.test_dataset.labels)


def test_size_32_is_size_28_with_a_black_border_of_2() -> None:
    data, inner = digits(), digits(size=28)
    images = data.train_dataset.images
    assert data.image_shape == (1, 32, 32)
    assert images.shape == (1400, 1, 32, 32)
    assert images.dtype == torch.uint8
    assert torch.equal(images[..., 2:-2, 2:-2], inner.train_dataset.images)
    assert images.sum() == inner.train_dataset.images.sum() > 0  # so all of the border is 0
    assert images.max() == 255


@pytest.mark.parametrize("size", [16, 24, 28])
def test_enlarged_digits_stay_the_same_digits(size: int) -> None:
    data = digits(size=size)
    assert data.test_dataset.images.shape == (397, 1, size, size)
    small = F.interpolate(data.test_dataset.images.float(), (8, 8), mode="area")[:, 0]
    distances = torch.cdist(small.flatten(1), originals()[0][1400:].float().flatten(1))
    # Of all 397 originals its own is the nearest or, as smoothing takes some closer to a twin by the same hand, the second.
    assert all(own in nearest for own, nearest in enumerate(distances.topk(2, largest=False).indices.tolist()))


def test_channels() -> None:
    grey, colour, alpha = (digits(channels=channels).test_dataset.images for channels in ("auto", 3, 4))
    assert torch.equal(colour, torch.cat([grey] * 3, dim=1))
    assert torch.equal(alpha[:, :3], colour)
    assert torch.equal(alpha[:, 3], torch.full_like(grey[:, 0], 255))


def test_a_size_below_the_original_is_refused() -> None:
    with pytest.raises(ValueError) as caught:
        Digits(size=7)
    assert str(caught.value) == "size 7; allowed: 8 or more"


def test_a_batch() -> None:
    data = digits(batch_size=16)
    batch = next(iter(data.train_dataloader()))
    rows = data.train_dataloader().sampler.batch(0)  # type: ignore[attr-defined]
    assert torch.equal(batch["images"], data.train_dataset.images[rows])
    assert torch.equal(batch["labels"], data.train_dataset.labels[rows])
