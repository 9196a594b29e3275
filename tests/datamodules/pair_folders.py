"""Folders of pairs and of two domains for tests, in the layouts of the published sets."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from datamodules import PairedFolder, UnpairedFolder
from datamodules._translation import TranslationFolder
from tests.datamodules.folders import files, picture

__all__ = ["domains", "paired", "side_by_side", "tarred", "told", "two_folders", "unpaired"]


def side_by_side(root: Path, **counts: int) -> Path:
    """Files of a pair each, in folders such as train=3; pictures 100 + n to the left and 200 + n to the right of each other."""
    number = 0
    for split, count in counts.items():
        for _ in range(count):
            path = root / ("" if split == "flat" else split) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            both = Image.new("RGB", (48, 20))
            both.paste(picture(100 + number, size=(24, 20)), (0, 0))
            both.paste(picture(200 + number, size=(24, 20)), (24, 0))
            both.save(path)
            number += 1
    return root


def two_folders(root: Path, *names: str, sides: tuple[str, str] = ("A", "B")) -> Path:
    """Picture 100 + n in the first folder, 200 + n in the second, under the same names."""
    for number, name in enumerate(names):
        for side, start in zip(sides, (100, 200), strict=True):
            path = root / side / name
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(start + number, size=(24, 20)).save(path)
    return root


def domains(root: Path, **counts: int) -> Path:
    """Pictures in folders such as trainA=3, 100 + n in those of A and 200 + n in those of B, all of different sizes."""
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True)
        for number in range(count):
            picture((100 if folder.endswith("A") else 200) + number).save(root / folder / f"{number}.jpg", quality=95)
    return root


def tarred(root: Path) -> Path:
    """The folder as the published .tar.gz beside it."""
    path = root.with_name(f"{root.name}.tar.gz")
    with tarfile.open(path, "w:gz") as packed:
        packed.add(root, root.name)
    return path


def ready(data: TranslationFolder) -> Any:
    data.prepare_data()
    data.setup("fit")
    return data


def paired(root: Path | None = None, **options: Any) -> PairedFolder:
    """A data module after its preparation; without jitter unless asked for."""
    made: PairedFolder = ready(PairedFolder(root=root, **{"size": 16, "load_size": 16, "flip": False, **options}))
    return made


def unpaired(root: Path | None = None, **options: Any) -> UnpairedFolder:
    """As ``paired``."""
    made: UnpairedFolder = ready(UnpairedFolder(root=root, **{"size": 16, "load_size": 16, "flip": False, **options}))
    return made


def told(make: Any, *args: Any, kind: type[Exception] = OSError, **options: Any) -> str:
    """The message of the error that a data module ends with; it is one line, and no cache was written."""
    caches = Path(os.environ["LIGHTNING_GANS_CACHE"])
    before = files(caches)
    with pytest.raises(kind) as caught:
        make(*args, **options)
    assert "\n" not in str(caught.value)
    assert files(caches) == before
    return str(caught.value)
