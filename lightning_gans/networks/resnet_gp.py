"""The residual networks of WGAN-GP (Gulrajani et al. 2017, arXiv:1704.00028): CIFAR-10's at 32x32, "Good" from 64x64 up.

Code: igul222/improved_wgan_training (gan_cifar_resnet.py, gan_64x64.py). A block is pre-activated: norm, ReLU, convolution,
norm, ReLU, convolution, beside a shortcut. The critic has no batch norm: the penalty is per sample.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_gans.layers.conditional_norm import ConditionalBatchNorm, Norm
from lightning_gans.layers.residual import ResidualBlock, residual_init

__all__ = ["ResNetCritic", "ResNetGenerator"]


class ResNetGenerator(nn.Module):
    """A dense layer to 4x4, then a block for each doubling: (N, latent_dim) -> (N, C, S, S).

    Below 64 pixels all blocks have `channels`; from there on 8, 8, 4, 2, ... times `channels`, and the first convolution of
    a block has no bias.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int = 128,
        channels: int = 128,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        doublings = image_shape[1].bit_length() - 3
        large = image_shape[1] >= 64
        widths = _widths(doublings, channels)[::-1] if large else [channels] * (doublings + 1)
        self.first_width = widths[0]
        norm: Norm = nn.BatchNorm2d if num_classes is None else lambda width: ConditionalBatchNorm(width, num_classes)
        self.dense = nn.Linear(latent_dim, widths[0] * 16)
        self.blocks = nn.ModuleList(
            ResidualBlock(inside, outside, "up", norm=norm, first_bias=not large)
            for inside, outside in itertools.pairwise(widths)
        )
        self.norm = nn.BatchNorm2d(widths[-1])  # unconditional in the code too
        self.image = nn.Conv2d(widths[-1], image_shape[0], 3, padding=1)
        residual_init(self)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, latent_dim), labels (N,) -> (N, C, S, S) in [-1, 1]."""
        features = self.dense(latents).view(-1, self.first_width, 4, 4)  # (N, 16 * W) -> (N, W, 4, 4)
        for block in self.blocks:
            features = block(features, labels)
        return torch.tanh(self.image(F.relu(self.norm(features))))


class ResNetCritic(nn.Module):
    """(N, C, S, S) -> (N,), or (N, 1 + K) with a classifier's K logits behind the critic's own.

    At 32x32 two blocks halve, two do not, and maps are averaged; from 64x64 on every block halves, layer norm stands in each,
    and a dense layer reads the 4x4 maps.
    """

    def __init__(self, image_shape: tuple[int, int, int], channels: int = 128, num_classes: int | None = None) -> None:
        super().__init__()
        self.num_classes = num_classes or 0
        self.large = image_shape[1] >= 64
        if self.large:
            widths = _widths(image_shape[1].bit_length() - 3, channels)
            blocks: list[nn.Module] = [nn.Conv2d(image_shape[0], widths[0], 3, padding=1)]
            blocks += [
                ResidualBlock(inside, outside, "down", norm=_layer_norm, first_bias=False)
                for inside, outside in itertools.pairwise(widths)
            ]
            features = widths[-1] * 16
        else:
            blocks = [ResidualBlock(image_shape[0], channels, "down", hidden=channels, preactivation=False)]
            blocks += [ResidualBlock(channels, channels, resample) for resample in ("down", None, None)]
            features = channels
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(features, 1 + self.num_classes)
        residual_init(self)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, S, S) -> (N,) or (N, 1 + K)."""
        features = self.blocks(images)  # (N, W, 4, 4), at 32x32 (N, W, 8, 8)
        # At 64x64 the code's last block is linear; at 32x32 a ReLU follows it.
        features = features.flatten(1) if self.large else F.relu(features).mean(dim=(2, 3))
        logits: Tensor = self.head(features)
        return logits if self.num_classes else logits.flatten()


def _widths(doublings: int, channels: int) -> list[int]:
    """Channels from the image inwards: 1, 2, 4, 8, 8 times `channels` at 64x64, one more block for each doubling."""
    return [channels * min(2**i, 8) for i in range(doublings + 1)]


def _layer_norm(channels: int) -> nn.Module:
    """Over all maps of a sample, with a gain and an offset a channel."""
    return nn.GroupNorm(1, channels)
