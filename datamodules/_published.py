"""Collections of published sets, each fetched by its name when it is first used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from datamodules._folder_scan import ImageFolderError
from datamodules._names import choices
from datamodules._translation import TranslationFolder
from datamodules.base import data_folder

__all__ = ["PublishedSet"]


class PublishedSet(TranslationFolder):
    """One set of a collection, found in a folder NAME (or file NAME.zip) of the collection's folder, or fetched to there.

    A collection comes before `PairedFolder` or `UnpairedFolder` among a class's parents; it sets ``collection``, ``names`` and
    ``by_hand`` (those that nobody may host, and where they come from), calls ``choose`` before ``super().__init__``, and writes
    ``fetch``.
    """

    collection: str
    names: tuple[str, ...]
    by_hand: Mapping[str, str] = MappingProxyType({})
    name: str

    def choose(self, name: str, root: str | Path | None) -> Path:
        """The folder of the collection, or the set's own if that is what ``root`` is.

        Raises:
            ValueError: no set of that name; the message holds the nearest name and the list.
        """
        if name not in self.names:
            raise ValueError(f"unknown name '{name}' of {self.collection}. {choices(name, self.names)}")
        self.name = name
        self._own = bool(root)
        self._collection = Path(root).expanduser() if root else data_folder() / self.collection
        return self._collection

    def fetch(self) -> None:
        """Bring the set to ``self.place`` or its .zip.

        Raises:
            DownloadError: it cannot be had.
        """
        raise NotImplementedError

    @property
    def place(self) -> Path:
        """The set's own folder, whether it is there or not."""
        return self._collection / self.name

    def find(self) -> None:
        """List the images, if they are there; as of every folder."""
        found = self._located()
        self._opened = found is not None
        if found is not None:
            self.root = found
            super().find()
        if not self._own:
            self._root = None  # it may be another one where a checkpoint is read

    def _located(self) -> Path | None:
        """The set's folder or .zip, if it is there."""
        if any((self._collection / part).is_dir() for part in ("trainA", "train")):
            return self._collection
        packed = self._collection / f"{self.name}.zip"
        return next((path for path in (self.place, packed) if path.exists()), None)

    def channel_counts(self) -> tuple[int, int]:
        """As asked for; these sets are in colour, which is known before they are there."""
        channels = 3 if self._channels == "auto" else self._channels
        return channels, channels

    @property
    def source(self) -> dict[str, Any] | None:
        """As of every data set."""
        source = super().source
        if source is not None and source["name"] == self.collection:
            source["options"]["name"] = self.name
        return source

    def prepare_data(self) -> None:
        """Fetch the set if it is not there, and decode all images into caches.

        Raises:
            OSError: the set cannot be had, an image is broken, or a cache cannot be written.
        """
        if not self._opened:
            self.open()  # another process may have fetched it since
        if not self._opened:
            where = f"{self.name} of {self.collection} not found in {self._collection}"
            if self.name in self.by_hand:
                raise ImageFolderError(f"{where}; its licence forbids to host it. By hand: {self.by_hand[self.name]}")
            if not self.download:
                raise ImageFolderError(f"{where}; download is off. By hand: put its folder or {self.name}.zip there")
            self._collection.mkdir(parents=True, exist_ok=True)
            self.fetch()
            self.open()
        super().prepare_data()

    def setup(self, stage: str | None = None) -> None:
        """Open the set, if it came after this object, and the caches."""
        if not self._opened:
            self.prepare_data()
        super().setup(stage)
