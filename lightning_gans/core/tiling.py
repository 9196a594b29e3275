"""Large pictures through a network that takes small ones: overlapping tiles, blended, under one set of statistics.

Instance norm in a tile would see the tile alone, and tiles would differ in colour. So the statistics of each norm are taken from
a pass of the whole picture, shrunk to the size of a tile, and held for all tiles. What still changes: shrunk pictures have less
fine detail, so statistics of the first layers are a little too small; and a network whose outputs see the whole picture (a U-Net)
sees a tile only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Statistics", "held", "measured", "tiled"]

Statistics = dict[nn.Module, tuple[Tensor, Tensor]]
"""Norm -> the mean and the variance (1, C, 1, 1) of what it last saw."""
OVERLAP = 4  # a tile shares a part of its side with the next one: this is the divisor


def _norms(network: nn.Module) -> list[nn.Module]:
    """The norms that look at the picture: instance norm, and batch norm in training mode."""
    return [
        module
        for module in network.modules()
        if isinstance(module, nn.InstanceNorm2d)
        or (isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training)
    ]


@contextmanager
def measured(network: nn.Module) -> Iterator[Statistics]:
    """Inside, passes of one picture leave each norm's statistics."""
    found: Statistics = {}

    def measure(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        variance, mean = torch.var_mean(inputs[0].float(), dim=(0, 2, 3), keepdim=True, correction=0)
        found[norm] = (mean, variance)

    with ExitStack() as stack:
        for norm in _norms(network):
            stack.callback(norm.register_forward_pre_hook(measure).remove)
        yield found


@contextmanager
def held(network: nn.Module, statistics: Statistics) -> Iterator[None]:
    """Inside, norms use these statistics instead of their inputs' own."""

    def normalize(norm: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> Tensor:
        mean, variance = statistics[norm]
        maps = (inputs[0] - mean) * (variance + norm.eps).rsqrt()  # type: ignore[operator]
        if norm.affine:
            shape = (1, -1, 1, 1)
            maps = maps * norm.weight.view(shape) + norm.bias.view(shape)  # type: ignore[operator]
        return maps.to(inputs[0].dtype)

    with ExitStack() as stack:
        for norm in _norms(network):
            stack.callback(norm.register_forward_hook(normalize).remove)
        yield


def tiled(
    run: Callable[[Tensor], Tensor], network: nn.Module, images: Tensor, tile: int, multiple: int, least: int
) -> Tensor:
    """One picture through `run`, in tiles that share a quarter of their sides.

    Args:
        run: (1, C, h, w) -> (1, D, h, w), by `network`.
        network: whose norms are held.
        images: (1, C, H, W), sides multiples of `multiple`.
        tile: pixels a side, a multiple of `multiple`.
        multiple: of the network's sides.
        least: the smallest side that the network takes.

    Returns:
        (1, D, H, W). A picture no larger than a tile is not cut.
    """
    height, width = images.shape[2:]
    if max(height, width) <= tile:
        return run(images)
    scale = tile / max(height, width)
    small = [max(multiple, least, round(side * scale / multiple) * multiple) for side in (height, width)]
    with measured(network) as statistics:
        run(F.interpolate(images, small, mode="bilinear", antialias=True))
    total = weights = None
    with held(network, statistics):
        for top in _starts(height, tile, multiple):
            for left in _starts(width, tile, multiple):
                part = run(images[:, :, top : top + tile, left : left + tile])
                if total is None or weights is None:
                    total = part.new_zeros(1, part.shape[1], height, width)
                    weights = part.new_zeros(1, 1, height, width)
                weight = _ramp(part.shape[2], tile, part)[:, None] * _ramp(part.shape[3], tile, part)  # (h, w)
                total[:, :, top : top + tile, left : left + tile] += part * weight
                weights[:, :, top : top + tile, left : left + tile] += weight
    if total is None or weights is None:
        raise ValueError("a picture without pixels")
    return total / weights


def _starts(side: int, tile: int, multiple: int) -> list[int]:
    """Where tiles start: the last one ends at the border."""
    if side <= tile:
        return [0]
    step = max(multiple, (tile - tile // OVERLAP) // multiple * multiple)
    count = math.ceil((side - tile) / step)
    return [*(number * step for number in range(count)), side - tile]


def _ramp(side: int, tile: int, like: Tensor) -> Tensor:
    """Weights (side,) that rise from either border over the overlap; above 0 everywhere."""
    positions = torch.arange(side, device=like.device, dtype=like.dtype)
    nearest = torch.minimum(positions, side - 1 - positions) + 1.0
    return (nearest / max(tile // OVERLAP, 1)).clamp(max=1.0)
