"""The networks of Jin et al. 2017 (arXiv:1708.05509): SRResNet's generator, and a critic of residual blocks without norm."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_gans.networks.dcgan import check_image_shape

__all__ = ["SRResNetCritic", "SRResNetGenerator", "halvings"]

START = 16  # pixels a side where the generator's maps begin
SLOPE = 0.2  # of the leaky ReLU


def halvings(image_shape: tuple[int, int, int]) -> int:
    """How often images of a shape are doubled from 16x16.

    Raises:
        ValueError: not a square of a power of two from 16 up; names the nearest sizes that are.
    """
    return (check_image_shape(image_shape) // START).bit_length() - 1


class GeneratorBlock(nn.Module):
    """conv 3 - BN - ReLU - conv 3 - BN, and the input added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        changed: Tensor = self.layers(maps)
        return maps + changed


class SRResNetGenerator(nn.Module):
    """Noise and tags to 16x16 maps, residual blocks at that size, then one sub-pixel convolution for each doubling.

    Args:
        image_shape: (C, H, W), a square of a power of two from 16 up.
        latent_dim: size of the noise.
        channels: of all maps.
        blocks: residual blocks.
        tags: how many tags it is told; 0: none.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], latent_dim: int, channels: int = 64, blocks: int = 16, tags: int = 0
    ) -> None:
        super().__init__()
        self.channels, self.tags = channels, tags
        doublings = halvings(image_shape)
        self.dense = nn.Linear(latent_dim + tags, channels * START * START)
        self.start = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(*(GeneratorBlock(channels) for _ in range(blocks)))
        self.end = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        stages: list[nn.Module] = []
        for _ in range(doublings):
            stages += [
                nn.Conv2d(channels, 4 * channels, 3, padding=1),
                nn.PixelShuffle(2),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            ]
        self.doublings = nn.Sequential(*stages)
        self.pixels = nn.Conv2d(channels, image_shape[0], 9, padding=4)

    def forward(self, latents: Tensor, tags: Tensor | None = None) -> Tensor:
        """(N, latent_dim), tags (N, T) in [0, 1] -> (N, C, H, W) in [-1, 1]. The network is told -1 for no, 1 for yes."""
        if self.tags:
            if tags is None:
                raise ValueError(f"no tags for a generator of {self.tags} tags")
            latents = torch.cat([latents, 2.0 * tags.to(latents.dtype) - 1.0], dim=1)  # (N, latent_dim + T)
        maps = self.start(self.dense(latents).view(-1, self.channels, START, START))  # (N, C * 256) -> (N, C, 16, 16)
        maps = maps + self.end(self.blocks(maps))
        return torch.tanh(self.pixels(self.doublings(maps)))


class CriticBlock(nn.Module):
    """conv 3 - leaky ReLU - conv 3, the input added, leaky ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        return F.leaky_relu(maps + self.second(F.leaky_relu(self.first(maps), SLOPE)), SLOPE)


class SRResNetCritic(nn.Module):
    """Halvings with two residual blocks before each but the first, down to 2x2: ten blocks at 128 pixels; two heads.

    Args:
        image_shape: (C, H, W), a square of a power of two from 16 up.
        channels: after the first halving; each further one doubles them.
        kernels: of the halvings after the first, in turn; the last one is repeated.
        tags: how many tags it judges; 0: none.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        channels: int = 32,
        kernels: tuple[int, ...] = (4, 4, 3),
        tags: int = 0,
    ) -> None:
        super().__init__()
        stages = halvings(image_shape) + 2
        layers: list[nn.Module] = [nn.Conv2d(image_shape[0], channels, 4, 2, 1), nn.LeakyReLU(SLOPE, inplace=True)]
        for stage in range(stages):
            kernel = kernels[min(stage, len(kernels) - 1)]
            layers += [CriticBlock(channels), CriticBlock(channels)]
            layers += [nn.Conv2d(channels, 2 * channels, kernel, 2, 1), nn.LeakyReLU(SLOPE, inplace=True)]
            channels *= 2
        self.layers = nn.Sequential(*layers)
        self.judge = nn.Linear(4 * channels, 1)
        self.tags = nn.Linear(4 * channels, tags) if tags else None
        for layer in self.layers:
            _init(layer)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> logits (N, 1 + T): of being real, then of each tag."""
        features = self.layers(images).flatten(1)  # (N, C', 2, 2) -> (N, 4 C')
        judged: Tensor = self.judge(features)
        return judged if self.tags is None else torch.cat([judged, self.tags(features)], dim=1)


def _init(layer: nn.Module) -> None:
    """He's normal weights, by the leaky ReLU that follows; a block starts as if it were not there.

    Without a norm, PyTorch's own start shrinks what passes each layer: after 150 updates on drawn faces of 32 pixels with their
    tags alone, the tags' cross-entropy was 8.4 of 10.4 (width 16); from this start it is 3.3.
    """
    if isinstance(layer, CriticBlock):
        nn.init.kaiming_normal_(layer.first.weight, a=SLOPE)
        nn.init.zeros_(layer.second.weight)
    elif isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, a=SLOPE)
    else:
        return
    for name, parameter in layer.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
