"""Gradient penalties: functions of a critic callable, computed in 32-bit outside autocast; and one of weights.

A gradient penalty needs a second derivative: half precision overflows there, and a compiled critic has none, so hand over the
plain, eager network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

__all__ = [
    "HistoricalAverage",
    "add_orthogonal_gradients_",
    "clip_weights_",
    "gradient_norms",
    "gradient_penalty",
    "local_gradient_penalty",
    "orthogonal_penalty",
]

Critic = Callable[[Tensor], Tensor]


def gradient_norms(critic: Critic, points: Tensor) -> Tensor:
    """Norm of the critic's input gradient at each point, differentiable with respect to the critic's parameters.

    Args:
        critic: (N, C, H, W) -> logits with N in front. Row i may depend on point i only (no batch norm).
        points: (N, C, H, W).

    Returns:
        (N,) float32, the norm over all dimensions but the first.
    """
    with torch.autocast(points.device.type, enabled=False):
        points = points.detach().float().requires_grad_(True)
        (gradients,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
        # The square root has an infinite slope at 0; the tiny constant keeps a constant critic from giving NaN.
        return (gradients.flatten(1).square().sum(dim=1) + 1e-12).sqrt()  # (N,)


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, epsilon: Tensor, *, target: float = 1.0) -> Tensor:
    """Mean of (||grad f|| - target)^2 on the lines between real and fake images, without its weight.

    Gulrajani et al. 2017 (arXiv:1704.00028), algorithm 1.

    Args:
        critic: see `gradient_norms`.
        real: (N, C, H, W).
        fake: (N, C, H, W); no gradient flows into it.
        epsilon: (N,), uniform in [0, 1): one number a sample, the share of the real image.
        target: the wanted norm.

    Returns:
        A float32 scalar.
    """
    share = epsilon.float().view(-1, *[1] * (real.dim() - 1))  # (N, 1, 1, 1)
    points = share * real.detach().float() + (1.0 - share) * fake.detach().float()
    return (gradient_norms(critic, points) - target).square().mean()


def local_gradient_penalty(
    critic: Critic,
    real: Tensor,
    steps: Tensor,
    epsilon: Tensor,
    *,
    target: float = 1.0,
    bounds: tuple[float, float] | None = None,
) -> Tensor:
    """Mean of (||grad f|| - target)^2 at points beside real images, without its weight.

    Kodali et al. 2017 (arXiv:1705.07215, DRAGAN); their code steps by 0.5 s U[0, 1) in each pixel, s the standard deviation of
    all pixels of the batch.

    Args:
        critic: see `gradient_norms`.
        real: (N, C, H, W).
        steps: (N, C, H, W), the noise.
        epsilon: (N,), uniform in [0, 1): one number a sample, the share of its step that is taken.
        target: the wanted norm.
        bounds: lowest and highest pixel, that points are clipped to; None: they may leave the images' range.

    Returns:
        A float32 scalar.
    """
    share = epsilon.float().view(-1, *[1] * (real.dim() - 1))  # (N, 1, 1, 1)
    points = real.detach().float() + share * steps.detach().float()
    if bounds is not None:
        points = points.clamp(*bounds)
    return (gradient_norms(critic, points) - target).square().mean()


@torch.no_grad()
def clip_weights_(critic: nn.Module, limit: float) -> None:
    """Bring every parameter of a critic, gains and biases too, into [-limit, limit].

    Arjovsky et al. 2017 (arXiv:1701.07875), algorithm 1.
    """
    for weight in critic.parameters():
        weight.clamp_(-limit, limit)


class HistoricalAverage(nn.Module):
    """||theta - mean of past theta||^2, without its weight (Salimans et al. 2016, arXiv:1606.03498, section 3.3).

    Keeps the mean, and how many it is of, in buffers, so that checkpoints hold them; has no parameters.

    Args:
        parameters: of the player that is held back.
    """

    mean: Tensor
    count: Tensor

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros_like(_flat(parameters)))
        self.register_buffer("count", torch.zeros((), device=self.mean.device))

    def forward(self, parameters: Iterable[Tensor]) -> Tensor:
        """The penalty, a float32 scalar; 0 while there is no past."""
        return (_flat(parameters) - self.mean).square().sum() * (self.count > 0)

    @torch.no_grad()
    def remember(self, parameters: Iterable[Tensor]) -> None:
        """Take the present weights into the mean, after each move."""
        self.count.add_(1.0)
        self.mean.add_((_flat(parameters).detach() - self.mean) / self.count)


def _flat(parameters: Iterable[Tensor]) -> Tensor:
    return torch.cat([parameter.flatten() for parameter in parameters])


def orthogonal_penalty(weights: Iterable[Tensor]) -> Tensor:
    """Sum over weights of ||W W' off the diagonal||^2, without its factor; W has a row an output, (rows, rest).

    Brock et al. 2018 (arXiv:1809.11096), eq. 3, on rows (filters), as BigGAN-PyTorch has it. Vectors do not count.

    Returns:
        A float32 scalar.
    """
    matrices = [weight.float().flatten(1) for weight in weights if weight.dim() > 1]
    with torch.autocast(matrices[0].device.type, enabled=False):
        terms = [_off_diagonal(matrix).square().sum() for matrix in matrices]
    return torch.stack(terms).sum()


@torch.no_grad()
def add_orthogonal_gradients_(weights: Iterable[nn.Parameter], factor: float) -> None:
    """Add the exact gradient of `factor * orthogonal_penalty(weights)`, 4 factor (W W' off the diagonal) W, to the gradients.

    For `adjust_gradients`: no graph is kept, and accumulated chunks count it once. BigGAN-PyTorch adds half of it.
    """
    for weight in weights:
        if weight.dim() < 2 or weight.grad is None:
            continue
        with torch.autocast(weight.device.type, enabled=False):
            matrix = weight.float().flatten(1)
            if len(matrix) > matrix.shape[1]:  # many more rows than columns, as a dense layer has: never rows x rows
                gradient = matrix @ (matrix.t() @ matrix) - matrix.square().sum(dim=1, keepdim=True) * matrix
            else:
                gradient = _off_diagonal(matrix) @ matrix
        weight.grad.add_(gradient.view_as(weight), alpha=4.0 * factor)


def _off_diagonal(matrix: Tensor) -> Tensor:
    """(rows, columns) -> the rows' dot products with other rows, (rows, rows)."""
    products = matrix @ matrix.t()
    return products - torch.diag(products.diagonal())
