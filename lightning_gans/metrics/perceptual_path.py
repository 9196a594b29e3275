"""PPL: perceptual path length, how much an image changes along a short step in latent space.

Karras et al. 2019, "A Style-Based Generator Architecture for Generative Adversarial Networks" (arXiv:1812.04948): the mean of
distance(image(t), image(t + epsilon)) / epsilon^2 over pairs of latents, the distances below the 1st and above the 99th
percentile left out. The distance is LPIPS with VGG16; 100,000 pairs there, 50,000 in StyleGAN2's code. The figures' usual
names: ppl_zfull, ppl_wfull, ppl_zend, ppl_wend with the face crop, ppl2_wend (StyleGAN2's) without.

Where we differ: both images of a pair come out of one call, so that a generator draws noise maps once for both; the latents
between are computed in 64 bit; and what slerp gives in z has length sqrt(D), as a Gaussian latent has, not 1: StyleGAN's
mapping scales its input anyhow, other generators do not. torch-fidelity's default (lerp in z, 64 pixels, 8 bit) is another
figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["FACE_CROP", "perceptual_path_length", "slerp"]

FACE_CROP = (3 / 8, 7 / 8, 2 / 8, 6 / 8)
"""Rows from, to, columns from, to, as shares of the picture: the crop of the StyleGAN paper's face figures."""

_CHOICES = {"space": ("z", "w"), "sampling": ("full", "end")}
Crop = tuple[float, float, float, float]


def slerp(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Spherical interpolation along the last dimension, between directions: lengths are dropped.

    Args:
        start: (N, ..., D).
        end: (N, ..., D), not parallel to start (no arc is the shortest between opposites).
        t: (N, ..., 1), 0 at start and 1 at end; may lie outside.

    Returns:
        (N, ..., D), of length 1.
    """
    start, end = F.normalize(start, dim=-1), F.normalize(end, dim=-1)
    cosine = (start * end).sum(dim=-1, keepdim=True).clamp(-1.0, 1.0)  # (N, ..., 1)
    across = F.normalize(end - cosine * start, dim=-1)
    angle = t * cosine.acos()
    return F.normalize(start * angle.cos() + across * angle.sin(), dim=-1)


@torch.no_grad()
def perceptual_path_length(
    render: Callable[[Tensor], Tensor],
    sample_latents: Callable[[int, torch.Generator], Tensor],
    distance: Callable[[Tensor, Tensor], Tensor],
    *,
    pairs: int,
    epsilon: float = 1e-4,
    space: str = "z",
    sampling: str = "full",
    seed: int = 0,
    batch_size: int = 16,
    crop: Crop | None = None,
) -> float:
    """Perceptual path length of a generator.

    Args:
        render: latents (2B, ..., D) -> images (2B, C, H, W) in [-1, 1], in evaluation mode, without truncation. Row i and row
            B + i are a pair: noise maps must be the same for both (one map for the whole call does).
        sample_latents: (count, generator) -> latents (count, ..., D) of `space`, drawn from that CPU generator alone.
        distance: two batches of images (B, C, H, W) in [-1, 1] -> (B,); squared in nature, as LPIPS is.
        pairs: how many.
        epsilon: the step in t.
        space: "z" interpolates on the sphere, "w" on the straight line.
        sampling: t is uniform in [0, 1) for "full", 0 for "end".
        seed: of latents and t. The result also depends on `batch_size`, which sets the order of the draws.
        batch_size: pairs a call of `render`; it sees twice as many rows.
        crop: rows from, to, columns from, to, as shares; `FACE_CROP` for the paper's face figures. What is then higher than
            256 pixels is average-pooled by height // 256.

    Returns:
        The mean over the pairs that are kept.

    Raises:
        ValueError: an option outside its range, or callables whose results do not fit.
    """
    _check(pairs, epsilon, batch_size, crop, {"space": space, "sampling": sampling})
    random = torch.Generator().manual_seed(seed)
    found: list[Tensor] = []
    for done in range(0, pairs, batch_size):
        count = min(batch_size, pairs - done)
        latents = _steps(sample_latents(2 * count, random), epsilon, space, sampling, random)  # (2B, ..., D)
        images = render(latents)
        if images.dim() != 4 or len(images) != 2 * count:
            raise ValueError(f"images of shape {tuple(images.shape)} from render; allowed: ({2 * count}, C, H, W)")
        first, second = _prepare(images, crop).split(count)  # (B, C, h, w) each
        distances = distance(first, second)
        if distances.shape != (count,):
            raise ValueError(f"result of shape {tuple(distances.shape)} from distance; allowed: ({count},)")
        found.append(distances.cpu().double() / epsilon**2)
    values = torch.cat(found).numpy()  # (pairs,)
    if not np.isfinite(values).all():
        raise ValueError("distance gave NaN or infinity; allowed: finite numbers")
    low, high = np.percentile(values, 1, method="lower"), np.percentile(values, 99, method="higher")
    return float(values[(values >= low) & (values <= high)].mean())


def _steps(latents: Tensor, epsilon: float, space: str, sampling: str, random: torch.Generator) -> Tensor:
    """(2B, ..., D), starts and ends -> (2B, ..., D), the latents at t and at t + epsilon."""
    # A step of 1e-4 leaves 32-bit latents three digits; the steps are taken in 64 bit, on the CPU, where every machine has it.
    start, end = latents.detach().cpu().double().chunk(2)  # (B, ..., D) each
    t = torch.zeros(len(start), *[1] * (start.dim() - 1), dtype=torch.float64)  # (B, ..., 1)
    if sampling == "full":
        t.uniform_(generator=random)
    t = torch.cat([t, t + epsilon])  # (2B, ..., 1)
    start, end = start.repeat(2, *[1] * (start.dim() - 1)), end.repeat(2, *[1] * (end.dim() - 1))  # (2B, ..., D)
    between = slerp(start, end, t) * math.sqrt(start.shape[-1]) if space == "z" else start.lerp(end, t)
    return between.to(latents.device, latents.dtype)


def _prepare(images: Tensor, crop: Crop | None) -> Tensor:
    """(N, C, H, W) -> (N, C, h, w), cropped, then averaged down towards 256."""
    if crop is not None:
        height, width = images.shape[2:]
        top, bottom, left, right = crop
        images = images[:, :, int(height * top) : int(height * bottom), int(width * left) : int(width * right)]
    factor = images.shape[2] // 256
    return F.avg_pool2d(images, factor) if factor > 1 else images


def _check(pairs: int, epsilon: float, batch_size: int, crop: Crop | None, chosen: dict[str, str]) -> None:
    for name, value in chosen.items():
        if value not in _CHOICES[name]:
            raise ValueError(f"{name} {value!r}; allowed: {', '.join(map(repr, _CHOICES[name]))}")
    for name, number in (("pairs", pairs), ("batch_size", batch_size)):
        if number < 1:
            raise ValueError(f"{name}={number}; allowed: 1 or more")
    if not epsilon > 0:
        raise ValueError(f"epsilon={epsilon}; allowed: above 0")
    if crop is not None and not (0 <= crop[0] < crop[1] <= 1 and 0 <= crop[2] < crop[3] <= 1):
        raise ValueError(f"crop={crop}; allowed: (top, bottom, left, right), shares from 0 to 1 that rise")
