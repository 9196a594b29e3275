"""Stacked MNIST: three random digits as the red, green and blue of one picture, 1,000 classes, to count modes with.

Srivastava et al. 2017, "VEEGAN" (arXiv:1705.07761), and Lin et al. 2018, "PacGAN" (arXiv:1712.04086): 28x28, 128,000
pictures. Karras et al. 2017, "ProGAN" (arXiv:1710.10196): 32x32, padded with black, 1,000,000 pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from datamodules._single_digits import MadeOfDigits, single_digits
from datamodules.base import ImageDataset, take
from lightning_gans.batch import Batch

__all__ = ["StackedMNIST"]

TEST_IMAGES = 26_000  # as many as VEEGAN and PacGAN judge


class StackedDigits(ImageDataset):
    """Pictures put together when they are asked for; only the digits and which three make a picture are kept.

    Args:
        digits: uint8 (m, 1, H, W).
        labels: int64 (m,), 0 to 9.
        triples: int64 (n, 3), in 0 .. m - 1: the digits of red, green and blue of each picture.
    """

    def __init__(self, digits: Tensor, labels: Tensor, triples: np.ndarray[Any, Any]) -> None:
        numbers = labels.numpy()[triples]  # (n, 3)
        self.classes = torch.from_numpy(numbers @ np.array([100, 10, 1]))  # (n,)
        super().__init__(digits, self.classes)
        self.triples = triples

    @property
    def count(self) -> int:
        """n, how many pictures there are."""
        return len(self.triples)

    def read(self, rows: np.ndarray[Any, Any]) -> Batch:
        """The batch of these rows."""
        triples = self.triples[rows]  # (N, 3)
        images = take(self.images[:, 0], triples.reshape(-1)).unflatten(0, triples.shape)  # (3N, H, W) -> (N, 3, H, W)
        return {"images": images, "labels": take(self.classes, rows)}


class StackedMNIST(MadeOfDigits):
    """Pictures of three digits; the label is 100 red + 10 green + blue.

    Which digits make a picture is drawn once, from ``seed``; the pictures themselves are never all in memory.

    Args:
        root: folder of MNIST; default ``$LIGHTNING_GANS_DATA``, else ``~/.cache/lightning-gans/data``.
        size: height and width in pixels, or "HxW"; 28 is the papers', padded with black from there on. The embedded digits
            also come smaller.
        digits: "embedded", scikit-learn's 1,797, which need no network, or "mnist".
        train_images: how many pictures there are to train on; to test with there are 26,000 more.
        held_out: make training pictures of training digits and test pictures of test digits. VEEGAN and PacGAN, who count
            modes and need no test pictures, draw from all digits, as is done without it.
        batch_size: images per discriminator turn and process.
        num_workers: processes that gather batches.
        download: fetch MNIST where it is missing.
        labels_per_class: how many training images of each class show their labels; None: all.
        labelled_fraction: share of a batch's rows, with ``labels_per_class``, that are labelled, drawn with repetition.
        seed: of the pictures, their order and the choice of labels, in 0 .. 2**32 - 1.

    Raises:
        ValueError: an option outside what is allowed.
    """

    own_options = ("digits", "train_images", "held_out", "seed")
    classes = tuple(f"{number:03d}" for number in range(1000))
    min_size = 1
    own_channels = 3

    def __init__(
        self,
        *,
        root: str | Path | None = None,
        size: int | str = 32,
        digits: Literal["embedded", "mnist"] = "embedded",
        train_images: int = 128_000,
        held_out: bool = False,
        batch_size: int = 64,
        num_workers: int = 0,
        download: bool = True,
        labels_per_class: int | None = None,
        labelled_fraction: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__(
            root=root,
            size=size,
            batch_size=batch_size,
            num_workers=num_workers,
            download=download,
            labels_per_class=labels_per_class,
            labelled_fraction=labelled_fraction,
            seed=seed,
        )
        if train_images < 1:
            raise ValueError(f"train_images {train_images}; allowed: 1 or more")
        self.digits, self.train_images, self.held_out = digits, train_images, held_out
        self._singles = single_digits(digits, root=root, size=size, download=download)

    def setup(self, stage: str | None = None) -> None:
        """Read the digits and draw which of them make a picture, once."""
        if hasattr(self, "test_dataset"):
            return
        train, test = self._singles.load(train=True), self._singles.load(train=False)
        if not self.held_out:
            train = test = (torch.cat([train[0], test[0]]), torch.cat([train[1], test[1]]))
        self.train_dataset = self._stack(*train, self.train_images, 0)
        self.test_dataset = self._stack(*test, TEST_IMAGES, 1)
        self.choose_labels()

    def _stack(self, digits: Tensor, labels: Tensor, n: int, split: int) -> StackedDigits:
        random = np.random.RandomState([self.seed, split])  # streams that are frozen for good
        return StackedDigits(digits, labels, random.randint(0, len(digits), size=(n, 3)))
