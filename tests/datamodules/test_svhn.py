"""SVHN: the .mat files, the label 10, the download and its errors."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from scipy.io import savemat

from datamodules import SVHN
from datamodules.svhn import TEST_FILE, TRAIN_FILE, SVHNError
from tests.datamodules.mirror import Server

__all__: list[str] = []

FILES = (TRAIN_FILE, TEST_FILE)
LABELS = ([1, 10, 9, 2, 10], [10, 3])


def pixels(split: int) -> np.ndarray[Any, Any]:
    """uint8 (32, 32, 3, n), as the files have them."""
    random = np.random.RandomState(split)
    return random.randint(0, 256, (32, 32, 3, len(LABELS[split]))).astype(np.uint8)


def mat(split: int, **changed: Any) -> bytes:
    """A file of the authors' kind: MATLAB 5, compressed, labels a column of bytes. The same bytes whenever it is written."""
    labels = np.array(LABELS[split], dtype=np.uint8)[:, None]
    written = io.BytesIO()
    savemat(written, {"X": pixels(split), "y": labels, **changed}, do_compression=True)
    return b"MATLAB 5.0 MAT-file".ljust(116) + written.getvalue()[116:]  # the header's text, without the time of day


def write(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, name in enumerate(FILES):
        (folder / name).write_bytes(mat(split))
    return folder


def svhn(root: Path, **options: Any) -> SVHN:
    data = SVHN(root=root, **options)
    data.prepare_data()
    data.setup("fit")
    return data


def test_what_is_known_before_anything_is_loaded(tmp_path: Path) -> None:
    data = SVHN(root=tmp_path)
    assert data.image_shape == (3, 32, 32)
    assert data.num_classes == 10
    assert data.class_names == list("0123456789")
    with pytest.raises(ValueError) as caught:
        SVHN(resize="zoom")  # type: ignore[arg-type]
    assert str(caught.value) == "resize 'zoom'; allowed: 'crop', 'pad', 'stretch'"


def test_the_md5s_are_the_known_ones() -> None:
    known = torchvision.datasets.SVHN.split_list
    assert known["train"][1:] == [TRAIN_FILE, "e26dedcc434d2e4c54c9b2d4a06d8373"]
    assert known["test"][1:] == [TEST_FILE, "eb5a983be6a315427106f1b164d9cef3"]


@pytest.mark.parametrize("below", [".", "SVHN"])
def test_a_root_that_holds_the_files_is_used_as_it_is(tmp_path: Path, below: str) -> None:
    write(tmp_path / below)
    before = sorted(tmp_path.rglob("*"))
    data = svhn(tmp_path, download=False)
    for split, dataset in enumerate((data.train_dataset, data.test_dataset)):
        assert np.array_equal(dataset.images.numpy(), pixels(split).transpose(3, 2, 0, 1))
    assert data.train_dataset.labels is not None
    assert data.train_dataset.labels.dtype == torch.int64
    assert data.train_dataset.labels.tolist() == [1, 0, 9, 2, 0]  # 10 is the digit 0
    assert data.test_dataset.labels is not None
    assert data.test_dataset.labels.tolist() == [0, 3]
    assert sorted(tmp_path.rglob("*")) == before


def test_torchvision_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "SVHN")
    known = torchvision.datasets.SVHN
    test = [known.split_list["test"][0], TEST_FILE, hashlib.md5(mat(1)).hexdigest()]
    monkeypatch.setattr(known, "split_list", {**known.split_list, "test": test})
    theirs = known(tmp_path / "SVHN", split="test")
    ours = svhn(tmp_path).test_dataset
    assert np.array_equal(ours.images.numpy(), theirs.data)
    assert ours.labels is not None
    assert ours.labels.tolist() == theirs.labels.tolist()


def test_channels_and_sizes(tmp_path: Path) -> None:
    write(tmp_path)
    plain = svhn(tmp_path).test_dataset.images
    image = Image.fromarray(plain[0].permute(1, 2, 0).numpy())
    grey = svhn(tmp_path, channels=1).test_dataset.images
    assert np.array_equal(grey[0, 0].numpy(), np.asarray(image.convert("L")))
    small = svhn(tmp_path, size=16).test_dataset.images
    assert small.is_contiguous()
    assert np.array_equal(
        small[0].permute(1, 2, 0).numpy(), np.asarray(image.resize((16, 16), Image.Resampling.LANCZOS))
    )
    padded = svhn(tmp_path, size="32x48", resize="pad").test_dataset.images
    assert torch.equal(padded[..., 8:40], plain)
    assert padded.sum() == plain.sum()


