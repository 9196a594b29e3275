"""What travels from data to models, and the one function that normalises a user's batch.

A batch is a plain dictionary of tensors. Images arrive as uint8 or as floats in [-1, 1]; models see float32 in [-1, 1].
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, TypedDict

import torch
from torch import Tensor

__all__ = [
    "IMAGE_KEYS",
    "Batch",
    "ImageBatch",
    "PairedBatch",
    "TaggedBatch",
    "UnpairedBatch",
    "dequantized",
    "normalize_batch",
    "shape_text",
    "to_float",
    "to_uint8",
]

Batch = dict[str, Tensor]
IMAGE_KEYS = ("images", "source", "target", "a", "b")


class ImageBatch(TypedDict, total=False):
    """``images`` uint8 or float32 (N, C, H, W); ``labels`` int64 (N,), -1 = unlabelled; optional."""

    images: Tensor
    labels: Tensor


class TaggedBatch(TypedDict):
    """``images`` (N, C, H, W); ``tags`` float (N, T) in {0, 1}."""

    images: Tensor
    tags: Tensor


class PairedBatch(TypedDict):
    """``source`` and ``target`` (N, C, H, W): row i of both belongs together."""

    source: Tensor
    target: Tensor


class UnpairedBatch(TypedDict):
    """``a`` and ``b`` (N, C, H, W): independent draws from two domains."""

    a: Tensor
    b: Tensor


def dequantized(images: Tensor, noise: Tensor) -> Tensor:
    """Images in [-1, 1] as x / 128 - 1 + noise / 128, x from 0 to 255 and noise U[0, 1) of the same shape.

    So the codes of WGAN-GP (arXiv:1704.00028) and SNGAN (arXiv:1802.05957) fill the gaps between pixels' values.
    """
    pixels = (images + 1.0) * 127.5
    return pixels / 128.0 - 1.0 + noise / 128.0


def to_float(images: Tensor) -> Tensor:
    """uint8 images in [0, 255] to float32 in [-1, 1]: x / 127.5 - 1."""
    return images.to(torch.float32).div_(127.5).sub_(1.0)


def to_uint8(images: Tensor) -> Tensor:
    """Float images in [-1, 1] (clamped) to uint8: round((x + 1) * 127.5)."""
    return images.float().add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def normalize_batch(batch: Any, *, check: bool = True, first: bool = False) -> Batch:
    """Bring whatever a DataLoader yields into one of the batch dictionaries, images in float32 [-1, 1].

    Args:
        batch: a dictionary with the keys above; a bare tensor (images); or a tuple or list whose first item is images and
            whose second is labels (1-D integers), tags (2-D) or the other image of a pair (4-D).
        check: look at the range of float images (on an accelerator this waits for the device).
        first: this is the first batch of a run: warn if its float images look like [0, 1].

    Returns:
        A new dictionary; tensors that need no change are passed through.

    Raises:
        TypeError: the batch has none of these forms.
        ValueError: images have a wrong number of dimensions, or float images leave [-1, 1].
    """
    named = _name(batch)
    for key in IMAGE_KEYS:
        if key in named:
            named[key] = _normalize_images(named[key], key, check=check, first=first)
    if "labels" in named:
        if named["labels"].dim() != 1:
            raise ValueError(f"labels of shape {tuple(named['labels'].shape)}; allowed: one integer an image, (N,)")
        named["labels"] = named["labels"].long()
    if "tags" in named:
        named["tags"] = named["tags"].float()
    return named


def _name(batch: Any) -> Batch:
    if isinstance(batch, Tensor):
        return {"images": batch}
    if isinstance(batch, dict):
        if not any(key in batch for key in IMAGE_KEYS):
            raise TypeError(
                f"a batch with keys {sorted(map(str, batch))}; allowed: one of {', '.join(IMAGE_KEYS)} among them"
            )
        return {key: value for key, value in batch.items() if isinstance(value, Tensor)}
    if isinstance(batch, (tuple, list)) and batch and all(isinstance(item, Tensor) for item in batch[:2]):
        images = batch[0]
        if len(batch) == 1:
            return {"images": images}
        second = batch[1]
        if second.dim() == 1 and not second.is_floating_point():
            return {"images": images, "labels": second}
        if second.dim() == 2:
            return {"images": images, "tags": second}
        if second.dim() == 4:
            return {"source": images, "target": second}
        raise TypeError(
            f"a batch whose second item is {second.dtype} of shape {tuple(second.shape)}; "
            "allowed: labels (N,) of integers, tags (N, T), or images (N, C, H, W)"
        )
    raise TypeError(
        f"a batch of type {type(batch).__name__}; allowed: a tensor, (images, labels), or a dictionary with 'images'"
    )


def _normalize_images(images: Tensor, key: str, *, check: bool, first: bool) -> Tensor:
    if images.dim() != 4:
        raise ValueError(f"{key} of shape {tuple(images.shape)}; allowed: (N, C, H, W)")
    if images.dtype == torch.uint8:
        return to_float(images)
    if not images.is_floating_point():
        raise ValueError(f"{key} of type {images.dtype}; allowed: uint8 in [0, 255] or float in [-1, 1]")
    if check or first:
        low, high = (bound.item() for bound in torch.aminmax(images))
        if not (low >= -1.0 - 1e-4 and high <= 1.0 + 1e-4):  # also true for NaN
            raise ValueError(f"{key} in [{low:.4g}, {high:.4g}]; allowed: float in [-1, 1], or uint8 in [0, 255]")
        if first and low >= 0.0:
            warnings.warn(
                f"{key} in [{low:.4g}, {high:.4g}] looks like [0, 1]; models expect [-1, 1]: 2 * x - 1", stacklevel=2
            )
    return images.float()


def shape_text(shape: Iterable[int]) -> str:
    """A shape as messages tell it: (3, 32, 32) is "3x32x32", and () "one number"."""
    return "x".join(map(str, shape)) or "one number"
