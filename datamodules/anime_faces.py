"""Faces of anime characters: your own folder or .zip, with tags from a file; or a public archive, fetched once, without tags.

The archive is huggan/anime-faces of the Hugging Face hub (CC0): 462,126,466 bytes. The faces of Jin et al. 2017
(arXiv:1708.05509) were never published.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from datamodules._fetch import RemoteFile, fetch, is_there
from datamodules._folder_scan import ImageFolderError
from datamodules.base import data_folder
from datamodules.image_folder import ImageFolder

__all__ = ["AnimeFaces"]

ARCHIVE = RemoteFile(
    "data.zip",
    ("https://huggingface.co/datasets/huggan/anime-faces/resolve/main/data.zip",),
    size=462_126_466,
    sha256="b50c3f2e1bbad0d119f8c5748a0d01138cb56152fb8997ce5c8b139129bf3c23",
)
TAG_FILES = ("tags.csv", "tags.json")


class AnimeFaces(ImageFolder):
    """Images of a folder or .zip with tags, if a file tells them; batches have "tags" then. The rest is as in ``image_folder``.

    Args:
        root: the folder or .zip; default: the public archive, in ``anime_faces`` below ``$LIGHTNING_GANS_DATA``, else below
            ``~/.cache/lightning-gans/data``.
        size: height and width in pixels, or "HxW".
        channels: of the images; "auto" = 3.
        resize: how images come to that size: crop, pad or stretch.
        labels: "auto" = tags.csv or tags.json below the root, if there is one; "none"; or a file, as given or below the root: CSV
            with the header file,tags (by semicolon) or file,TAG,TAG,... (columns of 0 and 1), or JSON, {"FILE": [TAG, ...]}.
        skip_broken: leave out images that cannot be decoded, with one warning, instead of refusing them.
        cache_limit: bytes that the decoded images may take on the disk; default 20 GB or half of what is free.
        flip: mirror images left to right with probability 1/2, drawn anew in every epoch.
        batch_size: images per discriminator turn and process.
        num_workers: processes that gather batches; 0 is fastest with a cache.
        download: fetch the archive where it is missing.
        seed: of the order and the flips, in 0 .. 2**32 - 1.

    Raises:
        ValueError: an option outside what is allowed, or tags that do not fit the images.
        OSError: the folder cannot be read, holds no images, or holds a broken one.
    """

    own_channels = 3

    def __init__(
        self,
        *,
        root: str | Path | None = None,
        size: int | str = 64,
        channels: Literal["auto", 1, 3, 4] = "auto",
        resize: Literal["crop", "pad", "stretch"] = "crop",
        labels: str | None = "auto",
        skip_broken: bool = False,
        cache_limit: int | None = None,
        flip: bool = False,
        batch_size: int = 64,
        num_workers: int = 0,
        download: bool = True,
        seed: int = 0,
    ) -> None:
        self._own = bool(root)
        super().__init__(
            root=root or data_folder() / "anime_faces" / ARCHIVE.name,
            size=size,
            channels=3 if channels == "auto" else channels,
            resize=resize,
            labels=labels,
            skip_broken=skip_broken,
            cache_limit=cache_limit,
            flip=flip,
            batch_size=batch_size,
            num_workers=num_workers,
            download=download,
            seed=seed,
        )
        if not self._own:
            self._root = None  # it may be another one where a checkpoint is read

    def prepare_data(self) -> None:
        """Fetch the archive if it is what is wanted and is not there, and decode all images into the cache.

        Raises:
            OSError: the archive cannot be had, an image is broken, or the cache cannot be written.
        """
        if not self._opened:
            self._open()  # another process may have fetched it since
        if not self._opened:
            if not self.download:
                raise ImageFolderError(
                    f"anime_faces not found in {self.root}; download is off. By hand: put {ARCHIVE.name} from {ARCHIVE.urls[0]} "
                    "there, or name a folder or .zip of your own with --data.root"
                )
            fetch(ARCHIVE, self.root.parent)
            self._open()
        super().prepare_data()

    def setup(self, stage: str | None = None) -> None:
        """Open the archive, if it came after this object, and the cache."""
        if not self._opened:
            self.prepare_data()
        super().setup(stage)

    def _open(self) -> None:
        """As of every folder; the archive is opened once it is there, and has no tags."""
        self._opened = self._own or is_there(ARCHIVE, self.root)
        if self._opened:
            super()._open()
        else:
            self.tags = self.class_names = self.num_classes = None

    def _label_file(self, wrappers: list[str]) -> str | None:
        if self.labels != "auto":
            return self.labels
        found = [name for name in TAG_FILES for wrapper in wrappers if self._source.has(wrapper + name)]
        return found[0] if found else "none"
