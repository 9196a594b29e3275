"""Kernel distance: squared maximum mean discrepancy with a cubic kernel, the KID's formula.

Bińkowski et al., "Demystifying MMD GANs", arXiv:1801.01401: k(x, y) = (x.y / D + 1)^3, the unbiased estimate, averaged over
random subsets. Unbiased means that it may fall below 0. Often printed times 1,000; not here.

We differ from the papers' code (MMD-GAN, torch-fidelity) in arithmetic only: float64 throughout, whatever precision torch is
told to multiply float32 with, and where subsets overlap so much that all pairs of samples are fewer than all pairs within
subsets, every pair's kernel is computed once.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lightning_gans.metrics.moments import check_features

__all__ = ["KernelDistance", "kernel_distance"]

# Rows of the kernel matrix that are in memory at a time. Of a symmetric one the part left of them is not computed.
BAND = 128


class KernelDistance(NamedTuple):
    """A kernel distance and how far to trust it.

    Attributes:
        value: mean over the subsets.
        error: standard error of ``value`` as an estimate of the distributions' distance, by the delete-d jackknife (Shao and
            Wu 1989): var * (m / (n - m) + 1 / subsets) with subsets of m out of the smaller set's n. The first summand is
            there because subsets of a small set overlap: std / sqrt(subsets), often seen, tells only of the drawing.
            None where m = n: a single subset has no spread.
        std: population standard deviation over the subsets, which torch-fidelity prints.
    """

    value: float
    error: float | None
    std: float


def kernel_distance(
    first: Tensor, second: Tensor, *, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> KernelDistance:
    """Kernel distance of two sets of features.

    Args:
        first: (n, D), any floating dtype.
        second: (m, D).
        subsets: how many pairs of subsets are drawn, independently of each other.
        subset_size: samples of either set in a subset, drawn without replacement.
        seed: of the drawing; the global random state is neither used nor changed.

    Raises:
        ValueError: if a set is smaller than a subset; on another D, NaN or infinity.
    """
    check_features(first)
    check_features(second, first.shape[1])
    smaller = min(len(first), len(second))
    if subsets < 1:
        raise ValueError(f"{subsets} subsets; allowed: 1 or more")
    if not 2 <= subset_size <= smaller:
        counts = f"{len(first)} and {len(second)} samples"
        allowed = f"2 to {smaller}" if smaller >= 2 else "none, give 2 samples or more"
        raise ValueError(f"subsets of {subset_size} for {counts}; allowed: {allowed}")
    first, second = (x.detach().cpu() if x.device.type == "mps" else x.detach() for x in (first, second))
    second = second.to(first.device)
    generator = torch.Generator().manual_seed(seed)
    rows = [
        [torch.randperm(len(x), generator=generator)[:subset_size].to(x.device) for x in (first, second)]
        for _ in range(subsets)
    ]
    if (len(first) + len(second)) ** 2 <= 4 * subsets * subset_size**2:
        values = _over_all_pairs(first.double(), second.double(), rows)
    else:
        one = torch.ones(subset_size, 1, dtype=torch.float64, device=first.device)
        values = torch.cat([_distances(first[i].double(), second[j].double(), one, one) for i, j in rows])
    spread = values.std(correction=0)
    error = None
    if subset_size < smaller:
        error = float(spread) * (subset_size / (smaller - subset_size) + 1 / subsets) ** 0.5
    return KernelDistance(float(values.mean()), error, float(spread))


def _over_all_pairs(first: Tensor, second: Tensor, rows: list[list[Tensor]]) -> Tensor:
    """(subsets,) distances, by masks over the kernel matrices of the whole sets."""
    masks = []
    for side, features in enumerate((first, second)):
        mask = torch.zeros(len(features), len(rows), dtype=torch.float64, device=features.device)
        mask.scatter_(0, torch.stack([pair[side] for pair in rows], dim=1), 1.0)  # (n, subsets)
        masks.append(mask)
    return _distances(first, second, *masks)


def _distances(first: Tensor, second: Tensor, first_mask: Tensor, second_mask: Tensor) -> Tensor:
    """(K,) unbiased estimates, one for each column of the masks (n, K) and (m, K), which hold zeros and ones."""
    size = first_mask[:, 0].sum()
    within = _sum_within(first, first_mask) + _sum_within(second, second_mask)
    across = torch.zeros_like(within)
    for start in range(0, len(first), BAND):
        kernel = _kernel(first[start : start + BAND], second)  # (BAND, m)
        across += (first_mask[start : start + BAND] * (kernel @ second_mask)).sum(dim=0)
    return within / (size * (size - 1)) - 2 * across / size.square()


def _sum_within(features: Tensor, mask: Tensor) -> Tensor:
    """(K,) sums of the kernel over ordered pairs of different samples."""
    total = torch.zeros(mask.shape[1], dtype=mask.dtype, device=mask.device)
    for start in range(0, len(features), BAND):
        band = slice(start, start + BAND)
        kernel = _kernel(features[band], features[start:])  # (BAND, n - start)
        # Pairs above the diagonal stand for their mirror images too; the diagonal itself does not count.
        total += 2 * (mask[band] * (kernel.triu(1) @ mask[start:])).sum(dim=0)
    return total


def _kernel(first: Tensor, second: Tensor) -> Tensor:
    return (first @ second.T).div_(first.shape[1]).add_(1.0).pow_(3)
