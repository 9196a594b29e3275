"""Two domains whose images do not belong together: rows of both, each in an order of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from datamodules._dataset import ImageDataset
from datamodules._jitter import Jitter
from datamodules._sampler import PositionSampler
from lightning_gans.batch import Batch

__all__ = ["TwoDomains", "UnpairedSampler"]


class TwoDomains(ImageDataset):
    """Domain a of n images and domain b of m; a batch is {"a", "b"}, and "labels" of a if there are any; in step, with labels,
    "labels_b" as well. ``read`` gives domain a alone, as "images".

    With v variants of an image (crops and mirroring), item x + n * v * y is image x % n of a in variant x // n beside image
    y % m of b in variant y // m, so there are n * v * m * v items.

    Args:
        first: domain a.
        second: domain b.
        jitter: of the sizes in which both keep images and a batch shows them; None: as they are kept.
        in_step: item i is image i of a beside image i of b, a smaller domain being repeated: max(n, m) items, no variants.
    """

    def __init__(
        self, first: ImageDataset, second: ImageDataset, *, jitter: Jitter | None = None, in_step: bool = False
    ) -> None:
        super().__init__(first.images, first.labels)
        self.first, self.second = first, second
        self.jitter = jitter
        self.in_step = in_step

    @property
    def count(self) -> int:
        """n."""
        return self.first.count

    @property
    def b(self) -> Tensor:
        """Images of domain b that are kept decoded: uint8 (m, C, H, W)."""
        return self.second.images

    def read(self, rows: np.ndarray[Any, Any]) -> Batch:
        batch = self.first.read(rows)
        if self.jitter is not None:
            batch["images"] = self.jitter.cut_middle(batch["images"])
        return batch

    def __len__(self) -> int:
        if self.in_step:
            return max(self.count, self.second.count)
        return self.count * self.second.count * self._variants**2

    @property
    def _variants(self) -> int:
        return 1 if self.jitter is None else self.jitter.variants

    def __getitems__(self, indices: list[int]) -> Batch:
        items = np.asarray(indices)
        x, y = (items, items) if self.in_step else np.divmod(items, self.count * self._variants)[::-1]
        batch = self.first.read(x % self.count)
        other = self.second.read(y % self.second.count)
        batch["a"], batch["b"] = batch.pop("images"), other.pop("images")
        if self.jitter is not None and not self.in_step:
            batch["a"] = self.jitter.cut(batch["a"], x // self.count)
            batch["b"] = self.jitter.cut(batch["b"], y // self.second.count)
        if self.in_step and "labels" in other:
            batch["labels_b"] = other["labels"]
        return batch

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "images": None}  # a worker that is spawned has them from ``first``

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.images = self.first.images


class UnpairedSampler(PositionSampler):
    """Deals items of ``TwoDomains``, an epoch being one pass through the larger domain; images of the smaller one come again,
    each time in another order. The order and the variants of either domain say nothing of the other's.

    Args:
        dataset: see above.
        images: of domain a.
        batch_size: as of ``PositionSampler``.
        flip: as of ``PositionSampler``.
        crops: as of ``PositionSampler``.
        options: as of ``PositionSampler``.
    """

    def __init__(
        self, dataset: Dataset[Any], images: int, batch_size: int, *, flip: bool = False, crops: int = 1, **options: Any
    ) -> None:
        variants = crops * (2 if flip else 1)
        self.domains = (images, len(dataset) // (images * variants**2))  # type: ignore[arg-type]
        super().__init__(dataset, max(self.domains), batch_size, flip=flip, crops=crops, **options)

    def _permutation(self, epoch: int, number: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        a, b = self.domains
        x = self._rounds(a, [self.seed, epoch, number])
        y = self._rounds(b, [self.seed, epoch, number, 1])  # another stream
        return x + a * self.variants * y

    def _rounds(self, images: int, stream: list[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Whole permutations of a domain, as many as an epoch needs."""
        random = np.random.RandomState(stream)
        rounds = [random.permutation(images) for _ in range(-(-self.images // images))]
        return self._varied(np.concatenate(rounds)[: self.images], images, random)
