"""Fashion-MNIST: where its files are found, how they are downloaded and what is said if they cannot be had."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import shutil
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from datamodules import FashionMNIST
from datamodules._idx import FILES, IDXError
from tests.datamodules.mirror import Server

__all__: list[str] = []

HERE = Path("/usr/share/datasets/fashion-mnist")
SIZES = {"train": 7, "t10k": 5}
BY_HAND = f"By hand: put {', '.join(FILES)} (plain or .gz) into "


def idx(*shape: int, data: bytes | None = None) -> bytes:
    header = bytes((0, 0, 8, len(shape))) + b"".join(length.to_bytes(4, "big") for length in shape)
    return header + (bytes(torch.Size(shape).numel()) if data is None else data)


def contents() -> dict[str, bytes]:
    """Four small files; pixels are random, the labels 0, 1, 2, ..."""
    generator = torch.Generator().manual_seed(0)
    files = {}
    for split, n in SIZES.items():
        pixels = torch.randint(0, 256, (n, 28, 28), generator=generator, dtype=torch.uint8)
        files[f"{split}-images-idx3-ubyte"] = idx(n, 28, 28, data=pixels.numpy().tobytes())
        files[f"{split}-labels-idx1-ubyte"] = idx(n, data=bytes(range(n)))
    return files


def write(folder: Path, *, zipped: bool = False, **changed: bytes) -> Path:
    """Write the four files; ``changed`` replaces contents by the file's first word and kind ("train_images")."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents().items():
        data = changed.get("_".join(name.split("-")[:2]), data)
        (folder / f"{name}{'.gz' * zipped}").write_bytes(gzip.compress(data, mtime=0) if zipped else data)
    return folder


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    """No copy of this machine, and no proxy between the tests and their own server."""
    monkeypatch.setattr(FashionMNIST, "folders", ())
    monkeypatch.setenv("no_proxy", "*")


def fashion(root: Path, **options: Any) -> FashionMNIST:
    data = FashionMNIST(root=root, **options)
    data.prepare_data()
    data.setup("fit")
    return data


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("below", [".", "FashionMNIST/raw"])
def test_a_root_that_holds_the_files_is_used_as_it_is(tmp_path: Path, below: str, zipped: bool) -> None:
    folder = write(tmp_path / below, zipped=zipped)
    before = sorted(tmp_path.rglob("*"))
    data = fashion(tmp_path, size=28, download=False)
    files = contents()
    for split, dataset in (("train", data.train_dataset), ("t10k", data.test_dataset)):
        pixels = dataset.images.numpy().tobytes()
        assert pixels == files[f"{split}-images-idx3-ubyte"][16:]
        assert dataset.images.shape == (SIZES[split], 1, 28, 28)
        assert dataset.labels.tolist() == list(range(SIZES[split]))
    assert sorted(tmp_path.rglob("*")) == before
    assert folder.is_dir()


def test_further_folders_are_looked_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FashionMNIST, "folders", (str(write(tmp_path / "system", zipped=True)),))
    assert len(fashion(tmp_path / "root").train_dataset) == 7
    assert not (tmp_path / "root").exists()


def test_shape_and_names_are_known_before_anything_is_loaded(tmp_path: Path) -> None:
    data = FashionMNIST(root=tmp_path / "nowhere")
    assert data.image_shape == (1, 32, 32)
    assert data.num_classes == 10
    assert data.class_names == torchvision.datasets.FashionMNIST.classes
    with pytest.raises(ValueError) as caught:
        FashionMNIST(size="32x27")
    assert str(caught.value) == "size 32x27; allowed: 28 or more"


def test_size_32_has_a_black_border_of_2_and_an_odd_pixel_goes_right_and_below(tmp_path: Path) -> None:
    write(tmp_path)
    inner = fashion(tmp_path, size=28).train_dataset.images
    padded = fashion(tmp_path).train_dataset.images
    assert torch.equal(padded[..., 2:-2, 2:-2], inner)
    assert padded.sum() == inner.sum() > 0  # so all of the border is 0
    odd = fashion(tmp_path, size="29x31").train_dataset.images
    assert odd.shape == (7, 1, 29, 31)
    assert torch.equal(odd[..., :28, 1:29], inner)
    assert odd.sum() == inner.sum()


