"""Which images a folder or a .zip holds, and how to open them. Names are paths below the root, with slashes."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from datamodules._pixels import EXTENSIONS

__all__ = [
    "HELD_OUT",
    "Entry",
    "ImageFolderError",
    "ImageSource",
    "Layout",
    "fingerprint",
    "lay_out",
    "open_source",
    "part",
]

HELD_OUT = ("test", "val")  # the first that is there is what is tested with


class ImageFolderError(OSError):
    """A folder or .zip that cannot be read, holds no images, or holds a broken one."""


@dataclass(frozen=True)
class Entry:
    """One image file. ``stamp`` changes with its contents: mtime in nanoseconds, in a .zip the CRC."""

    name: str
    size: int
    stamp: int


@dataclass(frozen=True)
class Layout:
    """What the folders around images say.

    Attributes:
        entries: the images in use, those to train on first.
        train: how many these are; None: no folder says which are to test with.
        held_out: the folder of those to test with, if there is one: test or val.
        depth: levels below the root of the folders that may be labels.
        wrappers: paths of the folders that hold everything, with a slash at their ends; the first is "", the root.
    """

    entries: list[Entry]
    train: int | None
    held_out: str | None
    depth: int
    wrappers: list[str]


class ImageSource:
    """Images of a folder or a .zip. What is no image by its extension, and what is hidden, is not seen.

    Attributes:
        root: the folder or file.
        entries: the images, sorted by name.
    """

    root: Path
    entries: list[Entry]

    def open(self, name: str) -> IO[bytes]:
        """A stream of any file below the root; raises OSError or ``zipfile.BadZipFile``."""
        raise NotImplementedError

    def has(self, name: str) -> bool:
        """Whether there is such a file below the root."""
        raise NotImplementedError


class FolderSource(ImageSource):
    """Images below a folder, however deep; links are followed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            self.entries = sorted(_walk(root), key=lambda entry: entry.name)
        except OSError as error:
            raise ImageFolderError(f"cannot read folder {error.filename or root}: {error.strerror}") from error

    def open(self, name: str) -> IO[bytes]:
        return open(self.root / name, "rb")

    def has(self, name: str) -> bool:
        return (self.root / name).is_file()


class ZipSource(ImageSource):
    """Images in a .zip."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._opened: tuple[int, zipfile.ZipFile] | None = None
        try:
            infos = [info for info in self._zip().infolist() if not info.is_dir() and _visible(info.filename)]
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise ImageFolderError(f"corrupt zip {root}: {' '.join(str(error).split())}") from error
        images = (
            Entry(info.filename, info.file_size, info.CRC)
            for info in infos
            if info.filename.lower().endswith(EXTENSIONS)
        )
        self.entries = sorted(images, key=lambda entry: entry.name)

    def open(self, name: str) -> IO[bytes]:
        return self._zip().open(name)

    def has(self, name: str) -> bool:
        return name in self._zip().NameToInfo

    def _zip(self) -> zipfile.ZipFile:
        """One open file for each process: those of a fork would share its position."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), zipfile.ZipFile(self.root))
        return self._opened[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}


def open_source(root: Path) -> ImageSource:
    """List the images of a folder or .zip.

    Raises:
        ImageFolderError: it is missing, neither of them, cannot be read, or holds no image.
    """
    if root.is_dir():
        source: ImageSource = FolderSource(root)
    elif root.is_file() and root.suffix.lower() == ".zip":
        source = ZipSource(root)
    elif root.exists():
        raise ImageFolderError(f"{root} is no folder; allowed: a folder or a .zip of images")
    else:
        raise ImageFolderError(f"no such folder: {root}")
    if not source.entries:
        raise ImageFolderError(f"no images in {root}; allowed: {', '.join(EXTENSIONS)}")
    return source


def fingerprint(root: Path, entries: list[Entry]) -> str:
    """What tells these files from others: changes when one of them does."""
    told = json.dumps([str(root.resolve()), [(entry.name, entry.size, entry.stamp) for entry in entries]])
    return hashlib.sha256(told.encode()).hexdigest()


def part(name: str, depth: int) -> str | None:
    """The name of the folder that a file lies in, ``depth`` levels below the root; None if it lies higher."""
    folders = name.split("/")[:-1]
    return folders[depth] if depth < len(folders) else None


def lay_out(entries: list[Entry]) -> Layout:
    """Tell what the folders say.

    Folders that hold everything, one within the other, count for nothing (a .zip often has one) unless images lie right
    in them. If there is a folder train and a folder test (or val), these are the splits, and what lies beside them is left out.
    """
    depth = 0
    while len({part(entry.name, depth) for entry in entries}) == 1 and all(part(e.name, depth + 1) for e in entries):
        depth += 1
    around = posixpath.commonpath([posixpath.dirname(entry.name) for entry in entries]).split("/")
    wrappers = ["", *("/".join(around[:length]) + "/" for length in range(1, len(around) + 1) if around[0])]
    splits = {split: [e for e in entries if part(e.name, depth) == split] for split in ("train", *HELD_OUT)}
    train = splits["train"]
    held_out = next((split for split in HELD_OUT if splits[split]), None)
    if train and held_out is not None:
        return Layout([*train, *splits[held_out]], len(train), held_out, depth + 1, wrappers)
    return Layout(entries, None, None, depth, wrappers)


def _visible(name: str) -> bool:
    return not any(piece.startswith(".") or piece == "__MACOSX" for piece in name.split("/"))


def _walk(folder: Path, prefix: str = "", above: tuple[tuple[int, int], ...] = ()) -> Iterator[Entry]:
    """Images below a folder; ``above`` are the folders around it, so that a link to one of them ends there."""
    status = os.stat(folder)
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    with os.scandir(folder) as listed:
        for item in listed:
            if not _visible(item.name):
                continue
            if item.is_dir():
                yield from _walk(folder / item.name, f"{prefix}{item.name}/", (*above, here))
            elif item.name.lower().endswith(EXTENSIONS) and item.is_file():
                status = item.stat()
                yield Entry(prefix + item.name, status.st_size, status.st_mtime_ns)
