"""Decoded images in a file: built once, whole or not at all, and mapped into memory by every run that comes after.

A cache is a folder ``<key>`` with ``images.npy``, uint8 (n, C, H, W), and ``about.json``. It is built in ``.<key>.partial``
under the lock ``.<key>.lock`` and renamed when it is done, so a build that is killed leaves nothing that counts. Any of
these may be deleted at any time when no run uses them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import warnings
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import filelock
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from datamodules._decoding import BrokenImageError, Pixels
from datamodules.base import ImageDataset

__all__ = ["About", "CachedImages", "ImageCache", "cache_folder"]

VERSION = 1  # of the pixels: other code that makes other pixels of a file needs another number


@dataclass
class About:
    """What is told of a cache.

    Attributes:
        grey: whether all files are grey; None: nobody looked.
        broken: names of the images that are not in it, and why.
    """

    grey: bool | None
    broken: dict[str, str]


class CachedImages(ImageDataset):
    """Rows ``start`` to ``stop`` of a cache. Its memory is the system's file cache, which all processes share."""

    def __init__(self, path: Path, start: int, stop: int, labels: Tensor | None, *, flip: bool = False) -> None:
        self._where = (path, start, stop)
        super().__init__(self._map(), labels, flip=flip)

    def _map(self) -> Tensor:
        path, start, stop = self._where
        # Read-only: Linux counts a private mapping as memory and refuses one that is larger than the machine's.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # nobody writes
            return torch.from_numpy(np.load(path, mmap_mode="r")[start:stop])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "images": None}  # a worker that is spawned maps the file, too

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.images = self._map()


class ImageCache:
    """The cache of some files in one size.

    Args:
        files: what tells the files from others: changes when one of them does.
        names: the images, in the order of rows.
        shape: (C, H, W) of a row.
        resize: how images come to that size.
    """

    def __init__(self, files: str, names: list[str], shape: tuple[int, int, int], resize: str) -> None:
        self.names = names
        self.shape = shape
        key = hashlib.sha256(json.dumps([VERSION, files, *shape, resize]).encode()).hexdigest()[:24]
        self.folder = cache_folder() / key
        self.images = self.folder / "images.npy"

    @property
    def size(self) -> int:
        """Bytes of the pixels, none of the images being broken."""
        return len(self.names) * int(np.prod(self.shape))

    def fits(self) -> bool:
        """Whether it takes up to 20 GB and half of what is free on its disk."""
        there = next(folder for folder in self.folder.parents if folder.exists())
        return self.size <= min(20 * 10**9, shutil.disk_usage(there).free // 2)

    def about(self) -> About | None:
        """What is told of the cache, or None if there is none that is whole."""
        try:
            told = json.loads((self.folder / "about.json").read_text(encoding="utf-8"))
            about = About(told["grey"], dict(told["broken"]))
            images = np.load(self.images, mmap_mode="r")
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            return None
        whole = images.shape == (len(self.names) - len(about.broken), *self.shape) and images.dtype == np.uint8
        return about if whole else None

    def ensure(self, decode: Callable[[str], Pixels], *, skip_broken: bool, grey: bool | None) -> About:
        """Build the cache unless it is there; of processes that start at once, one builds and the others wait.

        Args:
            decode: the pixels of an image by its name.
            skip_broken: leave out what cannot be decoded.
            grey: to be told by ``about``.

        Returns:
            What ``about`` tells from now on, unless all images are broken, when there is nothing to keep.

        Raises:
            BrokenImageError: an image cannot be decoded and ``skip_broken`` is off.
            OSError: the cache cannot be written.
        """
        about = self.about()
        if about is not None:
            return about
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(_beside(self.folder, "lock")):
            about = self.about()
            if about is None:
                _remove_stale(self.folder)
                about = self._build(decode, skip_broken, grey)
        return about

    def _build(self, decode: Callable[[str], Pixels], skip_broken: bool, grey: bool | None) -> About:
        partial = _beside(self.folder, "partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            with open(partial / "images.npy", "wb") as file:
                broken = self._write(file, decode, skip_broken)
                file.flush()
                os.fsync(file.fileno())  # or a power cut after the renaming could leave a file of nothing
            about = About(grey, broken)
            (partial / "about.json").write_text(json.dumps(about.__dict__), encoding="utf-8")
            if len(broken) < len(self.names):
                shutil.rmtree(self.folder, ignore_errors=True)  # damaged, or it would have been used
                os.replace(partial, self.folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return about

    def _write(self, file: IO[bytes], decode: Callable[[str], Pixels], skip_broken: bool) -> dict[str, str]:
        """Write all rows one after the other: a full disk is an error then, where a mapped file would crash."""
        file.write(_npy_header((len(self.names), *self.shape)))
        broken = {}
        with closing(_decoded(decode, self.names)) as images:
            for name, pixels in images:
                if isinstance(pixels, BrokenImageError):
                    if not skip_broken:
                        raise pixels
                    broken[name] = pixels.reason
                else:
                    file.write(pixels.data)
        file.seek(0)
        file.write(_npy_header((len(self.names) - len(broken), *self.shape)))
        return broken


def cache_folder() -> Path:
    """Where caches of images lie: in ``$LIGHTNING_GANS_CACHE``, else in ``~/.cache/lightning-gans``."""
    return Path(os.environ.get("LIGHTNING_GANS_CACHE") or "~/.cache/lightning-gans").expanduser() / "images"


def _decoded(
    decode: Callable[[str], Pixels], names: list[str]
) -> Generator[tuple[str, Pixels | BrokenImageError], None, None]:
    """Images in order, decoded by as many threads as there are cores: Pillow decodes and resizes without the GIL."""
    cores = os.cpu_count() or 1

    def attempt(name: str) -> Pixels | BrokenImageError:
        try:
            return decode(name)
        except BrokenImageError as error:
            return error

    waiting: deque[tuple[str, Future[Pixels | BrokenImageError]]] = deque()
    seconds = 0.1 if sys.stderr.isatty() else 10.0  # a log file keeps every refresh
    bar = tqdm(total=len(names), desc="decoding images, once", unit="image", mininterval=seconds, delay=1, leave=False)
    with bar, ThreadPoolExecutor(cores) as pool:
        try:
            for name in names:
                waiting.append((name, pool.submit(attempt, name)))
                if len(waiting) > 16 * cores:
                    done, future = waiting.popleft()
                    yield done, future.result()
                    bar.update()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
                bar.update()
        finally:
            for _, future in waiting:
                future.cancel()


def _npy_header(shape: tuple[int, ...]) -> bytes:
    """NumPy's format 1.0, always 256 bytes long, so that it can be written again over rows that were left out."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00" + (246).to_bytes(2, "little") + text.ljust(245).encode("ascii") + b"\n"


def _beside(folder: Path, kind: str) -> Path:
    return folder.with_name(f".{folder.name}.{kind}")


def _remove_stale(mine: Path) -> None:
    """Remove what builds that were killed left of other caches than mine."""
    for partial in set(mine.parent.glob(".*.partial")) - {_beside(mine, "partial")}:
        with suppress(filelock.Timeout, OSError), filelock.FileLock(partial.with_suffix(".lock"), timeout=0):
            shutil.rmtree(partial, ignore_errors=True)
