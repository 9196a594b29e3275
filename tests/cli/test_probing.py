"""The probe command: the table, the JSON, its data, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from datamodules.base import ImageDataset
from lightning_gans.cli.probing import _splits
from tests.cli.conftest import Call, files
from tests.datamodules.folders import folder

FEW = ("--n_train", "200", "--n_test", "100")


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTNING_GANS_CACHE", str(tmp_path_factory.mktemp("cache")))


def test_a_table_of_three_on_the_checkpoints_own_data(call: Call, run_copy: Path, tmp_path: Path) -> None:
    before = files(tmp_path)
    path = run_copy / "checkpoints" / "last.ckpt"
    answer = call("probe", path, *FEW)
    assert answer.code == 0, answer.err
    head, *rows, foot = answer.out.splitlines()
    assert head.split() == ["features", "accuracy"]
    assert [row.split()[0] for row in rows] == ["discriminator", "untrained", "pixels"]
    assert foot == "digits: trained on 200 images, tested on 100; 384 features an image"  # 16 * (8 + 16)
    found = call("probe", path, *FEW, "--json")
    result = json.loads(found.out)
    assert result == {**result, "n_train": 200, "n_test": 100, "dims": 384, "data": "digits", "seed": 0}
    for row in rows:
        name, accuracy, _, error = row.split()
        assert float(accuracy) == pytest.approx(result[name], abs=1e-4)
        assert float(error) == pytest.approx((result[name] * (1 - result[name]) / 100) ** 0.5, abs=1e-4)
        assert 0.3 < result[name] <= 1.0  # chance is 0.1
    assert json.loads(call("probe", path, *FEW, "--json", "--data", "digits").out) == result
    assert files(tmp_path) == before


def test_a_folder_without_splits_keeps_a_fifth_to_test_with(call: Call, checkpoint: Path, tmp_path: Path) -> None:
    folder(tmp_path / "pictures", *[f"{kind}/{i:02d}.png" for kind in "ab" for i in range(10)], mode="L")
    answer = call("probe", checkpoint, "--data", "pictures", "--json")
    assert answer.code == 0, answer.err
    result = json.loads(answer.out)
    assert (result["n_train"], result["n_test"], result["data"]) == (16, 4, "pictures")
    assert answer.err.splitlines()[:2] == [
        "data 'pictures' has no test images of its own: a fifth of its 20 labelled ones is kept for it",
        "--n_train 10000: data 'pictures' has 16; all of them are taken",
    ]


def data(train: list[int] | None, test: list[int] | None) -> Any:
    """Images that carry their row, those to test with from 100 up."""

    def split(labels: list[int] | None, start: int) -> ImageDataset:
        n = 4 if labels is None else len(labels)
        pixels = torch.arange(start, start + n, dtype=torch.uint8).view(n, 1, 1, 1)
        return ImageDataset(pixels, None if labels is None else torch.tensor(labels), flip=True)

    return SimpleNamespace(train_dataset=split(train, 0), test_dataset=split(test, 100))


def test_unlabelled_images_are_dropped_and_the_choice_is_seeded() -> None:
    source = data([0, -1, 1, 2, -1, 0], [1, -1, 0])
    (images, labels), (test_images, test_labels) = _splits(source, "x", 10, 10, 0)
    assert images.flatten().tolist() == [0, 2, 3, 5]
    assert labels.tolist() == [0, 1, 2, 0]
    assert (test_images.flatten().tolist(), test_labels.tolist()) == ([100, 102], [1, 0])
    many = data([i % 2 for i in range(50)], [0] * 50)
    picks = [_splits(many, "x", 5, 5, seed)[0][0].flatten().tolist() for seed in (0, 0, 1)]
    assert picks[0] == picks[1] != picks[2]
    assert len(set(picks[0])) == 5


def test_splits_that_are_the_same_images_are_parted() -> None:
    one = ImageDataset(torch.arange(50, dtype=torch.uint8).view(50, 1, 1, 1), torch.arange(50) % 3)
    same: Any = SimpleNamespace(train_dataset=one, test_dataset=one)
    (train, _), (test, _) = _splits(same, "x", 100, 100, 0)
    assert sorted([*train.flatten().tolist(), *test.flatten().tolist()]) == list(range(50))
    assert len(test) == 10


@pytest.mark.parametrize("labels", [None, [-1, -1]])
def test_data_without_labels_is_refused(labels: list[int] | None) -> None:
    for source in (data(labels, [0, 1]), data([0, 1], labels)):
        with pytest.raises(ValueError, match=r"^data 'x' has no labels; allowed: images with classes$"):
            _splits(source, "x", 10, 10, 0)


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        ("no.ckpt", 1, "no checkpoint at 'no.ckpt'"),
        ("{} --data plain", 1, "data 'plain' has no labels; allowed: images with classes"),
        ("{} --data mnst", 2, "unknown data 'mnst'. Did you mean 'mnist'? Choose from: "),
        (
            "{} --data.sise 16",
            2,
            "unknown option --data.sise of data 'digits'. Did you mean --data.size? Choose from: ",
        ),
        (
            "{} --data.size 8",
            1,
            "data 'digits' has images of 1x8x8, the model takes 1x16x16; allowed: --data.size and --data.channels that "
            "give the model's shape, or none of them",
        ),
        ("{} --dat digits", 2, "unknown option --dat. Did you mean --data? Choose from: "),
        ("{} --data", 2, "--data needs a value"),
        ("{} --n_test 0", 2, "argument --n_test: 0; allowed: a whole number from 1 up"),
        ("{} --seed -1", 2, "argument --seed: -1; allowed: 0 to 4294967295"),
        ("{} --device warp", 2, "--device warp: no such device here; allowed: auto, cpu, cuda or cuda:N"),
    ],
)
def test_what_cannot_be_probed_says_so(
    call: Call, checkpoint: Path, tmp_path: Path, flags: str, code: int, message: str
) -> None:
    (tmp_path / "plain").mkdir()
    folder(tmp_path / "plain", "0.png", "1.png")
    before = files(tmp_path)
    answer = call("probe", *flags.format(checkpoint).split())
    assert (answer.code, answer.out) == (code, "")
    expected = f"error: {message}"
    assert answer.last.startswith(expected) if message.endswith(": ") else answer.last == expected
    assert files(tmp_path) == before


def test_a_checkpoint_that_does_not_tell_its_data(call: Call, checkpoint: Path, tmp_path: Path) -> None:
    contents = torch.load(checkpoint, weights_only=True)
    contents.pop("data", None)
    torch.save(contents, tmp_path / "alone.ckpt")
    answer = call("probe", "alone.ckpt")
    assert (answer.code, answer.out) == (2, "")
    assert answer.last == (
        "error: checkpoint 'alone.ckpt' does not tell which data it was trained on; name it: --data D"
    )
    named = call("probe", "alone.ckpt", "--data", "digits", *FEW, "--json")
    assert (named.code, json.loads(named.out)["dims"]) == (0, 384)


def test_rows_are_read_in_their_order() -> None:
    source = data([0, 1, 0, 1], [0, 1])
    (images, labels), _ = _splits(source, "x", 4, 2, 3)
    np.testing.assert_array_equal(images.flatten().numpy() % 2, labels.numpy())
