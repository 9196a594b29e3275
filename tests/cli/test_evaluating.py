"""evaluate: a checkpoint, a folder, an array; the table, the JSON, and what is refused in one line."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import Gaussians
from lightning_gans import load
from lightning_gans.metrics.features import inception
from lightning_gans.metrics.modes import mixture_modes
from tests.cli.conftest import Call, files

RANDOM = ("--features", "tests.metrics.extractors:random_features")


def pictures(folder: Path, n: int, size: int = 16, mode: str = "L", seed: int = 0) -> Path:
    """A folder of noise."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = (n, size, size) if mode == "L" else (n, size, size, len(mode))
    for index, pixels in enumerate(np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)):
        Image.fromarray(pixels).save(folder / f"{mode}{size}-{index:03d}.png")
    return folder


def test_a_checkpoint_is_scored_against_its_own_data(call: Call, checkpoint: Path) -> None:
    answer = call("evaluate", checkpoint, "--n", "100", "--metrics", "fid,pr,acc,nn", *RANDOM)
    assert (answer.code, answer.out) == (1, "")
    assert answer.last == (
        "error: acc: the generated images have no classes; allowed: labelled data, and a model or folder with classes"
    )
    answer = call("evaluate", checkpoint, "--n", "100", "--metrics", "fid,pr,nn", *RANDOM)
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    names = ["fid_random", "precision_random", "recall_random", "nn_random", "nn_copies_random", "all:"]
    assert [line.split()[0] for line in lines] == names
    assert "± " in lines[0]
    assert "reference digits train (1400 images of 1x16x16); 100 generated at iteration 6 (EMA weights" in lines[-1]


def test_json_carries_value_error_and_protocol(call: Call, checkpoint: Path) -> None:
    answer = call("evaluate", checkpoint, "--n", "60", "--seed", "5", "--truncation", "0.5", "--json", *RANDOM)
    scores = json.loads(answer.out)
    assert scores.keys() == {"fid_random"}
    assert scores["fid_random"].keys() == {"value", "error", "protocol"}
    assert scores["fid_random"]["value"] > 0
    assert (
        "60 generated at iteration 6 (EMA weights, batch norm standing, truncation 0.5, seed 5)"
        in scores["fid_random"]["protocol"]
    )
    again = json.loads(
        call("evaluate", checkpoint, "--n", "60", "--seed", "5", "--truncation", "0.5", "--json", *RANDOM).out
    )
    assert scores == again


def test_the_shipped_features_are_taken_for_the_data_they_are_of(call: Call, checkpoint: Path) -> None:
    answer = call("evaluate", checkpoint, "--n", "100", "--metrics", "fid,is", "--json")
    scores = json.loads(answer.out)
    assert scores.keys() == {"fid_domain", "is_domain"}
    assert "features domain digits " in scores["fid_domain"]["protocol"]
    assert "resize: antialiased bilinear to 32x32" in scores["fid_domain"]["protocol"]


def test_a_model_its_array_and_its_folder_score_the_same(call: Call, checkpoint: Path) -> None:
    for out in ("x.npy", "x"):
        assert call("generate", checkpoint, "--n", "50", "--out", out).code == 0
    answers = [
        json.loads(
            call("evaluate", target, "--n", "50", "--data", "digits", "--data.size", "16", "--json", *RANDOM).out
        )
        for target in (checkpoint, "x.npy", "x")
    ]
    values = [answer["fid_random"]["value"] for answer in answers]
    assert values[0] == pytest.approx(values[1], rel=1e-6)
    assert values[1] == pytest.approx(values[2], rel=1e-9)
    assert (
        "reference digits train (1400 images of 1x16x16); x (50 images of 1x16x16)"
        in answers[2]["fid_random"]["protocol"]
    )


def test_two_folders_are_compared_without_any_model(call: Call, tmp_path: Path) -> None:
    one, two = pictures(tmp_path / "one", 30), pictures(tmp_path / "two", 40, seed=1)
    answer = call("evaluate", one, "--data", two, "--metrics", "fid,kid", "--json", *RANDOM)
    assert answer.code == 0, answer.err
    scores = json.loads(answer.out)
    assert f"reference {two} (40 images of 1x16x16); {one} (30 images of 1x16x16)" in scores["kid_random"]["protocol"]
    same = json.loads(call("evaluate", one, "--data", one, "--json", *RANDOM).out)
    assert same["fid_random"]["value"] == pytest.approx(0, abs=1e-9)


