"""Two domains whose images do not belong together: rows of both, each in an order of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from datamodules._sampler import PositionSampler
from datamodules.base import ImageDataset, take
from lightning_gans.batch import Batch

__all__ = ["TwoDomains", "UnpairedSampler"]


class TwoDomains(ImageDataset):
    """Images of domain a (n of them) and of domain b (m); a batch is {"a", "b"}, and "labels" of a if there are any;
    paired, "labels_b" as well.

    Unpaired, item i + n * j is image i of a beside image j of b, so there are n * m items. ``read`` gives domain a alone.

    Args:
        a: uint8 (n, C, H, W).
        b: uint8 (m, C, H, W).
        labels: int64 (n,), of a; or None.
        paired: image i of b belongs to image i of a (m = n), and there are n items.
    """

    def __init__(self, a: Tensor, b: Tensor, labels: Tensor | None, *, paired: bool = False) -> None:
        super().__init__(a, labels)
        self.b = b
        self.paired = paired

    def __len__(self) -> int:
        return self.count if self.paired else self.count * len(self.b)

    def __getitems__(self, indices: list[int]) -> Batch:
        items = np.asarray(indices)
        i, j = (items, items) if self.paired else (items % self.count, items // self.count)
        batch = {"a": take(self.images, i), "b": take(self.b, j)}
        if self.labels is not None:
            batch["labels"] = take(self.labels, i)
            if self.paired:
                batch["labels_b"] = batch["labels"]
        return batch


class UnpairedSampler(PositionSampler):
    """Deals items of ``TwoDomains``: each image of a once an epoch, beside images of b in an order of their own.

    Of a larger domain b an epoch shows a part, drawn anew each time; a smaller one is repeated.
    """

    def __init__(self, dataset: Dataset[Any], images: int, batch_size: int, **options: Any) -> None:
        super().__init__(dataset, images, batch_size, **options)
        self.others = len(dataset) // images  # type: ignore[arg-type]

    def _permutation(self, epoch: int, number: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        random = np.random.RandomState([self.seed, epoch, number, 1])  # another stream than that of a
        rounds = [random.permutation(self.others) for _ in range(-(-self.images // self.others))]
        return super()._permutation(epoch, number) + self.images * np.concatenate(rounds)[: self.images]
