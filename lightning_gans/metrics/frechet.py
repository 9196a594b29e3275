"""Fréchet distance of two Gaussians, the FID's formula.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", arXiv:1706.08500:

    d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)

The papers' code (TTUR) takes scipy's square root of S1 S2, which is not symmetric, and adds 1e-6 to the diagonals where
that fails. With any factors S1 = L1 L1', S2 = L2 L2', the last trace is the sum of the roots of the eigenvalues of
L1' S2 L1, which is symmetric, and also of the singular values of L1' L2: real numbers, several times faster, and right for
singular covariances, so nothing is ever added.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_gans.metrics.moments import Moments, check_features

__all__ = ["check_rank", "frechet_distance", "frechet_from_features", "jackknife_error"]

BAND = 256  # rows or columns of a triangular matrix that are multiplied at a time


def check_rank(count: int, dim: int) -> str | None:
    """A sentence to warn with where ``count`` samples cannot fill a covariance of ``dim`` features, else None."""
    if count > dim:
        return None
    return (
        f"{count} samples for {dim} features: the covariance is singular and the distance biased upwards; "
        f"use more than {dim} samples"
    )


def frechet_distance(first: Moments, second: Moments) -> float:
    """Squared Fréchet distance of the Gaussians with these moments.

    Args:
        first: moments of at least two samples.
        second: the same, with as many features. It may live on another device: the first's is computed on.

    Returns:
        At least 0. The traces cancel, so that equal sets give a few units of 1e-15 times their size on either side of 0;
        what falls below is returned as 0.

    Raises:
        ValueError: of fewer than two samples, another number of features, or moments that overflowed.
    """
    if first.dim != second.dim:
        raise ValueError(f"moments of {second.dim} features beside {first.dim}; allowed: {first.dim}")
    for name, moments in (("first", first), ("second", second)):
        if moments.count < 2:
            raise ValueError(f"{moments.count} samples in the {name} set; allowed: 2 or more")
    first_covariance, second_covariance = first.covariance, second.covariance.to(first.device)
    squares = first_covariance.diagonal().sum() + second_covariance.diagonal().sum()
    squares += (first.mean - second.mean.to(first.device)).square().sum()
    _check_overflow(squares)
    # A feature that is constant in either set (a unit that never fires) adds nothing to the last trace.
    alive = (first_covariance.diagonal() > 0) & (second_covariance.diagonal() > 0)
    if not alive.any():
        return float(squares)
    if not alive.all():
        first_covariance, second_covariance = (s[alive][:, alive] for s in (first_covariance, second_covariance))
    return _distance(squares, _trace_of_root(first_covariance, second_covariance))


def frechet_from_features(first: Tensor, second: Tensor) -> float:
    """`frechet_distance` of two feature tensors; exact and cheap also with fewer samples than features.

    With centred features A (n, D) and B (m, D) the last trace is the sum of the singular values of A B', an (n, m) matrix,
    divided by sqrt((n - 1)(m - 1)): that is computed where n and m are both less than D.

    Args:
        first: (n, D), any floating dtype.
        second: (m, D).

    Returns:
        As `frechet_distance`.

    Raises:
        ValueError: of fewer than two samples, another D, NaN or infinity.
    """
    check_features(first)
    check_features(second, first.shape[1])
    if not (2 <= len(first) < first.shape[1] and 2 <= len(second) < first.shape[1]):
        return frechet_distance(Moments.of(first), Moments.of(second))
    means, factors = [], []
    for features in (first, second):
        features = (features.cpu() if features.device.type == "mps" else features).detach().double()
        means.append(features.mean(dim=0))  # (D,)
        factors.append((features - means[-1]) / (len(features) - 1) ** 0.5)  # (n, D), its square is the covariance
    squares = (means[0] - means[1]).square().sum() + sum(factor.square().sum() for factor in factors)
    _check_overflow(squares)
    return _distance(squares, torch.linalg.svdvals(factors[0] @ factors[1].T).sum())  # of (n, m)


def jackknife_error(blocks: list[Moments], reference: Moments) -> float:
    """Standard error of the Fréchet distance to ``reference``, by leaving out one block after the other.

    Efron and Stein, "The jackknife estimate of variance", 1981: sqrt((g - 1)/g * sum (d_i - mean d)^2), where d_i is the
    distance without block i of g. It tells how far the distance would move with other samples, not its bias.

    Args:
        blocks: moments of about equally many samples each, together the set that is judged.
        reference: what it is compared with, taken as given.

    Raises:
        ValueError: of fewer than two blocks; as `frechet_distance`.
    """
    if len(blocks) < 2:
        raise ValueError(f"{len(blocks)} blocks; allowed: 2 or more")
    total = blocks[0].copy()
    for block in blocks[1:]:
        total.merge(block)
    left_out = torch.tensor([frechet_distance(total - block, reference) for block in blocks], dtype=torch.float64)
    return float(((left_out - left_out.mean()).square().sum() * (len(blocks) - 1) / len(blocks)).sqrt())


def _distance(squares: Tensor, root: Tensor) -> float:
    return max(float(squares - 2 * root), 0.0)


def _check_overflow(squares: Tensor) -> None:
    if not torch.isfinite(squares):
        raise ValueError("moments that are not finite; allowed: features whose squares fit float64")


def _trace_of_root(first: Tensor, second: Tensor) -> Tensor:
    """tr (S1 S2)^(1/2) of two (D, D) covariances."""
    for one, other in ((first, second), (second, first)):
        factor = _cholesky(one)
        if factor is not None:
            eigenvalues: Tensor = torch.linalg.eigvalsh(_sandwich(factor, other), UPLO="L")  # (D,)
            # Rounding makes tiny eigenvalues of a singular covariance negative.
            return eigenvalues.clamp(min=0).sqrt().sum()
    # Both singular. Singular values of the factors' product are as exact as the factors; roots of eigenvalues, each
    # wrong by 1e-16 times the largest, would be wrong by 1e-8, hundreds of times over.
    singular_values: Tensor = torch.linalg.svdvals(_thin_factor(first).T @ _thin_factor(second))  # of (rank, rank)
    return singular_values.sum()


def _sandwich(factor: Tensor, covariance: Tensor) -> Tensor:
    """Lower triangle of L' S L for a lower triangular L, by bands: a quarter of the multiplications of two full products."""
    size = len(factor)
    right, result = torch.zeros_like(covariance), torch.zeros_like(covariance)
    for start in range(0, size, BAND):
        band = slice(start, start + BAND)
        right[start:, band] = covariance[start:, start:] @ factor[start:, band]  # S L
    for start in range(0, size, BAND):
        band, end = slice(start, start + BAND), start + BAND
        result[band, :end] = factor[start:, band].T @ right[start:, :end]
    return result


def _cholesky(covariance: Tensor) -> Tensor | None:
    """L of S = L L', or None of a matrix that is singular, exactly or but for rounding."""
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(covariance)
    if failed or factor.diagonal().min() ** 2 <= _rounding(covariance):
        return None
    return factor


def _thin_factor(covariance: Tensor) -> Tensor:
    """(D, rank) R with S = R R', without the directions whose variance is nothing but rounding."""
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > _rounding(covariance)
    factor: Tensor = vectors[:, kept] * values[kept].sqrt()
    return factor


def _rounding(covariance: Tensor) -> float:
    return len(covariance) * torch.finfo(covariance.dtype).eps * float(covariance.diagonal().max())
