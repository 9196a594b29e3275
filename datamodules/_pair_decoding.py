"""Pairs of images decoded as one, A's channels first: from one file with both, or from two files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from datamodules._decoding import Pixels, broken, reading
from datamodules._folder_scan import ImageSource
from datamodules._pixels import load, to_pixels

__all__ = ["SideBySide", "TwoFiles"]


@dataclass
class SideBySide:
    """Decodes files that hold A in their left half and B in their right.

    Attributes:
        source: of the files.
        channels: of A and of B, each.
        size: height and width of A and of B, each.
        resize: how halves come to that size.
    """

    source: ImageSource
    channels: int
    size: tuple[int, int]
    resize: str

    def __call__(self, name: str) -> Pixels:
        """Pixels uint8 (2 C, H, W); raises BrokenImageError."""
        with reading(self.source, name) as stream:
            image = load(stream.read(), self.channels)
            width, height = image.size
            if width % 2:
                raise ValueError(f"its width {width} is odd; allowed: A and B side by side, equally wide")
            halves = (image.crop((0, 0, width // 2, height)), image.crop((width // 2, 0, width, height)))
            return _stacked(halves, self.size, self.resize)


@dataclass
class TwoFiles:
    """Decodes pairs of files, by the name of A's.

    Attributes:
        source_a: of A's files.
        source_b: of B's.
        partners: names of B's files by those of A's.
        channels: of A and of B.
        size: height and width of A and of B, each.
        resize: how both come to that size.
    """

    source_a: ImageSource
    source_b: ImageSource
    partners: dict[str, str]
    channels: tuple[int, int]
    size: tuple[int, int]
    resize: str

    def __call__(self, name: str) -> Pixels:
        """Pixels uint8 (C_A + C_B, H, W); raises BrokenImageError."""
        halves = []
        sides = ((self.source_a, name), (self.source_b, self.partners[name]))
        for (source, file), channels in zip(sides, self.channels, strict=True):
            with reading(source, file) as stream:
                halves.append(load(stream.read(), channels))
        (wide, high), (other_wide, other_high) = (half.size for half in halves)
        if (wide, high) != (other_wide, other_high):
            partner = self.source_b.root / self.partners[name]
            reason = f"it is {wide}x{high}, its partner {partner} is {other_wide}x{other_high}; allowed: equal sizes"
            raise broken(self.source_a, name, ValueError(reason))
        return _stacked(halves, self.size, self.resize)


def _stacked(halves: Sequence[Image.Image], size: tuple[int, int], resize: str) -> Pixels:
    return np.concatenate([to_pixels(half, size, resize) for half in halves])
