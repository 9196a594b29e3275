"""A small seeded network as a feature extractor, for tests that need features and no meaning in them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lightning_gans.metrics.features.module import ModuleFeatures

__all__ = ["random_features", "small_features", "unseeded_features"]


class _Random(nn.Module):
    def __init__(self, pixels: int, dim: int, classes: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.register_buffer("weight", torch.randn(pixels, dim, generator=generator) / pixels**0.5)
        self.register_buffer("head", torch.randn(dim, classes, generator=generator))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = torch.tanh(images.flatten(1) @ self.weight)  # type: ignore[operator]
        return features, features @ self.head  # type: ignore[operator]


def random_features(size: int = 16, dim: int = 6, classes: int = 10) -> ModuleFeatures:
    """Features (N, dim) and logits (N, classes) of grey images; always the same weights; scores end in ``_random``."""
    return ModuleFeatures(_Random(size * size, dim, classes), name="random")


def small_features() -> nn.Module:
    """The same for 8x8 images, as a plain module: scores end in ``_small_features``."""
    return _Random(64, 6, 10)


def unseeded_features() -> nn.Module:
    """A network that draws its weights from the global random state, as users' networks do."""
    return nn.Sequential(nn.Flatten(), nn.Linear(256, 5))
