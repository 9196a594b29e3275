"""image_folder: what is found, labels, splits, batches and what is refused."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import ImageFolder
from datamodules._pixels import EXTENSIONS, decode
from lightning_gans.batch import normalize_batch
from tests.datamodules.folders import break_image, folder, labels_of, mixed, picture, ready, refused, zipped
from tests.datamodules.test_order import Recorder, SaveEverywhere, fit

__all__: list[str] = []


def test_a_thousand_files_of_all_kinds(tmp_path: Path) -> None:
    names = mixed(tmp_path / "pictures", 1000)
    data = ready(tmp_path / "pictures", batch_size=32, flip=True)
    assert data.image_shape == (3, 16, 16)
    assert data.class_names == ["a", "b", "c"]
    assert data.num_classes == 3
    assert data.tags is None
    images = data.train_dataset.images
    assert images.shape == (1000, 3, 16, 16)
    assert images.dtype == torch.uint8
    assert labels_of(data) == ["abc".index(name[0]) for name in names]
    for row in range(0, 1000, 37):
        alone = decode((tmp_path / "pictures" / names[row]).read_bytes(), (3, 16, 16), "crop")
        assert np.array_equal(images[row].numpy(), alone), names[row]
    batch = next(iter(data.train_dataloader()))
    rows = torch.tensor(data.train_dataloader().sampler.batch(0))  # type: ignore[attr-defined]
    assert torch.equal(batch["images"], images[rows % 1000])
    assert torch.equal(batch["labels"], torch.tensor(labels_of(data))[rows % 1000])
    assert torch.equal(batch["flip"], rows >= 1000)
    assert torch.equal(data.test_dataset.images, images)
    assert len(data.test_dataset) == 1000  # never mirrored

    zip_file = zipped(tmp_path / "pictures")
    same = ready(zip_file)
    assert torch.equal(same.train_dataset.images, images)
    assert (labels_of(same), same.class_names) == (labels_of(data), data.class_names)


def test_batches_are_what_models_take(tmp_path: Path) -> None:
    data = ready(folder(tmp_path / "p", "1.png", "2.png", "3.png"), size="8x12", batch_size=2, channels=4)
    (batch,) = data.train_dataloader()
    assert set(batch) == {"images"}  # no labels
    assert data.num_classes is None
    assert data.class_names is None
    assert normalize_batch(batch, first=True)["images"].shape == (2, 4, 8, 12)


@pytest.mark.parametrize("workers", [0, 2])
def test_images_beyond_the_limit_are_decoded_by_workers_into_the_same_batches(
    tmp_path: Path, cache: Path, workers: int
) -> None:
    mixed(tmp_path / "p", 30)
    root = zipped(tmp_path / "p")
    options: dict[str, Any] = {"flip": True, "batch_size": 4, "num_workers": workers, "seed": 3}
    if workers:
        decoded = ready(root, cache_limit=0, **options)
    else:
        with pytest.warns(UserWarning, match=r"^23040 bytes of images are above cache_limit: each is decoded whenever"):
            decoded = ready(root, cache_limit=23039, **options)
    assert not cache.exists()
    cached = ready(root, cache_limit=23040, **options)
    assert cache.exists()
    pairs = list(zip(decoded.train_dataloader(), cached.train_dataloader(), strict=True))
    assert len(pairs) == 7
    for ours, theirs in pairs:
        assert set(ours) == set(theirs) == {"images", "labels", "flip"}
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    again = pickle.loads(pickle.dumps(cached.train_dataset))  # as a worker that is spawned gets it
    assert torch.equal(again[5]["images"], cached.train_dataset[5]["images"])
    assert len(pickle.dumps(cached.train_dataset)) < 3000


def test_folders_train_and_test_are_the_splits(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", "test/b/1.png", "test/a/2.png", "train/a/3.png", "train/b/4.png", "train/b/5.png")
    folder(root, "val/zebra/6.png")
    for where in (root, zipped(root), zipped(root, wrapped=True)):
        data = ready(where)
        assert data.class_names == ["a", "b"]
        assert labels_of(data) == [0, 1, 1]
        assert data.test_dataset.labels is not None
        assert data.test_dataset.labels.tolist() == [0, 1]
        expected = decode((root / "train/b/5.png").read_bytes(), (3, 16, 16), "crop")
        assert np.array_equal(data.train_dataset.images[2].numpy(), expected)
        expected = decode((root / "test/a/2.png").read_bytes(), (3, 16, 16), "crop")
        assert np.array_equal(data.test_dataset.images[0].numpy(), expected)


def test_val_is_what_is_tested_with_where_there_is_no_test(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", "train/a/1.png", "train/b/2.png", "val/a/3.png", "zebra/4.png")
    for where in (root, zipped(root), zipped(root, wrapped=True)):
        data = ready(where)
        assert data.class_names == ["a", "b"]
        assert labels_of(data) == [0, 1]
        expected = decode((root / "val/a/3.png").read_bytes(), (3, 16, 16), "crop")
        assert np.array_equal(data.test_dataset.images.numpy(), expected[None])
    break_image(root / "val/a/3.png")
    with pytest.warns(UserWarning, match="broken"), pytest.raises(OSError) as caught:
        ready(root, skip_broken=True)
    assert str(caught.value) == f"all images in {root}/val are broken; allowed: one that is whole"


def test_grey_files_give_one_channel_and_one_of_colour_makes_three(tmp_path: Path) -> None:
    root = tmp_path / "p"
    for mode, name in (("L", "1.png"), ("LA", "2.png"), ("1", "3.png"), ("I;16", "4.png"), ("I;16", "5.tif")):
        root.mkdir(exist_ok=True)
        picture(1, mode).save(root / name)
    assert ImageFolder(root=root, size=16).image_shape == (1, 16, 16)
    assert ready(root).train_dataset.images.shape == (5, 1, 16, 16)
    assert ImageFolder(root=root, size=16, channels=3).image_shape == (3, 16, 16)
    picture(1, "RGBA").save(root / "6.png")
    assert ImageFolder(root=root, size=16).image_shape == (3, 16, 16)


def test_a_resumed_run_sees_the_batches_of_the_run_that_was_never_stopped(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", *(f"{number:02}/1.png" for number in range(7)))
    options: dict[str, Any] = {"root": root, "size": 4, "batch_size": 2, "flip": True}
    whole, resumed = Recorder(), Recorder()
    fit(ImageFolder(**options), whole, 8, callbacks=[SaveEverywhere(tmp_path)])
    fit(ImageFolder(**options, cache_limit=0, num_workers=1), resumed, 8, ckpt=tmp_path / "batch4.ckpt")
    assert resumed.rows == whole.rows[4:]
    assert len({tuple(rows) for rows in whole.rows}) > 1


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", "a/1.png")
    folder(tmp_path / "other", "2.png")
    os.symlink(tmp_path / "other", root / "b")
    os.symlink(root, root / "a" / "up")
    assert labels_of(ready(root)) == [0, 1]


def test_folders_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(None, ValueError) == "image_folder needs --data.root: a folder or a .zip of images"
    assert refused(tmp_path / "no") == f"no such folder: {tmp_path / 'no'}"
    empty, text, corrupt, none = (tmp_path / name for name in ("empty", "a.txt", "a.zip", "none.zip"))
    empty.mkdir()
    allowed = f"allowed: {', '.join(EXTENSIONS)}"
    assert refused(empty) == f"no images in {empty}; {allowed}"
    text.write_text("text")
    assert refused(text) == f"{text} is no folder; allowed: a folder or a .zip of images"
    corrupt.write_text("text")
    assert refused(corrupt) == f"corrupt zip {corrupt}: File is not a zip file"
    zipfile.ZipFile(none, "w").close()
    assert refused(none) == f"no images in {none}; {allowed}"

    def scandir(path: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", scandir)
    assert refused(empty) == f"cannot read folder {empty}: Permission denied"


def test_options_outside_what_is_allowed(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", "1.png")
    wrong = [
        ({"resize": "zoom"}, "resize 'zoom'; allowed: 'crop', 'pad', 'stretch'"),
        ({"size": 0}, "size 0; allowed: 1 or more"),
        ({"channels": 2}, "channels 2; allowed: 'auto', 1, 3, 4"),
        ({"cache_limit": -1}, "cache_limit -1; allowed: 0 or more bytes"),
        ({"labels": "x.txt"}, "labels 'x.txt'; allowed: 'auto', 'folders', 'none', or a file .csv or .json"),
        ({"labels": "x.csv"}, f"no such label file: x.csv, nor in {root}"),
        ({"labels": "folders"}, "labels 'folders': 1 image in no sub-folder, the first 1.png"),
    ]
    for options, message in wrong:
        assert refused(root, ValueError, **options) == message


HINT = "--data.skip_broken true leaves such images out"


@pytest.mark.parametrize("name", ["b/2.png", "b/2.jpg"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_truncated_image_is_named_or_left_out(tmp_path: Path, name: str, packed: bool) -> None:
    root = folder(tmp_path / "p", "a/0.png", "a/1.png", name, "c/3.png")
    break_image(root / name)
    where = zipped(root) if packed else root
    message = refused(where)
    assert message.startswith(f"broken image {where}/{name}: ")
    assert message.endswith(f". {HINT}")
    with pytest.warns(UserWarning, match="broken") as caught:
        data = ready(where, skip_broken=True)
    assert [str(warning.message).partition(": ")[0] for warning in caught] == [
        f"1 of 4 images are broken and left out, the first {name}"
    ]
    assert labels_of(data) == [0, 0, 2]
    assert data.class_names == ["a", "b", "c"]
    assert data.train_dataset.images.shape == (3, 3, 16, 16)
    expected = decode((root / "c/3.png").read_bytes(), (3, 16, 16), "crop")
    assert np.array_equal(data.train_dataset.images[2].numpy(), expected)
    with pytest.raises(OSError, match="broken image"):  # also with the cache of a run that skipped it
        ready(where)
    with pytest.warns(UserWarning, match="broken images are left out, one is"):
        decoded = ready(where, skip_broken=True, cache_limit=0, num_workers=1).train_dataset[2]
    assert np.array_equal(decoded["images"].numpy(), expected)  # the next one's, with its label
    assert decoded["labels"] == 2


def test_what_only_looks_like_an_image(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", "1.png")
    (root / "0.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n")
    for channels in ("auto", 3):  # found by its header, and by decoding
        said = refused(root, channels=channels)
        assert said == f"broken image {root}/0.png: no image of a known format. {HINT}"
    with pytest.warns(UserWarning, match=r"^1 of 2 images are broken and left out, the first 0\.png: no image"):
        assert len(ready(root, skip_broken=True).train_dataset) == 1
    (root / "1.png").unlink()
    said = refused(root, skip_broken=True)
    assert said == f"all images in {root} are broken, the first 0.png: no image of a known format"
    Image.fromarray(np.zeros((4, 4), dtype=np.float32)).save(root / "0.tif")
    (root / "0.png").unlink()
    assert refused(root).startswith(f"broken image {root}/0.tif: its pixels are floats")


def test_a_member_of_a_zip_whose_bytes_were_changed(tmp_path: Path) -> None:
    path = tmp_path / "p.zip"
    file = folder(tmp_path / "p", "1.bmp") / "1.bmp"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        packed.write(file, "1.bmp")
    data = bytearray(path.read_bytes())
    data[300] ^= 1
    path.write_bytes(data)
    assert refused(path) == f"broken image {path}/1.bmp: Bad CRC-32 for file '1.bmp'. {HINT}"


def test_a_worker_passes_on_which_image_is_broken(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", "1.png", "2.png")
    break_image(root / "2.png")
    data = ready(root, cache_limit=0, num_workers=1, batch_size=2)
    with pytest.raises(OSError, match=f"broken image {root}/2.png: image file is truncated"):
        next(iter(data.train_dataloader()))


def test_a_split_of_broken_images(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", "train/1.png", "test/2.png")
    break_image(root / "test/2.png")
    with pytest.warns(UserWarning, match="broken"), pytest.raises(OSError) as caught:
        ready(root, skip_broken=True)
    assert str(caught.value) == f"all images in {root}/test are broken; allowed: one that is whole"
