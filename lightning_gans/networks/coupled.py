"""The networks of CoGAN (Liu and Tuzel 2016, arXiv:1606.07536): pairs of images whose networks share all but one layer.

Code: mingyuliutw/CoGAN. Each network is one module that owns the trunk, so what is shared is shared: a generator's trunk and two
last layers, a critic's two first layers and tail. A pair is one tensor (N, 2, C, H, W): domain a, domain b.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from lightning_gans.layers.initialize import normal_init
from lightning_gans.networks.dcgan import check_image_shape

__all__ = [
    "CoupledDigitsDiscriminator",
    "CoupledDigitsGenerator",
    "CoupledFacesDiscriminator",
    "CoupledFacesGenerator",
]

FIRST_KERNELS = 3  # stages of the faces' critic with 5x5 kernels, the others have 3x3
DROPOUT = (0.0, 0.0, 0.1, 0.3, 0.3, 0.5)  # after each stage of the faces' critic; further stages as the last


class Offset(nn.Module):
    """A learned offset a channel: what Caffe's batch norm, which has neither gain nor offset, is followed by."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, ...) -> the same."""
        return features + self.offset.view(-1, *[1] * (features.dim() - 2))  # (C, 1, 1) or (C,)


class CoupledGenerator(nn.Module):
    """A trunk from latents to maps, and a last layer for each domain: (N, latent_dim) -> (N, 2, C, H, W)."""

    trunk: nn.Sequential
    heads: nn.ModuleList
    output: nn.Module

    def forward(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> pairs (N, 2, C, H, W) in [-1, 1]: one latent, two pictures."""
        features = self.trunk(latents)
        return torch.stack([self.output(head(features)) for head in self.heads], dim=1)


class CoupledDiscriminator(nn.Module):
    """A first stage for each domain, and a tail that judges both: (N, 2, C, H, W) -> (N, 2).

    With classes, a dense layer on the tail's last features tells them: (N, C, H, W) of one domain -> (N, num_classes).
    """

    firsts: nn.ModuleList
    tail: nn.Sequential
    classifier: nn.Linear | None

    def forward(self, pairs: Tensor, features: bool = False) -> Tensor:
        """(N, 2, C, H, W) -> logits (N, 2): those of the two outputs for "real" less those for "fake".

        Images of domain a alone, (N, C, H, W) -> (N,). With `features` (N, 2, 1 + F): each logit and what it was read from.
        """
        domains = (pairs[:, None] if pairs.dim() == 4 else pairs).unbind(dim=1)  # (N, C, H, W) each
        seen = [first(images) for first, images in zip(self.firsts, domains, strict=False)]
        maps = self.tail[:-1](torch.cat(seen))  # domain a before domain b
        outputs = self.tail[-1](maps).flatten(1)  # (2 * N, 2)
        logits: Tensor = outputs[:, 1] - outputs[:, 0]
        if features:
            joined = torch.cat([logits[:, None], maps.flatten(1)], dim=1)  # (2 * N, 1 + F)
            return joined.view(2, -1, joined.shape[1]).transpose(0, 1)
        return logits if len(domains) == 1 else logits.view(2, -1).transpose(0, 1)  # (2 * N,) -> (N, 2)

    def classify(self, images: Tensor, domain: int = 0) -> Tensor:
        """Images of one domain (0: a, 1: b), (N, C, H, W) -> class logits (N, num_classes)."""
        if self.classifier is None:
            raise TypeError("a critic without classes does not classify")
        logits: Tensor = self.classifier(self.tail[:-1](self.firsts[domain](images)).flatten(1))
        return logits


class CoupledDigitsGenerator(CoupledGenerator):
    """28x28: 3x3 transposed convolutions, batch norm without gains and offsets, PReLU; a 6x6 one and a sigmoid a domain.

    caffe: a dense first layer, an offset after each norm, a slope a channel; else the PyTorch release's.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, channels: int, caffe: bool) -> None:
        super().__init__()
        widths = [channels * 8, channels * 4, channels * 2, channels]
        first: list[nn.Module] = [nn.Unflatten(1, (latent_dim, 1, 1)), nn.ConvTranspose2d(latent_dim, widths[0], 4)]
        if caffe:
            first = [nn.Linear(latent_dim, widths[0] * 16), nn.Unflatten(1, (widths[0], 4, 4))]
        layers = [*first, *_normed(widths[0], caffe)]
        for inside, outside in pairwise(widths):  # 4 -> 7 -> 13 -> 25 pixels
            layers += [nn.ConvTranspose2d(inside, outside, 3, 2, 1), *_normed(outside, caffe)]
        self.trunk = nn.Sequential(*layers)
        self.heads = nn.ModuleList(nn.ConvTranspose2d(channels, image_shape[0], 6, 1, 1) for _ in range(2))
        self.output = Centred()
        _init(self, caffe)


class CoupledDigitsDiscriminator(CoupledDiscriminator):
    """28x28: two 5x5 convolutions, each followed by a maximum and no other nonlinearity, then two dense ones; no norm.

    caffe: dropout before the last layer and a slope a channel.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], channels: int, caffe: bool, num_classes: int | None = None
    ) -> None:
        super().__init__()
        hidden = channels * 25
        self.firsts = nn.ModuleList(
            nn.Sequential(Uncentred(), nn.Conv2d(image_shape[0], channels, 5), nn.MaxPool2d(2)) for _ in range(2)
        )
        self.tail = nn.Sequential(
            nn.Conv2d(channels, channels * 5 // 2, 5),
            nn.MaxPool2d(2),
            nn.Conv2d(channels * 5 // 2, hidden, 4),
            nn.PReLU(hidden if caffe else 1),
            *([nn.Dropout(0.5)] if caffe else []),
            nn.Conv2d(hidden, 2, 1),
        )
        self.classifier = None if num_classes is None else nn.Linear(hidden, num_classes)
        _init(self, caffe)


class CoupledFacesGenerator(CoupledGenerator):
    """Powers of two from 16 up: 4x4 transposed convolutions with batch norm and PReLU; a 3x3 one and tanh a domain.

    128x128 is the code's; each halving of the side takes a stage from the trunk.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, channels: int) -> None:
        super().__init__()
        side = check_image_shape(image_shape)
        widths = [channels << i for i in range(side.bit_length() - 2)][::-1]  # at 4x4, 8x8, ... up to the image's side
        layers: list[nn.Module] = [nn.Linear(latent_dim, widths[0] * 16), nn.Unflatten(1, (widths[0], 4, 4))]
        layers += _normed(widths[0], caffe=True)
        for inside, outside in pairwise(widths):
            layers += [nn.ConvTranspose2d(inside, outside, 4, 2, 1), *_normed(outside, caffe=True)]
        self.trunk = nn.Sequential(*layers)
        self.heads = nn.ModuleList(nn.ConvTranspose2d(channels, image_shape[0], 3, 1, 1) for _ in range(2))
        self.output = nn.Tanh()
        normal_init(self)


class CoupledFacesDiscriminator(CoupledDiscriminator):
    """Powers of two from 16 up: strided convolutions to 2x2 with batch norm, PReLU and dropout, then two dense layers.

    128x128 is the code's; each halving of the side takes a stage from the tail.
    """

    def __init__(self, image_shape: tuple[int, int, int], channels: int, num_classes: int | None = None) -> None:
        super().__init__()
        halvings = check_image_shape(image_shape).bit_length() - 2  # to 2x2
        widths = [channels << i for i in range(halvings)]
        self.firsts = nn.ModuleList(
            nn.Sequential(nn.Conv2d(image_shape[0], channels, 5, 2, 2), *_normed(channels, caffe=True))
            for _ in range(2)
        )
        layers: list[nn.Module] = []
        for stage, (inside, outside) in enumerate(pairwise(widths), start=1):
            kernel = 5 if stage < FIRST_KERNELS else 3
            layers += [nn.Conv2d(inside, outside, kernel, 2, kernel // 2), *_normed(outside, caffe=True)]
            layers += [nn.Dropout(share) for share in [DROPOUT[min(stage, len(DROPOUT) - 1)]] if share]
        hidden = channels * 64
        layers += [nn.Flatten(), nn.Linear(widths[-1] * 4, hidden), *_normed(hidden, caffe=True, vectors=True)]
        self.tail = nn.Sequential(*layers, nn.Dropout(0.5), nn.Linear(hidden, 2))
        self.classifier = None if num_classes is None else nn.Linear(hidden, num_classes)
        normal_init(self)


class Centred(nn.Module):
    """A sigmoid, scaled to [-1, 1]."""

    def forward(self, maps: Tensor) -> Tensor:
        """Any shape."""
        return 2.0 * torch.sigmoid(maps) - 1.0


class Uncentred(nn.Module):
    """From [-1, 1] to [0, 1], in which the digits' critic sees pixels."""

    def forward(self, images: Tensor) -> Tensor:
        """Any shape."""
        return (images + 1.0) / 2.0


def _normed(channels: int, caffe: bool, vectors: bool = False) -> list[nn.Module]:
    norm = nn.BatchNorm1d(channels, affine=False) if vectors else nn.BatchNorm2d(channels, affine=False)
    return [norm, Offset(channels), nn.PReLU(channels)] if caffe else [norm, nn.PReLU()]


def _init(network: nn.Module, caffe: bool) -> None:
    """caffe: its "msra" start, biases 0; PyTorch: Glorot's uniform one with gain sqrt(2), strides not counted, biases 0.1."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            if caffe:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            else:
                nn.init.xavier_uniform_(module.weight, gain=2.0**0.5)
            if module.bias is not None:
                nn.init.constant_(module.bias, 0.0 if caffe else 0.1)
