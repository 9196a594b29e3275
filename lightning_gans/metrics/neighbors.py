"""Metrics of nearest neighbours in a feature space: precision and recall, density and coverage, realism, memorisation.

- Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative Models" (arXiv:1904.06991):
  `precision_recall` and `realism`; k = 3, and a point at exactly the radius lies inside ("<=").
- Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models" (arXiv:2002.09797):
  `density_coverage`; k = 5, and a point at exactly the radius lies outside ("<").

The radius of a sample is the distance to its k-th nearest OTHER sample of its own set; an identical duplicate is such an
other. Every figure depends on the features (the papers: VGG16's 4,096) and on the number of samples: state both. Equal
distributions do not give precision 1: 4,000 samples of a 16-dimensional Gaussian give about 0.79.

Where we differ: the paper's TensorFlow code keeps features in 16 bit, works with squared distances (the same precision
and recall, but a squared realism) and adds 1e-5 to them; here everything is in 64 bit, unsquared, and nothing is added.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "DensityCoverage",
    "Memorization",
    "Nearest",
    "PrecisionRecall",
    "density_coverage",
    "distance_blocks",
    "in_float64",
    "memorization",
    "nearest",
    "neighbor_radii",
    "precision_recall",
    "realism",
    "share_inside",
]

_BLOCK = 1 << 23  # distances held at once: 64 MiB
_DIRECT = 1 << 30  # up to so many differences of coordinates, about a second's work of one core, none is approximated
_ROUNDING = 64 * torch.finfo(torch.float64).eps


class PrecisionRecall(NamedTuple):
    """Precision: the share of generated samples that look real. Recall: the share of real ones that can be generated."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """Density: how thickly real samples surround generated ones (may exceed 1). Coverage: share of reals with a fake near."""

    density: float
    coverage: float


class Nearest(NamedTuple):
    """Distances (N,) float64 and indices (N,) int64 of the nearest of the others."""

    distances: Tensor
    indices: Tensor


class Memorization(NamedTuple):
    """What `memorization` found; see there."""

    ratio: float
    copies: float
    threshold: float


def in_float64(tensor: Tensor) -> Tensor:
    """The tensor in 64 bit, without its graph, on its device; on the CPU where the device has no 64 bit (Apple's)."""
    return tensor.detach().to("cpu" if tensor.device.type == "mps" else tensor.device, torch.float64)


def distance_blocks(points: Tensor, others: Tensor) -> Iterator[Tensor]:
    """Euclidean distances, a block of rows at a time: memory stays bounded whatever the sizes.

    Up to about 10^9 coordinate pairs the differences are taken one by one, so ties and duplicates come out exact. Above,
    |a|^2 + |b|^2 - 2ab by a matrix product in 64 bit around the others' mean (features lie far from 0, where the product
    would lose digits). What then lies under the product's rounding, some 1e-7 of the points' norm (the resolution of
    32-bit features), counts as 0: duplicates stay duplicates.

    Args:
        points: (N, D).
        others: (M, D).

    Yields:
        (R, M) float64, the next R rows of the (N, M) distances; the caller may write into it.
    """
    points, others = in_float64(points), in_float64(others)
    rows = max(1, _BLOCK // len(others))
    if points.numel() * len(others) <= _DIRECT:
        for block in points.split(rows):
            yield torch.cdist(block, others, compute_mode="donot_use_mm_for_euclid_dist")  # (R, M)
        return
    centre = others.mean(dim=0)  # (D,)
    others = others - centre
    norms = others.square().sum(dim=1)  # (M,)
    for block in points.split(rows):
        block = block - centre
        scale = block.square().sum(dim=1, keepdim=True) + norms  # (R, M)
        squared = torch.addmm(scale, block, others.T, alpha=-2.0)  # (R, M)
        yield squared.masked_fill_(squared < _ROUNDING * scale, 0.0).sqrt_()


def neighbor_radii(features: Tensor, k: int) -> Tensor:
    """Distance from each sample to its k-th nearest other sample.

    Args:
        features: (N, D).
        k: 1 to N - 1.

    Returns:
        (N,) float64; 0 where a sample has k or more duplicates.

    Raises:
        ValueError: features not (N, D) or not finite; k out of its range.
    """
    _check(features=features)
    if not 1 <= k < len(features):
        raise ValueError(f"k={k} with {len(features)} samples; allowed: 1 to the number of samples - 1")
    radii: list[Tensor] = []
    start = 0
    for block in distance_blocks(features, features):
        block.diagonal(offset=start).fill_(torch.inf)  # a sample is not its own neighbour; its duplicates are
        radii.append(block.topk(k, dim=1, largest=False).values.amax(dim=1))  # (R,)
        start += len(block)
    return torch.cat(radii)  # (N,)


def nearest(features: Tensor, others: Tensor) -> Nearest:
    """For each sample the nearest of the others.

    Args:
        features: (N, D).
        others: (M, D); a sample that is among them finds itself.

    Returns:
        Distances (N,) float64 and indices (N,) into `others`.

    Raises:
        ValueError: not (N, D), different widths, or not finite.
    """
    _check(features=features, others=others)
    found = [block.min(dim=1) for block in distance_blocks(features, others)]  # each (R,)
    return Nearest(torch.cat([f.values for f in found]), torch.cat([f.indices for f in found]))  # (N,), (N,)


def share_inside(points: Tensor, centres: Tensor, k: int) -> float:
    """Share of points inside ("<=") the k-th-neighbour ball of at least one centre: precision, or recall with roles swapped.

    Args:
        points: (N, D).
        centres: (M, D).
        k: 1 to M - 1.

    Raises:
        ValueError: not (N, D), different widths, not finite; k out of its range.
    """
    _check(points=points, centres=centres)
    radii = neighbor_radii(centres, k)  # (M,)
    inside = sum(int((block <= radii).any(dim=1).sum()) for block in distance_blocks(points, centres))
    return inside / len(points)


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall of Kynkäänniemi et al.

    Args:
        real: features of real samples, (N, D).
        fake: features of generated samples, (M, D).
        k: which neighbour sets the radius, 1 to min(N, M) - 1.

    Raises:
        ValueError: not (N, D), different widths, not finite; k out of its range.
    """
    _check(real=real, fake=fake)
    return PrecisionRecall(precision=share_inside(fake, real, k), recall=share_inside(real, fake, k))


def density_coverage(real: Tensor, fake: Tensor, k: int = 5) -> DensityCoverage:
    """Density and coverage of Naeem et al.: only real samples have balls, so one odd fake cannot inflate the result.

    Equal distributions give density 1 and coverage about 1 - 2^-k.

    Args:
        real: features of real samples, (N, D).
        fake: features of generated samples, (M, D).
        k: which neighbour sets the radius, 1 to N - 1.

    Raises:
        ValueError: not (N, D), different widths, not finite; k out of its range.
    """
    _check(real=real, fake=fake)
    radii = neighbor_radii(real, k)  # (N,)
    pairs = 0
    covered = torch.zeros_like(radii, dtype=torch.bool)  # (N,)
    for block in distance_blocks(fake, real):
        inside = block < radii  # (R, N)
        pairs += int(inside.sum())
        covered |= inside.any(dim=0)  # its nearest fake is inside if any is
    return DensityCoverage(density=pairs / (k * len(fake)), coverage=float(covered.double().mean()))


def realism(real: Tensor, fake: Tensor, k: int = 3) -> Tensor:
    """How real each generated sample looks: the largest ratio of a real sample's radius to the distance from it.

    Reals with a radius above the median take no part: where data is thin, everything looks real.

    Args:
        real: features of real samples, (N, D).
        fake: features of generated samples, (M, D).
        k: which neighbour sets the radius, 1 to N - 1.

    Returns:
        (M,) float64, at least 1 inside a ball that takes part; infinite on top of a real sample with a radius above 0, and 1
        on top of one whose radius is 0.

    Raises:
        ValueError: not (N, D), different widths, not finite; k out of its range.
    """
    _check(real=real, fake=fake)
    radii = neighbor_radii(real, k)  # (N,)
    kept = radii <= radii.median()
    radii = radii[kept]  # (K,)
    scores = []
    for block in distance_blocks(fake, real[kept.to(real.device)]):
        ratios = (radii / block).nan_to_num_(nan=1.0, posinf=torch.inf)  # (R, K); 0 / 0: at the radius, so inside
        scores.append(ratios.amax(dim=1))  # (R,)
    return torch.cat(scores)


def memorization(generated: Tensor, train: Tensor, held_out: Tensor) -> Memorization:
    """Has the generator copied its training set? Its nearest-training-sample distances beside those of unseen real samples.

    Our own definition, in the spirit of the nearest-neighbour figures of the papers; only as good as the features. With d(x)
    the distance from x to the nearest training sample:

    - `ratio`: mean d over generated / mean d over held-out. About 1: as new as unseen data; near 0: copies. A bad generator,
      far from all data, is above 1.
    - `threshold`: the 1st percentile (linear interpolation) of d over held-out samples.
    - `copies`: share of generated samples with d < threshold. About 0.01 for a perfect generator. Where 1% of the held-out
      samples are in the training set too, the threshold is 0 and so is this share: take them out first.

    Args:
        generated: features of generated samples, (N, D).
        train: features of the samples that the generator was trained on, (M, D).
        held_out: features of real samples that it never saw, (K, D); some hundreds, for the percentile's sake.

    Raises:
        ValueError: not (N, D), different widths, not finite, or all held-out samples are training samples.
    """
    _check(generated=generated, train=train, held_out=held_out)
    unseen = nearest(held_out, train).distances  # (K,)
    if not unseen.any():
        raise ValueError("held_out samples that are all in train; allowed: samples that were not trained on")
    distances = nearest(generated, train).distances  # (N,)
    threshold = float(np.percentile(unseen.cpu().numpy(), 1))  # torch.quantile refuses more than 2^24 numbers
    copies = (distances < threshold).double().mean()
    return Memorization(float(distances.mean() / unseen.mean()), float(copies), threshold)


def _check(**sets: Tensor) -> None:
    first, reference = next(iter(sets.items()))
    for name, features in sets.items():
        if features.dim() != 2 or not features.numel():
            raise ValueError(f"{name} of shape {tuple(features.shape)}; allowed: (N, D), neither 0")
        if features.shape[1] != reference.shape[1]:
            raise ValueError(
                f"{name} of width {features.shape[1]} beside {first} of width {reference.shape[1]}; allowed: equal widths"
            )
        if not torch.isfinite(features).all():
            raise ValueError(f"{name} with NaN or infinity; allowed: finite numbers")
