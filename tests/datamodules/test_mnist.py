"""MNIST: what it does not share with Fashion-MNIST, whose tests cover the files, their errors and the download."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
import torch
import torchvision

from datamodules import MNIST
from datamodules._idx import FILES
from tests.datamodules.mirror import Server
from tests.datamodules.test_fashion_mnist import contents, files_below, write

__all__: list[str] = []


def test_what_is_known_before_anything_is_loaded(tmp_path: Path) -> None:
    data = MNIST(root=tmp_path)
    assert data.image_shape == (1, 32, 32)
    assert data.num_classes == 10
    assert data.class_names == list("0123456789")


def test_files_of_torchvisions_place_are_read(tmp_path: Path) -> None:
    write(tmp_path / "MNIST/raw", zipped=True)
    data = MNIST(root=tmp_path, download=False)
    data.prepare_data()
    data.setup("fit")
    ours = data.train_dataset.images[:, 0, 2:-2, 2:-2]
    assert ours.numpy().tobytes() == contents()[FILES[0]][16:]
    assert data.test_dataset.labels is not None
    assert data.test_dataset.labels.tolist() == [0, 1, 2, 3, 4]


def test_download_and_a_wrong_md5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    folder = write(tmp_path / "mirror", zipped=True)
    known = torchvision.datasets.MNIST
    resources = [(f"{n}.gz", hashlib.md5((folder / f"{n}.gz").read_bytes()).hexdigest()) for n in FILES]
    assert [name for name, _ in known.resources] == [name for name, _ in resources]
    with Server(folder) as server:
        monkeypatch.setattr(known, "mirrors", [server.url])
        monkeypatch.setattr(known, "resources", [*resources[:3], (resources[3][0], "0" * 32)])
        root = tmp_path / "root"
        with pytest.raises(OSError) as caught:
            MNIST(root=root).prepare_data()
        place = root / "MNIST/raw"
        assert str(caught.value) == (
            f"MNIST not found in {root}, {place}; download from {server.url} failed: Error downloading {FILES[3]}.gz: "
            f"Tried {server.url}, got: File not found or corrupted. "
            f"By hand: put {', '.join(FILES)} (plain or .gz) into {place}"
        )
        assert files_below(root) == set()
        monkeypatch.setattr(known, "resources", resources)
        data = MNIST(root=root, size=28)
        data.prepare_data()
        data.setup()
    pixels = gzip.decompress((folder / f"{FILES[2]}.gz").read_bytes())[16:]
    assert torch.equal(data.test_dataset.images.flatten(), torch.frombuffer(bytearray(pixels), dtype=torch.uint8))
