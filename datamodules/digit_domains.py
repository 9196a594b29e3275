"""Digits and their edges (or negatives) as two unpaired domains, the experiment that Coupled GANs are introduced with.

Liu & Tuzel 2016, "Coupled Generative Adversarial Networks" (arXiv:1606.07536); code mingyuliutw/CoGAN.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules._single_digits import MadeOfDigits, single_digits
from datamodules._unpaired import TwoDomains, UnpairedSampler

__all__ = ["DigitDomains", "edge", "negative"]


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


TRANSFORMS = {"edge": edge, "negative": negative}


class DigitDomains(MadeOfDigits):
    """Domain a has digits, domain b the edges or negatives of other digits: each half of the training images.

    A batch is {"a", "b"}, uint8 (N, 1, H, W) each, drawn independently. The halves are always the same ones, whatever ``seed``
    is. ``test_dataset`` is paired: image i of b is made from image i of a.

    Args:
        root: folder of MNIST; default ``$LIGHTNING_GANS_DATA``, else ``~/.cache/lightning-gans/data``.
        size: height and width in pixels, or "HxW"; 28 is the paper's, padded with black from there on. The embedded digits
            also come smaller.
        digits: "embedded", scikit-learn's 1,797, which need no network, or "mnist".
        transform: what makes domain b: "edge" or "negative".
        labels: batches have "labels" too, int64 (N,): the digits of domain a.
        batch_size: images of each domain per discriminator turn and process.
        num_workers: processes that gather batches; 0 is fastest.
        download: fetch MNIST where it is missing.
        seed: of the orders, in 0 .. 2**32 - 1.

    Raises:
        ValueError: an option outside what is allowed.
    """

    own_options = ("digits", "transform", "labels")
    classes = tuple("0123456789")
    min_size = 1
    sampler_class = UnpairedSampler

    def __init__(
        self,
        *,
        root: str | Path | None = None,
        size: int | str = 28,
        digits: Literal["embedded", "mnist"] = "embedded",
        transform: Literal["edge", "negative"] = "edge",
        labels: bool = False,
        batch_size: int = 64,
        num_workers: int = 0,
        download: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(
            root=root, size=size, batch_size=batch_size, num_workers=num_workers, download=download, seed=seed
        )
        if transform not in TRANSFORMS:
            raise ValueError(f"transform {transform!r}; allowed: {', '.join(map(repr, TRANSFORMS))}")
        self.digits, self.transform, self.labels = digits, transform, labels
        self._singles = single_digits(digits, root=root, size=size, download=download)
        if not labels:
            self.num_classes = self.class_names = None

    def setup(self, stage: str | None = None) -> None:
        """Read the digits and make both domains, once."""
        if hasattr(self, "test_dataset"):
            return
        change = TRANSFORMS[self.transform]
        images, labels = self._singles.load(train=True)
        # Drawn, and not cut in the middle: the files list digits writer by writer.
        order = torch.from_numpy(np.random.RandomState(0).permutation(len(images)))
        first, second = order[: len(order) // 2], order[len(order) // 2 :]
        self.train_dataset = TwoDomains(images[first], change(images[second]), labels[first] if self.labels else None)
        images, labels = self._singles.load(train=False)
        self.test_dataset = TwoDomains(images, change(images), labels if self.labels else None, paired=True)
