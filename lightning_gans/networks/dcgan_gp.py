"""The DCGAN-like networks of WGAN-GP (Gulrajani et al. 2017, arXiv:1704.00028): 32x32, 28x28, and 64x64 up.

Code: igul222/improved_wgan_training (gan_cifar.py, gan_mnist.py, gan_64x64.py). Kernels are 5x5 with biases; the critic has no
batch norm, because the penalty is per sample: none at all at 28 and 32 pixels, layer norm from 64 on.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lightning_gans.layers.conditional_norm import ConditionalBatchNorm
from lightning_gans.layers.initialize import glorot_init, normal_init

__all__ = ["DCGANCritic", "DCGANGenerator"]


class DCGANGenerator(nn.Module):
    """A dense layer to 4x4, then 5x5 transposed convolutions: (N, latent_dim) -> (N, C, S, S).

    28x28 (MNIST): no norm, 8x8 maps cropped to 7x7, a sigmoid (here scaled to [-1, 1]). Classes enter by the gains and offsets
    of batch norm, so 28x28 has none.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int = 128,
        channels: int = 128,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        side = image_shape[1]
        self.mnist = side == 28
        widths = _widths(side, channels)[::-1]
        self.first_width = widths[0]
        self.dense = nn.Linear(latent_dim, widths[0] * 16)
        # At 32x32 the first norm comes before the reshape: a gain and an offset for each position of a map.
        self.flat_norm = side < 64
        sizes = [] if self.mnist else [widths[0] * (16 if self.flat_norm else 1), *widths[1:]]
        self.norms = nn.ModuleList(
            _norm(size, num_classes, vectors=i == 0 and self.flat_norm) for i, size in enumerate(sizes)
        )
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(inside, outside, 5, 2, 2, output_padding=1)
            for inside, outside in zip(widths, [*widths[1:], image_shape[0]], strict=True)
        )
        _init(self, side)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, latent_dim), labels (N,) -> (N, C, S, S) in [-1, 1]."""
        features: Tensor = self.dense(latents)
        if not self.flat_norm:
            features = features.view(-1, self.first_width, 4, 4)  # (N, 16 * W) -> (N, W, 4, 4)
        for index, up in enumerate(self.ups):
            if not self.mnist:
                norm = self.norms[index]
                features = norm(features, labels) if isinstance(norm, ConditionalBatchNorm) else norm(features)
            features = torch.relu(features)
            features = up(features.view(-1, self.first_width, 4, 4) if index == 0 else features)
            if self.mnist and index == 0:
                features = features[:, :, :7, :7]  # 8x8 -> 7x7
        return 2.0 * torch.sigmoid(features) - 1.0 if self.mnist else torch.tanh(features)


class DCGANCritic(nn.Module):
    """5x5 convolutions to 4x4, then a dense layer: (N, C, S, S) -> (N,), or (N, 1 + K) with a classifier's K logits behind."""

    def __init__(self, image_shape: tuple[int, int, int], channels: int = 128, num_classes: int | None = None) -> None:
        super().__init__()
        side = image_shape[1]
        self.num_classes, self.mnist = num_classes or 0, side == 28
        widths = _widths(side, channels)
        layers: list[nn.Module] = []
        for index, (inside, outside) in enumerate(zip([image_shape[0], *widths], widths, strict=False)):
            layers.append(nn.Conv2d(inside, outside, 5, 2, 2))
            if side >= 64 and index:
                layers.append(nn.GroupNorm(1, outside))  # layer norm with a gain and an offset a channel
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1] * 16, 1 + self.num_classes)
        _init(self, side)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, S, S) -> (N,) or (N, 1 + K)."""
        features = self.layers((images + 1.0) / 2.0 if self.mnist else images)  # (N, W, 4, 4)
        logits: Tensor = self.head(features.flatten(1))
        return logits if self.num_classes else logits.flatten()


def _widths(side: int, channels: int) -> list[int]:
    """Channels from the image inwards: doubling with each halving, to 4x4."""
    return [channels << i for i in range(math.ceil(math.log2(side)) - 2)]


def _norm(size: int, num_classes: int | None, vectors: bool) -> nn.Module:
    if num_classes is not None:
        return ConditionalBatchNorm(size, num_classes)
    return nn.BatchNorm1d(size) if vectors else nn.BatchNorm2d(size)


def _init(network: nn.Module, side: int) -> None:
    """N(0, 0.02) from 64 pixels on; below, the code's "he" start for convolutions and Glorot's for dense layers."""
    if side >= 64:
        normal_init(network, gains=False)
        return
    glorot_init(network, gain=2.0**0.5)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            glorot_init(module)
