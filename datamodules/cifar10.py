"""CIFAR-10: 60,000 colour 32x32 pictures of ten kinds of things. Krizhevsky, "Learning multiple layers of features", 2009."""

from __future__ import annotations

import codecs
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datamodules._colour import SIDE, ColourDataModule
from datamodules._downloads import torchvision_class

__all__ = ["CIFAR10"]

TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_FILE = "test_batch"
ARCHIVE = "cifar-10-python.tar.gz"
FOLDER = "cifar-10-batches-py"

# What arrays are made of in a pickle.
ALLOWED = (
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.core.numeric._frombuffer",
)


class CIFARError(OSError):
    """The files are missing and cannot be had, or one of them is not what it should be."""


class CIFAR10(ColourDataModule):
    """50,000 images to train on and 10,000 to test with, 3x32x32; other sizes are reached by resizing.

    The six files are looked for in ``root`` and in ``root/cifar-10-batches-py``; an archive ``cifar-10-python.tar.gz`` that
    lies in ``root`` is unpacked instead of downloaded.
    """

    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    torchvision_class = "CIFAR10"
    files = (*TRAIN_FILES, TEST_FILE)
    error = CIFARError

    @property
    def place(self) -> Path:
        """Where torchvision puts the files."""
        return self.root / FOLDER

    def prepare_data(self) -> None:
        """Unpack or download the files unless some folder holds them.

        Raises:
            CIFARError: they are missing and cannot be downloaded; says what was tried and where to put which files.
        """
        if self.find() is None and (self.root / ARCHIVE).is_file():
            try:
                self._fetch_once()
            except (OSError, RuntimeError) as error:
                raise self.missing(f"{self.root / ARCHIVE} is of no use: {error}") from error
        else:
            super().prepare_data()

    def fetch(self, partial: Path) -> Path:
        """Unpack the archive in ``root``, or download one; torchvision knows its address and its MD5."""
        from torchvision.datasets.utils import check_integrity, download_url

        known = torchvision_class(self.torchvision_class)
        archive = self.root / ARCHIVE
        if not archive.is_file():
            partial.mkdir(parents=True)
            download_url(known.url, partial, ARCHIVE, known.tgz_md5)
            archive = partial / ARCHIVE
        elif not check_integrity(archive, known.tgz_md5):
            raise CIFARError(f"its MD5 is not {known.tgz_md5}")
        try:
            with tarfile.open(archive) as packed:
                for name in self.files:  # by name: nothing else of the archive is written, and nowhere else
                    _unpack(packed, name, partial / FOLDER)
        except (tarfile.TarError, EOFError, KeyError) as error:
            raise CIFARError(f"corrupt archive {archive}: {error}") from error
        return partial / FOLDER

    def by_hand(self) -> str:
        """What to put where without a download."""
        return f"put {ARCHIVE} into {self.root}, or its {', '.join(self.files)} into {self.place}"

    def sources(self) -> list[str]:
        """Address of the download."""
        return [torchvision_class(self.torchvision_class).url]

    def load(self, train: bool) -> tuple[Tensor, Tensor]:
        """Read one split: uint8 (n, 3, H, W) and int64 (n,).

        Raises:
            CIFARError: a file is missing or corrupt; the message names it.
        """
        folder = self.found()
        parts = [_read_batch(folder / name) for name in (TRAIN_FILES if train else (TEST_FILE,))]
        images = np.concatenate([pixels for pixels, _ in parts])
        labels = np.concatenate([numbers for _, numbers in parts])
        return self.sized(images), torch.from_numpy(labels)


def _unpack(packed: tarfile.TarFile, name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    member = packed.extractfile(f"{FOLDER}/{name}")
    if member is None:
        raise KeyError(f"{name} is no file")
    with member, open(folder / name, "wb") as plain:
        while chunk := member.read(1 << 20):
            plain.write(chunk)


def _read_batch(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Pixels uint8 (n, 32, 32, 3) and labels int64 (n,) of one of the six pickles."""
    try:
        batch = _Unpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
        named = {key.decode() if isinstance(key, bytes) else key: value for key, value in batch.items()}
        pixels, labels = named["data"], np.asarray(named["labels"])
    except Exception as error:  # what damaged bytes do to the machine that unpickles them is not to be foreseen
        raise CIFARError(
            f"corrupt CIFAR file {path}: {' '.join(str(error).split()) or type(error).__name__}"
        ) from error
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (3 * SIDE * SIDE,):
        found = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise CIFARError(f"corrupt CIFAR file {path}: data is {found}; allowed: uint8 (n, {3 * SIDE * SIDE})")
    if labels.shape != (len(pixels),) or len(labels) == 0:
        raise CIFARError(f"corrupt CIFAR file {path}: {labels.size} labels for {len(pixels)} images")
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 9:
        raise CIFARError(f"corrupt CIFAR file {path}: a label outside 0 to 9")
    return pixels.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), labels.astype(np.int64)


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """How old protocols spell bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in {encoding!r}; allowed: latin1")
    return codecs.latin_1_encode(text)[0]


class _Unpickler(pickle.Unpickler):
    """Makes arrays and plain values, and calls nothing else: a pickle from who knows where must not run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return _encode
        plain = module.replace("numpy._core", "numpy.core")  # NumPy 2 renamed it, and finds either
        if f"{plain}.{name}" in ALLOWED:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it holds {module}.{name}; allowed: arrays, lists, strings and numbers")
