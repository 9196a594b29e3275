"""Images decoded by name, and a data set that decodes whatever it is asked for, for sets too large to be kept."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from datamodules._folder_scan import ImageSource
from datamodules._pixels import decode
from datamodules.base import ImageDataset
from lightning_gans.batch import Batch

__all__ = ["BrokenImageError", "DecodedImages", "Decoder", "Pixels", "broken", "reading"]

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


class BrokenImageError(OSError):
    """An image that cannot be decoded.

    Attributes:
        name: of the image; not known of an error that was passed on by a worker, which is made anew from its message.
        reason: in one line.
    """

    name: str = ""
    reason: str = ""


class Decoder:
    """Decodes images by name.

    Args:
        source: of the images.
        shape: (C, H, W) of the results.
        resize: how images come to that size.
    """

    def __init__(self, source: ImageSource, shape: tuple[int, int, int], resize: str) -> None:
        self.source = source
        self.shape = shape
        self.resize = resize

    def __call__(self, name: str) -> Pixels:
        """Pixels uint8 (C, H, W); raises BrokenImageError."""
        with reading(self.source, name) as stream:
            return decode(stream.read(), self.shape, self.resize)


class DecodedImages(ImageDataset):
    """Images decoded anew whenever they are asked for.

    Args:
        decoder: the pixels of an image by its name; raises BrokenImageError.
        names: the images.
        labels: int64 (n,), or tags float32 (n, T), or None.
        skip_broken: the place of an image that cannot be decoded is taken by the next one that can.
        flip: as ``ImageDataset`` has it.
    """

    def __init__(
        self,
        decoder: Callable[[str], Pixels],
        names: list[str],
        labels: Tensor | None,
        *,
        skip_broken: bool,
        flip: bool = False,
    ) -> None:
        super().__init__(torch.empty(0), labels, flip=flip)
        self.decoder = decoder
        self.names = names
        self.skip_broken = skip_broken
        self._warned = False

    @property
    def count(self) -> int:
        return len(self.names)

    def read(self, rows: np.ndarray[Any, Any]) -> Batch:
        found = [self._decode(int(row)) for row in rows]
        batch = {"images": torch.from_numpy(np.stack([pixels for pixels, _ in found]))}
        self.add_labels(batch, np.array([row for _, row in found]))
        return batch

    def _decode(self, row: int) -> tuple[Pixels, int]:
        """Pixels of a row and the row they are from."""
        there = row
        while True:
            try:
                return self.decoder(self.names[there]), there
            except BrokenImageError as error:
                there = (there + 1) % self.count
                if not self.skip_broken or there == row:
                    raise
                if not self._warned:
                    self._warned = True
                    warnings.warn(f"broken images are left out, one is {error.name}: {error.reason}", stacklevel=2)


@contextmanager
def reading(source: ImageSource, name: str) -> Iterator[IO[bytes]]:
    """A stream of an image; whatever is raised while it is open becomes the BrokenImageError that names it."""
    try:
        with source.open(name) as stream:
            yield stream
    except Exception as error:  # Pillow and zipfile raise whatever they stumble upon
        raise broken(source, name, error) from error


def broken(source: ImageSource, name: str, error: Exception) -> BrokenImageError:
    """The error that names an image, whatever was raised."""
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    if "BytesIO" in reason or "cannot identify" in reason:
        reason = "no image of a known format"
    made = BrokenImageError(
        f"broken image {source.root / name}: {reason}. --data.skip_broken true leaves such images out"
    )
    made.name, made.reason = name, reason
    return made
