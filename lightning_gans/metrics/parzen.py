"""Parzen-window log-likelihood: a Gaussian on every generated sample, real test images scored under their mean.

Breuleux, Bengio and Vincent 2011, "Quickly Generating Representative Samples from an RBM-Derived Process" (Neural
Computation 23(8)); used by Goodfellow et al. 2014, "Generative Adversarial Nets" (arXiv:1406.2661): 10,000 samples, the
deviation picked among 10 values on 1,000 validation images (code: github.com/goodfeli/adversarial). Known to be a poor
estimate in many dimensions (Theis et al. 2016, "A note on the evaluation of generative models", arXiv:1511.01844): it is
here to reproduce the early papers' tables, not to compare anything modern.

Images are in [0, 1], unlike the [-1, 1] of the rest of the library: a density depends on the scale. Where we differ from the
2014 code: 64 bit and bounded memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_gans.metrics.neighbors import distance_blocks

__all__ = ["BANDWIDTHS", "ParzenEstimate", "choose_bandwidth", "log_likelihoods", "parzen_log_likelihood"]

BANDWIDTHS: tuple[float, ...] = tuple(10 ** (step / 9 - 1) for step in range(10))
"""The literature's grid: ten values from 0.1 to 1, evenly spaced in the logarithm."""


class ParzenEstimate(NamedTuple):
    """Mean log-likelihood of the test images in nats, its standard error, and the Gaussians' standard deviation."""

    log_likelihood: float
    standard_error: float
    bandwidth: float


def log_likelihoods(samples: Tensor, points: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """ln of the mean over samples of N(point; sample, bandwidth^2 I), for each bandwidth and point.

    Args:
        samples: generated images, (M, ...) in [0, 1]; flattened here.
        points: real images, (N, ...) in [0, 1], of the same size.
        bandwidths: standard deviations, above 0.

    Returns:
        (len(bandwidths), N) float64.

    Raises:
        ValueError: images outside [0, 1], of different sizes, or none; a bandwidth not above 0, or none.
    """
    for name, images in (("samples", samples), ("points", points)):
        if images.dim() < 2 or not images.numel():
            raise ValueError(f"{name} of shape {tuple(images.shape)}; allowed: (N, ...), none 0")
        if not (images.min() >= 0 and images.max() <= 1):  # also true of NaN
            low, high = float(images.min()), float(images.max())
            raise ValueError(
                f"{name} in [{low:.3g}, {high:.3g}]; allowed: [0, 1], as (images + 1) / 2 of images in [-1, 1]"
            )
    samples, points = samples.flatten(1), points.flatten(1)  # (M, D), (N, D)
    if samples.shape[1] != points.shape[1]:
        raise ValueError(
            f"samples of {samples.shape[1]} values and points of {points.shape[1]}; allowed: equal numbers"
        )
    if not bandwidths or not min(bandwidths) > 0:
        raise ValueError(f"bandwidths {list(bandwidths)}; allowed: one or more, above 0")
    count, dimension = samples.shape
    blocks = []
    for block in distance_blocks(points, samples):
        squared = block.square_()  # (R, M)
        sums = [torch.logsumexp(squared / (-2 * width**2), dim=1) for width in bandwidths]  # (R,) each
        blocks.append(torch.stack(sums))  # (B, R)
    constants = [math.log(count) + dimension * math.log(width * math.sqrt(2 * math.pi)) for width in bandwidths]
    result = torch.cat(blocks, dim=1)  # (B, N)
    return result - torch.tensor(constants, dtype=result.dtype, device=result.device)[:, None]


def choose_bandwidth(samples: Tensor, validation: Tensor, bandwidths: Sequence[float] = BANDWIDTHS) -> float:
    """The bandwidth under which validation images are likeliest; at an end of the grid, try a wider one.

    Args:
        samples: generated images, (M, ...) in [0, 1].
        validation: real images that are neither trained nor tested on, (N, ...) in [0, 1].
        bandwidths: the candidates, above 0.

    Raises:
        ValueError: see `log_likelihoods`.
    """
    means = log_likelihoods(samples, validation, bandwidths).mean(dim=1)  # (B,)
    return float(bandwidths[int(means.argmax())])


def parzen_log_likelihood(
    samples: Tensor, validation: Tensor, test: Tensor, bandwidths: Sequence[float] = BANDWIDTHS
) -> ParzenEstimate:
    """The early papers' figure: bandwidth from validation images, then the test images' mean log-likelihood.

    Args:
        samples: generated images, (M, ...) in [0, 1]; the papers: 10,000.
        validation: real images, (K, ...) in [0, 1]; the papers: 1,000.
        test: real images, (N, ...) in [0, 1].
        bandwidths: the candidates; a single one is taken as it is.

    Returns:
        The estimate; its standard error is the population deviation over the root of N, as in the 2014 code.

    Raises:
        ValueError: see `log_likelihoods`.
    """
    bandwidth = choose_bandwidth(samples, validation, bandwidths)
    scores = log_likelihoods(samples, test, [bandwidth])[0]  # (N,)
    error = float(scores.std(correction=0)) / math.sqrt(len(scores))
    return ParzenEstimate(float(scores.mean()), error, bandwidth)
