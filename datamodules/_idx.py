"""Sets in the four IDX files of MNIST's format: found in a folder, or downloaded by torchvision's class for the set."""

from __future__ import annotations

import gzip
import http.client
import math
import os
import shutil
import zlib
from pathlib import Path
from typing import Any

import filelock
import torch
from torch import Tensor

from datamodules.base import ImageDataModule, zero_pad

__all__ = ["IDXDataModule", "IDXError", "read_idx"]

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
SIDE = 28  # pixels


class IDXError(OSError):
    """The files are missing and cannot be had, or one of them is not what it should be."""


class IDXDataModule(ImageDataModule):
    """28x28 grey images, padded with black to larger sizes, never resized.

    A set sets ``classes``, ``torchvision_class`` (a name in ``torchvision.datasets``), and ``folders`` if its files may
    lie elsewhere too. The files, plain or .gz, are looked for in ``root``, in torchvision's own place below it, then in
    ``folders``; the first folder that holds all four is used as it is.
    """

    min_size = SIDE
    torchvision_class: str
    folders: tuple[str, ...] = ()

    def prepare_data(self) -> None:
        """Download the files unless some folder holds them.

        Raises:
            IDXError: they are missing and cannot be downloaded; says what was tried and where to put which files.
        """
        if self.find() is not None:
            return
        if not self.download:
            raise self._missing("download is off")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.root / f".{self.torchvision_class}.lock"):
                if self.find() is None:  # another process may have fetched them while this one waited
                    self._fetch()
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            mirrors = ", ".join(_torchvision(self.torchvision_class).mirrors)
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise self._missing(f"download from {mirrors} failed: {reason}") from error

    def load(self, train: bool) -> tuple[Tensor, Tensor]:
        """Read one split.

        Raises:
            IDXError: a file is missing, corrupt, or does not fit the others; the message names it.
        """
        folder = self.find()
        if folder is None:
            raise self._missing("prepare_data was not called")
        image_file, label_file = (_locate(folder, name) for name in (FILES[:2] if train else FILES[2:]))
        images, labels = read_idx(image_file, 3), read_idx(label_file, 1)
        if images.shape[1:] != (SIDE, SIDE):
            found = "x".join(map(str, images.shape[1:]))
            raise IDXError(f"corrupt IDX file {image_file}: images of {found} pixels; allowed: {SIDE}x{SIDE}")
        if len(images) != len(labels) or len(labels) == 0:
            raise IDXError(f"corrupt IDX file {label_file}: {len(labels)} labels for {len(images)} images")
        if labels.max() >= self.num_classes:
            allowed = f"0 to {self.num_classes - 1}"
            raise IDXError(f"corrupt IDX file {label_file}: a label {int(labels.max())}; allowed: {allowed}")
        _, height, width = self.image_shape
        return zero_pad(images[:, None], height, width), labels.long()  # (n, 28, 28) -> (n, 1, H, W)

    @property
    def _raw(self) -> Path:
        """Where torchvision puts the files, and so do we: other projects can share the download."""
        return self.root / self.torchvision_class / "raw"

    def _candidates(self) -> list[Path]:
        return [self.root, self._raw, *map(Path, self.folders)]

    def find(self) -> Path | None:
        """The first folder that holds all four files, or None."""
        for folder in self._candidates():
            if all(_locate(folder, name).is_file() for name in FILES):
                return folder
        return None

    def _fetch(self) -> None:
        """Download beside the final place: what is moved there is whole, and counts once all four files are there."""
        partial = self.root / f".{self.torchvision_class}.partial"
        shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
        try:
            _torchvision(self.torchvision_class)(str(partial), download=True)
            self._raw.mkdir(parents=True, exist_ok=True)
            for name in FILES:
                os.replace(partial / self.torchvision_class / "raw" / name, self._raw / name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _missing(self, reason: str) -> IDXError:
        looked = ", ".join(map(str, self._candidates()))
        return IDXError(
            f"{self.torchvision_class} not found in {looked}; {reason}. "
            f"By hand: put {', '.join(FILES)} (plain or .gz) into {self._raw}"
        )


def read_idx(path: Path, dims: int) -> Tensor:
    """Read an IDX file of unsigned bytes, plain or .gz.

    Returns:
        uint8, of the shape the file's header tells.

    Raises:
        IDXError: the file cannot be read, is of another kind, or is shorter or longer than its header says.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise IDXError(f"corrupt IDX file {path}: {error}") from error
    start = 4 + 4 * dims
    if len(data) < start or data[:4] != bytes((0, 0, 8, dims)):  # 8 = unsigned byte
        raise IDXError(f"corrupt IDX file {path}: its header is not that of {dims}-dimensional bytes")
    shape = [int.from_bytes(data[at : at + 4], "big") for at in range(4, start, 4)]
    if len(data) - start != math.prod(shape):
        raise IDXError(
            f"corrupt IDX file {path}: {len(data) - start} bytes of data; its header says {math.prod(shape)}"
        )
    if not math.prod(shape):
        return torch.zeros(shape, dtype=torch.uint8)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=start).view(shape)


def _locate(folder: Path, name: str) -> Path:
    """The file in its plain form if that exists, else its .gz form, which may not exist either."""
    plain = folder / name
    return plain if plain.is_file() else folder / f"{name}.gz"


def _torchvision(class_name: str) -> Any:
    import torchvision.datasets

    return getattr(torchvision.datasets, class_name)
