"""Sets in the four IDX files of MNIST's format: found in a folder, or downloaded by torchvision's class for the set."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import torch
from torch import Tensor

from datamodules._downloads import DownloadedDataModule, torchvision_class
from datamodules.base import zero_pad
from lightning_gans.batch import shape_text

__all__ = ["IDXDataModule", "IDXError", "read_idx"]

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
SIDE = 28  # pixels


class IDXError(OSError):
    """The files are missing and cannot be had, or one of them is not what it should be."""


class IDXDataModule(DownloadedDataModule):
    """28x28 grey images, padded with black to larger sizes, never resized.

    A set sets ``classes``, ``torchvision_class``, and ``folders`` if its files may lie elsewhere too. The files may be
    plain or .gz.
    """

    min_size = SIDE
    files = FILES
    error = IDXError

    @property
    def place(self) -> Path:
        """Where torchvision puts the files."""
        return self.root / self.torchvision_class / "raw"

    def locate(self, folder: Path, name: str) -> Path:
        """The file in its plain form if that exists, else its .gz form, which may not exist either."""
        plain = folder / name
        return plain if plain.is_file() else folder / f"{name}.gz"

    def fetch(self, partial: Path) -> Path:
        """Download with torchvision, which checks the files and unpacks them."""
        torchvision_class(self.torchvision_class)(str(partial), download=True)
        return partial / self.torchvision_class / "raw"

    def by_hand(self) -> str:
        """What to put where without a download."""
        return f"put {', '.join(FILES)} (plain or .gz) into {self.place}"

    def sources(self) -> list[str]:
        """Addresses of the download."""
        return list(torchvision_class(self.torchvision_class).mirrors)

    def load(self, train: bool) -> tuple[Tensor, Tensor]:
        """Read one split.

        Raises:
            IDXError: a file is missing, corrupt, or does not fit the others; the message names it.
        """
        folder = self.found()
        image_file, label_file = (self.locate(folder, name) for name in (FILES[:2] if train else FILES[2:]))
        images, labels = read_idx(image_file, 3), read_idx(label_file, 1)
        if images.shape[1:] != (SIDE, SIDE):
            found = shape_text(images.shape[1:])
            raise IDXError(f"corrupt IDX file {image_file}: images of {found} pixels; allowed: {SIDE}x{SIDE}")
        if len(images) != len(labels) or len(labels) == 0:
            raise IDXError(f"corrupt IDX file {label_file}: {len(labels)} labels for {len(images)} images")
        if labels.max() >= len(self.classes):
            allowed = f"0 to {len(self.classes) - 1}"
            raise IDXError(f"corrupt IDX file {label_file}: a label {int(labels.max())}; allowed: {allowed}")
        _, height, width = self.image_shape
        return zero_pad(images[:, None], height, width), labels.long()  # (n, 28, 28) -> (n, 1, H, W)


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
