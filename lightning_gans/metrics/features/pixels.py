"""From one image shape to another, in uint8: channels and size. Channels change as in the data modules."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["check_channels", "set_channels", "shrink"]


def set_channels(images: Tensor, channels: int) -> Tensor:
    """Uint8 (N, 1, 3 or 4, H, W) to (N, channels, H, W), channels 1 or 3; a fourth channel is alpha, laid on white.

    Raises:
        ValueError: another number of channels.
    """
    check_channels(images.shape[1])
    if images.shape[1] == 4:
        colour, alpha = images[:, :3].to(torch.int32), images[:, 3:].to(torch.int32)
        images = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).to(torch.uint8)  # (N, 4, H, W) -> (N, 3, H, W)
    if channels == 1 and images.shape[1] == 3:
        red, green, blue = images.to(torch.int32).split(1, dim=1)  # three of (N, 1, H, W)
        luma: Tensor = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16  # ITU-R 601, as Pillow rounds it
        return luma.to(torch.uint8)
    return images.expand(-1, channels, -1, -1)


def shrink(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Uint8 (N, C, h, w) to (N, C, *size), antialiased bilinear; it enlarges too."""
    resized = F.interpolate(images.float(), size, mode="bilinear", antialias=True, align_corners=False)
    return resized.round().clamp(0, 255).to(torch.uint8)


def check_channels(channels: int) -> None:
    if channels not in (1, 3, 4):
        raise ValueError(f"images of {channels} channels; allowed for domain features: 1, 3, 4")
