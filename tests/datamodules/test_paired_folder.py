"""paired_folder: side by side or in two folders; aligned under crops and flips; what does not belong together is refused."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import PairedFolder
from datamodules._pixels import decode
from lightning_gans.batch import normalize_batch
from tests.datamodules.folders import break_image, picture, zipped
from tests.datamodules.pair_folders import paired, side_by_side, told, two_folders
from tests.datamodules.translation import batches_resumed

__all__: list[str] = []

HINT = "--data.skip_broken true leaves such images out"


def expected(number: int, resize: str = "crop", size: int = 16) -> torch.Tensor:
    """What becomes of a picture of a pair."""
    file = io.BytesIO()
    picture(number, size=(24, 20)).save(file, "png")
    return torch.from_numpy(decode(file.getvalue(), (3, size, size), resize))


def check(data: PairedFolder, train: list[int], test: list[int]) -> None:
    for dataset, numbers in ((data.train_dataset, train), (data.test_dataset, test)):
        assert len(dataset) == len(numbers)
        for row, number in enumerate(numbers):
            assert torch.equal(dataset[row]["source"], expected(100 + number))
            assert torch.equal(dataset[row]["target"], expected(200 + number))


@pytest.mark.parametrize("packed", [False, True])
def test_side_by_side(tmp_path: Path, packed: bool) -> None:
    root = side_by_side(tmp_path / "facades", train=3, val=1, test=2)
    root = zipped(root, wrapped=True) if packed else root
    early = PairedFolder(root=root)
    assert early.source_shape == early.target_shape == early.image_shape == (3, 256, 256)
    data = paired(root)
    check(data, [0, 1, 2], [4, 5])
    assert set(data.train_dataset[0]) == {"source", "target"}


def test_val_is_tested_with_where_there_is_no_test(tmp_path: Path) -> None:
    check(paired(side_by_side(tmp_path / "maps", train=2, val=1)), [0, 1], [2])


@pytest.mark.parametrize("folders", ["flat", "train"])
def test_without_splits_all_are_in_both(tmp_path: Path, folders: str) -> None:
    check(paired(side_by_side(tmp_path / "p", **{folders: 2})), [0, 1], [0, 1])


@pytest.mark.parametrize(
    ("names", "sides", "train", "test"),
    [
        (("0.png", "deep/1.png"), ("A", "B"), [0, 1], [0, 1]),
        (("train/0.png", "train/1.png", "test/2.png"), ("A", "B"), [0, 1], [2]),
        (("train/0.png", "val/1.png"), ("A", "B"), [0], [1]),
        (("0.png", "1.png"), ("trainA", "trainB"), [0, 1], [0, 1]),
    ],
)
def test_two_folders_below_one(
    tmp_path: Path, names: tuple[str, ...], sides: tuple[str, str], train: list[int], test: list[int]
) -> None:
    root = two_folders(tmp_path / "p", *names, sides=sides)
    check(paired(root), train, test)
    check(paired(zipped(root, wrapped=True)), train, test)


def test_any_two_folders_matched_by_name_whatever_the_extension(tmp_path: Path) -> None:
    two_folders(tmp_path, "x/0.png", "1.png", sides=("photos", "labels"))
    (tmp_path / "labels/1.png").rename(tmp_path / "labels/1.bmp.png")
    Image.open(tmp_path / "labels/1.bmp.png").save(tmp_path / "labels/1.bmp")
    (tmp_path / "labels/1.bmp.png").unlink()
    data = paired(root_a=tmp_path / "photos", root_b=tmp_path / "labels")
    check(data, [1, 0], [1, 0])  # in the order of A's names
    two_folders(tmp_path, "2.png", sides=("testA", "testB"))
    root = two_folders(tmp_path / "c", "0.png", sides=("trainA", "trainB"))
    two_folders(root, "0.png", "1.png", sides=("testA", "testB"))
    check(paired(root), [0], [0, 1])


def test_direction(tmp_path: Path) -> None:
    two_folders(tmp_path, "0.png")
    picture(100, "L", (24, 20)).save(tmp_path / "A/0.png")
    there, back = paired(tmp_path), paired(tmp_path, direction="BtoA")
    assert (there.source_shape, there.target_shape) == ((1, 16, 16), (3, 16, 16))
    assert (back.source_shape, back.target_shape, back.image_shape) == ((3, 16, 16), (1, 16, 16), (1, 16, 16))
    assert torch.equal(there.train_dataset[0]["source"], back.train_dataset[0]["target"])
    assert torch.equal(there.train_dataset[0]["target"], back.train_dataset[0]["source"])
    assert torch.equal(there.train_dataset.read(np.zeros(1, dtype=int))["images"][0], there.train_dataset[0]["target"])


@pytest.mark.parametrize(("channels", "found"), [("auto", 3), (1, 1), (3, 3), (4, 4)])
def test_channels_and_resize(tmp_path: Path, channels: Any, found: int) -> None:
    root = side_by_side(tmp_path / "p", train=1, test=1)
    data = paired(root, channels=channels, resize="pad", size="16x12", load_size="16x12")
    assert data.source_shape == data.target_shape == (found, 16, 12)
    batch = next(iter(data.train_dataloader()))
    assert batch["source"].shape == batch["target"].shape == (1, found, 16, 12)
    if found == 3:
        file = io.BytesIO()
        picture(200, size=(24, 20)).save(file, "png")
        assert np.array_equal(batch["target"][0].numpy(), decode(file.getvalue(), (3, 16, 12), "pad"))


def same_images(root: Path, count: int) -> Path:
    """Pairs whose halves are equal, so that any difference between them is one of crop or flip."""
    (root / "train").mkdir(parents=True)
    for number in range(count):
        both = Image.new("RGB", (80, 40))
        for left in (0, 40):
            both.paste(picture(number, size=(40, 40)), (left, 0))
        both.save(root / f"train/{number}.png")
    return root


@pytest.mark.parametrize("cache_limit", [None, 0])
def test_both_halves_are_cropped_and_mirrored_alike(tmp_path: Path, cache_limit: int | None) -> None:
    root = same_images(tmp_path / "p", 3)
    data = paired(root, size=32, load_size=40, flip=True, batch_size=3, cache_limit=cache_limit, num_workers=1)
    shown, loader = set(), data.train_dataloader()
    for batch in (batch for _ in range(10) for batch in loader):
        assert torch.equal(batch["source"], batch["target"])
        assert batch["source"].shape == (3, 3, 32, 32)
        shown |= {image.numpy().tobytes() for image in batch["source"]}
    assert len(shown) >= 28  # of 3 * 9 * 9 * 2 variants, 30 were drawn
    kept = [np.asarray(picture(number, size=(40, 40))).transpose(2, 0, 1) for number in range(3)]
    parts = {
        part[:, top : top + 32, left : left + 32].tobytes()
        for image in kept
        for part in (image, image[..., ::-1])
        for top in range(9)
        for left in range(9)
    }
    assert shown <= parts


def test_the_papers_sizes_are_the_default(tmp_path: Path) -> None:
    root = same_images(tmp_path / "p", 1)
    data = PairedFolder(root=root)
    assert (data.image_shape, data.flip, data.batch_size) == ((3, 256, 256), True, 1)
    data.prepare_data()
    data.setup()
    assert len(data.train_dataset) == 31 * 31 * 2  # crops of 256 from 286, mirrored or not
    assert len(data.test_dataset) == 1  # brought to 256, never cropped
    assert data.test_dataset[0]["source"].shape == (3, 256, 256)
    assert PairedFolder(root=root, size=128)._jitter.kept == (143, 143)  # CycleGAN's first code


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_sees_the_batches_of_the_run_that_was_never_stopped(workers: int, tmp_path: Path) -> None:
    root = side_by_side(tmp_path / "p", train=5)

    def make() -> PairedFolder:
        return paired(root, load_size=20, flip=True, batch_size=2, num_workers=workers)

    whole, resumed = batches_resumed(make, ("source", "target"), tmp_path / "half.ckpt")
    assert len(set(whole)) == 7
    assert resumed == whole[3:]


def test_what_a_checkpoint_keeps_builds_the_same_pairs(tmp_path: Path) -> None:
    root = side_by_side(tmp_path / "p", train=2, test=1)
    data = paired(root, resize="pad", direction="BtoA", channels=1)
    assert data.source is not None
    assert data.source["name"] == "paired_folder"
    again = paired(**data.source["options"])
    assert torch.equal(again.test_dataset[0]["source"], data.test_dataset[0]["source"])
    assert again.source == data.source
    two_folders(tmp_path, "0.png")
    data = paired(root_a=tmp_path / "A", root_b=tmp_path / "B")
    assert data.source is not None
    assert torch.equal(paired(**data.source["options"]).test_dataset[0]["target"], expected(200))
    normal = normalize_batch(next(iter(data.train_dataloader())), first=True)
    assert set(normal) == {"source", "target"}


def test_widths_that_are_odd(tmp_path: Path) -> None:
    root = side_by_side(tmp_path / "p", train=2)
    picture(0, size=(33, 20)).save(root / "train/1.png")
    assert told(paired, root) == (
        f"broken image {root}/train/1.png: its width 33 is odd; allowed: A and B side by side, equally wide. {HINT}"
    )
    with pytest.warns(UserWarning, match=r"^1 of 2 images are broken and left out, the first train/1\.png: its width"):
        assert len(paired(root, skip_broken=True).train_dataset) == 1
    with pytest.warns(UserWarning, match="broken images are left out, one is train/1.png"):
        data = paired(root, skip_broken=True, cache_limit=0, num_workers=1).train_dataset[1]
    assert torch.equal(data["source"], expected(100))
    assert torch.equal(data["target"], expected(200))  # the next pair's, both of it


def test_a_folder_of_pairs_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = side_by_side(tmp_path / "p", train=2, test=1)
    listed: list[Path] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: [listed.append(path), scandir(path)][1])
    PairedFolder(root=root)
    assert sorted(listed) == [root, root / "test", root / "train"]


def test_names_without_a_partner_are_listed(tmp_path: Path) -> None:
    two_folders(tmp_path / "p", "0.png", "1.png", "2.png", "3.png")
    (tmp_path / "p/A/1.png").unlink()
    (tmp_path / "p/B/2.png").unlink()
    (tmp_path / "p/B/3.png").unlink()
    assert told(paired, tmp_path / "p") == (
        f"images without a partner of their name: 2.png, 3.png in {tmp_path}/p/A; 1.png in {tmp_path}/p/B"
    )
    two_folders(tmp_path / "q", *(f"{number:02}.png" for number in range(13)))
    for number in range(12):
        (tmp_path / f"q/B/{number:02}.png").unlink()
    names = ", ".join(f"{number:02}.png" for number in range(10))
    assert told(paired, tmp_path / "q") == (
        f"images without a partner of their name: {names} and 2 more in {tmp_path}/q/A"
    )
    picture(0).save(tmp_path / "q/A/12.bmp")
    assert told(paired, tmp_path / "q") == (f"two images called 12 in {tmp_path}/q/A: A/12.bmp, A/12.png; allowed: one")


def test_a_pair_of_two_sizes(tmp_path: Path) -> None:
    root = two_folders(tmp_path / "p", "0.png", "1.png")
    picture(0, size=(24, 21)).save(root / "B/1.png")
    assert told(paired, root) == (
        f"broken image {root}/A/1.png: it is 24x20, its partner {root}/B/1.png is 24x21; allowed: equal sizes. {HINT}"
    )


def test_a_broken_half(tmp_path: Path) -> None:
    root = two_folders(tmp_path / "p", "0.png", "1.png")
    break_image(root / "B/1.png")
    assert told(paired, root).startswith(f"broken image {root}/B/1.png: ")
    with pytest.warns(UserWarning, match=r"^1 of 2 images are broken and left out, the first A/1\.png"):
        check(paired(root, skip_broken=True), [0], [0])


def test_folders_that_are_missing_or_empty(tmp_path: Path) -> None:
    assert told(paired, tmp_path / "nowhere") == f"no such folder: {tmp_path}/nowhere"
    two_folders(tmp_path, "0.png")
    assert told(paired, root_a=tmp_path / "A", root_b=tmp_path / "C") == f"no such folder: {tmp_path}/C"
    (tmp_path / "C").mkdir()
    assert told(paired, root_a=tmp_path / "A", root_b=tmp_path / "C").startswith(
        f"no images in {tmp_path}/C; allowed: "
    )
    (tmp_path / "B/0.png").unlink()
    assert told(paired, tmp_path).startswith(f"no images in {tmp_path}/B; allowed: ")
    root = two_folders(tmp_path / "p", "train/0.png", "test/1.png")
    (root / "B/test/1.png").unlink()
    assert told(paired, root) == (
        f"images to test with in {root}/A/test, none beside {root}/B/train; allowed: both or neither"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"root": None},
            "paired_folder needs --data.root, a folder or .zip of both sides, or --data.root_a and --data.root_b; given: none "
            "of them",
        ),
        (
            {"root_a": "x"},
            "paired_folder needs --data.root, a folder or .zip of both sides, or --data.root_a and --data.root_b; given: root, "
            "root_a",
        ),
        ({"direction": "BA"}, "direction 'BA'; allowed: 'AtoB', 'BtoA'"),
        ({"load_size": 15}, "load_size 15; allowed: size 16 or more"),
        ({"load_size": "20x8"}, "load_size 20x8; allowed: size 16 or more"),
        ({"resize": "squash"}, "resize 'squash'; allowed: 'crop', 'pad', 'stretch'"),
        ({"channels": 2}, "channels 2; allowed: 'auto', 1, 3, 4"),
        ({"cache_limit": -1}, "cache_limit -1; allowed: 0 or more bytes"),
    ],
)
def test_options_outside_what_is_allowed(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    root = side_by_side(tmp_path / "p", train=1)
    assert told(paired, **{"root": root, **options}, kind=ValueError) == message