CORRUPT: list[tuple[str, bytes, str]] = [
    ("train_images", contents()[FILES[0]][:-1], f"{FILES[0]}: 5487 bytes of data; its header says 5488"),
    ("train_images", contents()[FILES[0]] + b"x", f"{FILES[0]}: 5489 bytes of data; its header says 5488"),
    ("train_images", b"", f"{FILES[0]}: its header is not that of 3-dimensional bytes"),
    ("train_images", idx(7), f"{FILES[0]}: its header is not that of 3-dimensional bytes"),
    ("train_images", idx(7, 8, 9), f"{FILES[0]}: images of 8x9 pixels; allowed: 28x28"),
    ("t10k_labels", b"<html>not found</html>", f"{FILES[3]}: its header is not that of 1-dimensional bytes"),
    ("t10k_labels", idx(4), f"{FILES[3]}: 4 labels for 5 images"),
    ("t10k_labels", idx(5, data=bytes((0, 1, 10, 3, 4))), f"{FILES[3]}: a label 10; allowed: 0 to 9"),
]


@pytest.mark.parametrize(("which", "data", "message"), CORRUPT)
def test_a_corrupt_file_is_named(tmp_path: Path, which: str, data: bytes, message: str) -> None:
    write(tmp_path, **{which: data})
    with pytest.raises(IDXError) as caught:
        fashion(tmp_path)
    assert str(caught.value) == f"corrupt IDX file {tmp_path}/{message}"


def test_empty_files_are_corrupt(tmp_path: Path) -> None:
    write(tmp_path, train_images=idx(0, 28, 28), train_labels=idx(0))
    with pytest.raises(IDXError) as caught:
        fashion(tmp_path)
    assert str(caught.value) == f"corrupt IDX file {tmp_path}/{FILES[1]}: 0 labels for 0 images"


def test_a_truncated_gz_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, zipped=True) / f"{FILES[0]}.gz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(IDXError) as caught:
        fashion(tmp_path)
    assert str(caught.value) == (
        f"corrupt IDX file {path}: Compressed file ended before the end-of-stream marker was reached"
    )


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    folder = write(tmp_path / "mirror", zipped=True)
    resources = [(f.name, hashlib.md5(f.read_bytes()).hexdigest()) for f in (folder / f"{name}.gz" for name in FILES)]
    server = Server(folder)
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [server.url])
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", resources)
    yield server
    server.stop()


