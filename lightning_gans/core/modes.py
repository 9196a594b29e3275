"""Networks in another mode for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

__all__ = ["evaluating", "partly_training"]


@contextmanager
def evaluating(network: nn.Module) -> Iterator[nn.Module]:
    """The network in evaluation mode; afterwards each of its modules is in the mode it was in."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield network
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def partly_training(network: nn.Module, *, dropout: bool, statistics: bool) -> Iterator[nn.Module]:
    """The network in evaluation mode but for two kinds of layers.

    Args:
        network: anything.
        dropout: dropout stays on.
        statistics: batch norm takes each batch's own statistics; its running ones stay as they are.
    """
    with evaluating(network):
        batch_norm = nn.modules.batchnorm._BatchNorm
        norms = [module for module in network.modules() if statistics and isinstance(module, batch_norm)]
        tracked = [norm.track_running_stats for norm in norms]
        for module in network.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.training = dropout
        for norm in norms:
            norm.training, norm.track_running_stats = True, False
        try:
            yield network
        finally:
            for norm, tracks in zip(norms, tracked, strict=True):
                norm.track_running_stats = tracks
