"""Runs through the real command line: what they leave, how they repeat and how they go on."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from datamodules import drawn_faces
from lightning_gans.cli.loggers import drop_rows
from lightning_gans.cli.recipes import RECIPES
from tests.cli.conftest import TINY, Call, files
from tests.datamodules.folders import folder
from tests.datamodules.pair_folders import domains, side_by_side
from tests.datamodules.test_cifar10 import write

BASE = ["train", "--model", "dcgan", *TINY, "--data.size", "16", "--trainer.log_every_n_steps", "2"]


def weights(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return state


def steps(run: Path) -> list[int]:
    """Of the rows of training; scores have rows of their own."""
    with (run / "metrics.csv").open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file) if row["generator/adversarial"]]


def same(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_a_run_leaves_its_folder_and_says_where(call: Call, tmp_path: Path) -> None:
    answer = call(*BASE, "--trainer.max_steps", "4", "--samples.every", "2")
    run = Path("runs") / "dcgan-digits" / "1"
    assert (answer.code, answer.out) == (0, "")
    assert answer.last == (
        f"pictures: {run}/samples, more: lightning-gans generate {run}/checkpoints/last.ckpt --n 64 --out samples.png"
    )
    left = {name for name, data in files(run).items() if data is not None and not name.startswith("tensorboard")}
    assert left == {
        *("checkpoints/best.ckpt", "checkpoints/last.ckpt", "config.yaml", "metrics.csv"),
        *("samples/00000000.png", "samples/00000002.png", "samples/00000004.png"),
    }
    assert list((run / "tensorboard").glob("events.*"))
    assert steps(run) == [1, 3]
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert (config["model_name"], config["data_name"], config["seed_everything"]) == ("dcgan", "digits", 0)
    assert (config["model"]["ema_decay"], config["trainer"]["max_steps"]) == (0.999, 4)
    assert "model_name" not in config["model"]
    assert "image_shape" not in config["model"]  # the data says it


def test_its_config_alone_repeats_a_run(call: Call, run_copy: Path) -> None:
    assert call("train", "--config", run_copy / "config.yaml", "--trainer.default_root_dir", ".").code == 0
    again = run_copy.parent / "2"
    assert same(run_copy, again)
    assert call("train", "--config", again / "config.yaml", "--seed_everything", "1").code == 0
    assert not same(run_copy, run_copy.parent / "3")  # so the comparison can fail


def test_print_config_shows_recipe_files_and_flags_in_their_order(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("model: {lr: 0.5, latent_dim: 7}\n")
    answer = call(*BASE, "--config", "mine.yaml", "--model.latent_dim", "9", "--print_config")
    shown = yaml.safe_load(answer.out)
    assert answer.code == 0
    assert shown["model"]["betas"] == [0.5, 0.999]
    assert shown["trainer"]["max_steps"] == yaml.safe_load((RECIPES / "dcgan.yaml").read_text())["trainer"]["max_steps"]
    assert (shown["model"]["lr"], shown["model"]["latent_dim"]) == (0.5, 9)
    assert (shown["model_name"], shown["data_name"]) == ("dcgan", "digits")
    assert not (tmp_path / "runs").exists()


def test_last_goes_on_in_the_same_folder_as_if_never_stopped(call: Call, run_copy: Path, tmp_path: Path) -> None:
    base = [*BASE, "--trainer.default_root_dir", tmp_path]
    with (run_copy / "metrics.csv").open("a") as file:
        file.write(",".join(["9"] * len((run_copy / "metrics.csv").read_text().split("\n")[0].split(","))) + "\n")
    assert steps(run_copy) == [1, 3, 5, 9]  # the last: what a killed run wrote after its checkpoint
    answer = call(*base, "--trainer.max_steps", "12", "--ckpt_path", "last")
    assert answer.code == 0
    assert [path.name for path in run_copy.parent.iterdir()] == ["1"]
    assert steps(run_copy) == [1, 3, 5, 7, 9, 11]
    assert torch.load(run_copy / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 12
    config = yaml.safe_load((run_copy / "config.yaml").read_text())
    assert (config["ckpt_path"], config["trainer"]["max_steps"]) == (None, 12)
    assert call(*base, "--trainer.max_steps", "12").code == 0
    assert same(run_copy, run_copy.parent / "2")


def test_last_is_the_newest_run_that_has_a_checkpoint(call: Call, run_copy: Path, tmp_path: Path) -> None:
    shutil.copytree(run_copy, run_copy.parent / "10")
    (run_copy.parent / "11").mkdir()
    answer = call(*BASE, "--trainer.default_root_dir", tmp_path, "--trainer.max_steps", "8", "--ckpt_path", "last")
    assert answer.code == 0
    assert steps(run_copy.parent / "10") == [1, 3, 5, 7]
    assert steps(run_copy) == [1, 3, 5]


def test_a_named_checkpoint_goes_on_in_a_new_folder(call: Call, run_copy: Path) -> None:
    before = files(run_copy)
    path = run_copy / "checkpoints" / "last.ckpt"
    assert call(*BASE, "--trainer.max_steps", "8", "--ckpt_path", path).code == 0
    assert files(run_copy) == before
    assert steps(run_copy.parent / "2") == [7]


def test_a_checkpoint_of_another_model_or_other_options_is_refused(call: Call, run_copy: Path, tmp_path: Path) -> None:
    path = Path("runs") / "dcgan-digits" / "1" / "checkpoints" / "last.ckpt"
    before = files(tmp_path)
    answer = call("train", "--model", "gan", *TINY, "--ckpt_path", path)
    assert (answer.code, answer.last) == (1, f"error: checkpoint '{path}' holds model 'dcgan', not 'gan'")
    answer = call(*BASE, "--model.generator_channels", "16", "--ckpt_path", path)
    assert answer.code == 1
    assert answer.last == (
        f"error: checkpoint '{path}' does not fit: generator.layers.0.weight is (100, 16, 4, 4) there and "
        "(100, 32, 4, 4) here; generator_channels: 8 there, 16 here"
    )
    assert files(tmp_path) == before


def test_logger_none_writes_no_numbers_and_fast_dev_run_no_folder(call: Call, tmp_path: Path) -> None:
    assert call(*BASE, "--trainer.max_steps", "2", "--logger", "none").code == 0
    run = tmp_path / "runs" / "dcgan-digits" / "1"
    assert sorted(path.name for path in run.iterdir()) == ["checkpoints", "config.yaml", "samples"]
    before = files(tmp_path)
    assert call(*BASE, "--trainer.fast_dev_run", "true").code == 0
    assert files(tmp_path) == before


def test_callbacks_and_sections_of_options_reach_the_run(call: Call, tmp_path: Path) -> None:
    flags = ["--samples.n", "4", "--checkpoint.every", "3", "--watchdog.every", "1"]
    flags += ["--trainer.callbacks+=pytorch_lightning.callbacks.LearningRateMonitor"]
    assert call(*BASE, "--trainer.max_steps", "2", *flags).code == 0
    config = yaml.safe_load((tmp_path / "runs" / "dcgan-digits" / "1" / "config.yaml").read_text())
    assert config["samples"] == {"every": 500, "n": 4, "seed": 0}
    assert (config["checkpoint"]["every"], config["watchdog"]["every"]) == (3, 1)
    assert config["trainer"]["callbacks"][0]["class_path"].endswith("LearningRateMonitor")


@pytest.fixture
def downloads(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small files in place of the sets that are downloaded: MNIST's four in the IDX format, CIFAR-10's pickles, tagged images,
    horses and zebras, facades; and few drawn faces."""
    root = tmp_path_factory.mktemp("downloads") / "files"
    root.mkdir()
    monkeypatch.setenv("LIGHTNING_GANS_CACHE", str(root / "cache"))
    monkeypatch.setattr(drawn_faces, "TRAIN_IMAGES", 40)
    monkeypatch.setattr(drawn_faces, "TEST_IMAGES", 16)
    folder(root, *(f"{number}.png" for number in range(16)))
    (root / "tags.csv").write_text("file,tags\n" + "".join(f"{number}.png,tag {number % 3}\n" for number in range(16)))
    write(root / "cifar-10-batches-py")
    for split in ("train", "t10k"):
        images, labels = bytes((0, 0, 8, 3)), bytes((0, 0, 8, 1))
        sizes = [number.to_bytes(4, "big") for number in (1000, 28, 28)]  # a recipe wants 100 labels a class
        (root / f"{split}-images-idx3-ubyte").write_bytes(images + b"".join(sizes) + bytes(range(196)) * 4000)
        (root / f"{split}-labels-idx1-ubyte").write_bytes(labels + sizes[0] + bytes(range(10)) * 100)
    domains(root.parent / "sets" / "horse2zebra", trainA=8, trainB=8)
    side_by_side(root.parent / "sets" / "facades", train=8)
    return root


