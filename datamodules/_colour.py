"""Downloaded sets of 32x32 colour pictures, which other sizes are made of by resizing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from datamodules._downloads import DownloadedDataModule
from datamodules._pixels import check_resize, fit

__all__ = ["SIDE", "ColourDataModule"]

SIDE = 32  # pixels


class ColourDataModule(DownloadedDataModule):
    """A downloaded set of 32x32 colour pictures.

    Args:
        root: folder of the data; default ``$LIGHTNING_GANS_DATA``, else ``~/.cache/lightning-gans/data``.
        size: height and width in pixels, or "HxW".
        channels: of the images; "auto" = 3; 1 = grey (luma of ITU-R 601), 4 = with an opaque alpha.
        resize: what a size of other proportions does: crop the middle, pad with black, or stretch.
        flip: mirror images left to right with probability 1/2, drawn anew in every epoch.
        batch_size: images per discriminator turn and process.
        num_workers: processes that gather batches; 0 is fastest for a set in memory.
        download: fetch what is missing.
        labels_per_class: how many training images of each class show their labels; None: all.
        labelled_fraction: share of a batch's rows, with ``labels_per_class``, that are labelled, drawn with repetition.
        seed: of the order, the flips and the choice of labels, in 0 .. 2**32 - 1.

    Raises:
        ValueError: an option outside what is allowed.
    """

    min_size = 1
    own_channels = 3

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
        labels_per_class: int | None = None,
        labelled_fraction: float = 0.5,
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
            labels_per_class=labels_per_class,
            labelled_fraction=labelled_fraction,
            seed=seed,
        )
        check_resize(resize)
        self.resize = resize

    def sized(self, images: np.ndarray[Any, Any]) -> Tensor:
        """Pictures uint8 (n, 32, 32, 3) to (n, 3, H, W), resized if H and W are others."""
        _, height, width = self.image_shape
        if (height, width) != (SIDE, SIDE):
            images = np.stack([np.asarray(fit(Image.fromarray(image), height, width, self.resize)) for image in images])
        return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
