"""SVHN: 99,289 colour 32x32 pictures of house numbers, cropped to one digit. Netzer et al., NIPS workshop, 2011."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from datamodules._downloads import DownloadedDataModule, torchvision_class
from datamodules._pixels import check_resize, fit

__all__ = ["SVHN"]

SIDE = 32  # pixels
TRAIN_FILE, TEST_FILE = "train_32x32.mat", "test_32x32.mat"


class SVHNError(OSError):
    """The files are missing and cannot be had, or one of them is not what it should be."""


class SVHN(DownloadedDataModule):
    """73,257 images to train on and 26,032 to test with, 3x32x32; other sizes are reached by resizing.

    The two files are looked for in ``root`` and in ``root/SVHN``. The easier images of the set's third file are left out.

    Args:
        root: folder of the data; default ``$LIGHTNING_GANS_DATA``, else ``~/.cache/lightning-gans/data``.
        size: height and width in pixels, or "HxW".
        channels: of the images; "auto" = 3; 1 = grey (luma of ITU-R 601), 4 = with an opaque alpha.
        resize: what a size of other proportions does: crop the middle, pad with black, or stretch.
        flip: mirror images left to right with probability 1/2, drawn anew in every epoch; digits do not look alike mirrored.
        batch_size: images per discriminator turn and process.
        num_workers: processes that gather batches; 0 is fastest for a set in memory.
        download: fetch what is missing.
        seed: of the order and the flips, in 0 .. 2**32 - 1.

    Raises:
        ValueError: an option outside what is allowed.
    """

    classes = tuple("0123456789")
    min_size = 1
    own_channels = 3
    torchvision_class = "SVHN"
    files = (TRAIN_FILE, TEST_FILE)
    error = SVHNError

    def __init__(
        self,
        *,
        root: str | Path | None = None,
        size: int | str = SIDE,
        channels: Literal["auto", 1, 3, 4] = "auto",
        resize: Literal["crop", "pad", "stretch"] = "crop",
        flip: bool = False,
        batch_size: int = 64,
        num_workers: int = 0,
        download: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(
            root=root,
            size=size,
            channels=channels,
            flip=flip,
            batch_size=batch_size,
            num_workers=num_workers,
            download=download,
            seed=seed,
        )
        check_resize(resize)
        self.resize = resize

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
        _, height, width = self.image_shape
        if (height, width) != (SIDE, SIDE):
            fitted = [np.asarray(fit(Image.fromarray(image), height, width, self.resize)) for image in images]
            images = np.stack(fitted)
        return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))), torch.from_numpy(labels)

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
