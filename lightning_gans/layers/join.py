"""Classes as further inputs of any layer (Mirza & Osindero 2014, arXiv:1411.1784; DCGAN's MNIST net)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Joiner", "check_labels"]


def check_labels(labels: Tensor | None, num_classes: int) -> None:
    """Refuse labels for a network without classes (0), and a network with classes without labels.

    Raises:
        ValueError: the one or the other.
    """
    if (labels is None) != (num_classes == 0):
        raise ValueError(
            f"labels {'missing' if labels is None else 'given'} for a network of {num_classes or 'no'} classes"
        )


class Joiner:
    """Joins one-hot labels to features: as further columns, or as constant maps."""

    def __init__(self, labels: Tensor | None, num_classes: int) -> None:
        check_labels(labels, num_classes)
        self.one_hot = None if labels is None else F.one_hot(labels, num_classes)

    def __call__(self, features: Tensor) -> Tensor:
        if self.one_hot is None:
            return features
        joined = self.one_hot.to(features.dtype)  # (N, K)
        if features.dim() == 4:
            joined = joined[:, :, None, None].expand(-1, -1, *features.shape[2:])  # (N, K, H, W)
        return torch.cat([features, joined], dim=1)
