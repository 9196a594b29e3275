"""The paired sets of Pix2Pix by name, such as facades: fetched once and unpacked.

Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks" (arXiv:1611.07004). In facades A is the
photograph and B its labels, so labels to photograph is --data.direction BtoA; in maps A is the aerial photograph, in
edges2shoes and edges2handbags the edges; which half of night2day is night is not documented: look before choosing a direction.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Literal

from datamodules._fetch import RemoteFile, fetch
from datamodules._published import PublishedSet
from datamodules._unpacking import unpack
from datamodules.paired_folder import PairedFolder

__all__ = ["Pix2PixSets"]

HOSTS = (
    "https://efrosgans.eecs.berkeley.edu/pix2pix/datasets/",
    "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets/",
    "https://people.eecs.berkeley.edu/~tinghuiz/projects/pix2pix/datasets/",
)


class Pix2PixSets(PublishedSet, PairedFolder):
    """A set of the collection; the rest is as in ``paired_folder``.

    Args:
        name: facades (400 pairs to train on), maps (1,096), edges2shoes (49,825), edges2handbags (137,000), night2day (17,823) or
            cityscapes (2,975; not hosted: by hand).
        root: folder with the sets' folders or .zip files, or a set's own folder; default ``pix2pix_sets`` below
            ``$LIGHTNING_GANS_DATA``, else below ``~/.cache/lightning-gans/data``.
        size: height and width of an image (not of a pair) in pixels, or "HxW".
        channels: of the images; "auto" = 3.
        resize: how images come to ``load_size``: crop, pad or stretch.
        load_size: height and width, in pixels or "HxW", of which a random crop is trained with; None: 286/256 of ``size``.
        direction: "AtoB", A is the source and B the target; "BtoA", the other way.
        skip_broken: leave out pairs that cannot be decoded, with one warning, instead of refusing them.
        cache_limit: bytes that the decoded images may take on the disk; default 20 GB or half of what is free.
        flip: mirror pairs left to right with probability 1/2, drawn anew in every epoch.
        batch_size: pairs per discriminator turn and process.
        num_workers: processes that gather batches; 0 is fastest with a cache.
        download: fetch the set where it is missing.
        seed: of the order, the crops and the flips, in 0 .. 2**32 - 1.

    Raises:
        ValueError: an option outside what is allowed.
        OSError: a folder cannot be read, or a pair is broken, odd in its width, or of two sizes.
    """

    collection = "pix2pix_sets"
    names = ("cityscapes", "edges2handbags", "edges2shoes", "facades", "maps", "night2day")
    by_hand = MappingProxyType(
        {
            "cityscapes": "register at cityscapes-dataset.com and put train and val, photographs beside labels, into a folder "
            "cityscapes there"
        }
    )

    def __init__(
        self,
        *,
        name: str = "facades",
        root: str | Path | None = None,
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
        super().__init__(
            root=self.choose(name, root),
            size=size,
            channels=channels,
            resize=resize,
            load_size=load_size,
            direction=direction,
            skip_broken=skip_broken,
            cache_limit=cache_limit,
            flip=flip,
            batch_size=batch_size,
            num_workers=num_workers,
            download=download,
            seed=seed,
        )

    def fetch(self) -> None:
        file = f"{self.name}.tar.gz"
        # Files cannot be taken out of a .tar.gz one by one.
        unpack(fetch(RemoteFile(file, tuple(f"{host}{file}" for host in HOSTS)), self._collection), self.place)
