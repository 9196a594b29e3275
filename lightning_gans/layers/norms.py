"""Normalisations by name, and re-estimated batch statistics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lightning_gans.layers.cross_replica_norm import CrossReplicaBatchNorm

__all__ = ["NORMS", "BatchNorm", "make_norm", "normalizers", "standing_statistics"]

NORMS = ("batch", "cross_replica", "group", "layer", "instance", "none")
# Of group norm (Wu & He 2018, arXiv:1803.08494), of 2 channels at least: of one each they were instance norm.
GROUPS = 32


class BatchNorm(nn.BatchNorm2d):
    """Batch norm of maps (N, C, H, W) or of vectors (N, C)."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Vectors are normalised as maps are."""


def make_norm(kind: str, channels: int, *, affine: bool = True, eps: float = 1e-5, momentum: float = 0.1) -> nn.Module:
    """A normalisation of (N, C, H, W).

    Args:
        kind: batch; cross_replica, batch norm over all processes' images; group, over each of up to 32 groups of an image's maps;
            layer, over all maps of an image; instance, over each map; none.
        channels: C.
        affine: with a gain and an offset a channel.
        eps: added to the variance.
        momentum: share of the new batch in the running statistics of batch and cross_replica.

    Raises:
        ValueError: an unknown kind.
    """
    if kind == "batch":
        return BatchNorm(channels, eps=eps, momentum=momentum, affine=affine)
    if kind == "cross_replica":
        return CrossReplicaBatchNorm(channels, eps=eps, momentum=momentum, affine=affine)
    if kind == "none":
        return nn.Identity()
    most = max(1, min(GROUPS, channels // 2))
    groups = {"group": next(n for n in range(most, 0, -1) if channels % n == 0), "layer": 1, "instance": channels}
    if kind not in groups:
        raise ValueError(f"norm '{kind}'; allowed: {', '.join(NORMS)}")
    return nn.GroupNorm(groups[kind], channels, eps=eps, affine=affine)


def normalizers(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The batch norms of a network that keep statistics."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    return [norm for norm in norms if norm.track_running_stats]


@contextmanager
def standing_statistics(network: nn.Module) -> Iterator[None]:
    """Re-estimate batch-norm statistics: inside, each pass of `network` adds its own to a plain mean that starts from none.

    Brock et al. 2018 (arXiv:1809.11096) sample so. The network's other layers are left in their mode; afterwards batch norm is
    in evaluation mode with the statistics of the passes. Of one process's passes only, in cross-replica norms too.
    """
    norms = normalizers(network)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean
        norm.train()
        if isinstance(norm, CrossReplicaBatchNorm):
            norm.joined = False
    try:
        with torch.no_grad():
            yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
            if isinstance(norm, CrossReplicaBatchNorm):
                norm.joined = True
