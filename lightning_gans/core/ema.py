"""A running average of a network's weights, kept beside it as a frozen copy."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from lightning_gans.layers.spectral_norm import SpectralNorm

__all__ = ["Averager", "averaged_copy"]


def averaged_copy(network: nn.Module) -> nn.Module:
    """A frozen copy in evaluation mode: where the average of `network` is kept."""
    return copy.deepcopy(network).eval().requires_grad_(False)


class Averager:
    """Moves `average` towards `network`: weights by a fraction, buffers (batch-norm statistics) by copy.

    The singular vectors of spectral norm are neither averaged nor copied: each averaged weight has its own, and power iteration
    follows it. The lists of tensors are gathered once: walking a module costs more than the arithmetic of a small network.
    """

    def __init__(self, network: nn.Module, average: nn.Module) -> None:
        self.weights: list[Tensor] = list(network.parameters())
        self.averages: list[Tensor] = list(average.parameters())
        self.spectral = [
            (layer, mean)
            for layer, mean in zip(network.modules(), average.modules(), strict=True)
            if isinstance(layer, SpectralNorm) and isinstance(mean, SpectralNorm)
        ]
        own = {id(buffer) for pair in self.spectral for layer in pair for buffer in layer.buffers(recurse=False)}
        self.buffers: list[Tensor] = [buffer for buffer in network.buffers() if id(buffer) not in own]
        self.average_buffers: list[Tensor] = [buffer for buffer in average.buffers() if id(buffer) not in own]

    @torch.no_grad()
    def update(self, decay: float, finished: int) -> None:
        """One step of the average.

        Args:
            decay: the share of the old average; 0 copies.
            finished: updates made before this one. The share warms up as (1 + t) / (10 + t), so that the average does
                not remember the initial weights.
        """
        decay = min(decay, (1 + finished) / (10 + finished))
        torch._foreach_lerp_(self.averages, self.weights, 1.0 - decay)
        for _, mean in self.spectral:
            mean.iterate()
        self._copy_buffers()

    @torch.no_grad()
    def copy(self) -> None:
        """Make the average equal to the network."""
        torch._foreach_copy_(self.averages, self.weights)
        for layer, mean in self.spectral:
            mean.follow(layer)
        self._copy_buffers()

    def _copy_buffers(self) -> None:
        if self.buffers:
            torch._foreach_copy_(self.average_buffers, self.buffers)
