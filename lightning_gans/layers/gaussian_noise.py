"""Noise on activations while training, as a regulariser beside dropout."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["GaussianNoise"]


class GaussianNoise(nn.Module):
    """Adds N(0, std) to each number in training mode, nothing in evaluation mode: any shape -> the same."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = std

    def forward(self, features: Tensor) -> Tensor:
        """Any shape -> the same."""
        return torch.add(features, torch.randn_like(features), alpha=self.std) if self.training else features

    def extra_repr(self) -> str:
        """What a printed network shows."""
        return f"std={self.std}"
