"""The residual networks of SNGAN, its projection discriminator and SAGAN, at any of their sizes.

Miyato et al. 2018 (arXiv:1802.05957, tables 4 to 6), Miyato & Koyama 2018 (arXiv:1802.05637), Zhang et al. 2018
(arXiv:1805.08318). Code: pfnet-research/sngan_projection, brain-research/self-attention-gan.

Widths come from `widths(side, ...)`: the papers' at 32, 48, 64 and 128 pixels; other sizes add or leave out a block for each
doubling. Images enter and leave in [-1, 1].
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_gans.layers.attention import SelfAttention, attended_block
from lightning_gans.layers.conditional_norm import class_norm
from lightning_gans.layers.join import check_labels
from lightning_gans.layers.norms import make_norm
from lightning_gans.layers.projection import projected_logits
from lightning_gans.layers.residual import ResidualBlock
from lightning_gans.layers.spectral_norm import Wrap, plain, spectral_norm

__all__ = ["CONDITIONING", "ResNetCritic", "ResNetGenerator", "Widths", "check_side", "spectral_norms", "widths"]

CONDITIONING = ("projection", "concatenation")
RELEASES = ("mimicry",)
SIDES = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
SMALL = 32  # up to here all blocks of a network have the same channels
JOINED, EMBEDDED = 3, 128  # concatenation: after how many blocks, and channels of a class


class Widths(NamedTuple):
    """Channels of both networks at one size."""

    generator: list[int]
    """Of the dense layer's maps, then of each block: each block doubles the size."""
    discriminator: list[int]
    """Of each block."""
    halvings: int
    """How many of the discriminator's blocks halve the size: the first ones."""


def check_side(image_shape: tuple[int, int, int]) -> int:
    """The side of a square image that the networks are defined for.

    Raises:
        ValueError: not square, or not 4 or 6 times a power of two; names the nearest sizes that are.
    """
    _, height, width = image_shape
    side = max(height, width)
    if height != width or side not in SIDES:
        near = sorted(sorted(SIDES, key=lambda known: abs(known - side))[: 1 if side in SIDES else 2])
        raise ValueError(
            f"images of {height}x{width}; allowed: squares of {', '.join(map(str, SIDES))} (nearest: {' or '.join(map(str, near))})"
        )
    return side


