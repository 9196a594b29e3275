"""CIFAR-10: the pickles and what they may not do, the archive, the download and its errors."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from datamodules import CIFAR10
from datamodules.cifar10 import TEST_FILE, TRAIN_FILES, CIFARError
from tests.datamodules.mirror import Server

__all__: list[str] = []

ARCHIVE = "cifar-10-python.tar.gz"
FOLDER = "cifar-10-batches-py"
FILES = (*TRAIN_FILES, TEST_FILE)
SIZES = (3, 1, 2, 4, 1, 2)


def pixels(number: int) -> np.ndarray[Any, Any]:
    random = np.random.RandomState(number)
    return random.randint(0, 256, (SIZES[number], 3072)).astype(np.uint8)


def batch(number: int, **changed: Any) -> dict[Any, Any]:
    labels = [(number + row) % 10 for row in range(SIZES[number])]
    return {b"batch_label": b"training batch", b"labels": labels, b"data": pixels(number), **changed}


def write(folder: Path, protocol: int = 2) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(FILES):
        (folder / name).write_bytes(pickle.dumps(batch(number), protocol=protocol))
    return folder


def pack(folder: Path) -> bytes:
    """An archive as the authors' one: the folder and a file that nobody asked for."""
    (write(folder / FOLDER) / "readme.html").write_text("<html>")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(folder / FOLDER, FOLDER)
    return packed.getvalue()


def cifar(root: Path, **options: Any) -> CIFAR10:
    data = CIFAR10(root=root, **options)
    data.prepare_data()
    data.setup("fit")
    return data


def test_what_is_known_before_anything_is_loaded(tmp_path: Path) -> None:
    data = CIFAR10(root=tmp_path)
    assert data.image_shape == (3, 32, 32)
    assert data.num_classes == 10
    assert data.class_names is not None
    assert (data.class_names[0], data.class_names[9]) == ("airplane", "truck")
    with pytest.raises(ValueError) as caught:
        CIFAR10(resize="zoom")  # type: ignore[arg-type]
    assert str(caught.value) == "resize 'zoom'; allowed: 'crop', 'pad', 'stretch'"


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("below", [".", FOLDER])
def test_a_root_that_holds_the_files_is_used_as_it_is(tmp_path: Path, below: str, protocol: int) -> None:
    write(tmp_path / below, protocol)
    before = sorted(tmp_path.rglob("*"))
    data = cifar(tmp_path, download=False)
    train = np.concatenate([pixels(number) for number in range(5)]).reshape(-1, 3, 32, 32)
    assert np.array_equal(data.train_dataset.images.numpy(), train)
    assert np.array_equal(data.test_dataset.images.numpy(), pixels(5).reshape(-1, 3, 32, 32))
    assert data.train_dataset.labels is not None
    assert data.train_dataset.labels.tolist() == [0, 1, 2, 1, 2, 3, 3, 4, 5, 6, 4]
    assert sorted(tmp_path.rglob("*")) == before


def as_python_2_wrote_it(number: int) -> bytes:
    """The authors' files: protocol 2, byte strings, NumPy's modules by their names of 2009."""
    data, n = pixels(number).tobytes(), SIZES[number]
    shape = b"J" + n.to_bytes(4, "little") + b"M\x00\x0c\x86"
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    array = empty + b"(K\x01" + shape + kind + b"\x89T" + len(data).to_bytes(4, "little") + data + b"tb"
    labels = b"](" + b"".join(b"K" + bytes([(number + row) % 10]) for row in range(n)) + b"e"
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels" + labels + b"u."


def test_files_as_the_authors_published_them(tmp_path: Path) -> None:
    for number, name in enumerate(FILES):
        (tmp_path / name).write_bytes(as_python_2_wrote_it(number))
    data = cifar(tmp_path)
    assert np.array_equal(data.test_dataset.images.numpy(), pixels(5).reshape(-1, 3, 32, 32))
    assert data.train_dataset.labels is not None
    assert data.train_dataset.labels.tolist() == [0, 1, 2, 1, 2, 3, 3, 4, 5, 6, 4]


def test_channels_and_sizes(tmp_path: Path) -> None:
    write(tmp_path)
    plain = cifar(tmp_path).test_dataset.images
    alpha = cifar(tmp_path, channels=4).test_dataset.images
    assert torch.equal(alpha[:, :3], plain)
    assert torch.equal(alpha[:, 3:], torch.full_like(plain[:, :1], 255))
    image = Image.fromarray(plain[0].permute(1, 2, 0).numpy())
    grey = cifar(tmp_path, channels=1).test_dataset.images
    assert np.array_equal(grey[0, 0].numpy(), np.asarray(image.convert("L")))
    small = cifar(tmp_path, size=16).test_dataset.images
    assert np.array_equal(
        small[0].permute(1, 2, 0).numpy(), np.asarray(image.resize((16, 16), Image.Resampling.LANCZOS))
    )
    padded = cifar(tmp_path, size="32x48", resize="pad").test_dataset.images
    assert torch.equal(padded[..., 8:40], plain)
    assert padded.sum() == plain.sum()


