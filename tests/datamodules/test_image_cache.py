"""The cache of decoded images: built once and whole, by one of several processes, and after one that was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import datamodules
from datamodules import ImageFolder, _decoding, _headers, _image_cache
from datamodules._pixels import decode, is_grey
from tests.datamodules.folders import files, folder, mixed, picture, ready

__all__: list[str] = []

ROOT = Path(datamodules.__file__).parents[1]
SLOWLY = """
import sys, time
from datamodules import ImageFolder, _decoding
sys.stderr.isatty = lambda: True
decode, root, log, seconds = _decoding.decode, sys.argv[1], sys.argv[2], float(sys.argv[3])
def slowly(*arguments):
    with open(log, "a") as file:
        file.write("x")
    time.sleep(seconds)
    return decode(*arguments)
_decoding.decode = slowly
data = ImageFolder(root=root, size=16)
data.prepare_data()
data.setup("fit")
print(int(data.train_dataset.images.sum()))
"""


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Counts what is decoded and which headers are read."""
    seen: list[str] = []

    def counting(name: str, function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            seen.append(name)
            return function(*arguments)

        return call

    monkeypatch.setattr(_decoding, "decode", counting("image", decode))
    monkeypatch.setattr(_headers, "is_grey", counting("header", is_grey))
    return seen


def start(root: Path, log: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SLOWLY, str(root), str(log), str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_second_start_decodes_nothing(tmp_path: Path, cache: Path, decoded: list[str]) -> None:
    root = tmp_path / "p"
    mixed(root, 24)
    first = ready(root)
    assert decoded.count("image") == 24
    (key,) = {name.partition("/")[0] for name in files(cache)}
    assert files(cache) == {f"{key}/images.npy", f"{key}/about.json"}
    kept = np.load(cache / key / "images.npy")  # NumPy can read it
    assert np.array_equal(kept, first.train_dataset.images.numpy())
    stamp = (cache / key / "images.npy").stat().st_mtime_ns
    decoded.clear()
    second = ready(root)
    assert decoded == []  # not even a header
    assert torch.equal(second.train_dataset.images, first.train_dataset.images)
    assert (cache / key / "images.npy").stat().st_mtime_ns == stamp
    assert ready(root, labels="none", flip=True, batch_size=3, seed=5, num_workers=2).num_classes is None
    assert decoded == []  # the same pixels serve


def test_an_all_grey_folder_is_known_as_such_at_once(tmp_path: Path, decoded: list[str]) -> None:
    root = folder(tmp_path / "p", "1.png", "2.png", mode="L")
    ready(root)
    assert decoded == ["header"] * 2 + ["image"] * 2
    decoded.clear()
    assert ImageFolder(root=root, size=16).image_shape == (1, 16, 16)
    assert decoded == []


def test_another_size_mode_or_file_makes_another_cache(tmp_path: Path, cache: Path, decoded: list[str]) -> None:
    root = folder(tmp_path / "p", "1.png", "2.png")
    options: list[dict[str, Any]] = [{}, {"size": 8}, {"size": "16x8"}, {"channels": 1}, {"resize": "pad"}]
    for number, option in enumerate(options, start=1):
        ready(root, **option)
        assert decoded.count("image") == 2 * number
        assert len(files(cache)) == 2 * number
    for change in ("edited", "touched", "new", "gone"):
        decoded.clear()
        if change == "edited":
            picture(7).save(root / "1.png")
        elif change == "touched":
            os.utime(root / "2.png", ns=(1, 1))
        elif change == "new":
            picture(8).save(root / "3.png")
        else:
            (root / "2.png").unlink()
        images = ready(root).train_dataset.images
        assert decoded.count("image") == len(images), change
        assert np.array_equal(images[0].numpy(), decode((root / "1.png").read_bytes(), (3, 16, 16), "crop"))


def test_a_build_that_is_killed_leaves_nothing_that_counts(tmp_path: Path, cache: Path) -> None:
    root = folder(tmp_path / "p", *(f"{number:02}.png" for number in range(40)))
    log = tmp_path / "log"
    log.touch()
    process = start(root, log, 0.2)
    while log.stat().st_size < 5:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert [name for name in files(cache) if not name.startswith(".")] == []
    assert len(files(cache)) == 1  # what it had written, under a name that nobody reads
    other = folder(tmp_path / "other", "1.png")
    ready(other)  # a build of something else clears it away
    assert not [name for name in files(cache) if name.startswith(".")]
    images = ready(root).train_dataset.images
    for row in (0, 39):
        data = (root / f"{row:02}.png").read_bytes()
        assert np.array_equal(images[row].numpy(), decode(data, (3, 16, 16), "crop"))
    assert not [name for name in files(cache) if name.startswith(".")]


def test_a_build_clears_away_its_own_remains(tmp_path: Path, cache: Path) -> None:
    root = folder(tmp_path / "p", "1.png")
    ready(root)
    (key,) = {name.partition("/")[0] for name in files(cache)}
    (cache / key).rename(cache / f".{key}.partial")
    (cache / f".{key}.partial" / "more").touch()
    assert len(ready(root).train_dataset) == 1
    assert files(cache) == {f"{key}/images.npy", f"{key}/about.json"}


def test_a_build_shows_a_bar_and_another_build_leaves_it_alone(tmp_path: Path, cache: Path) -> None:
    root = folder(tmp_path / "p", *(f"{number:02}.png" for number in range(40)))
    log = tmp_path / "log"
    log.touch()
    process = start(root, log, 0.05 * (os.cpu_count() or 1))  # two seconds, whatever the machine
    while not log.stat().st_size:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    ready(folder(tmp_path / "other", "1.png"))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "decoding images, once: " in err
    assert int(out) == int(ready(root).train_dataset.images.sum())
    assert log.stat().st_size == 40


def test_two_processes_that_start_at_once_build_once(tmp_path: Path, cache: Path) -> None:
    root = folder(tmp_path / "p", *(f"{number:02}.png" for number in range(20)))
    log = tmp_path / "log"
    processes = [start(root, log, 0.1) for _ in range(2)]
    answers = [process.communicate(timeout=100) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    assert log.stat().st_size == 20  # each image decoded once
    assert answers[0][0] == answers[1][0] == f"{int(ready(root).train_dataset.images.sum())}\n"
    assert len(files(cache)) == 2


@pytest.mark.parametrize("damage", ["short", "empty", "no images", "no about", "bad about", "other shape"])
def test_a_damaged_cache_is_built_anew(tmp_path: Path, cache: Path, damage: str, decoded: list[str]) -> None:
    root = folder(tmp_path / "p", "1.png", "2.png")
    expected = ready(root).train_dataset.images.clone()
    (images,), (about,) = cache.glob("*/images.npy"), cache.glob("*/about.json")
    if damage == "short":
        images.write_bytes(images.read_bytes()[:-1])
    elif damage == "empty":
        images.write_bytes(b"")
    elif damage == "other shape":
        np.save(images, np.zeros((2, 3, 4, 4), dtype=np.uint8))
    elif damage == "bad about":
        about.write_text('{"grey": fal')
    else:
        (images if damage == "no images" else about).unlink()
    decoded.clear()
    assert torch.equal(ready(root).train_dataset.images, expected)
    assert decoded.count("image") == 2


def test_a_cache_that_cannot_be_written(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder(tmp_path / "p", "1.png", "2.png")
    allowed = "allowed: another folder in LIGHTNING_GANS_CACHE, or --data.cache_limit 0 to do without"

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(_image_cache.os, "fsync", full)
        with pytest.raises(OSError) as caught:
            ready(root)
        assert str(caught.value) == f"cannot write decoded images to {cache}: No space left on device; {allowed}"
        assert files(cache) == set()
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIGHTNING_GANS_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError) as caught:
        ready(root)
    assert str(caught.value) == f"cannot write decoded images to {tmp_path}/file/images: Not a directory; {allowed}"


def test_without_a_limit_half_of_the_free_disk_is_the_limit(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder(tmp_path / "p", "1.png", "2.png")
    usage = type("usage", (), {"free": 2 * 1536 - 1})
    with monkeypatch.context() as patched:
        patched.setattr(_image_cache.shutil, "disk_usage", lambda _: usage)
        with pytest.warns(UserWarning, match=r"^1536 bytes of images are above cache_limit"):
            ready(root)
        assert not cache.exists()
        usage.free += 1
        ready(root)
        assert len(files(cache)) == 2
        usage.free = 0  # what is there takes no more of the disk
        assert len(ready(root).train_dataset) == 2


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    assert _image_cache.cache_folder() == cache
    monkeypatch.delenv("LIGHTNING_GANS_CACHE")
    assert _image_cache.cache_folder() == Path.home() / ".cache/lightning-gans/images"
