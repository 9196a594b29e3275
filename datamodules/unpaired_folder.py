"""Your own images of two domains that do not belong together: trainA and trainB, or any two folders.

The layout of Zhu et al. 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks" (arXiv:1703.10593).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from datamodules._dataset import ImageDataset
from datamodules._decoding import Decoder
from datamodules._folder_scan import ImageFolderError, fingerprint
from datamodules._image_cache import ImageCache
from datamodules._jitter import Jitter
from datamodules._pictures import Pictures
from datamodules._translation import TranslationFolder
from datamodules._unpaired import TwoDomains, UnpairedSampler

__all__ = ["UnpairedFolder"]


class UnpairedFolder(TranslationFolder):
    """Two domains, from one folder or .zip or from two; order, crop and mirroring of each are drawn independently.

    A batch is {"a", "b"}, uint8 (N, C, H, W) each. An epoch is one pass through the larger domain. One folder has
    ``trainA`` and ``trainB`` (``testA``, ``testB``), or ``A`` and ``B``; of these, or of two folders, the folders ``train``
    and ``test`` (or ``val``) are the splits. Without such, all images are there to train and to test with. Images are
    decoded once, into caches as ``image_folder`` has them. Batches of ``test_dataset`` go through both domains in order,
    the smaller one being repeated.

    Args:
        root: the folder or .zip of both domains.
        root_a: instead of it: the folder or .zip of domain a.
        root_b: that of domain b.
        size: height and width in pixels, or "HxW".
        channels: of the images; "auto" = 1 if all files of a domain are grey, else 3. Alpha is laid on white, unless it is 4.
        resize: how images come to ``load_size``: crop, pad or stretch, as in ``image_folder``.
        load_size: height and width, in pixels or "HxW", of which a random crop is trained with; None: 286/256 of
            ``size``, as the authors; equal to ``size``: no crops. Test images come to ``size``.
        skip_broken: leave out images that cannot be decoded, with one warning, instead of refusing them.
        cache_limit: bytes that the decoded images of a domain may take on the disk; default 20 GB or half of what is free.
        flip: mirror images left to right with probability 1/2, drawn anew in every epoch.
        batch_size: images of each domain per discriminator turn and process.
        num_workers: processes that gather batches; 0 is fastest with a cache.
        download: without meaning here.
        seed: of the orders, the crops and the flips, in 0 .. 2**32 - 1.

    Attributes:
        source_shape: (C, H, W) of domain a.
        target_shape: (C, H, W) of domain b; ``image_shape`` is the same.

    Raises:
        ValueError: an option outside what is allowed.
        OSError: a folder cannot be read, a domain has no images, or a broken one.
    """

    sampler_class = UnpairedSampler

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
        skip_broken: bool = False,
        cache_limit: int | None = None,
        flip: bool = True,
        batch_size: int = 1,
        num_workers: int = 0,
        download: bool = True,
        seed: int = 0,
    ) -> None:
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

    def find(self) -> None:
        a, b = self.sides()
        if b is None:
            raise ImageFolderError(
                f"no folders trainA and trainB in {self.root}; allowed: these (and testA, testB), or A and B, or two folders "
                "as --data.root_a and --data.root_b"
            )
        self._piles = [a.train, b.train]
        self._tests = [side.test or side.train for side in (a, b)]

    def channel_counts(self) -> tuple[int, int]:
        a, b = self._piles
        return self.channels_of(a), self.channels_of(b)

    def pictures(self, size: tuple[int, int], *, train: bool) -> list[Pictures]:
        made = []
        for pile, channels in zip(self._piles if train else self._tests, self._counts, strict=True):
            shape = (channels, *size)
            cache = ImageCache(fingerprint(pile.source.root, pile.entries), pile.names, shape, self.resize)
            decode = Decoder(pile.source, shape, self.resize)
            made.append(Pictures(pile.source, cache, decode, self.skip_broken, self.cache_limit))
        return made

    def join(self, parts: list[ImageDataset], jitter: Jitter, *, train: bool) -> ImageDataset:
        return TwoDomains(*parts, jitter=jitter, in_step=not train)
