"""The generator of BigGAN (Brock et al. 2018, arXiv:1809.11096), and the tables of both BigGANs' sizes.

Code: ajbrock/BigGAN-PyTorch. The critic is that of SAGAN with other widths (`networks/resnet_sn.py`).
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_gans.layers.attention import SelfAttention, attended_block
from lightning_gans.layers.conditional_norm import ConditionalNorm, vector_norm
from lightning_gans.layers.join import check_labels
from lightning_gans.layers.residual import ResidualBlock
from lightning_gans.layers.spectral_norm import Wrap, plain

__all__ = ["BASE", "SIZES", "Generator", "MakeNorm", "Size", "check_size"]

BASE = 4  # side of the first maps


class MakeNorm(Protocol):
    """(channels, affine) -> a norm of (N, channels, H, W), with gain and offset of its own if `affine`."""

    def __call__(self, channels: int, /, *, affine: bool = True) -> nn.Module: ...


class Size(NamedTuple):
    """What is fixed by the side of the image; widths are factors on a number of channels."""

    generator: tuple[int, ...]
    """Of the first maps, then of each block."""
    discriminator: tuple[int, ...]
    """Of each block of BigGAN's."""
    halvings: int
    """How many of those blocks halve the size: the first ones."""
    deep_discriminator: tuple[int, ...]
    """Of the first maps, then of each stage of BigGAN-deep's."""
    deep_halvings: int
    """How many of those stages halve the size."""
    channels: int
    """BigGAN's default; BigGAN-deep has 128 at every size."""
    latent_dim: int
    """BigGAN's, where latents are split: as many equal chunks as `generator` has widths."""
    attention: int
    """Side of the maps that attention follows; 0: none."""


SIZES = {
    32: Size((4, 4, 4, 4), (4, 4, 4, 4), 2, (4, 4, 4, 4), 2, 64, 80, 0),
    64: Size((16, 16, 8, 4, 2), (1, 2, 4, 8, 16), 4, (1, 2, 4, 8, 16), 4, 64, 120, 32),
    128: Size((16, 16, 8, 4, 2, 1), (1, 2, 4, 8, 16, 16), 5, (1, 2, 4, 8, 16, 16), 5, 96, 120, 64),
    256: Size((16, 16, 8, 8, 4, 2, 1), (1, 2, 4, 8, 8, 16, 16), 6, (1, 2, 4, 8, 8, 16, 16), 6, 96, 140, 64),
    512: Size((16, 16, 8, 8, 4, 2, 1, 1), (1, 1, 2, 4, 8, 8, 16, 16), 7, (1, 1, 2, 4, 8, 8, 16, 16), 7, 96, 160, 64),
}


def check_size(image_shape: tuple[int, int, int]) -> Size:
    """The networks of an image's size.

    Raises:
        ValueError: not square, or a size without networks; names the nearest that has.
    """
    _, height, width = image_shape
    if height == width and height in SIZES:
        return SIZES[height]
    near = min(SIZES, key=lambda side: abs(side - max(height, width)))
    raise ValueError(
        f"images of {height}x{width}; allowed: squares of {', '.join(map(str, SIZES))} (nearest: {near}x{near})"
    )


class Generator(nn.Module):
    """A dense layer to 4x4, then a block for each doubling: (N, latent_dim), (N,) -> (N, C, S, S).

    Hierarchical: latents are split into equal chunks, the first for the dense layer and one for each block, whose norms have gain
    and offset linear in the class's vector (one embedding for all blocks, not spectrally normalised) joined with the chunk. Flat:
    all latents enter the dense layer, and each norm has vectors of its own for the classes.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        widths: list[int],
        latent_dim: int,
        num_classes: int | None,
        *,
        hierarchical: bool,
        embedding_dim: int,
        norm: MakeNorm,
        wrap: Wrap = plain,
        attention: int = 0,
    ) -> None:
        """Build the network.

        Args:
            image_shape: (C, H, W).
            widths: channels of the first maps, then of each block.
            latent_dim: size of the noise; hierarchical: a multiple of the number of widths.
            num_classes: None: without classes.
            hierarchical: see above.
            embedding_dim: size of a class's vector (hierarchical).
            norm: makes the norms.
            wrap: what is done to each layer but embeddings, such as `spectral_norm`.
            attention: side of the maps that self-attention follows; 0: none.

        Raises:
            ValueError: latents that cannot be split, or attention at a size of no maps.
        """
        super().__init__()
        self.num_classes, self.first = num_classes or 0, widths[0]
        self.chunks = len(widths) if hierarchical else 1
        if latent_dim % self.chunks:
            near = max(round(latent_dim / self.chunks), 1) * self.chunks
            raise ValueError(
                f"latent_dim={latent_dim}; allowed: multiples of {self.chunks}, "
                f"a chunk for each block and one more (nearest: {near})"
            )
        chunk = latent_dim // self.chunks
        self.shared = nn.Embedding(num_classes, embedding_dim) if hierarchical and num_classes else None
        condition = chunk + (embedding_dim if self.shared is not None else 0)

        def norm_of(width: int) -> nn.Module:
            if hierarchical:
                return vector_norm(norm(width, affine=False), width, condition, wrap)
            if num_classes:
                gain, offset = nn.Embedding(num_classes, width), nn.Embedding(num_classes, width)
                return ConditionalNorm(norm(width, affine=False), gain, offset, base=1.0)
            return norm(width)

        self.dense = wrap(nn.Linear(chunk, widths[0] * BASE**2))
        self.blocks = nn.ModuleList(
            ResidualBlock(inside, outside, "up", norm=norm_of, wrap=wrap) for inside, outside in pairwise(widths)
        )
        sides = [BASE << index for index in range(1, len(widths))]
        self.attended = attended_block(sides, attention, "generator")
        self.attention = None if self.attended is None else SelfAttention(widths[self.attended + 1], wrap)
        self.norm = norm(widths[-1])
        self.image = wrap(nn.Conv2d(widths[-1], image_shape[0], 3, padding=1))

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, latent_dim), labels (N,) -> (N, C, S, S) in [-1, 1]."""
        check_labels(labels, self.num_classes)
        first, *rest = latents.chunk(self.chunks, dim=1)
        conditions: list[Tensor | None] = [*rest] or [labels] * len(self.blocks)
        if self.shared is not None:
            vectors = self.shared(labels)  # (N, embedding_dim)
            conditions = [torch.cat([vectors, chunk], dim=1) for chunk in rest]
        features = self.dense(first).view(-1, self.first, BASE, BASE)  # (N, 16 * W) -> (N, W, 4, 4)
        for index, (block, condition) in enumerate(zip(self.blocks, conditions, strict=True)):
            features = block(features, condition)
            if self.attention is not None and index == self.attended:
                features = self.attention(features)
        return torch.tanh(self.image(F.relu(self.norm(features))))
