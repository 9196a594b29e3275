"""Scikit-learn's 1,797 handwritten digits: real, and embedded, so that nothing needs a network.

Alpaydin & Kaynak, "Optical Recognition of Handwritten Digits", UCI repository, 1998; test part. The originals have 8x8
pixels of 0..16; to stand in for MNIST they are enlarged to 28x28 (bicubic, clamped to the originals' range) and padded
with black from there on. A size below 28 is reached by enlarging alone; 8 is the original.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.base import ImageDataModule, zero_pad

__all__ = ["Digits"]

TRAIN_IMAGES = 1400


class Digits(ImageDataModule):
    """1,400 digits to train on and 397 to test with; always the same ones, whatever ``seed`` is.

    The file lists its digits writer by writer, so the last 397 come from other hands than the first 1,400.
    """

    classes = tuple("0123456789")
    min_size = 8

    def load(self, train: bool) -> tuple[Tensor, Tensor]:
        from sklearn.datasets import load_digits  # takes longer to import than all the rest of this file

        data = load_digits()
        chosen = slice(TRAIN_IMAGES) if train else slice(TRAIN_IMAGES, None)
        images = torch.from_numpy(data.images[chosen]).float()[:, None]  # (n, 8, 8) -> (n, 1, 8, 8), in [0, 16]
        _, height, width = self.image_shape
        enlarged = F.interpolate(images, (min(height, 28), min(width, 28)), mode="bicubic", align_corners=False)
        grey = (enlarged.clamp(0, 16) * (255 / 16)).round().to(torch.uint8)
        return zero_pad(grey, height, width), torch.from_numpy(data.target[chosen]).long()
