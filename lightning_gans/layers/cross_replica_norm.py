"""Batch norm over the images of all processes, as BigGAN trains (Brock et al. 2018, arXiv:1809.11096, section 3)."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["CrossReplicaBatchNorm", "gather"]


class CrossReplicaBatchNorm(nn.BatchNorm2d):
    """Batch norm of maps (N, C, H, W) or vectors (N, C) by the mean and variance of all processes' rows, on CPU and GPU.

    Batches of processes may differ in size, but each must hold at least one image. In evaluation mode, and in a single process, it
    is plain batch norm. All processes must pass it the same number of times; `joined = False` sets one apart.
    """

    joined: bool = True

    def forward(self, input: Tensor) -> Tensor:
        """(N, C) or (N, C, H, W) -> the same shape."""
        distributed = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
        if not (distributed and self.joined and self.training):
            return super().forward(input)
        with torch.autocast(input.device.type, enabled=False):
            rows = input.float().transpose(0, 1).flatten(1)  # (N, C, H, W) -> (C, N * H * W)
            mean, variance, count = self._joint_moments(rows)
            self._follow(mean.detach(), variance.detach(), count)
            # Written as plain arithmetic: the moments carry gradients to the other processes' images.
            shape = (1, -1, *[1] * (input.dim() - 2))  # (1, C, 1, 1)
            scale = (variance + self.eps).rsqrt()
            scale = scale if self.weight is None else scale * self.weight
            offset = -mean * scale if self.bias is None else self.bias - mean * scale
            normalized = input.float() * scale.view(shape) + offset.view(shape)
        return normalized.to(input.dtype)

    def _joint_moments(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and (biased) variance (C,) of all processes' rows, and how many numbers a channel has.

        From each process's own mean and variance: E x^2 - (E x)^2 would lose digits where the mean is large.
        """
        channels = len(rows)
        own_variance, own_mean = torch.var_mean(rows, dim=1, correction=0)
        own_count = rows.new_full((1,), float(rows.shape[1]))
        gathered = gather(torch.cat([own_mean, own_variance, own_count]))  # (W, 2 C + 1)
        means, variances, counts = gathered.split([channels, channels, 1], dim=1)
        count = counts.sum()
        shares = counts / count  # (W, 1)
        mean = (shares * means).sum(dim=0)
        variance = (shares * (variances + (means - mean).square())).sum(dim=0)
        return mean, variance, count.detach()

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Move the running statistics as plain batch norm does."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share: float | Tensor = 1.0 / self.num_batches_tracked if self.momentum is None else self.momentum
        unbiased = variance * (count / (count - 1.0).clamp(min=1.0))
        self.running_mean.add_(share * (mean - self.running_mean))
        self.running_var.add_(share * (unbiased - self.running_var))

    def _check_input_dim(self, input: Tensor) -> None:
        """Vectors are normalised as maps are."""


class _Gather(torch.autograd.Function):
    """Every process's tensor, stacked by rank; gradients return to where the tensors came from."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor) -> Tensor:
        parts = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, mine.contiguous())
        return torch.stack(parts)  # (W, ...)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total[dist.get_rank()]


def gather(mine: Tensor) -> Tensor:
    """Every process's tensor of one shape, stacked by rank: (...) -> (W, ...), differentiable.

    The gradient is that of the sum of all processes' losses; averaged over processes, as the engine does, it is that of their mean.
    """
    gathered: Tensor = _Gather.apply(mine)
    return gathered