class Evil:
    """A pickle of it runs a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


def test_a_pickle_runs_no_code(tmp_path: Path) -> None:
    path = write(tmp_path) / FILES[0]
    path.write_bytes(pickle.dumps(batch(0, extra=Evil(tmp_path / "pwned")), protocol=2))
    with pytest.raises(CIFARError) as caught:
        cifar(tmp_path)
    assert str(caught.value) == (
        f"corrupt CIFAR file {path}: it holds posix.mkdir; allowed: arrays, lists, strings and numbers"
    )
    assert not (tmp_path / "pwned").exists()


CORRUPT: list[tuple[bytes, str]] = [
    (pickle.dumps(batch(0), protocol=2)[:-900], "pickle data was truncated"),
    (b"", "Ran out of input"),
    (pickle.dumps([1, 2]), "'list' object has no attribute 'items'"),
    (pickle.dumps({b"data": pixels(0)}), "'labels'"),
    (pickle.dumps(batch(0, data=pixels(0)[:, 1:])), "data is uint8 (3, 3071); allowed: uint8 (n, 3072)"),
    (pickle.dumps(batch(0, data=[1])), "data is list; allowed: uint8 (n, 3072)"),
    (pickle.dumps(batch(0, labels=[1, 2])), "2 labels for 3 images"),
    (pickle.dumps(batch(0, labels=[1, 2, 10])), "a label outside 0 to 9"),
    (pickle.dumps(batch(0, labels=[0.0, 0.5, 1.0])), "a label outside 0 to 9"),
]


@pytest.mark.parametrize(("data", "reason"), CORRUPT)
def test_a_corrupt_file_is_named(tmp_path: Path, data: bytes, reason: str) -> None:
    path = write(tmp_path) / FILES[0]
    path.write_bytes(data)
    with pytest.raises(CIFARError) as caught:
        cifar(tmp_path)
    assert str(caught.value) == f"corrupt CIFAR file {path}: {reason}"


def files_below(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"}


def by_hand(root: Path, reason: str) -> str:
    return (
        f"CIFAR10 not found in {root}, {root}/{FOLDER}; {reason}. "
        f"By hand: put {ARCHIVE} into {root}, or its {', '.join(FILES)} into {root}/{FOLDER}"
    )


def refused(root: Path, **options: Any) -> str:
    with pytest.raises(CIFARError) as caught:
        cifar(root, **options)
    return str(caught.value)


def test_download_once_and_what_is_said_of_a_corrupt_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    mirror, root, known = tmp_path / "mirror", tmp_path / "root", torchvision.datasets.CIFAR10
    archive = pack(mirror)
    (mirror / ARCHIVE).write_bytes(archive)
    with Server(mirror) as server:
        url = server.url + ARCHIVE
        monkeypatch.setattr(known, "url", url)
        failed = f"download from {url} failed"
        assert refused(root) == by_hand(root, f"{failed}: File not found or corrupted")
        assert files_below(root) == set()
        monkeypatch.setattr(known, "tgz_md5", hashlib.md5(archive).hexdigest())
        server.asked.clear()
        assert len(cifar(root).train_dataset) == 11
        assert files_below(root) == {f"{FOLDER}/{name}" for name in FILES}
        assert len(cifar(root).test_dataset) == 2
        assert server.asked == {f"/{ARCHIVE}": server.asked[f"/{ARCHIVE}"]}
        once = server.asked[f"/{ARCHIVE}"]
        torn = archive[: len(archive) // 2]  # the right MD5 of half an archive
        (mirror / ARCHIVE).write_bytes(torn)
        monkeypatch.setattr(known, "tgz_md5", hashlib.md5(torn).hexdigest())
        other = tmp_path / "other"
        message = refused(other)
        assert message.startswith(f"CIFAR10 not found in {other}, {other}/{FOLDER}; {failed}: corrupt archive ")
        assert files_below(other) == set()
        assert server.asked[f"/{ARCHIVE}"] == 2 * once
        (mirror / ARCHIVE).unlink()
        assert refused(other) == by_hand(other, f"{failed}: HTTP Error 404: File not found")


def test_an_archive_put_there_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(tmp_path / "source")
    root = tmp_path / "root"
    root.mkdir()
    (root / ARCHIVE).write_bytes(archive)
    known = torchvision.datasets.CIFAR10
    assert refused(root, download=False) == by_hand(
        root, f"{root / ARCHIVE} is of no use: its MD5 is not {known.tgz_md5}"
    )
    monkeypatch.setattr(known, "tgz_md5", hashlib.md5(archive).hexdigest())
    assert len(cifar(root, download=False).train_dataset) == 11
    assert files_below(root) == {ARCHIVE, *(f"{FOLDER}/{name}" for name in FILES)}


def test_download_off_and_setup_without_prepare_data(tmp_path: Path) -> None:
    assert refused(tmp_path, download=False) == by_hand(tmp_path, "download is off")
    with pytest.raises(CIFARError) as caught:
        CIFAR10(root=tmp_path).setup("fit")
    assert str(caught.value) == by_hand(tmp_path, "prepare_data was not called")
