"""Random crops and mirroring, as Pix2Pix and CycleGAN train with: a pure function of a number that the sampler deals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["Jitter"]


@dataclass(frozen=True)
class Jitter:
    """Images that are kept in one size and shown in another, not larger one.

    A variant of an image is a number: crop + ``crops`` * mirrored, with crop = top * (places across) + left.

    Attributes:
        kept: height and width in pixels.
        shown: height and width in pixels, none above that of ``kept``.
        flip: there are mirrored variants.
    """

    kept: tuple[int, int]
    shown: tuple[int, int]
    flip: bool = False

    @property
    def _places(self) -> tuple[int, int]:
        """How far down and across a crop may lie, 0 counted."""
        return self.kept[0] - self.shown[0] + 1, self.kept[1] - self.shown[1] + 1

    @property
    def crops(self) -> int:
        """How many crops an image has."""
        down, across = self._places
        return down * across

    @property
    def variants(self) -> int:
        """How many variants an image has."""
        return self.crops * (2 if self.flip else 1)

    @property
    def middle(self) -> int:
        """The variant that is cut from the middle and not mirrored."""
        down, across = self._places
        return (down // 2) * across + across // 2

    def cut(self, images: Tensor, variants: np.ndarray[Any, Any]) -> Tensor:
        """Variants of images.

        Args:
            images: (N, C, H, W) as kept.
            variants: integers (N,), in 0 .. ``variants`` - 1.

        Returns:
            (N, C, H, W) as shown.
        """
        if self.variants == 1:
            return images
        height, width = self.shown
        cut = []
        for image, variant in zip(images, variants.tolist(), strict=True):
            mirrored, crop = divmod(variant, self.crops)
            top, left = divmod(crop, self._places[1])
            piece = image[:, top : top + height, left : left + width]
            cut.append(piece.flip(-1) if mirrored else piece)
        return torch.stack(cut)

    def cut_middle(self, images: Tensor) -> Tensor:
        """The middle variant of each image."""
        return self.cut(images, np.full(len(images), self.middle))