def files_below(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_download_once_then_use_what_is_there(tmp_path: Path, mirror: Server) -> None:
    root = tmp_path / "deep" / "root"
    data = fashion(root, size=28)
    assert data.train_dataset.images.numpy().tobytes() == contents()[FILES[0]][16:]
    assert files_below(root) == {f"FashionMNIST/raw/{name}" for name in FILES}
    asked = dict(mirror.asked)
    assert set(asked) == {f"/{name}.gz" for name in FILES}
    assert len(fashion(root).test_dataset) == 5
    assert dict(mirror.asked) == asked  # nothing was asked again
    assert len(torchvision.datasets.FashionMNIST(root, download=False)) == 7  # torchvision can share it


def test_two_runs_that_start_at_once_download_once(tmp_path: Path, mirror: Server) -> None:
    fashion(tmp_path / "alone")
    once = Counter(mirror.asked)
    mirror.asked.clear()
    together, start, seen = tmp_path / "together", threading.Barrier(2), []

    def run() -> None:
        data = FashionMNIST(root=together)
        start.wait(10)
        data.prepare_data()
        data.setup()
        seen.append(len(data.train_dataset))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == [7, 7]
    assert mirror.asked == once


def test_what_a_killed_download_left_is_not_used(tmp_path: Path, mirror: Server) -> None:
    root = tmp_path / "root"
    torn = root / ".FashionMNIST.partial/FashionMNIST/raw"
    write(torn, train_images=b"torn")
    (root / "FashionMNIST/raw").mkdir(parents=True)
    (root / "FashionMNIST/raw" / FILES[0]).write_bytes(b"one of four is no set")
    assert len(fashion(root).train_dataset) == 7
    assert files_below(root) == {f"FashionMNIST/raw/{name}" for name in FILES}


def refused(root: Path, **options: Any) -> str:
    with pytest.raises(OSError) as caught:
        fashion(root, **options)
    return str(caught.value)


def test_wrong_md5(tmp_path: Path, mirror: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [(name, "0" * 32) for name, _ in torchvision.datasets.FashionMNIST.resources]
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", wrong)
    root = tmp_path / "root"
    assert refused(root) == (
        f"FashionMNIST not found in {root}, {root}/FashionMNIST/raw; download from {mirror.url} failed: "
        f"Error downloading {FILES[0]}.gz: Tried {mirror.url}, got: File not found or corrupted. "
        f"{BY_HAND}{root}/FashionMNIST/raw"
    )
    assert files_below(root) == set()


def test_a_file_that_is_gone_leaves_nothing_of_the_others(tmp_path: Path, mirror: Server) -> None:
    (tmp_path / "mirror" / f"{FILES[2]}.gz").unlink()
    root = tmp_path / "root"
    assert refused(root) == (
        f"FashionMNIST not found in {root}, {root}/FashionMNIST/raw; download from {mirror.url} failed: "
        f"Error downloading {FILES[2]}.gz: Tried {mirror.url}, got: HTTP Error 404: File not found. "
        f"{BY_HAND}{root}/FashionMNIST/raw"
    )
    assert mirror.asked[f"/{FILES[0]}.gz"] > 0
    assert files_below(root) == set()


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = f"[Errno {errno.ECONNREFUSED}] {os.strerror(errno.ECONNREFUSED)}"
    with socket.socket() as bound:  # bound but not listening: connections are refused
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [url])
        assert refused(tmp_path) == (
            f"FashionMNIST not found in {tmp_path}, {tmp_path}/FashionMNIST/raw; download from {url} failed: "
            f"Error downloading {FILES[0]}.gz: Tried {url}, got: <urlopen error {reason}>. "
            f"{BY_HAND}{tmp_path}/FashionMNIST/raw"
        )


def test_a_root_that_cannot_be_written(tmp_path: Path, mirror: Server) -> None:
    root = tmp_path / "file"
    root.write_text("")
    message = refused(root)
    assert f"download from {mirror.url} failed: [Errno 17] File exists: '{root}'. By hand: put" in message
    assert "\n" not in message


def test_download_off_and_setup_without_prepare_data(tmp_path: Path) -> None:
    where = f"FashionMNIST not found in {tmp_path}, {tmp_path}/FashionMNIST/raw; "
    assert refused(tmp_path, download=False) == f"{where}download is off. {BY_HAND}{tmp_path}/FashionMNIST/raw"
    with pytest.raises(IDXError) as caught:
        FashionMNIST(root=tmp_path).setup("fit")
    assert str(caught.value) == f"{where}prepare_data was not called. {BY_HAND}{tmp_path}/FashionMNIST/raw"


@pytest.mark.skipif(not HERE.is_dir(), reason=f"the real files are not in {HERE}")
def test_the_real_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the class looks in HERE by itself
    data = fashion(tmp_path)
    assert data.train_dataset.images.shape == (60000, 1, 32, 32)
    assert data.test_dataset.images.shape == (10000, 1, 32, 32)
    assert torch.bincount(data.train_dataset.labels).tolist() == [6000] * 10
    assert torch.bincount(data.test_dataset.labels).tolist() == [1000] * 10

    raw = tmp_path / "FashionMNIST/raw"
    raw.mkdir(parents=True)
    for name in FILES[2:]:
        with gzip.open(HERE / f"{name}.gz") as zipped, open(raw / name, "wb") as plain:
            shutil.copyfileobj(zipped, plain)
    images = torchvision.datasets.mnist.read_image_file(str(raw / FILES[2]))
    assert torch.equal(data.test_dataset.images[:, 0, 2:-2, 2:-2], images)
    assert torch.equal(data.test_dataset.labels, torchvision.datasets.mnist.read_label_file(str(raw / FILES[3])))
