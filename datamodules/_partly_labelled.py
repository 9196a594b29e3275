"""Few labels and many images: each batch holds labelled images, drawn with repetition, beside unlabelled ones.

As in semi-supervised learning with GANs (Salimans et al. 2016, arXiv:1606.03498): the images that may show their labels are
chosen once, equally many of each class; the whole set, they among it, passes without labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from datamodules._dataset import ImageDataset
from datamodules._sampler import PositionSampler

__all__ = ["PartlyLabelledSampler", "choose_labelled"]


class PartlyLabelledSampler(PositionSampler):
    """Deals items of an ``ImageDataset`` that has ``labelled`` rows: unlabelled ones as ``PositionSampler`` does, an epoch being
    one pass through all images, and labelled ones in rounds, each an order of its own of all that are labelled.

    Every process's batch holds the same number of labelled images, spread over its rows, so that parts and accumulated chunks
    have their share. For any number of processes a joint batch holds the same images (in another order) if the numbers of
    labelled ones add up to the same.

    Args:
        dataset: see above.
        images: as of ``PositionSampler``.
        batch_size: labelled and unlabelled rows of one batch of one process.
        labelled_fraction: share of labelled rows; at least one row is labelled and, below 1, one unlabelled.
        options: as of ``PositionSampler``.
    """

    def __init__(
        self, dataset: ImageDataset, images: int, batch_size: int, *, labelled_fraction: float, **options: Any
    ) -> None:
        most = batch_size if labelled_fraction == 1.0 else max(1, batch_size - 1)
        self.labelled = min(max(1, round(labelled_fraction * batch_size)), most)
        # Unlabelled rows are what an epoch is counted by; without any, labelled ones.
        super().__init__(dataset, images, (batch_size - self.labelled) or batch_size, **options)
        if dataset.labelled is None:
            raise ValueError("a data set that does not tell which rows are labelled; allowed: one with `labelled` rows")
        self.batch_size = batch_size
        self._chosen = dataset.labelled
        steps = np.arange(batch_size + 1) * self.labelled // batch_size
        self._is_labelled = np.diff(steps) > 0  # (batch_size,), as even as can be

    def batch(self, position: int) -> list[int]:
        """Indices of this process's rows of batch number ``position``."""
        rows = np.empty(self.batch_size, dtype=np.int64)
        rows[self._is_labelled] = self._labelled_rows(position)[self.rank :: self.num_replicas]
        if self.labelled < self.batch_size:
            rows[~self._is_labelled] = np.asarray(super().batch(position)) + 2 * self.images
        dealt: list[int] = rows.tolist()
        return dealt

    def _labelled_rows(self, position: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Labelled rows of the joint batch, those of all processes."""
        size, needed = len(self._chosen), self.labelled * self.num_replicas
        first, skipped = divmod(position * needed, size)
        rounds = range(first, first - (-(skipped + needed) // size))
        return np.concatenate([self._round(number) for number in rounds])[skipped : skipped + needed]

    def _round(self, number: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        random = np.random.RandomState([self.seed, number, 0, 2])  # another stream than that of the unlabelled ones
        order = random.permutation(self._chosen).astype(np.int64)
        if self.flip:
            order += self.images * random.randint(0, 2, size=len(order))
        return order


def choose_labelled(
    labels: Tensor, labels_per_class: int, class_names: Sequence[str], seed: int
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Draw the rows that show their labels, equally many of each class, in rising order.

    Raises:
        ValueError: a class has fewer images.
    """
    members = [np.flatnonzero(labels.numpy() == label) for label in range(len(class_names))]
    smallest = min(range(len(members)), key=lambda label: len(members[label]))
    least = len(members[smallest])
    if least < labels_per_class:
        allowed = f"None, or 1 to {least}" if least else "None"
        raise ValueError(
            f"labels_per_class {labels_per_class}: class '{class_names[smallest]}' has {least} training images; "
            f"allowed: {allowed}"
        )
    chosen = [
        np.random.RandomState([seed, label, 0, 3]).permutation(rows)[:labels_per_class]
        for label, rows in enumerate(members)
    ]
    return np.sort(np.concatenate(chosen)).astype(np.int64)
