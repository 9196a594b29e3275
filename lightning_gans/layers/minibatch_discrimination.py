"""Minibatch discrimination (Salimans et al. 2016, arXiv:1606.03498, section 3.2): how near each sample is to the others.

Projections of unit length times a learnt scale, and an offset that starts at -1, as in openai/improved-gan.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lightning_gans.layers.calibration import Calibrated

__all__ = ["MinibatchDiscrimination"]


class MinibatchDiscrimination(Calibrated):
    """Joins to each sample's features its nearness to the rest of the batch: (N, A) -> (N, A + B).

    o_b(i) is the sum over all j other than i of exp(-||M_ib - M_jb||_1), M_i the B x C projections of sample i. Real and
    generated images must pass apart, in batches of one size: the sum grows with it.

    Args:
        features: A.
        kernels: B, numbers that are joined.
        dim: C, dimensions in which each of them measures distance.
    """

    def __init__(self, features: int, kernels: int = 100, dim: int = 5) -> None:
        super().__init__()
        self.direction = nn.Parameter(torch.randn(features, kernels, dim) * 0.05)  # (A, B, C)
        self.log_scale = nn.Parameter(torch.zeros(kernels, dim))
        self.offset = nn.Parameter(torch.full((kernels,), -1.0))

    def forward(self, features: Tensor) -> Tensor:
        """(N, A) -> (N, A + B)."""
        if self.calibrating and len(features) > 1:
            nearest = self._distances(features).amin(dim=2).mean(dim=1)  # (B,): of a sample to its nearest, on average
            self.log_scale.sub_(torch.where(nearest > 0, 0.5 * nearest, torch.ones_like(nearest)).log()[:, None])
            self.offset.copy_(-self._nearness(features).mean(dim=0))
        nearness = self._nearness(features) + self.offset  # (N, B)
        return torch.cat([features, nearness.to(features.dtype)], dim=1)

    def _nearness(self, features: Tensor) -> Tensor:
        return torch.exp(-self._distances(features)).sum(dim=2).t()  # (B, N, N) -> (N, B)

    def _distances(self, features: Tensor) -> Tensor:
        """(B, N, N), in 32-bit; infinite from each sample to itself."""
        with torch.autocast(features.device.type, enabled=False):
            lengths = self.direction.square().sum(dim=0).sqrt()  # (B, C)
            weight = self.direction * (self.log_scale.exp() / lengths)
            projections = torch.einsum("na,abc->bnc", features.float(), weight)
            distances = torch.cdist(projections, projections, p=1.0)
            itself = torch.eye(len(features), dtype=torch.bool, device=features.device)
            return distances.masked_fill(itself, torch.inf)
