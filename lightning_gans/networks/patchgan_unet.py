"""The networks of Pix2Pix (Isola et al. 2016, arXiv:1611.07004): U-Net generators, and critics that judge patches.

Code: phillipi/pix2pix (Lua) and junyanz/pytorch-CycleGAN-and-pix2pix (PyTorch, the default here). The Lua release gives every
convolution a bias and every norm a gain and an offset, and puts dropout one level deeper. Its decoder reads [up, skip] where
PyTorch's reads [skip, up], which is the same network; here it is [skip, up] for both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lightning_gans.layers.initialize import normal_init
from lightning_gans.layers.norms import BatchNorm

__all__ = [
    "RECEPTIVE_FIELDS",
    "RELEASES",
    "PatchGAN",
    "PixelGAN",
    "UNetGenerator",
    "make_critic",
    "start",
    "style",
    "translation_norm",
]

RELEASES = ("pytorch", "lua")
NORMS = ("batch", "instance")
RECEPTIVE_FIELDS = {1: 0, 16: 1, 34: 2, 70: 3, 142: 4, 286: 5, 574: 6}
"""Pixels a logit sees -> convolutions that halve; 0: the pixel GAN. 286 is the paper's "image GAN"."""
WIDEST = 8  # in units of the channels
DROPPED = 3  # levels of the Lua release with dropout, from the innermost


def style(norm: str, release: str) -> tuple[bool, bool]:
    """(affine, bias): whether norms have gains and offsets, and whether convolutions before them have biases.

    Raises:
        ValueError: an unknown norm or release.
    """
    if norm not in NORMS:
        raise ValueError(f"norm '{norm}'; allowed: {', '.join(NORMS)}")
    if release not in RELEASES:
        raise ValueError(f"release '{release}'; allowed: {', '.join(RELEASES)}")
    return norm == "batch" or release == "lua", norm == "instance" or release == "lua"


def translation_norm(norm: str, channels: int, affine: bool) -> nn.Module:
    """Batch norm, or instance norm: PyTorch's own layer of it takes five sixths of the time of a group norm of as many groups."""
    return BatchNorm(channels, affine=affine) if norm == "batch" else nn.InstanceNorm2d(channels, affine=affine)


def start(network: nn.Module) -> None:
    """Weights N(0, 0.02), gains N(1, 0.02), biases and offsets 0."""
    normal_init(network)
    for module in network.modules():
        if isinstance(module, nn.InstanceNorm2d) and module.affine:
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)


class UNetLevel(nn.Module):
    """One halving and the doubling that undoes it; what lies between comes from outside."""

    def __init__(
        self, down: nn.Conv2d, down_norm: nn.Module, up: nn.ConvTranspose2d, up_norm: nn.Module, dropout: bool
    ) -> None:
        super().__init__()
        self.down, self.down_norm, self.up, self.up_norm = down, down_norm, up, up_norm
        self.dropout = nn.Dropout(0.5) if dropout else nn.Identity()

    def descend(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, D, H / 2, W / 2)."""
        halved: Tensor = self.down_norm(self.down(maps))
        return halved

    def ascend(self, maps: Tensor) -> Tensor:
        """(N, D, H / 2, W / 2), beside the skip twice as many -> (N, C, H, W)."""
        doubled: Tensor = self.dropout(self.up_norm(self.up(torch.relu(maps))))
        return doubled


class UNetGenerator(nn.Module):
    """An encoder to 1x1 and a decoder that sees the encoder's maps of its size: (N, C, H, W) -> (N, D, H, W) in [-1, 1].

    4x4 convolutions of stride 2. No norm in the first, the innermost and the last layer. Its only noise is dropout.

    Args:
        in_channels: C.
        out_channels: D.
        channels: of the first maps; they double up to eight times that.
        levels: halvings: 8 for 256 pixels, 7 for 128, 6 for 64, 5 for 32. Sides must be multiples of 2^levels.
        norm: batch or instance.
        dropout: of 0.5 around the innermost level (PyTorch: none with 5 levels), or in the three innermost (Lua).
        skips: without them it is the paper's encoder-decoder.
        release: pytorch or lua.

    Raises:
        ValueError: an option outside what is allowed.
    """

    least = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: int = 64,
        levels: int = 8,
        norm: str = "batch",
        dropout: bool = True,
        skips: bool = True,
        release: str = "pytorch",
    ) -> None:
        super().__init__()
        if levels < 5:
            raise ValueError(f"levels={levels}; allowed: 5 or more")
        affine, bias = style(norm, release)
        self.multiple = 1 << levels
        self.skips = skips
        widths = [in_channels, *(channels * min(1 << level, WIDEST) for level in range(levels))]
        dropped = range(4, levels - 1) if release == "pytorch" else range(levels - DROPPED, levels)
        self.blocks = nn.ModuleList()
        for level in range(levels):
            outside, inside = widths[level], widths[level + 1]
            first, innermost = level == 0, level == levels - 1
            joined = inside if innermost or not skips else 2 * inside
            self.blocks.append(
                UNetLevel(
                    # Without a norm behind it the first keeps its bias only where all have one, as the code has it.
                    nn.Conv2d(outside, inside, 4, 2, 1, bias=bias),
                    nn.Identity() if first or innermost else translation_norm(norm, inside, affine),
                    nn.ConvTranspose2d(joined, out_channels if first else outside, 4, 2, 1, bias=bias or first),
                    nn.Identity() if first else translation_norm(norm, outside, affine),
                    dropout and level in dropped,
                )
            )
        start(self)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, D, H, W) in [-1, 1]."""
        maps, kept = images, []
        for level, block in enumerate(self.blocks):
            maps = block.descend(nn.functional.leaky_relu(maps, 0.2) if level else maps)  # type: ignore[operator]
            kept.append(maps)
        for level in reversed(range(len(self.blocks))):
            innermost = level == len(self.blocks) - 1
            joined = maps if innermost or not self.skips else torch.cat([kept[level], maps], dim=1)
            maps = self.blocks[level].ascend(joined)  # type: ignore[operator]
        return torch.tanh(maps)


