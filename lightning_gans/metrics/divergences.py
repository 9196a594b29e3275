"""Kullback-Leibler and Jensen-Shannon divergence of histograms, in nats.

Goodfellow et al. 2014, "Generative Adversarial Nets" (arXiv:1406.2661): the minimax game minimises the latter. What papers
on mode coverage call "reverse KL" is `kl_divergence(generated, uniform)`: always finite, ln(n/m) for m even ones of n modes.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["js_divergence", "kl_divergence"]


def kl_divergence(p: Tensor, q: Tensor) -> float:
    """KL(p || q) = sum of p ln(p / q), with 0 ln 0 = 0.

    Args:
        p: (n,), counts or probabilities: normalised here.
        q: (n,), likewise.

    Returns:
        At least 0; infinite where q is 0 and p is not.

    Raises:
        ValueError: not (n,), different sizes, negative, not finite, or all zero.
    """
    p, q = _normalised(p, q)
    return _kl(p, q)


def js_divergence(p: Tensor, q: Tensor) -> float:
    """Jensen-Shannon divergence: the mean of KL(p || m) and KL(q || m), m = (p + q) / 2.

    Args:
        p: (n,), counts or probabilities: normalised here.
        q: (n,), likewise.

    Returns:
        0 (equal) to ln 2 (disjoint).

    Raises:
        ValueError: not (n,), different sizes, negative, not finite, or all zero.
    """
    p, q = _normalised(p, q)
    middle = (p + q) / 2
    return (_kl(p, middle) + _kl(q, middle)) / 2


def _kl(p: Tensor, q: Tensor) -> float:
    support = p > 0
    # Rounding may bring a tiny negative number where p and q are almost equal; a divergence has none.
    return max(0.0, float((p[support] * (p[support] / q[support]).log()).sum()))


def _normalised(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    histograms = []
    for name, histogram in (("p", p), ("q", q)):
        if histogram.dim() != 1:
            raise ValueError(f"histogram {name} of shape {tuple(histogram.shape)}; allowed: (n,)")
        bins = histogram.detach().cpu().to(torch.float64)
        if not torch.isfinite(bins).all() or (bins < 0).any():
            raise ValueError(f"histogram {name} with negative or non-finite bins; allowed: finite numbers from 0 up")
        if not bins.any():
            raise ValueError(f"histogram {name} with all {len(bins)} bins 0; allowed: at least one above 0")
        histograms.append(bins / bins.sum())
    if len(p) != len(q):
        raise ValueError(f"histograms of {len(p)} and {len(q)} bins; allowed: equal numbers")
    return histograms[0], histograms[1]