def folder_of_classes(path: Path) -> Path:
    """Two sub-folders of small pictures."""
    root = path / "pictures"
    for index in range(4):
        (root / f"class_{index % 2}").mkdir(parents=True, exist_ok=True)
        Image.effect_noise((70, 64), 40 + index).convert("RGB").save(root / f"class_{index % 2}" / f"{index}.png")
    return root


@pytest.mark.parametrize("recipe", sorted(path.stem for path in RECIPES.glob("*.yaml")))
def test_every_recipe_runs(call: Call, recipe: str, downloads: Path, tmp_path: Path) -> None:
    model, _, data = recipe.partition("-")
    names = yaml.safe_load((RECIPES / f"{recipe}.yaml").read_text())
    flags = ["--model", model, *(["--data", data] if data else [])]
    flags += ["--data.root", downloads] if data and data != "gaussians" else []  # points are drawn, not stored
    if names["data_name"] == "image_folder":
        flags[-1] = folder_of_classes(tmp_path)
        flags += ["--data.size", "32", "--model.attention_size", "0"]
    elif names["data"].get("size", 0) >= 128:  # such pictures take minutes
        flags += ["--data.size", "32"]
    if "load_size" in names["data"]:
        flags += ["--data.root", downloads.parent / "sets", "--data.load_size", "32", "--model.receptive_field", "16"]
        flags += ["--model.network", {"pix2pix": "unet_32", "cyclegan": "resnet_6"}[model]]
    answer = call("train", *flags, *TINY, "--data.batch_size", "8", "--trainer.max_steps", "2")
    assert (answer.code, answer.out) == (0, ""), answer.err
    run = tmp_path / "runs" / f"{names['model_name']}-{names['data_name']}" / "1"
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 2
    if model in ("pix2pix", "cyclegan"):
        assert f" --direction {names['data'].get('direction', 'AtoB')} " in answer.last


def test_rows_beyond_a_checkpoint_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    drop_rows(path, 3)
    assert not path.exists()
    path.write_text("a,step\n1,1\n2,2\n3,3\n4,\n")
    drop_rows(path, 3)
    assert path.read_text().split() == ["a,step", "1,1", "2,2"]
