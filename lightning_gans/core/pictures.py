"""Images to PNG files: one grid, written so that nobody ever sees half a picture."""

from __future__ import annotations

import math
import os

import torch
from PIL import Image
from torch import Tensor

from lightning_gans.batch import to_uint8
from lightning_gans.core.writing import whole_file

__all__ = ["class_rows", "grid", "save_grid", "square"]

CHANNELS = (1, 3, 4)  # grey, RGB, RGBA


def square(n: int) -> int:
    """Columns that bring n images nearest to a square."""
    return math.isqrt(max(n, 1) - 1) + 1


def class_rows(n: int, num_classes: int) -> tuple[Tensor, int]:
    """Labels of at most n images that fill a grid whose rows each show one class.

    Few classes take several rows each; of many, the first ones are shown, at least four images (or a square) a row.

    Returns:
        Labels int64 (m,), m <= n, in the order of the grid, and its number of columns.
    """
    columns = max(1, min(math.isqrt(n), max(4, n // num_classes)))
    rows = max(1, n // columns)
    rows_each = max(1, rows // num_classes)
    shown = min(num_classes, rows)
    return torch.arange(shown).repeat_interleave(rows_each * columns), columns


def grid(images: Tensor, columns: int) -> Tensor:
    """Lay images out row by row, two black pixels apart.

    Args:
        images: float (N, C, H, W) in [-1, 1] with 1, 3 or 4 channels.
        columns: images a row.

    Returns:
        uint8 (C, H', W') on the CPU.

    Raises:
        ValueError: the images have another number of channels or dimensions.
    """
    from torchvision.utils import make_grid  # takes a second to import, and help needs none of it

    if images.dim() != 4 or images.shape[1] not in CHANNELS:
        raise ValueError(f"images of shape {tuple(images.shape)}; allowed: (N, C, H, W) with 1, 3 or 4 channels")
    pixels = to_uint8(images.detach()).cpu()
    laid: Tensor = make_grid(pixels, nrow=columns, padding=2)  # (C', H', W'), grey came back as three equal channels
    return laid[: images.shape[1]]


def save_grid(images: Tensor, path: str | os.PathLike[str], columns: int | None = None) -> Tensor:
    """Write images as one PNG: grey stays grey, four channels become RGBA.

    Args:
        images: float (N, C, H, W) in [-1, 1] with 1, 3 or 4 channels.
        path: the file; its folder is made; an existing file is replaced at once, never half written.
        columns: images a row; None brings the grid nearest to a square.

    Returns:
        The grid, uint8 (C, H', W') on the CPU.

    Raises:
        ValueError: the images have another number of channels or dimensions.
        OSError: the file cannot be written.
    """
    picture = grid(images, columns or square(len(images)))
    channels_last = picture.squeeze(0) if len(picture) == 1 else picture.permute(1, 2, 0)  # (H', W') or (H', W', C)
    with whole_file(path) as part:
        Image.fromarray(channels_last.contiguous().numpy()).save(part, format="PNG")
    return picture
