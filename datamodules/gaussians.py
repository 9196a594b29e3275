"""Toy mixtures in the plane: eight Gaussians on a ring, twenty-five on a grid, or a Swiss roll, as images of two pixels.

Definitions: Srivastava et al. 2017, "VEEGAN" (arXiv:1705.07761), and Lin et al. 2018, "PacGAN" (arXiv:1712.04086); Metz et
al. 2017, "Unrolled GAN" (arXiv:1611.02163); the toys of the code of WGAN-GP (Gulrajani et al. 2017, arXiv:1704.00028).
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from datamodules.base import ImageDataModule, ImageDataset

__all__ = ["Gaussians"]

TEST_POINTS = 10_000
HEADROOM = 8.0  # standard deviations between the outermost mean and the edge: one point in 10^15 lies beyond


class Shape(NamedTuple):
    """Extent is the radius, the half side, or the outermost turn; the first three are divided by the last."""

    extent: float
    std: float
    divisor: float


# By mixture, then variant; a mixture's first variant is its default.
SHAPES = {
    "ring8": {
        "veegan": Shape(1.0, 0.01, 1.0),
        "unrolled": Shape(2.0, 0.02, 1.0),
        "wgan_gp": Shape(2.0, 0.02, 1.414),
    },
    "grid25": {"veegan": Shape(4.0, 0.05, 1.0), "wgan_gp": Shape(4.0, 0.05, 2.828)},
    "swiss_roll": {"wgan_gp": Shape(4.5 * math.pi, 0.25, 7.5)},
}


class Gaussians(ImageDataModule):
    """Points (x, y) as float32 "images" (1, 1, 2) in [-1, 1]: one row of two grey pixels, x and then y.

    So they pass wherever images do; models need networks for any shape, such as ``wgan`` with ``network: mlp``. What a model
    draws is brought back to the papers' units by ``points``; there its modes are counted. A batch is {"images", "labels"}, the
    label being the number of the Gaussian; a Swiss roll has none.

    Args:
        mixture: ring8, grid25 or swiss_roll.
        variant: whose numbers. ring8: "veegan" (also PacGAN's; the default; radius 1, deviation 0.01), "unrolled" (2, 0.02),
            "wgan_gp" (2, 0.02, all divided by 1.414). grid25: "veegan" (-4 to 4, 0.05), "wgan_gp" (divided by 2.828).
            swiss_roll: "wgan_gp" (one and a half turns, noise 0.25, divided by 7.5).
        train_points: how many points there are to train on; to test with there are 10,000 more.
        batch_size: points per discriminator turn and process.
        num_workers: processes that gather batches; 0 is fastest.
        labels_per_class: how many training points of each class show their labels; None: all.
        labelled_fraction: share of a batch's rows, with ``labels_per_class``, that are labelled, drawn with repetition.
        seed: of the points, their order and the choice of labels, in 0 .. 2**32 - 1.

    Attributes:
        means: float64 (8 or 25, 2), in the papers' units; None for the Swiss roll.
        std: standard deviation of each coordinate, in the papers' units.
        scale: a pixel times this is a coordinate in the papers' units: the outermost mean (or turn) plus 8 ``std``.

    Raises:
        ValueError: an option outside what is allowed.
    """

    classes = ()
    min_size = 1

    def __init__(
        self,
        *,
        mixture: Literal["ring8", "grid25", "swiss_roll"] = "ring8",
        variant: Literal["veegan", "unrolled", "wgan_gp"] | None = None,
        train_points: int = 100_000,
        batch_size: int = 64,
        num_workers: int = 0,
        labels_per_class: int | None = None,
        labelled_fraction: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__(
            size="1x2",
            channels=1,
            batch_size=batch_size,
            num_workers=num_workers,
            labels_per_class=labels_per_class,
            labelled_fraction=labelled_fraction,
            seed=seed,
        )
        if mixture not in SHAPES:
            raise ValueError(f"mixture {mixture!r}; allowed: {', '.join(map(repr, SHAPES))}")
        known = SHAPES[mixture]
        self.mixture: str = mixture
        self.variant: str = variant or next(iter(known))
        if self.variant not in known:
            raise ValueError(f"variant {variant!r} of {mixture}; allowed: {', '.join(map(repr, known))}")
        if train_points < 1:
            raise ValueError(f"train_points {train_points}; allowed: 1 or more")
        self.train_points = train_points
        extent, std, divisor = known[self.variant]
        self.std = std / divisor
        self.scale = (extent + HEADROOM * std) / divisor
        self.means = _means(mixture, extent / divisor)
        self.num_classes = None if self.means is None else len(self.means)
        self.class_names = None if self.means is None else [str(number) for number in range(len(self.means))]
        self.check_labels()

    @property
    def source(self) -> dict[str, Any] | None:
        """As of every data set; the options that name the points."""
        source = super().source
        if source is not None:
            own = {"mixture": self.mixture, "variant": self.variant, "train_points": self.train_points}
            source["options"] = {**own, "seed": self.seed}
        return source

    def points(self, images: Tensor) -> Tensor:
        """Images (N, 1, 1, 2) in [-1, 1], real or generated, to points (N, 2) in the papers' units."""
        return images.flatten(1) * self.scale  # (N, 1, 1, 2) -> (N, 2)

    def setup(self, stage: str | None = None) -> None:
        """Draw both sets of points, once; which ones depends on ``seed`` only."""
        if hasattr(self, "test_dataset"):
            return
        self.train_dataset = self._draw(self.train_points, 0)
        self.test_dataset = self._draw(TEST_POINTS, 1)
        self.choose_labels()

    def _draw(self, n: int, split: int) -> ImageDataset:
        random = np.random.RandomState([self.seed, split])  # streams that are frozen for good
        labels = None
        if self.means is None:
            turns = 1.5 * math.pi * (1.0 + 2.0 * random.uniform(size=n))  # the angle, which is the radius too
            centres = (
                np.stack([turns * np.cos(turns), turns * np.sin(turns)], axis=1) / SHAPES["swiss_roll"]["wgan_gp"][2]
            )
        else:
            numbers = random.randint(0, len(self.means), size=n)
            centres, labels = self.means.numpy()[numbers], torch.from_numpy(numbers).long()
        points = centres + self.std * random.standard_normal((n, 2))  # (n, 2)
        return ImageDataset(torch.from_numpy(points / self.scale).float().view(n, 1, 1, 2), labels)


def _means(mixture: str, extent: float) -> Tensor | None:
    if mixture == "ring8":
        angles = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
        return torch.stack([angles.cos(), angles.sin()], dim=1) * extent  # (8, 2)
    if mixture == "grid25":
        steps = torch.linspace(-extent, extent, 5, dtype=torch.float64)
        return torch.cartesian_prod(steps, steps)  # (25, 2)
    return None
