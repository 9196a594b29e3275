"""Inception score: how sure a classifier is of each image, and how many classes it sees in all.

Salimans et al., "Improved Techniques for Training GANs", arXiv:1606.03498: exp(mean KL(p(y|x) || p(y))), natural logarithm,
computed over each of ten parts. Between 1 and the number of classes. The papers' code (openai/improved-gan) hands in the
softmax over 1,008 outputs of a last layer without bias; torch-fidelity shuffles with seed 2020 first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["InceptionScore", "inception_score"]


class InceptionScore(NamedTuple):
    """Mean and population standard deviation over the parts."""

    mean: float
    std: float


def inception_score(logits: Tensor, *, splits: int = 10, seed: int | None = None) -> InceptionScore:
    """Inception score of a classifier's outputs.

    Args:
        logits: (N, K), any floating dtype, normalised here. Logarithms of probabilities are logits: of probabilities p give
            ``p.log()``; -inf, a probability of 0, is allowed.
        splits: number of parts; part i is samples i*N//splits to (i+1)*N//splits.
        seed: None keeps the order; a number shuffles first as torch-fidelity does (``numpy.random.RandomState``; its
            default is 2020).

    Raises:
        ValueError: on another shape or dtype, fewer samples than parts, a sample with NaN, +inf or nothing but -inf.
    """
    if logits.dim() != 2 or not logits.is_floating_point():
        raise ValueError(f"logits of shape {tuple(logits.shape)} and {logits.dtype}; allowed: (N, K), floating point")
    count = len(logits)
    if not 1 <= splits <= count:
        raise ValueError(f"{splits} splits of {count} samples; allowed: 1 to {count}")
    bad = count - int(torch.isfinite(logits.amax(dim=1)).sum())  # the maximum shows NaN, +inf and a row of -inf
    if bad:
        raise ValueError(f"logits of {bad} of {count} samples are not finite")
    logits = logits.detach().cpu() if logits.device.type == "mps" else logits.detach()
    if seed is not None:
        logits = logits[torch.from_numpy(np.random.RandomState(seed).permutation(count)).to(logits.device)]
    scores = [_score(logits[i * count // splits : (i + 1) * count // splits]) for i in range(splits)]
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)))


def _score(logits: Tensor) -> float:
    log_conditional = logits.double().log_softmax(dim=1)  # (n, K)
    conditional = log_conditional.exp()
    marginal = conditional.mean(dim=0)  # (K,)
    # KL averaged = entropy of the mean minus mean of the entropies; xlogy takes 0 log 0 as 0.
    entropy = -torch.xlogy(marginal, marginal).sum()
    # Where the logarithm is -inf the probability is 0 and so is the product, which would come out as NaN.
    products = conditional * log_conditional.clamp(min=torch.finfo(torch.float64).min)
    return float((entropy + products.sum(dim=1).mean()).exp())