class CriticLayer(nn.Module):
    """A convolution, a norm, leaky ReLU."""

    def __init__(self, conv: nn.Conv2d, norm: nn.Module) -> None:
        super().__init__()
        self.conv, self.norm = conv, norm

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, D, h, w)."""
        return nn.functional.leaky_relu(self.norm(self.conv(maps)), 0.2)


class PatchCritic(nn.Module):
    """Layers, and a head that gives a map of logits: (N, C, H, W) -> (N, 1, h, w)."""

    blocks: nn.ModuleList
    head: nn.Conv2d

    def forward(self, images: Tensor, features: bool = False) -> Tensor | list[Tensor]:
        """Logits (N, 1, h, w), one a patch; with `features` a list: the maps of each layer, then the logits."""
        maps, kept = images, []
        for block in self.blocks:
            maps = block(maps)
            kept.append(maps)
        logits: Tensor = self.head(maps)
        return [*kept, logits] if features else logits


class PatchGAN(PatchCritic):
    """4x4 convolutions, `halvings` of stride 2 and two of stride 1; each logit sees a patch (see `RECEPTIVE_FIELDS`).

    Args:
        in_channels: C.
        channels: of the first maps; they double up to eight times that.
        halvings: 1 to 6; 3 is the 70x70 PatchGAN. Sides from 3 * 2^halvings pixels up.
        norm: batch or instance.
        release: pytorch or lua.
    """

    def __init__(
        self, in_channels: int, channels: int = 64, halvings: int = 3, norm: str = "batch", release: str = "pytorch"
    ) -> None:
        super().__init__()
        affine, bias = style(norm, release)
        widths = [channels * min(1 << number, WIDEST) for number in range(halvings + 1)]
        self.least = 3 << halvings
        self.blocks = nn.ModuleList([CriticLayer(nn.Conv2d(in_channels, channels, 4, 2, 1), nn.Identity())])
        for number in range(1, halvings + 1):
            stride = 2 if number < halvings else 1
            conv = nn.Conv2d(widths[number - 1], widths[number], 4, stride, 1, bias=bias)
            self.blocks.append(CriticLayer(conv, translation_norm(norm, widths[number], affine)))
        self.head = nn.Conv2d(widths[-1], 1, 4, 1, 1)
        start(self)


class PixelGAN(PatchCritic):
    """1x1 convolutions: each pixel is judged by itself. Arguments as of `PatchGAN`."""

    least = 1

    def __init__(self, in_channels: int, channels: int = 64, norm: str = "batch", release: str = "pytorch") -> None:
        super().__init__()
        affine, bias = style(norm, release)
        self.blocks = nn.ModuleList(
            [
                CriticLayer(nn.Conv2d(in_channels, channels, 1), nn.Identity()),
                CriticLayer(
                    nn.Conv2d(channels, 2 * channels, 1, bias=bias), translation_norm(norm, 2 * channels, affine)
                ),
            ]
        )
        self.head = nn.Conv2d(2 * channels, 1, 1, bias=bias)
        start(self)


def make_critic(
    in_channels: int, channels: int, receptive_field: int, norm: str, release: str = "pytorch"
) -> PatchGAN | PixelGAN:
    """The critic whose logits see `receptive_field` pixels.

    Raises:
        ValueError: no critic has that receptive field; an unknown norm or release.
    """
    if receptive_field not in RECEPTIVE_FIELDS:
        raise ValueError(f"receptive_field={receptive_field}; allowed: {', '.join(map(str, RECEPTIVE_FIELDS))}")
    if receptive_field == 1:
        return PixelGAN(in_channels, channels, norm, release)
    return PatchGAN(in_channels, channels, RECEPTIVE_FIELDS[receptive_field], norm, release)
