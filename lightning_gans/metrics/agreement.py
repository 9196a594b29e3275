"""Whether two generators draw one thing in two domains: the share of pixels where a picture, translated, is its partner.

Liu and Tuzel 2016 (arXiv:1606.07536): in their experiments on digits domain b is a known function of domain a (edges,
negatives), so that a generated pair can be checked: that function of the first picture against the second, both in black and
white. The paper's figures on MNIST, from memory, are 0.952 (edges) and 0.967 (negatives).

Where we differ: the paper does not say where it cuts between black and white; here it is the mean pixel of real images of domain
b. Most pixels of a digit are background, which always agrees, so the same share of pictures that do not belong together stands
beside it: a pair of generators that ignore each other reaches that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_gans.batch import to_float

__all__ = ["PixelAgreement", "edges", "negatives", "pixel_agreement"]


class PixelAgreement(NamedTuple):
    """Shares of pixels that agree, in [0, 1]."""

    paired: float
    """Picture i of the first domain, translated, and picture i of the second."""
    shuffled: float
    """The same with picture i + 1 of the second: what agrees without being drawn together."""


def edges(images: Tensor) -> Tensor:
    """What a dilation by 3x3 pixels adds to images: float (N, C, H, W) in [-1, 1] -> the same; -1 where there is no edge."""
    return F.max_pool2d(images, 3, stride=1, padding=1) - images - 1.0


def negatives(images: Tensor) -> Tensor:
    """Black for white: float (N, C, H, W) in [-1, 1] -> the same."""
    return -images


def pixel_agreement(
    first: Tensor, second: Tensor, real: Tensor, translate: Callable[[Tensor], Tensor] = edges
) -> PixelAgreement:
    """The share of pixels in which translated pictures of one domain agree with their partners, cut at the real mean.

    Args:
        first: pictures of domain a (N, C, H, W), uint8 or float in [-1, 1], N at least 2.
        second: of domain b, of the same latents: the same shape.
        real: real images of domain b (M, C, H, W), whose mean pixel parts black from white.
        translate: what made domain b of domain a's images, float in [-1, 1].

    Raises:
        ValueError: pictures of different shapes, fewer than two, or no real image.
    """
    if first.shape != second.shape or first.dim() != 4 or len(first) < 2:
        raise ValueError(
            f"pictures of shapes {tuple(first.shape)} and {tuple(second.shape)}; allowed: (N, C, H, W) both, N at least 2"
        )
    if not real.numel():
        raise ValueError(f"real images of shape {tuple(real.shape)}; allowed: (M, C, H, W), M at least 1")
    threshold = _float(real).double().mean()
    translated, drawn = translate(_float(first)) > threshold, _float(second) > threshold
    paired, shuffled = ((translated == partners).double().mean().item() for partners in (drawn, drawn.roll(-1, dims=0)))
    return PixelAgreement(paired, shuffled)


def _float(images: Tensor) -> Tensor:
    return to_float(images) if images.dtype == torch.uint8 else images.float()
