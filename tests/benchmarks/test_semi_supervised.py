"""What the semi-supervised benchmark is asked."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from tests.benchmarks.wrong import says


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arms", "x"], "unknown arm 'x'. Choose from: labels, sgan"),
        (["--arms", "labels,sgans"], "unknown arm 'sgans'. Did you mean 'sgan'? Choose from: labels, sgan"),
        (["--seeds", "0,one"], "seeds '0,one'; allowed: whole numbers, by comma"),
        (["--iterations", "-1"], "iterations -1; allowed: above 0"),
        (["--generator_learning_rate", "0"], "generator_learning_rate 0; allowed: above 0"),
    ],
)
def test_wrong_options_are_told_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results"
    assert says("semi_supervised", *arguments, "--out", out, capsys=capsys) == (2, f"error: {message}\n")
    assert not out.exists()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--labelled_fraction", "2", "labelled_fraction 2.0; allowed: above 0, up to 1"),
        ("--unsupervised_weight", "-1", "unsupervised_weight=-1.0; allowed: 0 or more"),
    ],
)
def test_wrong_settings_are_told_in_one_line(
    option: str, value: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--arms", "sgan", option, value, "--out", tmp_path)
    assert says("semi_supervised", *arguments, capsys=capsys) == (1, f"error: {message}\n")


@pytest.mark.parametrize(
    ("option", "value", "ending"),
    [("--unsupervised_weight", "3", "-3"), ("--generator_learning_rate", "0.01", "-generator0.01")],
)
def test_settings_of_sgan_make_files_of_their_own(
    option: str,
    value: str,
    ending: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is not the default is in the name of SGAN's file, not in that of the labels alone."""
    runs = {"labels-3000-0.003-1": 30.0, f"sgan-3000-0.003-0.5{ending}": 15.0, "sgan-3000-0.003-0.5": 1.0}
    for name, error in runs.items():
        (tmp_path / f"digits-10-{name}-1.json").write_text(json.dumps({"seed": 1, "errors": {"3000": error}}))
    arguments = ["--seeds", "1", option, value, "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["semi_supervised.py", *arguments])
    importlib.import_module("semi_supervised").main()
    assert "| 1 | 30.00 | 30.00 | 15.00 | 50.0 (of its best: 50.0) |" in capsys.readouterr().out


def test_results_that_are_there_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By names that tell the settings; the same names go on with a run that was cut."""
    for name, errors in (("labels-3000-0.003-1", [20.0, 30.0]), ("sgan-3000-0.003-0.5", [18.0, 15.0])):
        found = {"seed": 1, "errors": dict(zip(("1500", "3000"), errors, strict=True))}
        (tmp_path / f"digits-10-{name}-1.json").write_text(json.dumps(found))
    monkeypatch.setattr(sys, "argv", ["semi_supervised.py", "--seeds", "1", "--out", str(tmp_path)])
    importlib.import_module("semi_supervised").main()
    assert "| 1 | 30.00 | 20.00 | 15.00 | 50.0 (of its best: 25.0) |" in capsys.readouterr().out
