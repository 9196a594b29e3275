"""Your own pairs of images: A and B side by side in one file, or in two folders and matched by name.

The layouts of Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks" (arXiv:1611.07004).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from datamodules._dataset import ImageDataset
from datamodules._decoding import Pixels
from datamodules._folder_scan import fingerprint
from datamodules._image_cache import ImageCache
from datamodules._jitter import Jitter
from datamodules._pair_decoding import SideBySide, TwoFiles
from datamodules._paired import PairedImages
from datamodules._pictures import Pictures
from datamodules._sides import match
from datamodules._translation import TranslationFolder, check_direction

__all__ = ["PairedFolder"]


class PairedFolder(TranslationFolder):
    """Pairs of a folder or .zip, or of two; the same crop and mirroring for both images of a pair.

    A batch is {"source", "target"}, uint8 (N, C, H, W) each. Below the folder,
    images in ``train`` and ``test`` (or ``val``) are the splits; without them all are there to train and to test with.
    A file is a pair, A its left half and B its right, unless there are folders ``trainA`` and ``trainB`` (``testA``,
    ``testB``), or ``A`` and ``B``, whose images belong together by their names. Pairs are decoded once, into a cache as
    ``image_folder`` has it.

    Args:
        root: the folder or .zip of pairs.
        root_a: instead of it: the folder or .zip of A.
        root_b: that of B.
        size: height and width of an image (not of a pair) in pixels, or "HxW".
        channels: of the images; "auto" = 1 if all files (of a folder A or B) are grey, else 3. Alpha is laid on white,
            unless it is 4.
        resize: how images come to ``load_size``: crop, pad or stretch, as in ``image_folder``.
        load_size: height and width, in pixels or "HxW", of which a random crop is trained with; None: 286/256 of
            ``size``, as the authors; equal to ``size``: no crops. Test images come to ``size``.
        direction: "AtoB", A is the source and B the target; "BtoA", the other way.
        skip_broken: leave out pairs that cannot be decoded, with one warning, instead of refusing them.
        cache_limit: bytes that the decoded images may take on the disk; default 20 GB or half of what is free.
        flip: mirror pairs left to right with probability 1/2, drawn anew in every epoch.
        batch_size: pairs per discriminator turn and process.
        num_workers: processes that gather batches; 0 is fastest with a cache.
        download: without meaning here.
        seed: of the order, the crops and the flips, in 0 .. 2**32 - 1.

    Attributes:
        source_shape: (C, H, W) of a source.
        target_shape: (C, H, W) of a target; ``image_shape`` is the same.

    Raises:
        ValueError: an option outside what is allowed.
        OSError: a folder cannot be read, holds no images or some without a partner; a pair is broken, odd in its width,
            or of two sizes.
    """

    def __init__(
        self,
        *,
        root: str | Path | None = None,
        root_a: str | Path | None = None,
        root_b: str | Path | None = None,
        size: int | str = 256,
        channels: Literal["auto", 1, 3, 4] = "auto",
        resize: Literal["crop", "pad", "stretch"] = "crop",
        load_size: int | str | None = None,
        direction: Literal["AtoB", "BtoA"] = "AtoB",
        skip_broken: bool = False,
        cache_limit: int | None = None,
        flip: bool = True,
        batch_size: int = 1,
        num_workers: int = 0,
        download: bool = True,
        seed: int = 0,
    ) -> None:
        check_direction(direction)
        self.direction = direction
        super().__init__(
            root=root,
            root_a=root_a,
            root_b=root_b,
            size=size,
            channels=channels,
            resize=resize,
            load_size=load_size,
            skip_broken=skip_broken,
            cache_limit=cache_limit,
            flip=flip,
            batch_size=batch_size,
            num_workers=num_workers,
            download=download,
            seed=seed,
        )

    @property
    def source(self) -> dict[str, Any] | None:
        """As of every data set."""
        source = super().source
        if source is not None:
            source["options"]["direction"] = self.direction
        return source

    def find(self) -> None:
        split, other = self.sides()
        self._piles = (split.train, None if other is None else other.train)
        self._tests = self._piles if split.test is None else (split.test, None if other is None else other.test)
        self._partners = [{} if b is None else match(a, b) for a, b in (self._piles, self._tests)]

    def channel_counts(self) -> tuple[int, int]:
        a, b = self._piles
        channels = self.channels_of(a)
        return channels, channels if b is None else self.channels_of(b)

    def pictures(self, size: tuple[int, int], *, train: bool) -> list[Pictures]:
        (a, b), partners = (self._piles, self._partners[0]) if train else (self._tests, self._partners[1])
        channels = self._counts
        decode: Callable[[str], Pixels]
        if b is None:
            decode = SideBySide(a.source, channels[0], size, self.resize)
            files = fingerprint(a.source.root, a.entries)
        else:
            decode = TwoFiles(a.source, b.source, partners, channels, size, self.resize)
            files = fingerprint(a.source.root, a.entries) + fingerprint(b.source.root, b.entries)
        kind = f"pairs {channels} {files}"
        cache = ImageCache(kind, a.names, (sum(channels), *size), self.resize)
        return [Pictures(a.source, cache, decode, self.skip_broken, self.cache_limit)]

    def join(self, parts: list[ImageDataset], jitter: Jitter, *, train: bool) -> ImageDataset:
        return PairedImages(parts[0], self._counts[0], swap=self.direction == "BtoA", jitter=jitter)
