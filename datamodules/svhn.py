"""SVHN: 99,289 colour 32x32 pictures of house numbers, cropped to one digit. Netzer et al., NIPS workshop, 2011."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datamodules._colour import SIDE, ColourDataModule
from datamodules._downloads import torchvision_class

__all__ = ["SVHN"]

TRAIN_FILE, TEST_FILE = "train_32x32.mat", "test_32x32.mat"


class SVHNError(OSError):
    """The files are missing and cannot be had, or one of them is not what it should be."""


class SVHN(ColourDataModule):
    """73,257 images to train on and 26,032 to test with, 3x32x32; other sizes are reached by resizing.

    The two files are looked for in ``root`` and in ``root/SVHN``. The easier images of the set's third file are left out.
    """

    classes = tuple("0123456789")
    torchvision_class = "SVHN"
    files = (TRAIN_FILE, TEST_FILE)
    error = SVHNError

    @property
    def place(self) -> Path:
        """A folder of its own: torchvision finds the files there when it is given as root."""
        return self.root / "SVHN"

    def fetch(self, partial: Path) -> Path:
        """Download both files; torchvision knows their addresses and MD5s."""
        from torchvision.datasets.utils import download_url

        for url, name, md5 in self._known():
            download_url(url, partial, name, md5)
        return partial

    def by_hand(self) -> str:
        """What to put where without a download."""
        return f"put {' and '.join(self.files)} into {self.place}"

    def sources(self) -> list[str]:
        """Addresses of the download."""
        return [url for url, _, _ in self._known()]

    def load(self, train: bool) -> tuple[Tensor, Tensor]:
        """Read one split: uint8 (n, 3, H, W) and int64 (n,).

        Raises:
            SVHNError: a file is missing or corrupt; the message names it.
        """
        images, labels = _read_mat(self.found() / (TRAIN_FILE if train else TEST_FILE))
        return self.sized(images), torch.from_numpy(labels)

    def _known(self) -> list[list[str]]:
        """Address, name and MD5 of each file."""
        known = torchvision_class(self.torchvision_class).split_list
        return [known["train"], known["test"]]


def _read_mat(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Pixels uint8 (n, 32, 32, 3) and labels int64 (n,), 0 to 9, of one of the files."""
    from scipy.io import loadmat  # type: ignore[import-untyped] # takes long to import

    try:
        held = loadmat(path, variable_names=("X", "y"))
        pixels, labels = held["X"], held["y"]
    except Exception as error:  # what damaged bytes do to the reader is not to be foreseen
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SVHNError(f"corrupt SVHN file {path}: {reason}") from error
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[:3] != (SIDE, SIDE, 3):
        found = f"{pixels.dtype} {pixels.shape}"
        raise SVHNError(f"corrupt SVHN file {path}: X is {found}; allowed: uint8 ({SIDE}, {SIDE}, 3, n)")
    if labels.size != pixels.shape[3] or labels.size == 0:
        raise SVHNError(f"corrupt SVHN file {path}: {labels.size} labels for {pixels.shape[3]} images")
    if labels.dtype.kind not in "iu" or labels.min() < 1 or labels.max() > 10:
        raise SVHNError(f"corrupt SVHN file {path}: a label outside 1 to 10")
    return pixels.transpose(3, 0, 1, 2), labels.reshape(-1).astype(np.int64) % 10  # 10 is the digit 0
