from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gans.core.pictures import class_rows, grid, save_grid, square


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_a_grid_keeps_its_channels_and_values(tmp_path: Path, channels: int, mode: str) -> None:
    images = torch.linspace(-1, 1, 6 * channels * 5 * 7).reshape(6, channels, 5, 7)
    path = tmp_path / "new" / "grid.png"
    returned = save_grid(images, path, columns=3)
    with Image.open(path) as picture:
        assert picture.mode == mode
        pixels = np.asarray(picture).reshape(2 + 2 * (5 + 2), 2 + 3 * (7 + 2), channels)
    assert torch.equal(returned, torch.from_numpy(pixels.copy()).permute(2, 0, 1))
    expected = ((images[4] + 1) * 127.5).round().byte()  # the fifth image: row 1, column 1
    assert torch.equal(returned[:, 9 : 9 + 5, 11 : 11 + 7], expected)
    assert os.listdir(path.parent) == ["grid.png"]


def test_values_outside_the_range_are_clamped(tmp_path: Path) -> None:
    assert grid(torch.tensor([-3.0, 3.0]).reshape(1, 1, 1, 2), 1).flatten().tolist() == [0, 255]


@pytest.mark.parametrize("shape", [(4, 2, 8, 8), (1, 8, 8)])
def test_other_shapes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError) as caught:
        save_grid(torch.zeros(shape), tmp_path / "grid.png")
    assert str(caught.value) == f"images of shape {shape}; allowed: (N, C, H, W) with 1, 3 or 4 channels"
    assert os.listdir(tmp_path) == []


def test_a_failed_write_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "grid.png"
    save_grid(torch.zeros(1, 1, 4, 4), path)
    before = path.read_bytes()

    def half(self: Image.Image, file: Path, format: str) -> None:
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(OSError, match="No space left on device"):
        save_grid(torch.ones(1, 1, 4, 4), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["grid.png"]


def test_square() -> None:
    assert [square(n) for n in (1, 2, 4, 5, 9, 10, 64)] == [1, 2, 2, 3, 3, 4, 8]


@pytest.mark.parametrize(
    ("n", "classes", "columns", "shown", "each"),
    [(64, 10, 6, 10, 6), (64, 2, 8, 2, 32), (64, 3, 8, 3, 16), (64, 1000, 4, 16, 4), (9, 1, 3, 1, 9), (1, 10, 1, 1, 1)],
)
def test_rows_show_one_class_each(n: int, classes: int, columns: int, shown: int, each: int) -> None:
    labels, got = class_rows(n, classes)
    assert got == columns
    assert labels.tolist() == [label for label in range(shown) for _ in range(each)]
    rows = labels.reshape(-1, columns)
    assert (rows == rows[:, :1]).all()
