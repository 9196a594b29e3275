"""Folders of small images for tests."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datamodules import ImageFolder

__all__ = ["break_image", "files", "folder", "labels_of", "mixed", "picture", "ready", "refused", "zipped"]

# A mode of Pillow and the extension of a format that keeps it.
KINDS = (
    ("L", "png"),
    ("RGB", "png"),
    ("RGBA", "png"),
    ("LA", "png"),
    ("P", "gif"),
    ("1", "png"),
    ("I;16", "png"),
    ("RGB", "jpg"),
    ("CMYK", "jpg"),
    ("L", "bmp"),
    ("I;16", "tif"),
    ("RGB", "webp"),
)


def picture(number: int, mode: str = "RGB", size: tuple[int, int] | None = None) -> Image.Image:
    """A picture that no other number gives; by default of some size from 12 to 40 pixels."""
    random = np.random.RandomState(number)
    width, height = size or (int(random.randint(12, 41)), int(random.randint(12, 41)))
    if mode == "I;16":
        return Image.fromarray(random.randint(0, 65536, (height, width)).astype(np.uint16))
    bands = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}.get(mode)
    if bands is None:
        return picture(number, "RGB", (width, height)).convert(mode)
    pixels = random.randint(0, 256, (height, width, bands)).astype(np.uint8)
    merged = [Image.fromarray(np.ascontiguousarray(pixels[..., band])) for band in range(bands)]
    return Image.merge(mode, merged) if bands > 1 else merged[0]


def mixed(root: Path, count: int) -> list[str]:
    """Images of all kinds in three folders, some deeper than others, with other files between; returns their names."""
    names = []
    for number in range(count):
        mode, extension = KINDS[number % len(KINDS)]
        below = ("a", "b/deep/er", "c")[number % 3]
        names.append(f"{below}/{number:04}.{extension}")
        (root / below).mkdir(parents=True, exist_ok=True)
        picture(number, mode).save(root / names[-1])
    (root / "a" / "notes.txt").write_text("no image")
    (root / "a" / ".hidden.png").write_text("no image")
    return sorted(names)


def folder(root: Path, *names: str, mode: str = "RGB") -> Path:
    """One picture for each name, numbered from 0."""
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture(number, mode).save(root / name)
    return root


def zipped(root: Path, *, wrapped: bool = False) -> Path:
    """The folder as a .zip beside it, with or without the folder itself in it."""
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(root.rglob("*")):
            packed.write(file, file.relative_to(root.parent if wrapped else root))
    return path


def ready(root: Path | None, **options: Any) -> ImageFolder:
    """A data module after its preparation."""
    data = ImageFolder(root=root, **{"size": 16, **options})
    data.prepare_data()
    data.setup("fit")
    return data


def files(root: Path) -> set[str]:
    """What lies below a folder, locks apart."""
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and p.suffix != ".lock"}


def break_image(path: Path) -> None:
    """Cut a file in half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def labels_of(data: ImageFolder) -> list[int]:
    """Labels of the images to train on."""
    found = data.train_dataset.labels
    assert found is not None
    return [int(label) for label in found]


def refused(root: Path | None, kind: type[Exception] = OSError, **options: Any) -> str:
    """The message of the error that a data module ends with; it is one line, and nothing was written."""
    caches = Path(os.environ["LIGHTNING_GANS_CACHE"])
    before = files(caches)
    with pytest.raises(kind) as caught:
        ready(root, **options)
    assert "\n" not in str(caught.value)
    assert files(caches) == before
    return str(caught.value)
