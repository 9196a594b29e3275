"""Walks between latents: whether what lies between two good pictures is good as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from lightning_gans.core.latent import LatentModule

__all__ = ["closed_walk", "spherical"]


def spherical(start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
    """Points on the great circle from start to end, of length between theirs.

    Normal latents of many dimensions lie near a sphere; a straight line would cut through its inside, where none are.

    Args:
        start: (D,).
        end: (D,).
        shares: (S,) of the way, in [0, 1].

    Returns:
        (S, D); the straight line where both point the same way or opposite ways.
    """
    cosine = torch.dot(start, end) / (start.norm() * end.norm()).clamp_min(1e-12)
    angle = torch.arccos(cosine.clamp(-1.0, 1.0))
    shares = shares[:, None]  # (S, 1)
    if torch.sin(angle) < 1e-4:
        return torch.lerp(start, end, shares)
    return (torch.sin((1.0 - shares) * angle) * start + torch.sin(shares * angle) * end) / torch.sin(angle)


def closed_walk(module: LatentModule, n: int, steps: int, seed: int, *, ends: bool) -> tuple[Tensor, Tensor | None]:
    """Latents on the way from each of n seeded points to the next, and from the last back to the first.

    Args:
        module: says how its latents are distributed: between normal ones the way is spherical, else straight.
        n: points; they are the latents of images 0 .. n-1 of ``module.generate(n, seed=seed)``.
        steps: latents on each of the n ways.
        seed: of the points.
        ends: each way ends on its second point; without, it stops a step before, where the next one starts.

    Returns:
        Latents (n * steps, D), way by way; for models with classes a label each, int64 (n * steps,), one a way; for models
        with tags those of the points and straight lines between, float (n * steps, T).

    Raises:
        ValueError: n or steps is below 2.
    """
    if n < 2 or steps < 2:
        raise ValueError(f"n {n}, steps {steps}; allowed: at least 2 each")
    points = module.sample_latents(range(n), seed)  # (n, D)
    shares = torch.linspace(0.0, 1.0, steps) if ends else torch.arange(steps) / steps
    ways = []
    for start, end in zip(points, points.roll(-1, 0), strict=True):
        normal = module.latent_distribution == "normal"
        ways.append(spherical(start, end, shares) if normal else torch.lerp(start, end, shares[:, None]))
    if not module.is_conditional:
        return torch.cat(ways), None
    labels = module.drawn_labels(range(n), seed)
    if module.condition == "tags":
        pairs = zip(labels, labels.roll(-1, 0), strict=True)
        return torch.cat(ways), torch.cat([torch.lerp(start, end, shares[:, None]) for start, end in pairs])
    return torch.cat(ways), labels.repeat_interleave(steps)
