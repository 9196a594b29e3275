"""What several processes must agree on: gradients, batch-norm statistics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

__all__ = ["average_", "average_batch_norm", "average_gradients", "gather_objects", "joint_deviation", "world_size"]

T = TypeVar("T")


def world_size() -> int:
    """The number of processes that train together; 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


@torch.no_grad()
def average_(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its mean over all processes, in one message."""
    if world_size() == 1 or not tensors:
        return
    flat = _flatten_dense_tensors(tensors)
    dist.all_reduce(flat)
    flat.div_(world_size())
    torch._foreach_copy_(list(tensors), list(_unflatten_dense_tensors(flat, tensors)))


@torch.no_grad()
def joint_deviation(tensor: Tensor) -> Tensor:
    """Standard deviation of all elements of all processes' tensors, a scalar."""
    moments = [tensor.mean(), tensor.square().mean()]
    average_(moments)
    return (moments[1] - moments[0].square()).clamp(min=0.0).sqrt()


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace the parameters' gradients by their mean over all processes.

    One process may have no gradient where another has (no labelled image in its batch): it takes part with zeros, and a last
    element for each parameter tells whether anybody had one.
    """
    if world_size() == 1:
        return
    moved = [parameter for parameter in parameters if parameter.requires_grad]
    if not moved:
        return
    mine = [parameter.grad is not None for parameter in moved]
    had = torch.tensor(mine, dtype=torch.float32, device=moved[0].device)
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in moved]
    average_([*gradients, had])
    for index in (index for index, has in enumerate(mine) if not has):
        if had[index] > 0:
            moved[index].grad = gradients[index]


def average_batch_norm(module: nn.Module) -> None:
    """Replace running statistics by their mean over all processes: nothing else keeps them equal in manual mode."""
    statistics = [
        buffer
        for layer in module.modules()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm)
        for buffer in (layer.running_mean, layer.running_var)
        if buffer is not None
    ]
    average_(statistics)


def gather_objects(mine: T) -> list[T]:
    """The picklable objects of all processes, by rank."""
    if world_size() == 1:
        return [mine]
    gathered: list[T] = [mine] * world_size()
    dist.all_gather_object(gathered, mine)
    return gathered
