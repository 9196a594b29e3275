"""Every kind of batch a loader may yield, and what is refused."""

import re
from typing import Any

import pytest
import torch

from lightning_gans.batch import normalize_batch, shape_text, to_float, to_uint8

IMAGES = torch.linspace(-1, 1, 2 * 3 * 2 * 2).view(2, 3, 2, 2)
LABELS = torch.tensor([3, -1], dtype=torch.int32)


@pytest.mark.parametrize(
    ("batch", "keys"),
    [
        (IMAGES, ["images"]),
        ([IMAGES], ["images"]),
        ((IMAGES, LABELS), ["images", "labels"]),
        ([IMAGES, torch.ones(2, 5)], ["images", "tags"]),
        ((IMAGES, IMAGES), ["source", "target"]),
        ({"a": IMAGES, "b": IMAGES}, ["a", "b"]),
        ({"images": IMAGES, "labels": LABELS, "path": "x"}, ["images", "labels"]),
    ],
)
def test_forms(batch: Any, keys: list[str]) -> None:
    named = normalize_batch(batch)
    assert list(named) == keys
    assert named[keys[0]].dtype == torch.float32
    if "labels" in named:
        assert named["labels"].dtype == torch.int64


def test_bytes_round_trip() -> None:
    values = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    floats = normalize_batch(values)["images"]
    assert floats.min() == -1.0
    assert floats.max() == 1.0
    assert torch.equal(to_uint8(floats), values)
    assert torch.equal(to_float(values), floats)
    assert to_uint8(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        (IMAGES * 2, ValueError, "images in [-2, 2]; allowed: float in [-1, 1], or uint8 in [0, 255]"),
        (IMAGES * float("nan"), ValueError, "images in [nan, nan]; allowed: float in [-1, 1], or uint8 in [0, 255]"),
        (IMAGES[0], ValueError, "images of shape (3, 2, 2); allowed: (N, C, H, W)"),
        (
            LABELS.view(1, 1, 1, 2),
            ValueError,
            "images of type torch.int32; allowed: uint8 in [0, 255] or float in [-1, 1]",
        ),
        ({"x": IMAGES}, TypeError, "a batch with keys ['x']; allowed: one of images, source, target, a, b among them"),
        ("x", TypeError, "a batch of type str; allowed: a tensor, (images, labels), or a dictionary with 'images'"),
        (
            (IMAGES, torch.ones(2)),
            TypeError,
            "a batch whose second item is torch.float32 of shape (2,); "
            "allowed: labels (N,) of integers, tags (N, T), or images (N, C, H, W)",
        ),
        (
            {"images": IMAGES, "labels": torch.ones(2, 1)},
            ValueError,
            "labels of shape (2, 1); allowed: one integer an image, (N,)",
        ),
    ],
)
def test_what_is_refused(batch: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        normalize_batch(batch)


def test_a_first_batch_that_looks_like_zero_to_one_warns() -> None:
    with pytest.warns(
        UserWarning, match=r"^images in \[0, 1\] looks like \[0, 1\]; models expect \[-1, 1\]: 2 \* x - 1$"
    ):
        normalize_batch((IMAGES + 1) / 2, first=True)


def test_shapes_in_messages() -> None:
    assert shape_text(IMAGES.shape) == "2x3x2x2"
    assert shape_text(torch.tensor(1.0).shape) == "one number"
