"""The last layer of a projection discriminator (Miyato & Koyama 2018, arXiv:1802.05637)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["projected_logits"]


def projected_logits(maps: Tensor, head: nn.Module, classes: nn.Module | None, labels: Tensor | None) -> Tensor:
    """Logits of a critic's last maps: a linear function of their sums, and with classes the sums' projection on the class's vector.

    Args:
        maps: (N, W, S, S), before their ReLU.
        head: (N, W) -> (N, 1).
        classes: labels -> (N, W); None: without classes.
        labels: (N,), or None.

    Returns:
        (N,).
    """
    summed = F.relu(maps).sum(dim=(2, 3))  # (N, W, S, S) -> (N, W)
    logits: Tensor = head(summed).flatten()  # (N, 1) -> (N,)
    return logits if classes is None else logits + (classes(labels) * summed).sum(dim=1)
