"""The order of training: batch number t is a pure function of (seed, t), so resuming needs nothing saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

__all__ = ["PositionSampler"]


class PositionSampler(DistributedSampler[int]):
    """Deals batch number t, t counted from the start of training and over epochs.

    Epoch t // batches_per_epoch has its own permutation of the images; what does not fill a joint batch (the batches of
    all processes) at its end is dropped. Process ``rank`` takes rows rank::world of a joint batch, so any number of
    processes sees the same joint batches. A set smaller than one joint batch is repeated, with further permutations, to
    fill one batch an epoch.

    It is a ``DistributedSampler`` because Lightning leaves those alone, whatever ``use_distributed_sampler`` says.

    Args:
        dataset: the data; item i + n * v is image i in variant v.
        images: n, how many images ``dataset`` has (not counting mirrored ones).
        batch_size: rows of one batch of one process.
        flip: mirror every image with probability 1/2 in every epoch: its variant v becomes v + ``crops``.
        crops: how many crops an image has, one of which is drawn in every epoch as its variant v.
        seed: of the order, in 0 .. 2**32 - 1.
        world: number of processes.
        rank: of this process.
        position: tells the number of the batch to begin with whenever an iteration starts; None: every iteration begins
            where the epoch before it ends.
    """

    resumable = True  # what the engine looks for: a resumed run sees the batches of one that was never stopped

    def __init__(
        self,
        dataset: Dataset[Any],
        images: int,
        batch_size: int,
        *,
        flip: bool = False,
        crops: int = 1,
        seed: int = 0,
        world: int = 1,
        rank: int = 0,
        position: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(dataset, num_replicas=world, rank=rank, seed=seed)
        self.images = images
        self.batch_size = batch_size
        self.flip = flip
        self.variants = crops * (2 if flip else 1)
        self.joint_batch_size = batch_size * world
        self.batches_per_epoch = max(1, images // self.joint_batch_size)
        self._position = position
        self._epochs_dealt = 0  # counted only when nobody tells the position
        self._cached: tuple[int, Tensor] | None = None

    def batch(self, position: int) -> list[int]:
        """Indices of this process's rows of batch number ``position``."""
        epoch, number = divmod(position, self.batches_per_epoch)
        joint = self._epoch_rows(epoch)[number * self.joint_batch_size :][: self.joint_batch_size]
        rows: list[int] = joint[self.rank :: self.num_replicas].tolist()
        return rows

    def __iter__(self) -> Iterator[int]:
        """One epoch's worth of indices from the present position on, which may lie within an epoch."""
        if self._position is None:
            start = self._epochs_dealt * self.batches_per_epoch
            self._epochs_dealt += 1
        else:
            start = self._position()
        for position in range(start, start + self.batches_per_epoch):
            yield from self.batch(position)

    def __len__(self) -> int:
        return self.batches_per_epoch * self.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Does nothing: the position says it all, and the epoch Lightning passes after a resume is wrong (PL#21938)."""

    def _epoch_rows(self, epoch: int) -> Tensor:
        """All indices of an epoch in order: int64 (batches_per_epoch * joint_batch_size,)."""
        if self._cached is None or self._cached[0] != epoch:
            needed = self.batches_per_epoch * self.joint_batch_size
            rounds = range(-(-needed // self.images))  # more than one only if the set is smaller than a joint batch
            rows = np.concatenate([self._permutation(epoch, number) for number in rounds])[:needed]
            self._cached = (epoch, torch.from_numpy(rows))
        return self._cached[1]

    def _permutation(self, epoch: int, number: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        # RandomState's streams are frozen for good: an order survives any upgrade of numpy or torch.
        random = np.random.RandomState([self.seed, epoch, number])
        return self._varied(random.permutation(self.images), self.images, random)

    def _varied(
        self, order: np.ndarray[Any, Any], images: int, random: np.random.RandomState
    ) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Items of images in an order, each in a variant that is drawn for it."""
        items = order.astype(np.int64)
        if self.variants > 1:
            items += images * random.randint(0, self.variants, size=len(items))
        return items
