"""Batch norm whose gain and offset depend on the class (Dumoulin et al. 2016, arXiv:1610.07629)."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["ConditionalBatchNorm"]


class ConditionalBatchNorm(nn.BatchNorm2d):
    """One gain and one offset for each class and channel, starting at 1 and 0: (N, C) or (N, C, H, W), (N,) -> the same."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__(channels, affine=False)
        self.gain = nn.Embedding(num_classes, channels)
        self.offset = nn.Embedding(num_classes, channels)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.offset.weight)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        """(N, C) or (N, C, H, W), labels (N,) -> the same shape as features."""
        normalized = super().forward(features)
        shape = (len(labels), -1, *[1] * (features.dim() - 2))  # (N, C) -> (N, C, 1, 1)
        gain, offset = self.gain(labels).view(shape), self.offset(labels).view(shape)
        scaled: Tensor = gain.to(normalized.dtype) * normalized + offset.to(normalized.dtype)
        return scaled

    def _check_input_dim(self, features: Tensor) -> None:
        """Vectors are normalised as maps are."""
