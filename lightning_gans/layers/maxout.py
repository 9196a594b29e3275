"""Maxout (Goodfellow et al. 2013, arXiv:1302.4389)."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["Maxout"]


class Maxout(nn.Module):
    """The largest of `pieces` linear functions, for each of `units` units: (N, in_features) -> (N, units)."""

    def __init__(self, in_features: int, units: int, pieces: int = 5) -> None:
        super().__init__()
        self.units, self.pieces = units, pieces
        self.linear = nn.Linear(in_features, units * pieces)

    def forward(self, features: Tensor) -> Tensor:
        """(N, in_features) -> (N, units)."""
        pieces: Tensor = self.linear(features).view(
            -1, self.units, self.pieces
        )  # (N, units * pieces) -> (N, units, pieces)
        return pieces.amax(dim=2)
