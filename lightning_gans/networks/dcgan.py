"""The networks of DCGAN (Radford et al. 2015, arXiv:1511.06434) in their three published forms.

torch: the Torch and PyTorch releases, 4x4 kernels (soumith/dcgan.torch, pytorch/examples).
paper: figure 1 and the Theano release, 5x5 kernels (Newmu/dcgan_code).
mnist: the Theano release's 28x28 net, conditional when the number of classes is given.

Images enter and leave in [-1, 1]; latents are (N, latent_dim); the critic returns logits (N,), a linear function (`judge`) of
its last `features`. `FeatureDiscriminator` gives a critic what Improved Techniques adds (Salimans et al. 2016, arXiv:1606.03498).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_gans.layers.initialize import normal_init
from lightning_gans.layers.join import Joiner
from lightning_gans.layers.minibatch_discrimination import MinibatchDiscrimination

__all__ = [
    "Discriminator",
    "FeatureDiscriminator",
    "MNISTDiscriminator",
    "MNISTGenerator",
    "PaperDiscriminator",
    "PaperGenerator",
    "TorchDiscriminator",
    "TorchGenerator",
    "check_image_shape",
]

# The Theano release adds 1e-8 to the variance, PyTorch's default is 1e-5.
PAPER_NORM: dict[str, Any] = {"eps": 1e-8}


def check_image_shape(image_shape: tuple[int, int, int]) -> int:
    """The side of a square image that halvings take to 4x4.

    Raises:
        ValueError: not square, or not a power of two from 16 up; names the nearest sizes that are.
    """
    _, height, width = image_shape
    side = max(height, width)
    if height != width or side < 16 or side & (side - 1):
        below, above = max(1 << (side.bit_length() - 1), 16), max(1 << side.bit_length(), 16)
        nearest = f"{below}" if below == above or below == side == height == width else f"{below} or {above}"
        raise ValueError(f"images of {height}x{width}; allowed: square, a power of two from 16 up (nearest: {nearest})")
    return side


def _widths(image_shape: tuple[int, int, int], channels: int) -> list[int]:
    """Channels at 4x4, 8x8, ... up to half the image's side: halving down to `channels`."""
    side = check_image_shape(image_shape)
    return [channels * (side // 8) >> i for i in range(side.bit_length() - 3)]


class TorchGenerator(nn.Module):
    """4x4 transposed convolutions, from 1x1 to the image: (N, latent_dim) -> (N, C, S, S).

    With classes, their one-hot codes are joined to the latents. WGAN tries it without batch norm.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int = 100,
        channels: int = 64,
        num_classes: int | None = None,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes or 0
        widths = _widths(image_shape, channels)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent_dim + self.num_classes, widths[0], 4, 1, 0, bias=False),
            *([nn.BatchNorm2d(widths[0])] if batch_norm else []),
            nn.ReLU(inplace=True),
        ]
        for inside, outside in pairwise(widths):
            layers += [
                nn.ConvTranspose2d(inside, outside, 4, 2, 1, bias=False),
                *([nn.BatchNorm2d(outside)] if batch_norm else []),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.ConvTranspose2d(widths[-1], image_shape[0], 4, 2, 1, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        normal_init(self)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, latent_dim), labels (N,) -> (N, C, S, S) in [-1, 1]."""
        joined = Joiner(labels, self.num_classes)(latents)
        images: Tensor = self.layers(joined[:, :, None, None])  # (N, latent_dim + K, 1, 1)
        return images


class Discriminator(nn.Module):
    """A critic in two parts: (N, C, H, W), labels (N,) or none -> features -> logits (N,)."""

    def features(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, C, H, W), labels (N,) -> what the last layer sees: (N, F) or (N, W, 4, 4)."""
        raise NotImplementedError

    def judge(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """The last layer: features, labels (N,) -> logits (N,)."""
        raise NotImplementedError

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, C, H, W), labels (N,) -> logits (N,)."""
        return self.judge(self.features(images, labels), labels)


class FeatureDiscriminator(nn.Module):
    """A critic that also returns its features, for feature matching, and may see how near samples are to each other.

    The last layer is linear, so that of the features with the nearnesses joined to them is the sum of two.

    Args:
        critic: the critic.
        image_shape: (C, H, W), of its images.
        kernels: numbers that minibatch discrimination joins to the features; 0 = none.
    """

    def __init__(self, critic: Discriminator, image_shape: tuple[int, int, int], kernels: int = 0) -> None:
        super().__init__()
        self.critic = critic
        self.nearness: MinibatchDiscrimination | None = None
        if kernels:
            classes = getattr(critic, "num_classes", 0)
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                labels = torch.zeros(2, dtype=torch.long) if classes else None
                critic.eval()
                width = critic.features(torch.zeros(2, *image_shape), labels)[0].numel()
                critic.train()
            self.nearness = MinibatchDiscrimination(width, kernels)
            self.head = nn.Linear(kernels, 1, bias=False)
            normal_init(self.head)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, C, H, W), labels (N,) -> logits and features, joined: (N, 1 + F)."""
        features = self.critic.features(images, labels)
        logits, flat = self.critic.judge(features, labels)[:, None], features.flatten(1)  # (N, 1), (N, F)
        if self.nearness is not None:
            near = self.nearness(flat)[:, flat.shape[1] :]  # (N, F + B) -> (N, B)
            logits = logits + self.head(near)
        return torch.cat([logits, flat], dim=1)


class TorchDiscriminator(Discriminator):
    """4x4 convolutions, from the image to 1x1: (N, C, S, S) -> (N,).

    With classes, their one-hot codes are joined to the image as constant maps. WGAN tries it without batch norm.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        channels: int = 64,
        num_classes: int | None = None,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes or 0
        widths = _widths(image_shape, channels)[::-1]
        layers: list[nn.Module] = [
            nn.Conv2d(image_shape[0] + self.num_classes, widths[0], 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for inside, outside in pairwise(widths):
            layers += [
                nn.Conv2d(inside, outside, 4, 2, 1, bias=False),
                *([nn.BatchNorm2d(outside)] if batch_norm else []),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        layers += [nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False)]
        self.layers = nn.Sequential(*layers)
        normal_init(self)

    def features(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, C, S, S), labels (N,) -> (N, W, 4, 4)."""
        features = Joiner(labels, self.num_classes)(images)
        for layer in list(self.layers)[:-1]:
            features = layer(features)
        return features

    def judge(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, W, 4, 4) -> logits (N,)."""
        logits: Tensor = self.layers[-1](features).flatten()  # (N, 1, 1, 1) -> (N,)
        return logits


class PaperGenerator(nn.Module):
    """A dense layer to 4x4, then 5x5 transposed convolutions: (N, latent_dim) -> (N, C, S, S)."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int = 100, channels: int = 128) -> None:
        super().__init__()
        widths = _widths(image_shape, channels)
        self.dense = nn.Linear(latent_dim, widths[0] * 16, bias=False)
        # Batch norm comes before the reshape, so each of the 16 positions of a map has its own gain and offset.
        self.dense_norm = nn.BatchNorm1d(widths[0] * 16, **PAPER_NORM)
        layers: list[nn.Module] = []
        for inside, outside in pairwise(widths):
            layers += [_up5(inside, outside), nn.BatchNorm2d(outside, **PAPER_NORM), nn.ReLU(inplace=True)]
        layers += [_up5(widths[-1], image_shape[0]), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        normal_init(self)

    def forward(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, S, S) in [-1, 1]."""
        features = torch.relu(self.dense_norm(self.dense(latents)))
        images: Tensor = self.layers(features.view(len(latents), -1, 4, 4))  # (N, 16 * W) -> (N, W, 4, 4)
        return images


class PaperDiscriminator(Discriminator):
    """5x5 convolutions to 4x4, then a dense layer: (N, C, S, S) -> (N,)."""

    def __init__(self, image_shape: tuple[int, int, int], channels: int = 128) -> None:
        super().__init__()
        widths = _widths(image_shape, channels)[::-1]
        layers: list[nn.Module] = [_down5(image_shape[0], widths[0]), nn.LeakyReLU(0.2, inplace=True)]
        for inside, outside in pairwise(widths):
            layers += [_down5(inside, outside), nn.BatchNorm2d(outside, **PAPER_NORM), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.dense = nn.Linear(widths[-1] * 16, 1, bias=False)
        normal_init(self)

    def features(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, C, S, S) -> (N, W, 4, 4)."""
        features: Tensor = self.layers(images)
        return features

    def judge(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, W, 4, 4) -> logits (N,)."""
        logits: Tensor = self.dense(features.flatten(1)).flatten()  # (N, W, 4, 4) -> (N, 16 * W) -> (N,)
        return logits


class MNISTGenerator(nn.Module):
    """28x28, the class joined to every layer's input; without classes the same net unconditionally.

    Batch norm without gains and offsets, no biases, sigmoid output (here scaled to [-1, 1]).
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int = 100,
        channels: int = 64,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        self.num_classes = k = num_classes or 0
        self.hidden = nn.Linear(latent_dim + k, channels * 16, bias=False)
        self.hidden_norm = nn.BatchNorm1d(channels * 16, affine=False, **PAPER_NORM)
        self.spread = nn.Linear(channels * 16 + k, channels * 2 * 49, bias=False)
        self.spread_norm = nn.BatchNorm1d(channels * 2 * 49, affine=False, **PAPER_NORM)  # before the reshape
        self.up = _up5(channels * 2 + k, channels)
        self.up_norm = nn.BatchNorm2d(channels, affine=False, **PAPER_NORM)
        self.image = _up5(channels + k, image_shape[0])
        normal_init(self)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, latent_dim), labels (N,) -> (N, C, 28, 28) in [-1, 1]."""
        join = Joiner(labels, self.num_classes)
        features = torch.relu(self.hidden_norm(self.hidden(join(latents))))
        features = torch.relu(self.spread_norm(self.spread(join(features))))
        features = features.view(len(latents), -1, 7, 7)  # (N, 49 * W) -> (N, W, 7, 7)
        features = torch.relu(self.up_norm(self.up(join(features))))  # (N, W / 2, 14, 14)
        return 2.0 * torch.sigmoid(self.image(join(features))) - 1.0


class MNISTDiscriminator(Discriminator):
    """28x28, the class joined to every layer's input: (N, C, 28, 28) -> (N,); sees pixels in [0, 1]."""

    def __init__(self, image_shape: tuple[int, int, int], channels: int = 64, num_classes: int | None = None) -> None:
        super().__init__()
        self.num_classes = k = num_classes or 0
        self.first = _down5(image_shape[0] + k, channels)
        self.second = _down5(channels + k, channels * 2)
        self.second_norm = nn.BatchNorm2d(channels * 2, affine=False, **PAPER_NORM)
        self.hidden = nn.Linear(channels * 2 * 49 + k, channels * 16, bias=False)
        self.hidden_norm = nn.BatchNorm1d(channels * 16, affine=False, **PAPER_NORM)
        self.head = nn.Linear(channels * 16 + k, 1, bias=False)
        normal_init(self)

    def features(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, C, 28, 28), labels (N,) -> (N, 16 * W)."""
        join = Joiner(labels, self.num_classes)
        features = F.leaky_relu(self.first(join((images + 1.0) / 2.0)), 0.2)  # (N, W, 14, 14)
        features = F.leaky_relu(self.second_norm(self.second(join(features))), 0.2)  # (N, 2 * W, 7, 7)
        return F.leaky_relu(self.hidden_norm(self.hidden(join(features.flatten(1)))), 0.2)

    def judge(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, 16 * W), labels (N,) -> logits (N,)."""
        logits: Tensor = self.head(Joiner(labels, self.num_classes)(features)).flatten()  # (N, 1) -> (N,)
        return logits


def _up5(inside: int, outside: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inside, outside, 5, 2, 2, output_padding=1, bias=False)


def _down5(inside: int, outside: int) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, 5, 2, 2, bias=False)
