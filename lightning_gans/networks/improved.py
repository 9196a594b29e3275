"""The networks of Improved Techniques (Salimans et al. 2016, arXiv:1606.03498), as openai/improved-gan has them.

mlp: MNIST's fully connected pair. conv: the pair of CIFAR-10 and (with 64 channels in the discriminator) of SVHN.

Images enter and leave in [-1, 1]; latents are (N, latent_dim). A discriminator returns the K class logits and, joined to them,
the features that the generator matches: (N, C, H, W) -> (N, K + F). It adds noise or drops pixels while training.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from lightning_gans.layers.gaussian_noise import GaussianNoise
from lightning_gans.layers.initialize import glorot_init, normal_init
from lightning_gans.layers.minibatch_discrimination import MinibatchDiscrimination
from lightning_gans.layers.weight_norm import WeightNorm
from lightning_gans.networks.dcgan import check_image_shape

__all__ = ["ConvDiscriminator", "ConvGenerator", "MLPDiscriminator", "MLPGenerator"]


class Offset(nn.Module):
    """Adds one number a channel: the code's batch norm has no gain. (N, C) or (N, C, H, W) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """(N, C) or (N, C, H, W) -> the same shape."""
        return features + self.bias.view(1, -1, *[1] * (features.dim() - 2))  # (C,) -> (1, C, 1, 1)


class MLPGenerator(nn.Module):
    """Two softplus layers with batch norm and a weight-normed sigmoid: (N, latent_dim) -> (N, C, H, W)."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int = 100, channels: int = 500) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, channels, bias=False),
            nn.BatchNorm1d(channels, affine=False),
            Offset(channels),
            nn.Softplus(),
            nn.Linear(channels, channels, bias=False),
            nn.BatchNorm1d(channels, affine=False),
            Offset(channels),
            nn.Softplus(),
            WeightNorm(nn.Linear(channels, math.prod(image_shape), bias=False), train_gain=True, init_std=None),
            nn.Sigmoid(),
        )
        glorot_init(self)

    def forward(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W) in [-1, 1]."""
        probabilities: Tensor = self.layers(latents)  # (N, C * H * W)
        return (2.0 * probabilities - 1.0).view(-1, *self.image_shape)


class ConvGenerator(nn.Module):
    """A dense layer to 4x4, then 5x5 transposed convolutions, the last weight-normed: (N, latent_dim) -> (N, C, S, S)."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int = 100, channels: int = 128) -> None:
        super().__init__()
        side = check_image_shape(image_shape)
        widths = [channels * (side // 8) >> i for i in range(side.bit_length() - 3)]  # at 4x4, 8x8, ..
        self.dense = nn.Sequential(
            nn.Linear(latent_dim, widths[0] * 16, bias=False),
            nn.BatchNorm1d(widths[0] * 16, affine=False),  # before the reshape, so each of the 16 positions has its own
            Offset(widths[0] * 16),
            nn.ReLU(inplace=True),
        )
        layers: list[nn.Module] = []
        for inside, outside in pairwise(widths):
            norm = [nn.BatchNorm2d(outside, affine=False), Offset(outside)]
            layers += [_up5(inside, outside), *norm, nn.ReLU(inplace=True)]
        layers += [WeightNorm(_up5(widths[-1], image_shape[0]), train_gain=True, init_std=0.1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        normal_init(self, 0.05)

    def forward(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, S, S) in [-1, 1]."""
        images: Tensor = self.layers(self.dense(latents).unflatten(1, (-1, 4, 4)))  # (N, 16 * W) -> (N, W, 4, 4)
        return images


class MLPDiscriminator(nn.Module):
    """Five weight-normed ReLU layers with noise between them: (N, C, H, W) -> (N, K + F), F = channels / 4.

    With `kernels`, minibatch discrimination stands before the last layer.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], num_classes: int, channels: int = 1000, kernels: int = 0
    ) -> None:
        super().__init__()
        widths = [math.prod(image_shape), channels, channels // 2, *[channels // 4] * 3]
        layers: list[nn.Module] = [GaussianNoise(0.3)]
        for inside, outside in pairwise(widths):
            layers += [WeightNorm(nn.Linear(inside, outside, bias=False)), nn.ReLU(), GaussianNoise(0.5)]
        self.layers = nn.Sequential(*layers[:-1])
        self.noise = layers[-1]
        self.head = _head(widths[-1], num_classes, kernels, init_std=1.0)
        normal_init(self, 0.1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> logits (N, K) and features (N, F), joined."""
        features: Tensor = self.layers((images.flatten(1) + 1.0) / 2.0)  # (N, C * H * W) in [0, 1] -> (N, F)
        return torch.cat([self.head(self.noise(features)), features], dim=1)


class ConvDiscriminator(nn.Module):
    """Nine weight-normed convolutions with dropout, averaged over the image: (N, C, H, W) -> (N, K + F), F = 2 channels.

    With `kernels`, minibatch discrimination stands before the last layer and noise replaces the dropout of pixels.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], num_classes: int, channels: int = 96, kernels: int = 0
    ) -> None:
        super().__init__()
        wide = 2 * channels
        layers: list[nn.Module] = [GaussianNoise(0.2) if kernels else nn.Dropout(0.2)]
        for inside, outside in ((image_shape[0], channels), (channels, wide)):
            for width, stride in ((inside, 1), (outside, 1), (outside, 2)):
                layers += _convolution(nn.Conv2d(width, outside, 3, stride, 1, bias=False))
            layers.append(nn.Dropout(0.5))
        for kernel in (3, 1, 1):  # 3x3 without padding, then two networks in the network
            layers += _convolution(nn.Conv2d(wide, wide, kernel, bias=False))
        self.layers = nn.Sequential(*layers)
        self.head = _head(wide, num_classes, kernels, init_std=0.1)
        normal_init(self, 0.05)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> logits (N, K) and features (N, F), joined."""
        features = self.layers(images).mean(dim=(2, 3))  # (N, F, H / 4 - 2, W / 4 - 2) -> (N, F)
        return torch.cat([self.head(features), features], dim=1)


def _head(features: int, num_classes: int, kernels: int, init_std: float) -> nn.Sequential:
    joined = [MinibatchDiscrimination(features, kernels)] if kernels else []
    last = nn.Linear(features + kernels, num_classes, bias=False)
    return nn.Sequential(*joined, WeightNorm(last, train_gain=True, init_std=init_std))


def _convolution(layer: nn.Conv2d) -> list[nn.Module]:
    return [WeightNorm(layer), nn.LeakyReLU(0.2, inplace=True)]


def _up5(inside: int, outside: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inside, outside, 5, 2, 2, output_padding=1, bias=False)
