"""What second domains of digits are made by: edges, negatives, and a colour for each digit."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["TRANSFORMS", "check_transform", "coloured", "edge", "negative"]

# RGB in [0, 255] of the digits 0 to 9: ten hues, equally far from each other.
PALETTE = torch.tensor([colorsys.hsv_to_rgb(digit / 10, 0.9, 1.0) for digit in range(10)]).mul(255).round()


def edge(images: Tensor) -> Tensor:
    """The edges of images: what a dilation by 3x3 pixels adds to them.

    Args:
        images: uint8, or float in [-1, 1], (N, C, H, W).

    Returns:
        Of the same shape, type and range; black where there is no edge.
    """
    pixels = images.float()
    added = F.max_pool2d(pixels, 3, stride=1, padding=1) - pixels  # 0 to 255, or 0 to 2
    return added.to(torch.uint8) if images.dtype == torch.uint8 else added - 1.0


def negative(images: Tensor) -> Tensor:
    """Black for white.

    Args:
        images: uint8, or float in [-1, 1], (N, C, H, W).
    """
    return 255 - images if images.dtype == torch.uint8 else -images


def coloured(images: Tensor, labels: Tensor) -> Tensor:
    """Grey digits in the colour of their class, on black.

    Args:
        images: uint8 (N, 1, H, W).
        labels: int64 (N,), 0 to 9.

    Returns:
        uint8 (N, 3, H, W).
    """
    return (images / 255 * PALETTE[labels][:, :, None, None]).round().to(torch.uint8)  # (N, 1, H, W) * (N, 3, 1, 1)


# Images and labels to images of the other domain.
TRANSFORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "edge": lambda images, _: edge(images),
    "negative": lambda images, _: negative(images),
    "colour": coloured,
}


def check_transform(transform: str) -> None:
    """Raises ValueError for what is no name of a transform."""
    if transform not in TRANSFORMS:
        raise ValueError(f"transform {transform!r}; allowed: {', '.join(map(repr, TRANSFORMS))}")
