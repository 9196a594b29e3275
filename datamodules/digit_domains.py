"""Digits and their edges (or negatives, or colours) as two unpaired domains, the experiment that Coupled GANs are introduced with.

Liu & Tuzel 2016, "Coupled Generative Adversarial Networks" (arXiv:1606.07536); code mingyuliutw/CoGAN.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from datamodules._dataset import ImageDataset
from datamodules._digit_transforms import TRANSFORMS, check_transform, edge, negative
from datamodules._single_digits import MadeOfDigits, single_digits
from datamodules._unpaired import TwoDomains, UnpairedSampler
from datamodules.base import set_channels

__all__ = ["DigitDomains", "edge", "negative"]


class DigitDomains(MadeOfDigits):
    """Domain a has digits, domain b the edges, negatives or colours of other digits: each half of the training images.

    A batch is {"a", "b"}, uint8 (N, C, H, W) each, drawn independently; C is 1, with colours 3 in both domains. The halves
    are always the same ones, whatever ``seed`` is. ``test_dataset`` is paired: image i of b is made from image i of a.

    Args:
        root: folder of MNIST; default ``$LIGHTNING_GANS_DATA``, else ``~/.cache/lightning-gans/data``.
        size: height and width in pixels, or "HxW"; 28 is the paper's, padded with black from there on. The embedded digits
            also come smaller.
        digits: "embedded", scikit-learn's 1,797, which need no network, or "mnist".
        transform: what makes domain b: "edge", "negative" or "colour" (one for each digit).
        labels: batches have "labels" too, int64 (N,): the digits of domain a.
        batch_size: images of each domain per discriminator turn and process.
        num_workers: processes that gather batches; 0 is fastest.
        download: fetch MNIST where it is missing.
        seed: of the orders, in 0 .. 2**32 - 1.

    Attributes:
        source_shape: (C, H, W) of domain a.
        target_shape: of domain b, the same.

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
        transform: Literal["edge", "negative", "colour"] = "edge",
        labels: bool = False,
        batch_size: int = 64,
        num_workers: int = 0,
        download: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(
            root=root, size=size, batch_size=batch_size, num_workers=num_workers, download=download, seed=seed
        )
        check_transform(transform)
        self.digits, self.transform, self.labels = digits, transform, labels
        self._singles = single_digits(digits, root=root, size=size, download=download)
        if not labels:
            self.num_classes = self.class_names = None
        self.image_shape = (3 if transform == "colour" else 1, *self.image_shape[1:])
        self.source_shape = self.target_shape = self.image_shape

    def setup(self, stage: str | None = None) -> None:
        """Read the digits and make both domains, once."""
        if hasattr(self, "test_dataset"):
            return
        images, labels = self._singles.load(train=True)
        # Drawn, and not cut in the middle: the files list digits writer by writer.
        order = torch.from_numpy(np.random.RandomState(0).permutation(len(images)))
        first, second = order[: len(order) // 2], order[len(order) // 2 :]
        plain = ImageDataset(self._plain(images[first]), labels[first] if self.labels else None)
        self.train_dataset = TwoDomains(plain, ImageDataset(self._changed(images[second], labels[second]), None))
        images, labels = self._singles.load(train=False)
        told = labels if self.labels else None
        plain = ImageDataset(self._plain(images), told)
        self.test_dataset = TwoDomains(plain, ImageDataset(self._changed(images, labels), told), in_step=True)

    def _plain(self, images: Tensor) -> Tensor:
        return set_channels(images, self.image_shape[0]).contiguous()

    def _changed(self, images: Tensor, labels: Tensor) -> Tensor:
        return TRANSFORMS[self.transform](images, labels)
