"""Few labels on the command line: a run that scores itself, and what is refused before anything is written."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.cli.conftest import TINY, Call, files
from tests.datamodules.folders import folder

SGAN = ["train", "--model", "sgan", *TINY, "--model.discriminator_channels", "32", "--logger", "csv"]


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTNING_GANS_CACHE", str(tmp_path_factory.mktemp("cache")))


def test_a_run_logs_its_accuracy(call: Call, tmp_path: Path) -> None:
    answer = call(*SGAN, "--trainer.max_steps", "4", "--trainer.val_check_interval", "2", "--evaluate.every", "0")
    assert answer.code == 0, answer.err
    with (tmp_path / "runs/sgan-digits/1/metrics.csv").open(newline="") as file:
        found = [float(row["accuracy"]) for row in csv.DictReader(file) if row.get("accuracy")]
    assert len(found) == 2
    assert all(0.0 <= accuracy <= 1.0 for accuracy in found)


def test_data_without_labels_are_refused(call: Call, tmp_path: Path) -> None:
    folder(tmp_path / "plain", *(f"{number}.png" for number in range(4)))
    before = files(tmp_path)
    answer = call(*SGAN, "--data", tmp_path / "plain")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == (
        "error: data without labels for SGAN, which learns to classify; allowed: images labelled with 2 or more classes\n"
    )
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--data.labels_per_class", "1000"],
            "labels_per_class 1000: class '8' has 135 training images; allowed: None, or 1 to 135",
        ),
        (["--data.labels_per_class", "0"], "labels_per_class 0; allowed: None, or 1 or more"),
        (["--data.labelled_fraction", "1.5"], "labelled_fraction 1.5; allowed: above 0, up to 1"),
        (["--data.labelled_fraction", "0"], "labelled_fraction 0.0; allowed: above 0, up to 1"),
        (["--model.unsupervised_weight", "-1"], "unsupervised_weight=-1.0; allowed: 0 or more"),
    ],
)
def test_labels_that_are_not_there(flags: list[str], message: str, call: Call, tmp_path: Path) -> None:
    answer = call(*SGAN, *flags, "--trainer.max_steps", "2")
    assert (answer.code, answer.out) == (1, "")
    assert answer.last == f"error: {message}"
    assert files(tmp_path) == {}
