"""Edges of digits beside the digits themselves (or others): embedded pairs to translate.

Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks" (arXiv:1611.07004), draws shoes and
handbags from edges; digits are the stand-in that needs no network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from datamodules._dataset import ImageDataset
from datamodules._digit_transforms import TRANSFORMS, check_transform
from datamodules._jitter import Jitter
from datamodules._paired import PairedImages
from datamodules._single_digits import MadeOfDigits, single_digits
from datamodules._translation import check_direction, order_shapes

__all__ = ["DigitPairs"]


class DigitPairs(MadeOfDigits):
    """Pairs of a digit and what is made of it; 1,400 to train on and 397 of other hands to test with.

    A batch is {"source", "target"}, uint8 (N, C, H, W) each. Batches of ``test_dataset`` have "labels" too, int64 (N,), so that a
    classifier of digits can be asked what it reads in a translation.

    Args:
        root: folder of MNIST; default ``$LIGHTNING_GANS_DATA``, else ``~/.cache/lightning-gans/data``.
        size: height and width in pixels, or "HxW": 28, padded with black from there on. The embedded digits also come smaller.
        digits: "embedded", scikit-learn's 1,797, which need no network, or "mnist".
        transform: what A and B are: "edge", edges and the digit; "negative", the negative and the digit; "colour", the digit
            and the digit in the colour of its class, 3 channels.
        direction: "AtoB", A is the source and B the target; "BtoA", the other way.
        batch_size: pairs per discriminator turn and process.
        num_workers: processes that gather batches; 0 is fastest.
        download: fetch MNIST where it is missing.
        seed: of the order, in 0 .. 2**32 - 1.

    Attributes:
        source_shape: (C, H, W) of a source.
        target_shape: (C, H, W) of a target; ``image_shape`` is the same.

    Raises:
        ValueError: an option outside what is allowed.
    """

    own_options = ("digits", "transform", "direction")
    classes = tuple("0123456789")
    min_size = 1

    def __init__(
        self,
        *,
        root: str | Path | None = None,
        size: int | str = 32,
        digits: Literal["embedded", "mnist"] = "embedded",
        transform: Literal["edge", "negative", "colour"] = "edge",
        direction: Literal["AtoB", "BtoA"] = "AtoB",
        batch_size: int = 64,
        num_workers: int = 0,
        download: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(
            root=root, size=size, batch_size=batch_size, num_workers=num_workers, download=download, seed=seed
        )
        check_transform(transform)
        check_direction(direction)
        self.digits, self.transform, self.direction = digits, transform, direction
        self._singles = single_digits(digits, root=root, size=size, download=download)
        self.num_classes = self.class_names = None
        height, width = self.image_shape[1:]
        b = (3 if transform == "colour" else 1, height, width)
        self.source_shape, self.target_shape = order_shapes((1, height, width), b, direction)
        self.image_shape = self.target_shape

    def setup(self, stage: str | None = None) -> None:
        """Read the digits and make the pairs, once."""
        if hasattr(self, "test_dataset"):
            return
        self.train_dataset, self.test_dataset = self._pairs(train=True), self._pairs(train=False)

    def _pairs(self, *, train: bool) -> PairedImages:
        images, labels = self._singles.load(train=train)
        made = TRANSFORMS[self.transform](images, labels)
        # What is made of a digit is what is easy to make: the digit itself is what a translation has to find.
        halves = (images, made) if self.transform == "colour" else (made, images)
        joint = ImageDataset(torch.cat(halves, dim=1), None if train else labels)
        size = self.image_shape[1:]
        return PairedImages(joint, halves[0].shape[1], swap=self.direction == "BtoA", jitter=Jitter(size, size))
