"""The residual block of SNGAN, SAGAN and BigGAN: pre-activation, two 3x3 convolutions, and a change of size inside.

Miyato et al. 2018 (arXiv:1802.05957, figure 8), after Gulrajani et al. 2017 (arXiv:1704.00028).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from lightning_gans.layers.conditional_norm import Norm, normalize
from lightning_gans.layers.initialize import glorot_init
from lightning_gans.layers.spectral_norm import Wrap, plain

__all__ = ["ResidualBlock", "half", "residual_init", "twice"]

RESAMPLE = ("up", "down", None)
UPSAMPLING = ("nearest", "bilinear")


class ResidualBlock(nn.Module):
    """(N, inside, H, W) -> (N, outside, H', W'), H' = 2H ("up"), H / 2 ("down") or H."""

    def __init__(
        self,
        inside: int,
        outside: int,
        resample: str | None = None,
        *,
        hidden: int | None = None,
        norm: Norm | None = None,
        wrap: Wrap = plain,
        preactivation: bool = True,
        shortcut: bool | None = None,
        upsampling: str = "nearest",
        first_bias: bool = True,
    ) -> None:
        """Build the block.

        Args:
            inside: channels that come in.
            outside: channels that go out.
            resample: "up", "down" or None.
            hidden: channels between the convolutions. Default: `outside` of an "up" block, `inside` of any other (the "thin"
                blocks of SNGAN's critic; SAGAN and BigGAN have `outside`).
            norm: channels -> what stands before each activation; a `ConditionalNorm` is handed the condition.
            wrap: what is done to each convolution, such as `spectral_norm`.
            preactivation: begin with norm and ReLU; False in a critic's first block, which reads an image.
            shortcut: a learned 1x1 convolution beside the block. Default: where size or width change.
            upsampling: "nearest", or "bilinear" as in mimicry.
            first_bias: whether the first convolution has a bias.

        Raises:
            ValueError: an unknown way to resample or upsample, or no learned shortcut where the width changes.
        """
        super().__init__()
        if resample not in RESAMPLE:
            raise ValueError(f"resample '{resample}'; allowed: up, down, None")
        if upsampling not in UPSAMPLING:
            raise ValueError(f"upsampling '{upsampling}'; allowed: {', '.join(UPSAMPLING)}")
        if shortcut is False and inside != outside:
            raise ValueError(f"shortcut=False from {inside} to {outside} channels; allowed: with equal numbers")
        between = hidden or (outside if resample == "up" else inside)
        learned = shortcut if shortcut is not None else resample is not None or inside != outside
        self.resample, self.upsampling, self.preactivation = resample, upsampling, preactivation
        self.norm1 = norm(inside) if norm and preactivation else nn.Identity()
        self.norm2 = norm(between) if norm else nn.Identity()
        self.conv1 = wrap(nn.Conv2d(inside, between, 3, padding=1, bias=first_bias))
        self.conv2 = wrap(nn.Conv2d(between, outside, 3, padding=1))
        self.shortcut = wrap(nn.Conv2d(inside, outside, 1)) if learned else nn.Identity()

    def forward(self, features: Tensor, condition: Tensor | None = None) -> Tensor:
        """(N, inside, H, W), a condition an image for conditional norms -> (N, outside, H', W')."""
        up, down = self.resample == "up", self.resample == "down"
        hidden = F.relu(normalize(self.norm1, features, condition)) if self.preactivation else features
        hidden = self.conv1(twice(hidden, self.upsampling) if up else hidden)
        hidden = self.conv2(F.relu(normalize(self.norm2, hidden, condition)))
        # A 1x1 convolution commutes with averaging and with (bi)linear upsampling: it is done where maps are smaller.
        shortcut = self.shortcut(half(features) if down else features)
        return (half(hidden) if down else hidden) + (twice(shortcut, self.upsampling) if up else shortcut)


def twice(features: Tensor, mode: str = "nearest") -> Tensor:
    """(N, C, H, W) -> (N, C, 2H, 2W)."""
    aligned = None if mode == "nearest" else False
    return F.interpolate(features, scale_factor=2, mode=mode, align_corners=aligned)


def half(features: Tensor) -> Tensor:
    """Means of 2x2 pixels: (N, C, H, W) -> (N, C, H / 2, W / 2)."""
    return F.avg_pool2d(features, 2)


def residual_init(network: nn.Module) -> None:
    """Glorot's start for all layers, with gain sqrt(2) for the 3x3 convolutions of blocks (codes of WGAN-GP and SNGAN)."""
    glorot_init(network)
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            for convolution in (block.conv1, block.conv2):
                glorot_init(convolution, gain=2.0**0.5)
