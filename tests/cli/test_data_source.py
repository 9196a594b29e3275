"""Data of commands that start from a checkpoint: flags, the checkpoint's own, and opening them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from datamodules import Digits, ImageFolder
from lightning_gans.cli.data_source import checkpoint_data, open_data, take_data_flags
from lightning_gans.cli.errors import UsageError
from tests.datamodules.folders import folder


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTNING_GANS_CACHE", str(tmp_path / "cache"))


def test_flags_of_the_data_are_taken_out() -> None:
    given = "a.ckpt --data digits --n 4 --data.size 16 --data.root=x=y --json --data=mnist --data.size=32"
    data, options, rest = take_data_flags(given.split())
    assert data == "mnist"  # the last counts
    assert options == {"size": "32", "root": "x=y"}
    assert rest == ["a.ckpt", "--n", "4", "--json"]
    assert take_data_flags(["--database", "x"]) == (None, {}, ["--database", "x"])
    assert take_data_flags(["--data.seed", "-1"])[1] == {"seed": "-1"}


@pytest.mark.parametrize("given", ["--data", "--data --json", "--data=", "--data.size", "--data.size --json"])
def test_a_flag_needs_a_value(given: str) -> None:
    flag = given.split()[0].rstrip("=")
    with pytest.raises(UsageError, match=rf"^{flag} needs a value$"):
        take_data_flags(given.split())


def test_a_checkpoint_tells_its_data_or_its_run_does(tmp_path: Path) -> None:
    checkpoint = tmp_path / "1" / "checkpoints" / "last.ckpt"
    assert checkpoint_data({}, checkpoint) is None
    checkpoint.parent.mkdir(parents=True)
    config = tmp_path / "1" / "config.yaml"
    config.write_text(yaml.safe_dump({"data": {"size": 16}}))
    assert checkpoint_data({}, checkpoint) is None  # of no name
    config.write_text(yaml.safe_dump({"data_name": "digits", "data": {"size": 16, "root": None}}))
    assert checkpoint_data({}, checkpoint) == ("digits", {"size": 16, "root": None})
    assert checkpoint_data({"data": None}, str(checkpoint)) == ("digits", {"size": 16, "root": None})
    own = {"name": "mnist", "options": {"size": "32x32"}}
    assert checkpoint_data({"data": own}, checkpoint) == ("mnist", {"size": "32x32"})
    config.write_text("- 1")
    with pytest.raises(UsageError, match=r"config.yaml' holds list; allowed: a mapping of options$"):
        checkpoint_data({}, checkpoint)


def test_a_relative_path_finds_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1" / "checkpoints").mkdir(parents=True)
    (tmp_path / "1" / "config.yaml").write_text("data_name: digits")
    monkeypatch.chdir(tmp_path / "1" / "checkpoints")
    assert checkpoint_data({}, "last.ckpt") == ("digits", {})


def test_data_opens_at_the_shape_that_is_wanted_unless_told_otherwise() -> None:
    data = open_data("digits", {}, image_shape=(3, 16, 16))
    assert isinstance(data, Digits)
    assert data.train_dataset.images.shape == (1400, 3, 16, 16)
    assert open_data("digits", {}).image_shape == (1, 32, 32)  # the data's own default
    told = open_data("digits", {"size": "8", "channels": "1", "flip": "true", "batch_size": "7"}, image_shape=(1, 8, 8))
    assert (told.image_shape, told.flip, told.batch_size) == ((1, 8, 8), True, 7)
    values = open_data("digits", {"root": None, "size": 8, "channels": "auto", "flip": False, "seed": "3"})
    assert (values.image_shape, values.seed) == ((1, 8, 8), 3)  # values of a configuration, and a flag over them


def test_a_folder_is_image_folder(tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    folder(root, *[f"{kind}/{i}.png" for kind in "ab" for i in range(2)])
    data = open_data(str(root), {"resize": "stretch"}, image_shape=(3, 8, 8))
    assert isinstance(data, ImageFolder)
    assert data.resize == "stretch"
    assert data.train_dataset.images.shape == (4, 3, 8, 8)
    assert torch.equal(data.train_dataset.labels, torch.tensor([0, 0, 1, 1]))  # type: ignore[arg-type]
    with pytest.raises(OSError, match=r"^no such folder: no/such$"):
        open_data("no/such", {})


def test_wrong_names_and_values_say_what_is_allowed() -> None:
    with pytest.raises(UsageError, match=r"^unknown data 'digts'\. Did you mean 'digits'\? Choose from: .*mnist"):
        open_data("digts", {})
    with pytest.raises(
        UsageError,
        match=r"^unknown option --data\.sise of data 'digits'\. Did you mean --data\.size\? "
        r"Choose from: --data\.batch_size, --data\.channels, .*--data\.size$",
    ):
        open_data("digits", {"sise": "16"})
    with pytest.raises(UsageError, match=r"^unknown option --data\.help of data 'digits'\."):
        open_data("digits", {"help": "x"})
    with pytest.raises(UsageError, match=r"^--data\.batch_size many: allowed: int$"):
        open_data("digits", {"batch_size": "many"})
    with pytest.raises(ValueError, match=r"^size 4; allowed: 8 or more$"):
        open_data("digits", {"size": "4"})


def test_another_shape_than_the_models_is_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"^data 'digits' has images of 1x8x8, the model takes 1x16x16; allowed: --data\.size and --data\.channels "
        r"that give the model's shape, or none of them$",
    ):
        open_data("digits", {"size": "8"}, image_shape=(1, 16, 16))
