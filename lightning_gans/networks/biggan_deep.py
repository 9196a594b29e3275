"""The networks of BigGAN-deep (Brock et al. 2018, arXiv:1809.11096, appendix B): bottleneck blocks, shortcuts without weights.

Code: ajbrock/BigGAN-PyTorch, huggingface/pytorch-pretrained-BigGAN. Widths come from the tables of `networks/biggan.py`.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_gans.layers.attention import SelfAttention, attended_block
from lightning_gans.layers.conditional_norm import normalize, vector_norm
from lightning_gans.layers.join import check_labels
from lightning_gans.layers.projection import projected_logits
from lightning_gans.layers.residual import half, twice
from lightning_gans.layers.spectral_norm import Wrap, plain
from lightning_gans.networks.biggan import BASE, MakeNorm

__all__ = ["DeepDiscriminator", "DeepDownBlock", "DeepGenerator", "DeepUpBlock"]

BOTTLENECK = 4  # a block's inner convolutions have a quarter of its channels


class DeepUpBlock(nn.Module):
    """Norm, ReLU and convolution four times, 1x1, 3x3, 3x3, 1x1: (N, inside, H, W) -> (N, outside, H', W').

    The shortcut keeps the first channels and drops the rest. `up` doubles the size before the first 3x3 convolution.
    """

    def __init__(self, inside: int, outside: int, up: bool, norm: MakeNorm, condition: int, wrap: Wrap = plain) -> None:
        super().__init__()
        self.outside, self.up = outside, up
        narrow = max(inside // BOTTLENECK, 1)

        def norm_of(width: int) -> nn.Module:
            return vector_norm(norm(width, affine=False), width, condition, wrap)

        self.norms = nn.ModuleList(norm_of(width) for width in (inside, narrow, narrow, narrow))
        self.convs = _bottleneck(inside, narrow, outside, wrap)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """(N, inside, H, W), (N, condition) -> (N, outside, H', W')."""
        hidden = features
        for index, (norm, conv) in enumerate(zip(self.norms, self.convs, strict=True)):
            hidden = F.relu(normalize(norm, hidden, condition))
            hidden = conv(twice(hidden) if self.up and index == 1 else hidden)
        shortcut = features[:, : self.outside]
        return hidden + (twice(shortcut) if self.up else shortcut)


class DeepDownBlock(nn.Module):
    """ReLU and convolution four times, 1x1, 3x3, 3x3, 1x1: (N, inside, H, W) -> (N, outside, H', W').

    A 1x1 convolution makes the channels that the shortcut lacks. `down` halves the size before the last convolution.
    """

    def __init__(self, inside: int, outside: int, down: bool, wrap: Wrap = plain) -> None:
        super().__init__()
        self.down = down
        self.convs = _bottleneck(inside, max(outside // BOTTLENECK, 1), outside, wrap)
        self.shortcut = wrap(nn.Conv2d(inside, outside - inside, 1)) if outside > inside else None

    def forward(self, features: Tensor) -> Tensor:
        """(N, inside, H, W) -> (N, outside, H', W')."""
        hidden = features
        for index, conv in enumerate(self.convs):
            hidden = F.relu(hidden)
            hidden = conv(half(hidden) if self.down and index == 3 else hidden)
        shortcut = half(features) if self.down else features
        if self.shortcut is not None:
            shortcut = torch.cat([shortcut, self.shortcut(shortcut)], dim=1)  # (N, outside, H', W')
        return hidden + shortcut


class DeepGenerator(nn.Module):
    """A dense layer to 4x4, then two blocks for each doubling: (N, latent_dim), (N,) -> (N, C, S, S).

    All latents, joined with the class's vector (one embedding, not spectrally normalised), enter the dense layer and, linearly,
    gain and offset of every norm but the last.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        widths: list[int],
        latent_dim: int,
        num_classes: int | None,
        *,
        embedding_dim: int,
        norm: MakeNorm,
        wrap: Wrap = plain,
        attention: int = 0,
        image_channels: int | None = None,
    ) -> None:
        """Build the network.

        Args:
            image_shape: (C, H, W).
            widths: channels of the first maps, then of each stage of two blocks.
            latent_dim: size of the noise.
            num_classes: None: without classes.
            embedding_dim: size of a class's vector.
            norm: makes the norms.
            wrap: what is done to each layer but the embedding, such as `spectral_norm`.
            attention: side of the maps that self-attention follows; 0: none.
            image_channels: of the last convolution, C or more; the image is its first C.
        """
        super().__init__()
        self.num_classes, self.first, self.colours = num_classes or 0, widths[0], image_shape[0]
        self.shared = nn.Embedding(num_classes, embedding_dim) if num_classes else None
        condition = latent_dim + (embedding_dim if self.shared is not None else 0)
        self.dense = wrap(nn.Linear(condition, widths[0] * BASE**2))
        self.blocks = nn.ModuleList()
        for inside, outside in pairwise(widths):
            self.blocks.append(DeepUpBlock(inside, inside, False, norm, condition, wrap))
            self.blocks.append(DeepUpBlock(inside, outside, True, norm, condition, wrap))
        sides = [BASE << index for index in range(1, len(widths))]
        stage = attended_block(sides, attention, "generator")
        self.attended = None if stage is None else 2 * stage + 1
        self.attention = None if stage is None else SelfAttention(widths[stage + 1], wrap)
        self.norm = norm(widths[-1])
        self.image = wrap(nn.Conv2d(widths[-1], image_channels or self.colours, 3, padding=1))

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, latent_dim), labels (N,) -> (N, C, S, S) in [-1, 1]."""
        check_labels(labels, self.num_classes)
        condition = latents
        if self.shared is not None:
            condition = torch.cat([latents, self.shared(labels)], dim=1)  # (N, latent_dim + embedding_dim)
        features = self.dense(condition).view(-1, self.first, BASE, BASE)  # (N, 16 * W) -> (N, W, 4, 4)
        for index, block in enumerate(self.blocks):
            features = block(features, condition)
            if self.attention is not None and index == self.attended:
                features = self.attention(features)
        images = self.image(F.relu(self.norm(features)))[:, : self.colours]
        return torch.tanh(images)


class DeepDiscriminator(nn.Module):
    """A convolution, then stages of two blocks, the first of which halves; sums over positions: (N, C, S, S), (N,) -> (N,).

    With classes, the projection of the summed features on the class's vector is added (arXiv:1802.05637).
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        widths: list[int],
        halvings: int,
        num_classes: int | None,
        *,
        wrap: Wrap = plain,
        attention: int = 0,
    ) -> None:
        """Build the network.

        Args:
            image_shape: (C, H, W).
            widths: channels of the first maps, then of each stage.
            halvings: how many of the first stages halve the size.
            num_classes: None: without classes.
            wrap: what is done to each layer, such as `spectral_norm`.
            attention: side of the maps that self-attention follows; 0: none.
        """
        super().__init__()
        self.num_classes = num_classes or 0
        self.first = wrap(nn.Conv2d(image_shape[0], widths[0], 3, padding=1))
        self.blocks = nn.ModuleList()
        for index, (inside, outside) in enumerate(pairwise(widths)):
            self.blocks.append(DeepDownBlock(inside, outside, index < halvings, wrap))
            self.blocks.append(DeepDownBlock(outside, outside, False, wrap))
        sides = [image_shape[1] >> min(index + 1, halvings) for index in range(len(widths) - 1)]
        stage = attended_block(sides, attention, "discriminator")
        self.attended = None if stage is None else 2 * stage + 1
        self.attention = None if stage is None else SelfAttention(widths[stage + 1], wrap)
        self.head = wrap(nn.Linear(widths[-1], 1))
        self.classes = wrap(nn.Embedding(num_classes, widths[-1])) if num_classes else None

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, C, S, S), labels (N,) -> logits (N,)."""
        check_labels(labels, self.num_classes)
        features = self.first(images)
        for index, block in enumerate(self.blocks):
            features = block(features)
            if self.attention is not None and index == self.attended:
                features = self.attention(features)
        return projected_logits(features, self.head, self.classes, labels)


def _bottleneck(inside: int, narrow: int, outside: int, wrap: Wrap) -> nn.ModuleList:
    """The convolutions of a block: 1x1, 3x3, 3x3, 1x1."""
    return nn.ModuleList(
        [
            wrap(nn.Conv2d(inside, narrow, 1)),
            wrap(nn.Conv2d(narrow, narrow, 3, padding=1)),
            wrap(nn.Conv2d(narrow, narrow, 3, padding=1)),
            wrap(nn.Conv2d(narrow, outside, 1)),
        ]
    )
