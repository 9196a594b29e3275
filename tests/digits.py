"""The digits test: do 400 samples look like handwritten digits to a judge that saw only real ones?

Judged on 8x8 block means (32x32 images) in the 20 first principal components of the real ones:

- `distance`: Frechet distance of the samples to 1,400 real digits, over that of the 397 held-out digits. A plain DCGAN reaches
  0.8 to 1.2; blends of two digits give 3.3, ten repeated digits 13, noise 48.
- `classes`: how many of the ten classes a support vector classifier finds among the samples (at least 1 % each).
- `spread`: the samples' mean spread within a class over that of real digits.
- `nearest`: mean distance to the nearest real digit over that of the held-out digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy import linalg
from sklearn.svm import SVC
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from datamodules import Digits

__all__ = ["DigitsScore", "block_means", "frechet", "real_digits", "score_digits"]


@dataclass
class DigitsScore:
    """The four numbers of the digits test, and the share of samples read as the class that was asked for."""

    distance: float
    classes: int
    spread: float
    nearest: float
    read_as_asked: float | None = None

    def problems(self, factor: float = 2.0) -> list[str]:
        """What fails; empty if the samples pass. `factor`: largest allowed `distance`."""
        rules = {
            f"distance {self.distance:.2f}, allowed: at most {factor}": self.distance <= factor,
            f"classes {self.classes}, allowed: at least 9": self.classes >= 9,
            f"spread {self.spread:.2f}, allowed: 0.5 to 1.5": 0.5 <= self.spread <= 1.5,
            f"nearest {self.nearest:.2f}, allowed: at most 1.5": self.nearest <= 1.5,
        }
        return [problem for problem, passed in rules.items() if not passed]


def block_means(images: Tensor) -> np.ndarray:
    """(N, C, S, S) in [-1, 1] -> float64 (N, 64): the means of an 8x8 grid of blocks, over channels too."""
    return adaptive_avg_pool2d(images.double().mean(dim=1, keepdim=True), 8).flatten(1).numpy()


@lru_cache(maxsize=4)
def real_digits(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Block means and labels of the 1,400 training and the 397 held-out digits."""
    data = Digits(size=size)
    data.prepare_data()
    data.setup("fit")
    features = []
    for dataset in (data.train_dataset, data.test_dataset):
        batch = dataset.__getitems__(list(range(len(dataset))))
        features += [block_means(batch["images"].float() / 127.5 - 1.0), batch["labels"].numpy()]
    return features[0], features[1], features[2], features[3]


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """Frechet distance of two Gaussians fitted to rows of features."""
    difference = first.mean(axis=0) - second.mean(axis=0)
    one, two = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    root = linalg.sqrtm(one @ two).real
    return float(difference @ difference + np.trace(one + two - 2.0 * root))


def score_digits(images: Tensor, asked: Tensor | None = None) -> DigitsScore:
    """Judge samples (N, C, S, S) in [-1, 1]; `asked` (N,) are the classes they were asked for, if any."""
    train, train_labels, held_out, held_labels = real_digits(images.shape[-1])
    samples = block_means(images)
    mean = train.mean(axis=0)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:20].T
    real, held, fake = ((x - mean) @ axes for x in (train, held_out, samples))
    judge = SVC(gamma="scale").fit(train, train_labels)
    read = judge.predict(samples)
    spreads = []
    for digit in range(10):
        mine, theirs = fake[read == digit], held[held_labels == digit]
        if len(mine) >= 2:
            spreads.append(np.sqrt(mine.var(axis=0).sum() / theirs.var(axis=0).sum()))
    return DigitsScore(
        distance=frechet(real, fake) / frechet(real, held),
        classes=int(sum((read == digit).mean() >= 0.01 for digit in range(10))),
        spread=float(np.mean(spreads)) if spreads else 0.0,
        nearest=_nearest(fake, real) / _nearest(held, real),
        read_as_asked=None if asked is None else float((read == asked.numpy()).mean()),
    )


def _nearest(rows: np.ndarray, others: np.ndarray) -> float:
    return float(torch.cdist(torch.from_numpy(rows), torch.from_numpy(others)).amin(dim=1).mean())
