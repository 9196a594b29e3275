"""How many modes a generator covers: mixtures of Gaussians in the plane, and classes counted (Stacked MNIST).

Rule of Srivastava et al. 2017, "VEEGAN" (arXiv:1705.07761), and Lin et al. 2018, "PacGAN" (arXiv:1712.04086), with 2,500
samples: a sample is of high quality when it lies within (strictly) 3 standard deviations of the nearest mean; a mode is
covered by a single such sample; "reverse KL" is that of the high-quality samples over the modes from the uniform
distribution. Some later papers ask for more than one sample a mode: take `counts`.

Stacked MNIST: three digits as one picture's red, green and blue, 1,000 classes, a classifier's verdict on each channel.
VEEGAN and PacGAN judge 26,000 samples; ProGAN (arXiv:1710.10196) and papers around BigGAN 25,600.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_gans.metrics.divergences import kl_divergence

__all__ = [
    "ClassModes",
    "Mixture",
    "MixtureModes",
    "class_modes",
    "grid25",
    "mixture_modes",
    "ring8",
    "stacked_classes",
]


class Mixture(NamedTuple):
    """Equal Gaussians in the plane: means (M, 2) float64, and the standard deviation of each coordinate."""

    means: Tensor
    std: float


class MixtureModes(NamedTuple):
    """Modes covered, share of high-quality samples, reverse KL (nats; infinite without any), their counts (M,) int64."""

    modes: int
    high_quality: float
    reverse_kl: float
    counts: Tensor


class ClassModes(NamedTuple):
    """Classes with at least one sample, and KL(generated || uniform) in nats, 0 to ln of the number of classes."""

    modes: int
    kl: float


# The first column is the radius or the half side, the second the deviation, the third what WGAN-GP's toys divide both by.
_RINGS = {"veegan": (1.0, 0.01, 1.0), "unrolled": (2.0, 0.02, 1.0), "wgan_gp": (2.0, 0.02, 1.414)}
_GRIDS = {"veegan": (4.0, 0.05, 1.0), "wgan_gp": (4.0, 0.05, 2.828)}


def ring8(variant: str = "veegan") -> Mixture:
    """Eight Gaussians on a circle.

    Args:
        variant: "veegan" (also PacGAN's): radius 1, deviation 0.01; "unrolled" (Metz et al. 2017, arXiv:1611.02163): 2 and
            0.02; "wgan_gp" (the toy of its code): 2 and 0.02, all divided by 1.414.

    Raises:
        ValueError: an unknown variant.
    """
    radius, std, divisor = _pick(_RINGS, variant)
    angles = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
    return Mixture(torch.stack([angles.cos(), angles.sin()], dim=1) * (radius / divisor), std / divisor)  # (8, 2)


def grid25(variant: str = "veegan") -> Mixture:
    """Twenty-five Gaussians on a square grid.

    Args:
        variant: "veegan" (also PacGAN's): coordinates -4, -2, 0, 2, 4, deviation 0.05; "wgan_gp" (the toy of its code): the
            same, all divided by 2.828.

    Raises:
        ValueError: an unknown variant.
    """
    side, std, divisor = _pick(_GRIDS, variant)
    steps = torch.linspace(-side, side, 5, dtype=torch.float64) / divisor
    return Mixture(torch.cartesian_prod(steps, steps), std / divisor)  # (25, 2)


def mixture_modes(samples: Tensor, means: Tensor, std: float, threshold: float = 3.0) -> MixtureModes:
    """Counts the modes of a mixture of Gaussians that samples cover, by the rule above.

    Args:
        samples: (N, D), D = 2 for the mixtures here. NaN or infinite samples are of no quality.
        means: (M, D).
        std: standard deviation of each coordinate, above 0.
        threshold: in standard deviations, above 0; a sample at exactly this distance is not of high quality.

    Raises:
        ValueError: shapes that do not fit, or std or threshold not above 0.
    """
    if (
        samples.dim() != 2
        or means.dim() != 2
        or samples.shape[1] != means.shape[1]
        or not len(samples)
        or not len(means)
    ):
        raise ValueError(
            f"samples {tuple(samples.shape)} and means {tuple(means.shape)}; allowed: (N, D) and (M, D), none 0"
        )
    if not std > 0 or not threshold > 0:
        raise ValueError(f"std={std} and threshold={threshold}; allowed: above 0 both")
    points, centres = samples.detach().cpu().double(), means.detach().cpu().double()
    distances = torch.cdist(points, centres, compute_mode="donot_use_mm_for_euclid_dist")  # (N, M)
    smallest, mode = distances.min(dim=1)  # (N,), (N,)
    counts = mode[smallest / std < threshold].bincount(minlength=len(means))  # (M,)
    good = int(counts.sum())
    reverse_kl = kl_divergence(counts, torch.ones(len(means))) if good else math.inf
    return MixtureModes(int((counts > 0).sum()), good / len(samples), reverse_kl, counts)


def stacked_classes(digits: Tensor) -> Tensor:
    """The class of each Stacked-MNIST picture: 100 red + 10 green + blue.

    Args:
        digits: (N, 3) integers, 0 to 9: the digit seen in each channel.

    Returns:
        (N,) int64, 0 to 999.

    Raises:
        ValueError: not (N, 3) integers from 0 to 9.
    """
    if digits.dim() != 2 or digits.shape[1] != 3 or digits.is_floating_point():
        raise ValueError(f"digits {digits.dtype} of shape {tuple(digits.shape)}; allowed: integers (N, 3)")
    _in_range("digits", digits, 10)
    red, green, blue = digits.to(torch.int64).unbind(dim=1)
    return 100 * red + 10 * green + blue


def class_modes(classes: Tensor, n_modes: int) -> ClassModes:
    """Classes that appear among generated samples, and how far their frequencies are from uniform.

    Args:
        classes: (N,) integers, 0 to n_modes - 1: each sample's class as a classifier sees it.
        n_modes: how many classes there are.

    Raises:
        ValueError: not (N,) integers of that range, or none.
    """
    if classes.dim() != 1 or not len(classes) or classes.is_floating_point():
        raise ValueError(f"classes {classes.dtype} of shape {tuple(classes.shape)}; allowed: integers (N,), N above 0")
    _in_range("classes", classes, n_modes)
    counts = classes.detach().cpu().to(torch.int64).bincount(minlength=n_modes)  # (n_modes,)
    return ClassModes(int((counts > 0).sum()), kl_divergence(counts, torch.ones(n_modes)))


def _in_range(name: str, values: Tensor, end: int) -> None:
    if values.numel() and (values.min() < 0 or values.max() >= end):
        raise ValueError(f"{name} from {int(values.min())} to {int(values.max())}; allowed: 0 to {end - 1}")


def _pick(table: dict[str, tuple[float, float, float]], variant: str) -> tuple[float, float, float]:
    if variant not in table:
        raise ValueError(f"variant {variant!r}; allowed: {', '.join(map(repr, table))}")
    return table[variant]