def test_the_test_split(call: Call, checkpoint: Path) -> None:
    answer = call("evaluate", checkpoint, "--n", "50", "--split", "test", *RANDOM)
    assert "reference digits test (397 images of 1x16x16)" in answer.out


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            "mixed sizes",
            "images of two shapes in {0}: L16-000.png is 1x16x16, L8-000.png is 1x8x8; allowed: one size and mode",
        ),
        (
            "mixed modes",
            "images of two shapes in {0}: L16-000.png is 1x16x16, RGB16-000.png is 3x16x16; allowed: one size and mode",
        ),
        ("empty", "no images in {0}; allowed: "),
        ("other size", "images of 1x8x8 beside a reference of 1x16x16; allowed: images of one shape"),
        ("broken", "broken image {0}/L16-001.png: no image of a known format"),
    ],
)
def test_folders_that_cannot_be_scored(call: Call, tmp_path: Path, make: str, message: str) -> None:
    folder, other = tmp_path / "folder", pictures(tmp_path / "other", 12)
    folder.mkdir()
    if make != "empty":
        pictures(folder, 12, size=8 if make == "other size" else 16)
    if make == "mixed sizes":
        pictures(folder, 2, size=8)
    elif make == "mixed modes":
        pictures(folder, 2, mode="RGB")
    elif make == "broken":
        (folder / "L16-001.png").write_bytes(b"nonsense")
    before = files(tmp_path)
    answer = call("evaluate", folder, "--data", other, *RANDOM)
    assert (answer.code, answer.out) == (1, "")
    assert answer.last.startswith("error: " + message.format(folder)), answer.err
    assert files(tmp_path) == before


def test_wrong_words_are_usage_errors(call: Call, checkpoint: Path, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "folder", 4)
    moved = tmp_path / "moved.ckpt"
    held = torch.load(checkpoint, weights_only=True)
    held.pop("data")
    torch.save(held, moved)
    known = "fid, kid, is, pr, dc, prd, ifid, acc, ppl, swd, nn, parzen, modes"
    for arguments, message in (
        ((checkpoint, "--metrics", "fid,fdi"), f"--metrics: metric 'fdi'; allowed: {known}, by comma"),
        ((checkpoint, "--n", "0"), "argument --n: 0; allowed: a whole number from 1 up"),
        ((checkpoint, "--data", "digit"), "unknown data 'digit'. Did you mean 'digits'? Choose from: "),
        ((checkpoint, "--metric", "fid"), "unknown option --metric. Did you mean --metrics? Choose from: "),
        ((folder,), f"'{folder}' does not say what to compare it with; add --data D, a data set or a folder"),
        ((moved,), f"'{moved}' does not say what it was trained on; add --data D, a data set or a folder"),
    ):
        answer = call("evaluate", *arguments)
        assert (answer.code, answer.out) == (2, "")
        assert answer.last.startswith(f"error: {message}"), answer.err


