"""Image files in one size: from a cache that is built once, or decoded whenever they are asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from datamodules._dataset import ImageDataset
from datamodules._decoding import BrokenImageError, DecodedImages, Pixels, broken
from datamodules._folder_scan import ImageFolderError, ImageSource
from datamodules._image_cache import About, CachedImages, ImageCache

__all__ = ["Pictures", "check_cache_limit"]


def check_cache_limit(limit: int | None) -> None:
    """Raises ValueError for what cannot be the size of a cache."""
    if limit is not None and limit < 0:
        raise ValueError(f"cache_limit {limit}; allowed: 0 or more bytes")


@dataclass
class Pictures:
    """Images by name, not yet decoded.

    Attributes:
        source: where they are, for what errors say.
        cache: theirs, built or not; its names are theirs.
        decode: the pixels of an image by its name.
        skip_broken: leave out what cannot be decoded, with one warning, instead of refusing it.
        cache_limit: bytes that the cache may take; None: 20 GB or half of what is free.
        grey: whether all files are grey; None: nobody looked.
    """

    source: ImageSource
    cache: ImageCache
    decode: Callable[[str], Pixels]
    skip_broken: bool
    cache_limit: int | None
    grey: bool | None = None

    def prepare(self) -> About | None:
        """What is told of the cache, built if need be; None: the images are too many for one.

        Raises:
            OSError: an image is broken, or the cache cannot be written.
        """
        cache = self.cache
        if self.cache_limit is not None and cache.size > self.cache_limit:
            return None
        about = cache.about()
        if about is None:
            if self.cache_limit is None and not cache.fits():
                return None
            try:
                about = cache.ensure(self.decode, skip_broken=self.skip_broken, grey=self.grey)
            except BrokenImageError:
                raise
            except OSError as error:
                raise ImageFolderError(
                    f"cannot write decoded images to {cache.folder.parent}: {error.strerror or error}; "
                    "allowed: another folder in LIGHTNING_GANS_CACHE, or --data.cache_limit 0 to do without"
                ) from error
        if len(about.broken) == len(cache.names):
            name, reason = next(iter(about.broken.items()))
            raise ImageFolderError(f"all images in {self.source.root} are broken, the first {name}: {reason}")
        for name, reason in about.broken.items():
            if not self.skip_broken:  # the cache is of a run that skipped them
                raise broken(self.source, name, OSError(reason))
        return about

    def dataset(
        self,
        about: About | None,
        labels: Tensor | None = None,
        rows: tuple[int, int] | None = None,
        *,
        flip: bool = False,
    ) -> ImageDataset:
        """What ``prepare`` made ready.

        Args:
            about: what it returned.
            labels: one an image that is not left out.
            rows: first and last + 1 of these that are wanted; None: all.
            flip: as ``ImageDataset`` has it.
        """
        left_out = {} if about is None else about.broken
        names = [name for name in self.cache.names if name not in left_out]
        start, stop = rows or (0, len(names))
        labels = None if labels is None else labels[start:stop]
        if about is not None:
            return CachedImages(self.cache.images, start, stop, labels, flip=flip)
        return DecodedImages(self.decode, names[start:stop], labels, skip_broken=self.skip_broken, flip=flip)

    def warn(self, about: About | None, *, workers: int) -> None:
        """Tell of images that are left out, and of some that are decoded while the model waits."""
        if about is None and workers == 0:
            warnings.warn(
                f"{self.cache.size} bytes of images are above cache_limit: each is decoded whenever it "
                "is drawn, and without --data.num_workers the model waits for it",
                stacklevel=4,
            )
        elif about is not None and about.broken:
            name, reason = next(iter(about.broken.items()))
            count = f"{len(about.broken)} of {len(self.cache.names)}"
            warnings.warn(f"{count} images are broken and left out, the first {name}: {reason}", stacklevel=4)
