"""The rerun of "Are GANs Created Equal?": what its models are fed, and which runs it takes for the same."""

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_gans.metrics.scores import Score
from tests.benchmarks.wrong import says


@pytest.fixture
def created_equal() -> Any:
    return importlib.import_module("created_equal")


def test_vae_learns_pixels_of_a_data_module(created_equal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data modules yield bytes; cross entropy takes pixels in [0, 1], and has no lower bound beyond them."""
    targets: list[Tensor] = []
    entropy = F.binary_cross_entropy_with_logits

    def watched(logits: Tensor, pixels: Tensor, **options: Any) -> Tensor:
        targets.append(pixels)
        return entropy(logits, pixels, **options)

    monkeypatch.setattr(F, "binary_cross_entropy_with_logits", watched)
    vae = created_equal.VAE((1, 8, 8), latent_dim=4, channels=2, lr=1e-3)
    monkeypatch.setattr(vae, "log", lambda *_: None)  # no Trainer listens
    images = torch.arange(4 * 64, dtype=torch.uint8).view(4, 1, 8, 8)
    loss = vae.training_step({"images": images, "labels": torch.arange(4)}, 0)
    torch.testing.assert_close(targets[0], images.float() / 255.0)
    assert loss.item() > 0.0


def options(**given: Any) -> argparse.Namespace:
    defaults = {"settings": "short", "channels": 2, "iterations": 18740}
    return argparse.Namespace(**{**defaults, **given})


@pytest.mark.parametrize("settings", ["short", "study"])
def test_formulations_have_equal_turns_of_the_critic(created_equal: Any, settings: str) -> None:
    """The study counts steps of the critic, which take the data; its generators act every d_steps of them."""
    for name in [*created_equal.FORMULATIONS, "vae"]:
        model = created_equal.build(name, options(settings=settings), (1, 8, 8))
        several = settings == "study" and name in ("wgan", "wgan_gp", "began")
        assert created_equal.trainer_steps(model, 18740) == (3748 if several else 18740)
        assert getattr(model, "parts", 1) == (5 if several else 1)


@pytest.fixture
def run(created_equal: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls the benchmark on digits with its smallest networks, a checkpoint each iteration; what its runs found."""
    monkeypatch.setattr(created_equal, "EVERY", 1)

    def call(*arguments: str) -> dict[str, Any]:
        base = ["--data", "digits", "--channels", "1", "--seeds", "0", "--n", "32", "--iterations", "5"]
        base += ["--formulations", "minimax", "--out", str(tmp_path), "--threads", str(torch.get_num_threads())]
        monkeypatch.setattr(sys, "argv", ["created_equal.py", *base, *arguments])
        created_equal.main()
        return {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*-0.json")}

    return call


def test_a_run_is_scored_once_and_goes_on_with_its_own_settings_only(
    run: Any, created_equal: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    score = dict.fromkeys(("fid_domain", "precision_domain", "recall_domain"), Score(1.0, 0.0, "none"))
    monkeypatch.setattr(created_equal, "evaluate", lambda *_: score)
    first = run()
    assert run() == first  # nothing is trained or measured again
    told = first["minimax-0"]["settings"]
    assert told["data"] == "digits"
    assert (told["iterations"], told["samples"]) == (5, 32)
    assert (told["model.formulation"], told["model.lr"]) == ("minimax", 1e-3)
    result = tmp_path / "minimax-0.json"
    for arguments, made, asked in [
        (("--iterations", "6"), "iterations=5", "iterations=6"),
        (("--n", "33"), "samples=32", "samples=33"),
    ]:
        capsys.readouterr()
        with pytest.raises(SystemExit, match="2"):
            run(*arguments)
        line = f"error: {result} was made with {made}, not with {asked}; allowed: the same, or another --out\n"
        assert capsys.readouterr().err == line

    result.unlink()  # cut before it was scored
    last = tmp_path / "minimax-0" / "last.ckpt"
    held = last.read_bytes()
    with pytest.raises(SystemExit, match="2"):
        run("--settings", "study")
    line = capsys.readouterr().err
    assert line.startswith(f"error: {last} was made with settings=short, model.lr=0.001, ")
    assert ", not with settings=study, model.lr=5e-05, " in line
    assert line.count("\n") == 1
    assert last.read_bytes() == held
    again = run("--n", "33")["minimax-0"]  # how many samples are scored is no matter of training
    assert 0.0 < again["seconds"] <= first["minimax-0"]["seconds"]
    older = torch.load(last, weights_only=False)
    del older["settings"]
    torch.save(older, last)
    result.unlink()
    capsys.readouterr()
    with pytest.raises(SystemExit, match="2"):
        run()
    assert capsys.readouterr().err == f"error: {last} does not tell all its settings; allowed: another --out\n"


def test_defaults_of_a_model_are_settings(created_equal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = options(settings="study", data="digits")

    def told() -> dict[str, Any]:
        model = created_equal.build("began", given, (1, 8, 8))
        found: dict[str, Any] = created_equal.settings("began", 0, given, model)
        return found

    before = told()
    assert before["model.lr"] == 1e-4
    changed = created_equal.FORMULATIONS["began"]._replace(lr=2e-4)
    monkeypatch.setitem(created_equal.FORMULATIONS, "began", changed)
    assert {key for key, value in told().items() if before[key] != value} == {"model.lr"}


def test_the_vae_is_scored_too(run: Any) -> None:
    found = run("--vae")["vae-0"]
    assert found["settings"]["model.lr"] == 1e-3
    assert found["settings"]["model.latent_dim"] == 64
    assert found["fid"] > 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "digit"], "unknown data 'digit'. Did you mean 'digits'? Choose from: anime_faces, "),
        (
            ["--data", "gaussians"],
            "data 'gaussians' has no classifier to be scored by; allowed: digits, fashion_mnist, or data that "
            "`lightning-gans evaluate` has trained one for at 28x28\n",
        ),
        (["--data", "digit_domains"], "data 'digit_domains' has no classifier to be scored by; allowed: "),
        (["--data", "digits", "--iterations", "0"], "iterations 0; allowed: 1 or more\n"),
        (["--data", "digits", "--settings", "study", "--iterations", "4"], "iterations 4; allowed: 5 or more\n"),
    ],
)
def test_wrong_options_are_told_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results"
    code, line = says("created_equal", *arguments, "--out", out, capsys=capsys)
    assert code == 2
    assert line.startswith(f"error: {message}")
    assert line.count("\n") == 1
    assert not out.exists()
