"""PRD: precision and recall as a curve, from clustered features.

Sajjadi et al. 2018, "Assessing Generative Models via Precision and Recall" (arXiv:1806.00035). Real and generated features
are clustered together; the two histograms over the clusters trace a curve: at slope l, precision = sum of
min(l * real, fake) and recall = precision / l. Its summary is a pair of F scores: F_8 leans to recall, F_1/8 to precision.

Official code: github.com/msmsajjadi/precision-recall-distributions. Where we differ: a seed makes the result repeatable, and
scikit-learn's mini-batches have grown since (1,024 instead of 100), so single clusterings are not the same as theirs.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["FPair", "PRDCurve", "f_beta_pair", "prd", "prd_from_histograms"]

_EDGE = 1e-10  # keeps the slopes off 0 and infinity


class PRDCurve(NamedTuple):
    """Precision and recall, each (angles,) float64 in [0, 1], from slope about 0 to about infinity."""

    precision: Tensor
    recall: Tensor


class FPair(NamedTuple):
    """The largest F_8 (recall weighs 8 times precision) and F_1/8 (the other way round) on a curve."""

    f8: float
    f1_8: float


def prd_from_histograms(real: Tensor, fake: Tensor, angles: int = 1001) -> PRDCurve:
    """The PRD curve of two discrete distributions.

    Args:
        real: (n,), counts or probabilities: normalised here.
        fake: (n,), likewise.
        angles: points on the curve, 3 or more, spread evenly over the angles between 0 and pi/2.

    Raises:
        ValueError: histograms not (n,), of different sizes, negative, not finite or all zero; too few angles.
    """
    if angles < 3:
        raise ValueError(f"angles={angles}; allowed: 3 or more")
    if real.dim() != 1 or real.shape != fake.shape:
        raise ValueError(f"histograms of shapes {tuple(real.shape)} and {tuple(fake.shape)}; allowed: (n,) both")
    shares = []
    for name, histogram in (("real", real), ("fake", fake)):
        bins = histogram.detach().cpu().to(torch.float64)
        if not torch.isfinite(bins).all() or (bins < 0).any() or not bins.any():
            raise ValueError(f"{name} histogram negative, not finite or all 0; allowed: numbers from 0 up, not all 0")
        shares.append(bins / bins.sum())
    slopes = torch.linspace(_EDGE, math.pi / 2 - _EDGE, angles, dtype=torch.float64).tan()  # (angles,)
    precision = torch.minimum(slopes[:, None] * shares[0], shares[1]).sum(dim=1)  # (angles,)
    # Rounding may carry both a hair above 1.
    return PRDCurve(precision.clamp(max=1.0), (precision / slopes).clamp(max=1.0))


def prd(
    real: Tensor, fake: Tensor, *, clusters: int = 20, angles: int = 1001, runs: int = 10, seed: int = 0
) -> PRDCurve:
    """The PRD curve of two sets of features, averaged over clusterings.

    Args:
        real: features of real samples, (N, D).
        fake: features of generated samples, (N, D): as many, since the clustering would favour the larger set.
        clusters: of the k-means on both sets together.
        angles: points on the curve.
        runs: clusterings that are averaged.
        seed: of the clusterings; equal seeds give equal curves.

    Raises:
        ValueError: features not (N, D), unequal in shape or not finite; fewer samples than clusters; runs below 1.
    """
    from sklearn.cluster import MiniBatchKMeans  # takes longer to import than all other metrics

    if real.dim() != 2 or real.shape != fake.shape:
        raise ValueError(
            f"features of shapes {tuple(real.shape)} and {tuple(fake.shape)}; allowed: (N, D), the same for both"
        )
    if not 1 <= clusters <= 2 * len(real):
        raise ValueError(f"clusters={clusters} with {2 * len(real)} samples in all; allowed: 1 to that number")
    if runs < 1:
        raise ValueError(f"runs={runs}; allowed: 1 or more")
    union = torch.cat([real.detach().cpu(), fake.detach().cpu()]).float().numpy()  # (2N, D)
    if not np.isfinite(union).all():
        raise ValueError("features with NaN or infinity; allowed: finite numbers")
    state = np.random.RandomState(seed)
    curves = []
    for _ in range(runs):
        found = MiniBatchKMeans(n_clusters=clusters, n_init=10, random_state=state).fit(union).labels_
        labels = torch.as_tensor(found, dtype=torch.int64)  # (2N,)
        counts = [part.bincount(minlength=clusters) for part in labels.split(len(real))]  # (clusters,) each
        curves.append(prd_from_histograms(counts[0], counts[1], angles))
    return PRDCurve(
        torch.stack([curve.precision for curve in curves]).mean(dim=0),  # (angles,)
        torch.stack([curve.recall for curve in curves]).mean(dim=0),
    )


def f_beta_pair(curve: PRDCurve, beta: float = 8.0) -> FPair:
    """The largest F_beta and F_1/beta on a curve: a model's recall and precision in one number each.

    Args:
        curve: of `prd` or `prd_from_histograms`.
        beta: above 0.

    Raises:
        ValueError: beta not above 0.
    """
    if not beta > 0:
        raise ValueError(f"beta={beta}; allowed: above 0")
    return FPair(_largest_f(curve, beta), _largest_f(curve, 1 / beta))


def _largest_f(curve: PRDCurve, beta: float) -> float:
    precision, recall = curve
    scores = (1 + beta**2) * precision * recall / (beta**2 * precision + recall + 1e-10)
    return float(scores.max())
