"""The plain convolutional networks of SNGAN (Miyato et al. 2018, arXiv:1802.05957, table 3), and those of the code.

Code: pfnet-research/chainer-gan-lib. The paper's and the code's critic differ in widths; the code's generator also normalises the
dense layer's output and ends in a transposed convolution.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from lightning_gans.layers.initialize import normal_init
from lightning_gans.layers.spectral_norm import Wrap, plain

__all__ = ["CNNCritic", "CNNGenerator", "check_multiple"]


def check_multiple(image_shape: tuple[int, int, int]) -> None:
    """Whether three halvings come out even.

    Raises:
        ValueError: not square, or not a multiple of 8 from 16 up; names the nearest sizes that are.
    """
    _, height, width = image_shape
    side = max(height, width)
    if height == width and side >= 16 and side % 8 == 0:
        return
    below = max(side // 8 * 8, 16)
    nearest = f"{below}" if below >= side else f"{below} or {below + 8}"
    raise ValueError(f"images of {height}x{width}; allowed: square, a multiple of 8 from 16 up (nearest: {nearest})")


class CNNGenerator(nn.Module):
    """A dense layer, three 4x4 transposed convolutions and a 3x3 one: (N, latent_dim) -> (N, C, S, S)."""

    def __init__(
        self, image_shape: tuple[int, int, int], latent_dim: int = 128, channels: int = 64, code: bool = False
    ) -> None:
        super().__init__()
        self.base, self.code = image_shape[1] // 8, code
        maps = [8 * channels, 4 * channels, 2 * channels, channels]
        flat = maps[0] * self.base**2
        self.dense = nn.Linear(latent_dim, flat)
        self.first = nn.Sequential(nn.BatchNorm1d(flat), nn.ReLU(inplace=True)) if code else nn.Identity()
        layers: list[nn.Module] = []
        for inside, outside in pairwise(maps):
            layers += [nn.ConvTranspose2d(inside, outside, 4, 2, 1), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)]
        last = nn.ConvTranspose2d if code else nn.Conv2d
        self.layers = nn.Sequential(*layers, last(channels, image_shape[0], 3, padding=1), nn.Tanh())
        normal_init(self, gains=False)  # the paper does not state a start

    def forward(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, S, S) in [-1, 1]."""
        features = self.first(self.dense(latents))
        images: Tensor = self.layers(
            features.view(len(latents), -1, self.base, self.base)
        )  # (N, 512 * B * B) -> (N, 512, B, B)
        return images


class CNNCritic(nn.Module):
    """3x3 convolutions and 4x4 ones that halve, three of each in turn, a last 3x3 one: (N, C, S, S) -> (N,)."""

    def __init__(
        self, image_shape: tuple[int, int, int], channels: int = 64, code: bool = False, wrap: Wrap = plain
    ) -> None:
        super().__init__()
        factors = (1, 2, 2, 4, 4, 8, 8) if code else (1, 1, 2, 2, 4, 4, 8)
        maps = [image_shape[0], *(channels * factor for factor in factors)]
        layers: list[nn.Module] = []
        for index, (inside, outside) in enumerate(pairwise(maps)):
            kernel, stride = (4, 2) if index % 2 else (3, 1)
            layers += [wrap(nn.Conv2d(inside, outside, kernel, stride, 1)), nn.LeakyReLU(0.1, inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.head = wrap(nn.Linear(maps[-1] * (image_shape[1] // 8) ** 2, 1))
        normal_init(self, gains=False)  # the paper does not state a start

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, S, S) -> logits (N,)."""
        logits: Tensor = self.head(self.layers(images).flatten(1)).flatten()  # (N, 1) -> (N,)
        return logits
