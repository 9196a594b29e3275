"""Sets of known files: found in a folder, or downloaded once with what torchvision knows of them."""

from __future__ import annotations

import http.client
import os
import shutil
from pathlib import Path
from typing import Any

import filelock

from datamodules.base import ImageDataModule

__all__ = ["DownloadedDataModule", "torchvision_class"]


class DownloadedDataModule(ImageDataModule):
    """A set that torchvision has a class for, in files that other projects can share.

    A set sets ``torchvision_class`` (a name in ``torchvision.datasets``), ``files`` (their names), ``place`` (torchvision's
    folder for them, below the root), ``error``, and ``folders`` if the files may lie elsewhere too; it writes ``load``,
    ``fetch``, ``by_hand`` and ``sources``. The files are looked for in ``root``, in ``place``, then in ``folders``; the
    first folder that holds them all is used as it is.
    """

    torchvision_class: str
    files: tuple[str, ...]
    folders: tuple[str, ...] = ()
    error: type[OSError]

    def fetch(self, partial: Path) -> Path:
        """Download, below the folder ``partial``, and check; returns the folder that holds the files."""
        raise NotImplementedError

    def by_hand(self) -> str:
        """What to put where without a download."""
        raise NotImplementedError

    def sources(self) -> list[str]:
        """Addresses of the download."""
        raise NotImplementedError

    @property
    def place(self) -> Path:
        """Where torchvision puts the files, and so do we: other projects can share the download."""
        raise NotImplementedError

    def locate(self, folder: Path, name: str) -> Path:
        """The path of a file in a folder, whether it exists or not."""
        return folder / name

    def prepare_data(self) -> None:
        """Download the files unless some folder holds them.

        Raises:
            OSError: they are missing and cannot be downloaded; says what was tried and where to put which files.
        """
        if self.find() is not None:
            return
        if not self.download:
            raise self.missing("download is off")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._fetch_once()
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise self.missing(f"download from {', '.join(self.sources())} failed: {reason}") from error

    def find(self) -> Path | None:
        """The first folder that holds all files, or None."""
        for folder in self._candidates():
            if all(self.locate(folder, name).is_file() for name in self.files):
                return folder
        return None

    def found(self) -> Path:
        """The folder that holds all files; raises ``error`` if there is none."""
        folder = self.find()
        if folder is None:
            raise self.missing("prepare_data was not called")
        return folder

    def missing(self, reason: str) -> OSError:
        """The error that tells where was looked, why nothing came of it, and what can be done by hand."""
        looked = ", ".join(map(str, self._candidates()))
        return self.error(f"{self.torchvision_class} not found in {looked}; {reason}. By hand: {self.by_hand()}")

    def _candidates(self) -> list[Path]:
        return [self.root, self.place, *map(Path, self.folders)]

    def _fetch_once(self) -> None:
        """Download beside the final place: what is moved there is whole, and counts once all files are there."""
        partial = self.root / f".{self.torchvision_class}.partial"
        with filelock.FileLock(self.root / f".{self.torchvision_class}.lock"):
            if self.find() is not None:  # another process fetched them while this one waited
                return
            shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
            try:
                folder = self.fetch(partial)
                self.place.mkdir(parents=True, exist_ok=True)
                for name in self.files:
                    os.replace(folder / name, self.place / name)
            finally:
                shutil.rmtree(partial, ignore_errors=True)


def torchvision_class(name: str) -> Any:
    """A class of ``torchvision.datasets``, which takes long to import and is needed for downloads only."""
    import torchvision.datasets

    return getattr(torchvision.datasets, name)