def test_features_that_cannot_be_had(
    call: Call, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = tmp_path / "weights-inception-2015-12-05-6726825d.pth"
    wrong.write_bytes(b"nonsense")
    monkeypatch.setenv("LIGHTNING_GANS_INCEPTION", str(wrong))
    answer = call("evaluate", checkpoint, "--n", "10", "--features", "inception")
    assert answer.code == 1
    assert "6726825d" in answer.last
    assert str(wrong) in answer.last
    monkeypatch.delenv("LIGHTNING_GANS_INCEPTION")
    monkeypatch.setattr(inception, "URL", "http://127.0.0.1:9/none.pth")
    answer = call("evaluate", checkpoint, "--n", "10", "--features", "inception")
    assert answer.code == 1
    assert "6726825d" in answer.last
    answer = call("evaluate", checkpoint, "--n", "10", "--features", "nonsense")
    assert answer.last == "error: features 'nonsense'; allowed: auto, domain, inception or package.module:name"
    answer = call("evaluate", checkpoint, "--n", "10", "--features", "tests.metrics.extractors:nothing")
    assert answer.last == (
        "error: features 'tests.metrics.extractors:nothing': module 'tests.metrics.extractors' has no attribute 'nothing'; "
        "allowed: package.module:name of a function"
    )


def test_weights_that_are_not_finite(call: Call, checkpoint: Path, tmp_path: Path) -> None:
    held = torch.load(checkpoint, weights_only=True)
    key = next(key for key in held["state_dict"] if key.startswith("generator_ema.") and key.endswith("weight"))
    held["state_dict"][key].fill_(float("nan"))
    torch.save(held, tmp_path / "nan.ckpt")
    answer = call("evaluate", tmp_path / "nan.ckpt", "--n", "10", *RANDOM)
    assert (answer.code, answer.last) == (1, "error: 2 of 2 images hold NaN or infinite values")


def test_data_without_features_trains_them_once(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTNING_GANS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("lightning_gans.metrics.features.choose.ITERATIONS", 12)
    one, two = pictures(tmp_path / "one", 30), pictures(tmp_path / "two", 40, seed=1)
    first = call("evaluate", one, "--data", two, "--json")
    assert first.code == 0, first.err
    assert "training a small classifier on this data for its features; it is kept for next time" in first.err
    second = call("evaluate", one, "--data", two, "--json")
    assert "training" not in second.err
    assert json.loads(first.out) == json.loads(second.out)
    assert "features domain images " in first.out


def test_a_name_is_a_name_even_where_a_folder_has_it(call: Call, checkpoint: Path, tmp_path: Path) -> None:
    pictures(tmp_path / "digits", 20)
    answer = call("evaluate", checkpoint, "--n", "20", "--data", "digits", *RANDOM)
    assert "reference digits train (1400 images of 1x16x16)" in answer.out
    answer = call("evaluate", checkpoint, "--n", "20", "--data", "./digits", *RANDOM)
    assert "reference image_folder train (20 images of 1x16x16)" in answer.out


def test_a_folder_has_a_test_split_only_if_it_says_so(call: Call, checkpoint: Path, tmp_path: Path) -> None:
    plain, split = pictures(tmp_path / "plain", 20), tmp_path / "split"
    pictures(split / "train", 25)
    pictures(split / "test", 15, seed=1)
    answer = call("evaluate", checkpoint, "--n", "20", "--data", plain, "--split", "test", *RANDOM)
    assert (answer.code, answer.out) == (2, "")
    assert answer.last == f"error: --split test: data '{plain}' has no images apart to test with; allowed: train"
    answer = call("evaluate", checkpoint, "--n", "20", "--data", plain, "--metrics", "nn", *RANDOM)
    assert answer.last == "error: nn: the reference has no held-out split; allowed: data with one"
    answer = call("evaluate", split, "--data", split, "--split", "test", *RANDOM)
    assert f"reference {split} (15 images of 1x16x16); {split} (40 images of 1x16x16)" in answer.out


def test_images_sorted_by_class_score_as_they_would_shuffled(call: Call, tmp_path: Path) -> None:
    images = np.random.RandomState(0).randint(0, 256, (1000, 1, 16, 16)).astype(np.uint8)
    order = np.argsort(images.mean(axis=(1, 2, 3)))
    np.save(tmp_path / "sorted.npy", images[order])
    np.save(tmp_path / "mixed.npy", images)
    scores = [
        json.loads(call("evaluate", f"{name}.npy", "--data", "digits", "--metrics", "is,fid", "--json", *RANDOM).out)
        for name in ("sorted", "mixed")
    ]
    for name in ("is_random", "fid_random"):
        assert scores[0][name]["error"] < 2.5 * scores[1][name]["error"]


def test_modes_of_a_mixture_are_counted_by_the_papers_rule(call: Call) -> None:
    answer = call(
        *("train", "--model", "wgan_gp", "--data", "gaussians", "--data.mixture", "grid25"),
        *("--data.train_points", "640", "--trainer.max_steps", "1"),
    )
    assert answer.code == 0, answer.err
    path = Path("runs/wgan_gp-gaussians/1/checkpoints/last.ckpt")
    held = torch.load(path, weights_only=True)
    held["state_dict"]["generator_ema.layers.6.weight"] *= 0.05
    held["state_dict"]["generator_ema.layers.6.bias"] *= 0.0  # all within a few deviations of the middle
    torch.save(held, path)
    scores = json.loads(call("evaluate", path, "--json").out)
    data = Gaussians(mixture="grid25")
    assert data.means is not None
    found = mixture_modes(data.points(load(path).generate(2500, seed=0)), data.means, data.std)
    assert found.modes == 1
    assert {name: score["value"] for name, score in scores.items()} == {
        "modes": 1,
        "high_quality": found.high_quality,
        "reverse_kl": pytest.approx(math.log(25)),
    }
    assert "reference gaussians train (640 images of 1x1x2); 2500 generated" in scores["modes"]["protocol"]
    answer = call("evaluate", path, "--n", "500", "--metrics", "modes", "--split", "test")
    assert "reference gaussians test (10000 images of 1x1x2); 500 generated at iteration 1" in answer.out


def test_modes_are_refused_where_none_are_known(call: Call, checkpoint: Path) -> None:
    answer = call("evaluate", checkpoint, "--metrics", "modes")
    assert answer.last == "error: modes: digits train is no mixture of Gaussians; allowed: data with known means"


def test_wrong_numbers(call: Call, checkpoint: Path) -> None:
    for flag, value, allowed in (
        ("--seed", "-1", "a whole number from 0 to 4294967295"),
        ("--truncation", "-1", "a number above 0"),
        ("--truncation", "0", "a number above 0"),
        ("--truncation", "nan", "a number above 0"),
    ):
        answer = call("evaluate", checkpoint, f"{flag}={value}")
        assert (answer.code, answer.last) == (2, f"error: argument {flag}: {value}; allowed: {allowed}")
    answer = call("evaluate", checkpoint, "--device", "nonsense")
    assert answer.code == 2
    assert answer.last == "error: --device nonsense: no such device here; allowed: auto, cpu, cuda or cuda:N"
