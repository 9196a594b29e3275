"""Images in one tensor, a whole batch gathered at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lightning_gans.batch import Batch

__all__ = ["ImageDataset", "take"]


class ImageDataset(Dataset[Batch]):
    """Images and labels, fetched a batch at a time; give a DataLoader of it an identity ``collate_fn``.

    Args:
        images: uint8 (n, C, H, W).
        labels: int64 (n,); or tags, float32 (n, T) in {0, 1}, which batches have as "tags"; or None: they have neither.
        flip: the data set has 2n items, of which n .. 2n-1 are the images mirrored; a batch then says which rows are to
            be mirrored in "flip" (bool), and whoever has it on the device does it.

    Attributes:
        labelled: rows that are dealt with their labels, where only some are; None: all. Item j + 2n is then item j with the
            label -1. ``read`` gives all labels.
    """

    labelled: np.ndarray[Any, np.dtype[np.int64]] | None = None

    def __init__(self, images: Tensor, labels: Tensor | None, *, flip: bool = False) -> None:
        self.images = images
        self.labels = labels
        self.flip = flip

    @property
    def count(self) -> int:
        """n, how many images there are, mirrored ones not counted."""
        return len(self.images)

    def read(self, rows: np.ndarray[Any, Any]) -> Batch:
        """The batch of these rows, each in 0 .. n-1, none of them mirrored."""
        batch = {"images": take(self.images, rows)}
        self.add_labels(batch, rows)
        return batch

    def add_labels(self, batch: Batch, rows: np.ndarray[Any, Any]) -> None:
        """Add the labels or tags of these rows to a batch."""
        if self.labels is not None:
            batch["labels" if self.labels.dim() == 1 else "tags"] = take(self.labels, rows)

    def __len__(self) -> int:
        dealt = self.count * (2 if self.flip else 1)
        # Without flip nothing is dealt from n .. 2n-1.
        return dealt if self.labelled is None else dealt + 2 * self.count

    def __getitems__(self, indices: list[int]) -> Batch:
        items = np.asarray(indices)
        batch = self.read(items % self.count)
        if self.flip:
            batch["flip"] = torch.from_numpy(items % (2 * self.count) >= self.count)
        if self.labelled is not None:
            batch["labels"][torch.from_numpy(items >= 2 * self.count)] = -1
        return batch

    def __getitem__(self, index: int) -> Batch:
        index = range(len(self))[index]  # counts negative ones from the end, refuses what lies outside
        return {key: value[0] for key, value in self.__getitems__([index]).items()}


def take(tensor: Tensor, rows: np.ndarray[Any, Any]) -> Tensor:
    """Rows of a tensor."""
    # NumPy copies whole rows: eight times as fast as torch's indexing, and no threads that wait for each other on busy cores.
    return torch.from_numpy(tensor.numpy().take(rows, axis=0))
