"""Sliced Wasserstein distance between patches at each scale of a Laplacian pyramid.

Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and Variation", arXiv:1710.10196, section 5;
official code tkarras/progressive_growing_of_gans, ``metrics/sliced_wasserstein.py``. The paper takes 16,384 images of either
kind. Patches and directions are drawn by torch with our own seed, so numbers agree with theirs in the mean, not in the digits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["SlicedWasserstein", "laplacian_pyramid", "sliced_distance", "sliced_wasserstein"]

SMALLEST = 16  # height or width of the last level
PATCH = 7
REPEATS, DIRECTIONS = 4, 128
CHUNK = 16  # directions in memory at a time


class SlicedWasserstein(NamedTuple):
    """Distances times 1,000: one for each level, by the height of its images, and their mean."""

    levels: dict[int, float]
    average: float


def sliced_wasserstein(
    first: Tensor | Iterable[Tensor], second: Tensor | Iterable[Tensor], *, patches: int = 128, seed: int = 0
) -> SlicedWasserstein:
    """Sliced Wasserstein distance of two equally large sets of images.

    Args:
        first: uint8 (N, C, H, W), or batches of such; C is 1 or 3, H and W halve exactly until one is less than 32.
        second: the same. Only patches are kept in memory: N * patches * C * 49 float32 for each level and set.
        patches: 7x7 patches drawn from each level of each image.
        seed: of patches and directions; the result does not depend on how images are batched.

    Raises:
        ValueError: on images of another type, shape or size, no images, or sets of different sizes.
    """
    generator = torch.Generator().manual_seed(seed)
    (one, found), (other, others) = (_patches(batches, patches, generator) for batches in (first, second))
    if one != other:
        given = " beside ".join(f"{count} of {'x'.join(map(str, size))}" for count, size in (one, other))
        raise ValueError(f"images: {given}; allowed: equally many of one shape")
    distances = {}
    for side in list(found):
        pair = (_standardize(levels.pop(side)) for levels in (found, others))  # popped: gone when done with
        distances[side] = 1000.0 * sliced_distance(*pair, generator=generator)
    return SlicedWasserstein(distances, sum(distances.values()) / len(distances))


def laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """What each level adds to the next one enlarged, from full size down; the last is a small image.

    Args:
        images: (N, C, H, W) floating point.

    Returns:
        Levels (N, C, H / 2^i, W / 2^i); the last has a height or width from 16 to 31.

    Raises:
        ValueError: if a side is less than 16, or does not halve exactly as often as that takes.
    """
    height, width = images.shape[-2:]
    halvings = max(min(height, width) // SMALLEST, 1).bit_length() - 1
    if min(height, width) < SMALLEST or height % 2**halvings or width % 2**halvings:
        raise ValueError(f"images of {height}x{width}; allowed: sides that halve exactly until one is from 16 to 31")
    levels = [images]
    for _ in range(halvings):
        smaller = _blur(levels[-1])[..., ::2, ::2]  # (N, C, H / 2, W / 2)
        spread = torch.zeros_like(levels[-1])
        spread[..., ::2, ::2] = smaller
        levels[-1] = levels[-1] - 4.0 * _blur(spread)  # three of four pixels are 0: four times the weight
        levels.append(smaller)
    return levels


def sliced_distance(
    first: Tensor, second: Tensor, *, generator: torch.Generator, repeats: int = REPEATS, directions: int = DIRECTIONS
) -> float:
    """Mean distance of sorted projections on random unit directions.

    Args:
        first: (N, F).
        second: (N, F).
        generator: on the CPU; draws the directions.
        repeats: times ``directions`` is how many are drawn.
        directions: as the paper's code; only the product matters.
    """
    total = torch.zeros((), dtype=torch.float64)
    lines = torch.randn(repeats * directions, first.shape[1], generator=generator, dtype=torch.float64)
    lines = (lines / lines.norm(dim=1, keepdim=True)).to(first)
    for some in lines.split(CHUNK):
        one, other = (_sorted(some @ points.T) for points in (first, second))  # (CHUNK, N)
        total += (one - other).abs().mean(dim=1, dtype=torch.float64).sum().cpu()
    return float(total / len(lines))


def _sorted(lines: Tensor) -> Tensor:
    """Each row in order."""
    if lines.device.type == "cpu":
        # Measured: torch sorts positions along with values, and takes ten times as long as numpy.
        return torch.from_numpy(np.sort(lines.numpy(), axis=1))
    return lines.sort(dim=1).values


def _blur(images: Tensor) -> Tensor:
    """[1, 4, 6, 4, 1] / 16 along both sides, mirrored at the border without repeating it."""
    channels = images.shape[1]
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=images.dtype, device=images.device) / 16.0
    padded = F.pad(images, (2, 2, 2, 2), mode="reflect")  # (N, C, H + 4, W + 4)
    wide = F.conv2d(padded, line.expand(channels, 1, 1, 5), groups=channels)
    return F.conv2d(wide, line.view(5, 1).expand(channels, 1, 5, 1), groups=channels)  # (N, C, H, W)


def _patches(
    images: Tensor | Iterable[Tensor], patches: int, generator: torch.Generator
) -> tuple[tuple[int, tuple[int, ...]], dict[int, Tensor]]:
    """Number and shape of the images; height of each level -> (N * patches, C, 7, 7) float32."""
    found: dict[int, list[Tensor]] = {}
    seed = int(torch.randint(2**62, (), generator=generator))
    generators: dict[int, torch.Generator] = {}  # one a level: batches may come in any size
    count, size = 0, None
    for batch in images.split(64) if isinstance(images, Tensor) else images:
        if batch.dtype != torch.uint8 or batch.dim() != 4 or batch.shape[1] not in (1, 3):
            given = f"images of shape {tuple(batch.shape)} and {batch.dtype}"
            raise ValueError(f"{given}; allowed: (N, 1 or 3, H, W), torch.uint8")
        size = size or tuple(batch.shape[1:])
        if size != tuple(batch.shape[1:]):
            raise ValueError(f"images of {tuple(batch.shape[1:])} after {size}; allowed: {size}")
        for number, level in enumerate(laplacian_pyramid(batch.float())):
            own = generators.setdefault(number, torch.Generator().manual_seed((seed + number) % 2**63))
            found.setdefault(level.shape[2], []).append(_draw(level, patches, own))
        count += len(batch)
    if size is None or not count:
        raise ValueError("0 images; allowed: 1 or more")
    return (count, size), {side: torch.cat(parts) for side, parts in found.items()}


def _draw(level: Tensor, patches: int, generator: torch.Generator) -> Tensor:
    """(N * patches, C, 7, 7): as many random patches of each image."""
    count, _, height, width = level.shape
    # One draw of both corners an image keeps the sequence the same for any batch size.
    corners = torch.randint(2**31, (count, 2, patches), generator=generator).to(level.device)
    limits = torch.tensor([height - PATCH + 1, width - PATCH + 1], device=level.device)
    rows, columns = (corners % limits.view(1, 2, 1)).unbind(dim=1)  # (N, patches) each
    steps = torch.arange(PATCH, device=level.device)
    image = torch.arange(count, device=level.device).view(-1, 1, 1, 1)
    row = rows[:, :, None, None] + steps.view(-1, 1)  # (N, patches, 7, 1)
    column = columns[:, :, None, None] + steps  # (N, patches, 1, 7)
    return level.movedim(1, -1)[image, row, column].flatten(0, 1).movedim(-1, 1)  # (N * patches, C, 7, 7)


def _standardize(patches: Tensor) -> Tensor:
    """(N, C, 7, 7) -> (N, C * 49) with mean 0 and deviation 1 of each channel over the whole set."""
    deviation, mean = torch.std_mean(patches, dim=(0, 2, 3), correction=0, keepdim=True)
    # A channel without any contrast stays at 0.
    return ((patches - mean) / torch.where(deviation > 0, deviation, 1.0)).flatten(1)
