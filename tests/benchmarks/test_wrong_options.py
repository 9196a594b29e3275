"""Benchmarks that are asked for what cannot be, say so in one line before anything is trained."""

from pathlib import Path

import pytest

from tests.benchmarks.wrong import says


@pytest.mark.parametrize(
    ("benchmark", "arguments", "code", "message"),
    [
        ("class_conditional", ["--models", "bigan"], 1, "unknown model 'bigan'. Did you mean 'biggan'? Choose from: "),
        ("class_conditional", ["--minutes", "0"], 2, "minutes 0; allowed: above 0"),
        ("stacked_modes", ["--size", "17"], 1, "images of 17x17; allowed: square, a power of two from 16 up "),
        ("stacked_modes", ["--iterations", "-1"], 2, "iterations -1; allowed: above 0"),
        ("mixtures", ["--seconds", "-0.5"], 2, "seconds -0.5; allowed: above 0"),
        ("mixtures", ["--lr", "nan"], 2, "lr nan; allowed: above 0"),
    ],
)
def test_a_wrong_option_is_told_in_one_line(
    benchmark: str, arguments: list[str], code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, told = says(benchmark, *arguments, "--out", tmp_path / "results", capsys=capsys)
    assert (found, told.count("\n")) == (code, 1)
    assert told.startswith(f"error: {message}")


def test_results_of_other_settings_are_not_taken_for_these(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cgan-0.json"
    path.write_text('{"data": "digits", "minutes": 1.0, "n": 10, "settings": {}}')
    arguments = ("--data", "digits", "--models", "cgan", "--minutes", "2", "--out", tmp_path)
    expected = f"error: {path} was made with other settings; name another --out\n"
    assert says("class_conditional", *arguments, capsys=capsys) == (1, expected)
