"""Faces in the manner of anime, drawn by this file's own code: embedded, with tags and with maps of their parts.

They stand in for the tagged faces of Jin et al. 2017 (arXiv:1708.05509): 23 of its 34 attributes, by their names and in its
order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from datamodules._faces import PARTS, TAGS, draw_face, face_tags
from datamodules._image_cache import CachedImages, ImageCache
from datamodules.base import ImageDataModule, set_channels

__all__ = ["DrawnFaces"]

VERSION = 1  # of the drawings: other pixels of a face need another number
TRAIN_IMAGES, TEST_IMAGES = 6000, 1500


class DrawnFaces(ImageDataModule):
    """6,000 faces to train on and 1,500 others to test with; always the same ones, whatever ``seed`` is.

    A batch is {"images", "tags"}. Every face has one hair colour and one eye colour, all as likely, and each other tag by itself
    with probability 1/4. Faces are drawn once (some 15 seconds of one core) into a cache that all later runs use, in
    ``$LIGHTNING_GANS_CACHE/images``, else ``~/.cache/lightning-gans/images``.

    Args:
        root: without meaning here.
        size: height and width in pixels, 16 to 512; faces are drawn for it, not resized.
        channels: "auto" = 3; 1 = grey, 4 = with an opaque alpha.
        flip: mirror images left to right with probability 1/2, drawn anew in every epoch; parts are not mirrored.
        batch_size: images per discriminator turn and process.
        num_workers: processes that gather batches; 0 is fastest.
        download: without meaning here.
        seed: of the order and the flips, in 0 .. 2**32 - 1.

    Attributes:
        part_names: what the numbers in ``part_maps`` stand for.

    Raises:
        ValueError: an option outside what is allowed.
    """

    classes = ()
    min_size = 16
    own_channels = 3

    def __init__(
        self,
        *,
        root: str | Path | None = None,
        size: int | str = 32,
        channels: Literal["auto", 1, 3, 4] = "auto",
        flip: bool = False,
        batch_size: int = 64,
        num_workers: int = 0,
        download: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(
            root=root,
            size=size,
            channels=channels,
            flip=flip,
            batch_size=batch_size,
            num_workers=num_workers,
            download=download,
            seed=seed,
        )
        _, height, width = self.image_shape
        if height != width or height > 512:
            raise ValueError(f"size {size}; allowed: squares of 16 to 512 pixels")
        self.num_classes = self.class_names = None
        self.tags = list(TAGS)
        self.part_names = list(PARTS)

    def prepare_data(self) -> None:
        """Draw the faces into the cache, unless that is done.

        Raises:
            OSError: the cache cannot be written.
        """
        self._images().ensure(self._draw, skip_broken=False, grey=None)

    def setup(self, stage: str | None = None) -> None:
        """Open the cache; draw the faces if nobody called ``prepare_data``."""
        if hasattr(self, "test_dataset"):
            return
        self.prepare_data()
        path, end = self._images().images, TRAIN_IMAGES + TEST_IMAGES
        tags = torch.from_numpy(np.stack([face_tags(number) for number in range(end)]))
        self.train_dataset = CachedImages(path, 0, TRAIN_IMAGES, tags[:TRAIN_IMAGES], flip=self.flip)
        self.test_dataset = CachedImages(path, TRAIN_IMAGES, end, tags[TRAIN_IMAGES:])

    def part_maps(self, train: bool) -> Tensor:
        """What each pixel of each face shows, uint8 (n, H, W): places in ``part_names``. Row i belongs to image i of the split.

        Drawn into the cache when they are first asked for.
        """
        cache = self._cache(1, "parts")
        cache.ensure(self._draw_parts, skip_broken=False, grey=None)
        rows = (0, TRAIN_IMAGES) if train else (TRAIN_IMAGES, TRAIN_IMAGES + TEST_IMAGES)
        return CachedImages(cache.images, *rows, None).images[:, 0]  # (n, 1, H, W) -> (n, H, W)

    def _images(self) -> ImageCache:
        return self._cache(self.image_shape[0], "drawn")

    def _cache(self, channels: int, kind: str) -> ImageCache:
        names = [str(number) for number in range(TRAIN_IMAGES + TEST_IMAGES)]
        return ImageCache(f"drawn_faces {VERSION}", names, (channels, *self.image_shape[1:]), kind)

    def _draw(self, name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
        pixels = torch.from_numpy(draw_face(int(name), self.image_shape[1])[0])
        drawn: np.ndarray[Any, np.dtype[np.uint8]] = set_channels(pixels[None], self.image_shape[0])[0].numpy()
        return np.ascontiguousarray(drawn)

    def _draw_parts(self, name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return draw_face(int(name), self.image_shape[1])[1][None]