def widths(side: int, generator_channels: int | None = None, discriminator_channels: int | None = None) -> Widths:
    """Channels at one size.

    Up to 32 pixels every block has `generator_channels` (256) or `discriminator_channels` (128), and two blocks of the critic keep
    8x8. Above, channels double with each halving, from those (64, 64) to 16 times as many.
    """
    base = 6 if side % 3 == 0 else 4
    doublings = (side // base).bit_length() - 1
    if side <= SMALL:
        g, d = generator_channels or 256, discriminator_channels or 128
        return Widths([g] * (doublings + 1), [d] * (doublings + 1), doublings - 1)
    g, d = generator_channels or 64, discriminator_channels or 64
    rising = [min(2**i, 16) for i in range(doublings + 1)]
    # The papers' critics end at 3x3 (48 pixels), 2x2 (64) and 4x4 (128); at 64 without a block that keeps the size.
    halvings = doublings + (side == 64 or base == 6)
    factors = [min(2**i, 16) for i in range(halvings)] + ([] if side == 64 else [16])
    return Widths([g * factor for factor in rising[::-1]], [d * factor for factor in factors], halvings)


def spectral_norms(release: str | None, iterate_in_evaluation: bool = False) -> tuple[Wrap, Wrap]:
    """Spectral norm of the layers in blocks, and of those outside.

    Args:
        release: mimicry: as its weights were trained. Blocks step in evaluation too and keep the singular value; the layers outside
            have PyTorch's first hook, which keeps the right vector. None: the paper's, everywhere.
        iterate_in_evaluation: step in evaluation mode too, without keeping the vector.

    Raises:
        ValueError: an unknown release.
    """
    if release is None:
        wrap = partial(spectral_norm, iterate_in_evaluation=iterate_in_evaluation)
        return wrap, wrap
    if release not in RELEASES:
        raise ValueError(f"release '{release}'; allowed: None, {', '.join(RELEASES)}")
    return partial(spectral_norm, iterate_in_evaluation=True, keep="sigma"), partial(spectral_norm, keep="v")


class ResNetGenerator(nn.Module):
    """A dense layer to 4x4 (or 6x6), then a block for each doubling: (N, latent_dim), (N,) -> (N, C, S, S)."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        channels: list[int],
        latent_dim: int = 128,
        num_classes: int | None = None,
        *,
        norm: str = "batch",
        eps: float = 2e-5,
        momentum: float = 0.1,
        wrap: Wrap = plain,
        wrap_ends: Wrap | None = None,
        upsampling: str = "nearest",
        attention: int = 0,
    ) -> None:
        """Build the network.

        Args:
            image_shape: (C, H, W).
            channels: see `Widths.generator`.
            latent_dim: size of the noise.
            num_classes: the class sets gain and offset of all norms but the last; None: one gain and one offset.
            norm: a name of `layers/norms.py`.
            eps: added to the variance.
            momentum: share of the new batch in running statistics.
            wrap: what is done to each layer, such as `spectral_norm`.
            wrap_ends: the same of the layers outside of blocks; None: as in blocks.
            upsampling: "nearest", or "bilinear" as in mimicry.
            attention: side of the maps that self-attention follows; 0: none.
        """
        super().__init__()
        self.num_classes, self.first = num_classes or 0, channels[0]
        self.base = image_shape[1] >> (len(channels) - 1)
        sides = [self.base << index for index in range(1, len(channels))]
        self.attended = attended_block(sides, attention, "generator")

        def norm_of(width: int) -> nn.Module:
            layer = make_norm(norm, width, affine=num_classes is None, eps=eps, momentum=momentum)
            return layer if num_classes is None else class_norm(layer, width, num_classes)

        wrap_ends = wrap_ends or wrap
        self.dense = wrap_ends(nn.Linear(latent_dim, channels[0] * self.base**2))
        self.blocks = nn.ModuleList(
            ResidualBlock(inside, outside, "up", norm=norm_of, wrap=wrap, upsampling=upsampling)
            for inside, outside in pairwise(channels)
        )
        self.attention = None if self.attended is None else SelfAttention(channels[self.attended + 1], wrap_ends)
        self.norm = make_norm(norm, channels[-1], eps=eps, momentum=momentum)
        self.image = wrap_ends(nn.Conv2d(channels[-1], image_shape[0], 3, padding=1))

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, latent_dim), labels (N,) -> (N, C, S, S) in [-1, 1]."""
        check_labels(labels, self.num_classes)
        features = self.dense(latents).view(-1, self.first, self.base, self.base)  # (N, W * B * B) -> (N, W, B, B)
        for index, block in enumerate(self.blocks):
            features = block(features, labels)
            if self.attention is not None and index == self.attended:
                features = self.attention(features)
        return torch.tanh(self.image(F.relu(self.norm(features))))


class ResNetCritic(nn.Module):
    """Blocks that halve, then some that do not; sums over positions: (N, C, S, S), (N,) -> (N,).

    With classes, the projection of the summed features on the class's vector is added; or, that paper's comparison, the vector
    is joined to the maps of the third block (arXiv:1802.05637).
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        channels: list[int],
        halvings: int,
        num_classes: int | None = None,
        *,
        conditioning: str = "projection",
        wide: bool = False,
        wrap: Wrap = plain,
        wrap_ends: Wrap | None = None,
        attention: int = 0,
        head_bias: bool = True,
    ) -> None:
        """Build the network.

        Args:
            image_shape: (C, H, W).
            channels: see `Widths.discriminator`.
            halvings: how many of the first blocks halve the size.
            num_classes: None: without classes.
            conditioning: projection or concatenation.
            wide: between its convolutions a block has as many channels as it gives (SAGAN), not as it takes (SNGAN).
            wrap: what is done to each layer, such as `spectral_norm`.
            wrap_ends: the same of attention and the last layer; None: as in blocks.
            attention: side of the maps that self-attention follows; 0: none.
            head_bias: whether the last layer has a bias.

        Raises:
            ValueError: an unknown conditioning, too few blocks for it, or attention to maps that there are not.
        """
        super().__init__()
        if conditioning not in CONDITIONING:
            raise ValueError(f"conditioning '{conditioning}'; allowed: {', '.join(CONDITIONING)}")
        self.joins = conditioning == "concatenation" and num_classes is not None
        if self.joins and len(channels) <= JOINED:
            raise ValueError(
                f"conditioning '{conditioning}' with {len(channels)} blocks; allowed: {JOINED + 1} or more, 32 pixels and up"
            )
        self.num_classes = num_classes or 0
        sides = [image_shape[1] >> min(index + 1, halvings) for index in range(len(channels))]
        self.attended = attended_block(sides, attention, "discriminator")
        first = ResidualBlock(image_shape[0], channels[0], "down", hidden=channels[0], preactivation=False, wrap=wrap)
        self.blocks = nn.ModuleList([first])
        for index, (inside, outside) in enumerate(pairwise(channels), start=1):
            resample = "down" if index < halvings else None
            inside += EMBEDDED if self.joins and index == JOINED else 0
            hidden = outside if wide else inside
            self.blocks.append(ResidualBlock(inside, outside, resample, hidden=hidden, wrap=wrap))
        self.attention = None if self.attended is None else SelfAttention(channels[self.attended], wrap_ends or wrap)
        self.head = (wrap_ends or wrap)(nn.Linear(channels[-1], 1, bias=head_bias))
        size = EMBEDDED if self.joins else channels[-1]
        self.classes = wrap(nn.Embedding(num_classes, size)) if num_classes else None

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, C, S, S), labels (N,) -> logits (N,)."""
        check_labels(labels, self.num_classes)
        features = images
        for index, block in enumerate(self.blocks):
            if self.joins and index == JOINED and self.classes is not None:
                vectors = self.classes(labels)[:, :, None, None]  # (N, E, 1, 1)
                features = torch.cat([features, vectors.expand(-1, -1, *features.shape[2:])], dim=1)
            features = block(features)
            if self.attention is not None and index == self.attended:
                features = self.attention(features)
        return projected_logits(features, self.head, None if self.joins else self.classes, labels)
