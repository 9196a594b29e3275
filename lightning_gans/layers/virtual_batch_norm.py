"""Virtual batch norm (Salimans et al. 2016, arXiv:1606.03498, section 3.5): statistics of a fixed reference batch.

Each sample is normalised by the reference batch and itself, so it does not depend on what it is generated with. Itself
counts as one sample more, as in openai/improved-gan.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["VirtualBatchNorm"]


class VirtualBatchNorm(nn.Module):
    """Normalises features whose first rows are those of the reference batch: (R + N, C) or (R + N, C, H, W) -> the same.

    The reference batch passes through all layers with every batch and is normalised by itself.

    Args:
        channels: C; each has a gain and an offset, which start at 1 and 0.
        references: R, images of the reference batch.
        eps: added to variances.
    """

    def __init__(self, channels: int, references: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.references, self.eps = references, eps
        self.gain = nn.Parameter(torch.ones(channels))
        self.offset = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """(R + N, C) or (R + N, C, H, W) -> the same shape."""
        wide = features.float()
        shape = (1, -1, *[1] * (wide.dim() - 2))  # (C,) -> (1, C, 1, 1)
        reference, samples = wide[: self.references], wide[self.references :]
        over = [axis for axis in range(wide.dim()) if axis != 1]
        variance, mean = torch.var_mean(reference, dim=over, correction=0, keepdim=True)  # (1, C, 1, 1)
        share = 1.0 / (self.references + 1)
        own_mean = samples.mean(dim=over[1:], keepdim=True) if over[1:] else samples  # (N, C, 1, 1)
        own_spread = (samples - own_mean).square()
        own_variance = own_spread.mean(dim=over[1:], keepdim=True) if over[1:] else own_spread
        joint_mean = share * own_mean + (1.0 - share) * mean
        # Of a mixture: the parts' variances and the squares of their distances from the joint mean.
        joint_variance = share * (own_variance + (own_mean - joint_mean).square())
        joint_variance = joint_variance + (1.0 - share) * (variance + (mean - joint_mean).square())
        normalized = torch.cat(
            [
                (reference - mean) * (variance + self.eps).rsqrt(),
                (samples - joint_mean) * (joint_variance + self.eps).rsqrt(),
            ]
        )
        return (normalized * self.gain.view(shape) + self.offset.view(shape)).to(features.dtype)
