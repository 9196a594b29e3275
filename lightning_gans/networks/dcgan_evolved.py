"""The DCGAN-like networks of E-GAN (Wang et al. 2018, arXiv:1803.00657): no norm in the generator, dense ends.

Code: WANG-Chaoyue/EvolutionaryGAN (models/models_uncond.py: 32x32, 64x64, 128x128), WANG-Chaoyue/EvolutionaryGAN-pytorch
(its first CIFAR-10 networks). 16x16 and what is larger than the code's are ours, by the same rules.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from lightning_gans.layers.initialize import normal_init
from lightning_gans.networks.dcgan import check_image_shape

__all__ = ["EvolvedDiscriminator", "EvolvedGenerator"]


class EvolvedGenerator(nn.Module):
    """4x4 transposed convolutions without norm: (N, latent_dim) -> (N, C, S, S).

    theano: the first layer has a bias for each position; from 64x64 on a 3x3 convolution draws the image.
    pytorch: the first layer has a bias a map.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, channels: int, network: str) -> None:
        super().__init__()
        side = check_image_shape(image_shape)
        doublings = side.bit_length() - 3  # from 4x4
        large = side >= 64 and network == "theano"
        if large:  # from the image inwards 2, 4, 4, 8, 8, 16, ... times `channels`
            widths = [channels << 1 + (i + 1) // 2 for i in range(doublings + 1)][::-1]
        else:
            widths = [channels << i for i in range(doublings)][::-1]
        self.width = widths[0]
        self.first: nn.Module = (
            nn.Linear(latent_dim, widths[0] * 16)
            if network == "theano"
            else nn.ConvTranspose2d(latent_dim, widths[0], 4)
        )
        layers = [_activation(large and side >= 128)]
        for inside, outside in pairwise(widths):
            layers += [nn.ConvTranspose2d(inside, outside, 4, 2, 1), _activation(large and side >= 128)]
        last = nn.ConvTranspose2d(widths[-1], image_shape[0], *((3, 1, 1) if large else (4, 2, 1)))
        self.layers = nn.Sequential(*layers, last, nn.Tanh())
        normal_init(self)

    def forward(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, S, S) in [-1, 1]."""
        if isinstance(self.first, nn.ConvTranspose2d):
            latents = latents[:, :, None, None]  # (N, latent_dim, 1, 1)
        features = self.first(latents).view(len(latents), self.width, 4, 4)  # (N, 16 * W) -> (N, W, 4, 4)
        images: Tensor = self.layers(features)
        return images


class EvolvedDiscriminator(nn.Module):
    """4x4 convolutions, batch norm after all but the first, then a dense layer: (N, C, S, S) -> (N,)."""

    def __init__(self, image_shape: tuple[int, int, int], channels: int, network: str, batch_norm: bool) -> None:
        super().__init__()
        halvings = check_image_shape(image_shape).bit_length() - 3  # to 4x4
        widths = [channels << i for i in range(halvings)]
        layers: list[nn.Module] = [nn.Conv2d(image_shape[0], channels, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for inside, outside in pairwise(widths):
            layers.append(nn.Conv2d(inside, outside, 4, 2, 1, bias=network == "pytorch" or not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm2d(outside, eps=1e-4 if network == "theano" else 1e-5))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1] * 16, 1)
        normal_init(self)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d) and network == "theano":
                nn.init.ones_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, S, S) -> logits (N,)."""
        logits: Tensor = self.head(self.layers(images).flatten(1)).flatten()  # (N, W, 4, 4) -> (N, 16 * W) -> (N,)
        return logits


def _activation(leaky: bool) -> nn.Module:
    return nn.LeakyReLU(0.2, inplace=True) if leaky else nn.ReLU(inplace=True)
