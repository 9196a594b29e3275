"""Norms whose gain and offset depend on a condition: the class (Dumoulin et al. 2016, arXiv:1610.07629) or any vector."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from lightning_gans.layers.norms import BatchNorm
from lightning_gans.layers.spectral_norm import Wrap, plain

__all__ = ["ConditionalBatchNorm", "ConditionalNorm", "Norm", "class_norm", "normalize", "vector_norm"]

Norm = Callable[[int], nn.Module]
"""channels -> a norm of (N, channels, H, W), conditional or not."""


class ConditionalNorm(nn.Module):
    """(base + gain(condition)) * norm(features) + offset(condition): (N, C) or (N, C, H, W) -> the same shape."""

    def __init__(self, norm: nn.Module, gain: nn.Module, offset: nn.Module, base: float = 0.0) -> None:
        """Put the parts together.

        Args:
            norm: features -> normalised features, without gain and offset of its own.
            gain: condition -> (N, C).
            offset: condition -> (N, C).
            base: what the gain is added to.
        """
        super().__init__()
        self.norm, self.gain, self.offset, self.base = norm, gain, offset, base

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """(N, C) or (N, C, H, W), a condition an image -> the same shape as features."""
        normalized = self.norm(features)
        shape = (len(features), -1, *[1] * (features.dim() - 2))  # (N, C) -> (N, C, 1, 1)
        gain, offset = self.gain(condition).view(shape), self.offset(condition).view(shape)
        scaled: Tensor = (self.base + gain).to(normalized.dtype) * normalized + offset.to(normalized.dtype)
        return scaled


class ConditionalBatchNorm(ConditionalNorm):
    """Batch norm with one gain and one offset for each class and channel, starting at 1 and 0: labels (N,)."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__(BatchNorm(channels, affine=False), *_class_vectors(channels, num_classes))


def class_norm(norm: nn.Module, channels: int, num_classes: int) -> ConditionalNorm:
    """`norm` (without gain and offset) with those of the class, starting at 1 and 0: labels (N,)."""
    return ConditionalNorm(norm, *_class_vectors(channels, num_classes))


def vector_norm(norm: nn.Module, channels: int, width: int, wrap: Wrap = plain) -> ConditionalNorm:
    """`norm` (without gain and offset) with 1 + gain and offset linear in a vector (N, width), without bias.

    BigGAN's (Brock et al. 2018, arXiv:1809.11096): the vector joins the shared class embedding and a chunk of the latents.
    """
    gain, offset = (wrap(nn.Linear(width, channels, bias=False)) for _ in range(2))
    return ConditionalNorm(norm, gain, offset, base=1.0)


def normalize(norm: nn.Module, features: Tensor, condition: Tensor | None) -> Tensor:
    """What `norm`, conditional or not, makes of features."""
    normalized: Tensor = norm(features, condition) if isinstance(norm, ConditionalNorm) else norm(features)
    return normalized


def _class_vectors(channels: int, num_classes: int) -> tuple[nn.Embedding, nn.Embedding]:
    gain, offset = nn.Embedding(num_classes, channels), nn.Embedding(num_classes, channels)
    nn.init.ones_(gain.weight)
    nn.init.zeros_(offset.weight)
    return gain, offset