def test_the_order_is_that_of_all_data_sets(tmp_path: Path) -> None:
    write(tmp_path)
    data = svhn(tmp_path, batch_size=2, flip=True, seed=4)
    order = data.train_dataloader().sampler
    seen = [data.on_after_batch_transfer(batch, 0) for _ in range(2) for batch in data.train_dataloader()]
    again = [
        data.on_after_batch_transfer(batch, 0)
        for _ in range(2)
        for batch in svhn(tmp_path, batch_size=2, flip=True, seed=4).train_dataloader()
    ]
    assert len(seen) == 4
    for position, batch in enumerate(seen[:2]):
        rows = [row % 5 for row in order.batch(position)]  # type: ignore[attr-defined]
        assert batch["labels"].tolist() == [[1, 0, 9, 2, 0][row] for row in rows]
    assert all(torch.equal(one["images"], two["images"]) for one, two in zip(seen, again, strict=True))


CORRUPT: list[tuple[bytes, str]] = [
    (mat(0, X=pixels(0)[:, :31]), "X is uint8 (32, 31, 3, 5); allowed: uint8 (32, 32, 3, n)"),
    (mat(0, X=pixels(0)[..., 0]), "X is uint8 (32, 32, 3); allowed: uint8 (32, 32, 3, n)"),
    (mat(0, X=pixels(0) / 255.0), "X is float64 (32, 32, 3, 5); allowed: uint8 (32, 32, 3, n)"),
    (mat(0, y=np.array([[1], [2]])), "2 labels for 5 images"),
    (mat(0, y=np.array([[0], [1], [2], [3], [4]])), "a label outside 1 to 10"),
    (mat(0, y=np.array([[1], [1], [2], [3], [11]])), "a label outside 1 to 10"),
    (mat(0, y=np.array([[1.5], [1], [2], [3], [4]])), "a label outside 1 to 10"),
]


@pytest.mark.parametrize(("data", "reason"), CORRUPT)
def test_a_corrupt_file_is_named(tmp_path: Path, data: bytes, reason: str) -> None:
    path = write(tmp_path) / TRAIN_FILE
    path.write_bytes(data)
    with pytest.raises(SVHNError) as caught:
        svhn(tmp_path)
    assert str(caught.value) == f"corrupt SVHN file {path}: {reason}"


def nameless() -> bytes:
    written = io.BytesIO()
    savemat(written, {"X": pixels(0)})
    return written.getvalue()


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>" * 20, mat(0)[:-900], nameless()])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path) / TRAIN_FILE
    path.write_bytes(data)
    with pytest.raises(SVHNError) as caught:
        svhn(tmp_path)
    assert str(caught.value).startswith(f"corrupt SVHN file {path}: ")
    assert "\n" not in str(caught.value)


def files_below(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"}


def by_hand(root: Path, reason: str) -> str:
    return (
        f"SVHN not found in {root}, {root}/SVHN; {reason}. By hand: put {TRAIN_FILE} and {TEST_FILE} into {root}/SVHN"
    )


def refused(root: Path, **options: Any) -> str:
    with pytest.raises(SVHNError) as caught:
        svhn(root, **options)
    return str(caught.value)


def test_download_once_and_what_is_said_of_a_corrupt_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    mirror, root, known = write(tmp_path / "mirror"), tmp_path / "root", torchvision.datasets.SVHN
    with Server(mirror) as server:
        urls = [server.url + name for name in FILES]
        failed = f"download from {', '.join(urls)} failed"

        def publish(*digests: str) -> None:
            entries = [[url, name, md5] for url, name, md5 in zip(urls, FILES, digests, strict=True)]
            monkeypatch.setattr(known, "split_list", dict(zip(("train", "test"), entries, strict=True)))

        right = [hashlib.md5(mat(split)).hexdigest() for split in (0, 1)]
        publish(right[0], "0" * 32)
        assert refused(root) == by_hand(root, f"{failed}: File not found or corrupted")
        assert files_below(root) == set()  # the whole file is not kept without the other
        publish(*right)
        server.asked.clear()
        assert len(svhn(root).train_dataset) == 5
        assert files_below(root) == {f"SVHN/{name}" for name in FILES}
        once = dict(server.asked)
        assert set(once) == {f"/{name}" for name in FILES}
        assert len(svhn(root).test_dataset) == 2
        assert server.asked == once
        (mirror / TEST_FILE).unlink()
        other = tmp_path / "other"
        assert refused(other) == by_hand(other, f"{failed}: HTTP Error 404: File not found")
        assert files_below(other) == set()


def test_download_off_and_setup_without_prepare_data(tmp_path: Path) -> None:
    assert refused(tmp_path, download=False) == by_hand(tmp_path, "download is off")
    with pytest.raises(SVHNError) as caught:
        SVHN(root=tmp_path).setup("fit")
    assert str(caught.value) == by_hand(tmp_path, "prepare_data was not called")
