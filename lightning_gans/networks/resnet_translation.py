"""The generator of CycleGAN (Zhu et al. 2017, arXiv:1703.10593), after Johnson et al. 2016: two halvings, residual blocks, two
doublings.

Code: junyanz/CycleGAN (Lua: norms with gains and offsets) and junyanz/pytorch-CycleGAN-and-pix2pix (PyTorch, the default here:
without).
"""

from __future__ import annotations

from torch import Tensor, nn

from lightning_gans.networks.patchgan_unet import UNetGenerator, start, style, translation_norm

__all__ = ["GENERATORS", "ResNetGenerator", "make_generator"]

UNETS = {f"unet_{1 << levels}": levels for levels in (8, 7, 6, 5)}
RESNETS = {"resnet_9": 9, "resnet_6": 6}
GENERATORS = (*UNETS, *RESNETS)
"""Generators of images from images, by name."""
REFLECTED = 3  # pixels around the 7x7 convolutions


class Layer(nn.Module):
    """A convolution and a norm."""

    def __init__(self, conv: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.conv, self.norm = conv, norm

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, D, h, w)."""
        normed: Tensor = self.norm(self.conv(maps))
        return normed


class Block(nn.Module):
    """Two 3x3 convolutions around a reflected border, added to what came in; nothing behind the sum."""

    def __init__(self, channels: int, norm: str, affine: bool, bias: bool, dropout: bool) -> None:
        super().__init__()
        self.first, self.second = (
            Layer(nn.Conv2d(channels, channels, 3, bias=bias), translation_norm(norm, channels, affine))
            for _ in range(2)
        )
        self.dropout = nn.Dropout(0.5) if dropout else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        inside = self.dropout(nn.functional.relu(self.first(_reflected(maps, 1)), inplace=True))
        added: Tensor = maps + self.second(_reflected(inside, 1))
        return added


class ResNetGenerator(nn.Module):
    """(N, C, H, W) -> (N, D, H, W) in [-1, 1], sides multiples of 4 from 8 pixels up.

    Args:
        in_channels: C.
        out_channels: D.
        channels: of the first maps; the blocks have four times as many.
        blocks: 9 for 256 pixels and more, 6 for 128.
        norm: instance or batch.
        dropout: of 0.5 inside each block; the paper has none.
        release: pytorch or lua.

    Raises:
        ValueError: an option outside what is allowed.
    """

    multiple = 4
    least = 8

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: int = 64,
        blocks: int = 9,
        norm: str = "instance",
        dropout: bool = False,
        release: str = "pytorch",
    ) -> None:
        super().__init__()
        affine, bias = style(norm, release)

        def layer(conv: nn.Module, width: int) -> Layer:
            return Layer(conv, translation_norm(norm, width, affine))

        wide, widest = 2 * channels, 4 * channels
        self.first = layer(nn.Conv2d(in_channels, channels, 7, bias=bias), channels)
        self.downs = nn.ModuleList(
            layer(nn.Conv2d(inside, outside, 3, 2, 1, bias=bias), outside)
            for inside, outside in ((channels, wide), (wide, widest))
        )
        self.blocks = nn.ModuleList(Block(widest, norm, affine, bias, dropout) for _ in range(blocks))
        self.ups = nn.ModuleList(
            layer(nn.ConvTranspose2d(inside, outside, 3, 2, 1, output_padding=1, bias=bias), outside)
            for inside, outside in ((widest, wide), (wide, channels))
        )
        self.image = nn.Conv2d(channels, out_channels, 7)
        start(self)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, D, H, W) in [-1, 1]."""
        maps = nn.functional.relu(self.first(_reflected(images, REFLECTED)), inplace=True)
        for down in self.downs:
            maps = nn.functional.relu(down(maps), inplace=True)
        for block in self.blocks:
            maps = block(maps)
        for up in self.ups:
            maps = nn.functional.relu(up(maps), inplace=True)
        return self.image(_reflected(maps, REFLECTED)).tanh()  # type: ignore[no-any-return]


def make_generator(
    name: str, in_channels: int, out_channels: int, channels: int, norm: str, dropout: bool, release: str = "pytorch"
) -> UNetGenerator | ResNetGenerator:
    """A generator of images from images by its name.

    Raises:
        ValueError: an unknown name, norm or release.
    """
    if name in UNETS:
        return UNetGenerator(in_channels, out_channels, channels, UNETS[name], norm, dropout, release=release)
    if name in RESNETS:
        return ResNetGenerator(in_channels, out_channels, channels, RESNETS[name], norm, dropout, release)
    raise ValueError(f"network '{name}'; allowed: {', '.join(GENERATORS)}")


def _reflected(maps: Tensor, border: int) -> Tensor:
    """(N, C, H, W) -> (N, C, H + 2 border, W + 2 border)."""
    return nn.functional.pad(maps, [border] * 4, mode="reflect")
