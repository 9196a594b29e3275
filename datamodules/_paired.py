"""Images that belong together, kept as one: what is drawn for one of them is drawn for the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from datamodules._dataset import ImageDataset
from datamodules._jitter import Jitter
from lightning_gans.batch import Batch

__all__ = ["PairedImages"]


class PairedImages(ImageDataset):
    """Pairs; a batch is {"source", "target"}, and "labels" if there are any. ``read`` gives targets alone, as "images".

    Item i + n * v is variant v of pair i: the same crop and mirroring of both images.

    Args:
        joint: n images whose first channels are image A of a pair and whose other channels are its image B.
        channels: of image A.
        swap: the source is B and the target is A.
        jitter: of the sizes in which ``joint`` keeps images and a batch shows them.
    """

    def __init__(self, joint: ImageDataset, channels: int, *, swap: bool, jitter: Jitter) -> None:
        super().__init__(torch.empty(0), joint.labels, flip=jitter.flip)
        self.joint = joint
        self.channels = channels
        self.swap = swap
        self.jitter = jitter

    @property
    def count(self) -> int:
        """n, how many pairs there are, crops and mirrored ones not counted."""
        return self.joint.count

    def read(self, rows: np.ndarray[Any, Any]) -> Batch:
        batch = self.joint.read(rows)
        batch["images"] = self._halves(self.jitter.cut_middle(batch["images"]))[1]
        return batch

    def __len__(self) -> int:
        return self.count * self.jitter.variants

    def __getitems__(self, indices: list[int]) -> Batch:
        items = np.asarray(indices)
        batch = self.joint.read(items % self.count)
        batch["source"], batch["target"] = self._halves(self.jitter.cut(batch.pop("images"), items // self.count))
        return batch

    def _halves(self, joint: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C_A + C_B, H, W) to source and target."""
        a, b = joint[:, : self.channels], joint[:, self.channels :]
        return (b, a) if self.swap else (a, b)
