"""Options that are wrong: one line, the exit code, and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from datamodules import FashionMNIST
from lightning_gans.cli.options import explain
from tests.cli.conftest import TINY, Call, files

BASE = ["train", "--model", "dcgan", *TINY, "--data.size", "16", "--trainer.max_steps", "2"]
LOGGERS = "csv, tensorboard, wandb, none"

USAGE = [
    (
        "--model.latent_dimm 3",
        "unknown option --model.latent_dimm. Did you mean --model.latent_dim? All options: add --help",
    ),
    # an abbreviation that argparse would take
    (
        "--trainer.max_step 3",
        "unknown option --trainer.max_step. Did you mean --trainer.max_steps? All options: add --help",
    ),
    ("--zzz", "unknown option --zzz. All options: add --help"),
    ("stray", "unrecognized arguments: stray"),
    ("--model.lr x", "--model.lr x: allowed: float"),
    ("--model.num_classes 3", "--model.num_classes: the data says it (--data.size, --data.channels)"),
    ("--data.channels 2", "--data.channels 2: allowed: 'auto', 1, 3, 4"),
    ("--trainer.precision 16-true", "--trainer.precision 16-true: allowed: 32-true, bf16-mixed, 16-mixed"),
    ("--trainer.precision bf16-true", "--trainer.precision bf16-true: allowed: 32-true, bf16-mixed, 16-mixed"),
    ("--trainer.precision half", "--trainer.precision half: allowed: 32-true, bf16-mixed, 16-mixed"),
    ("--trainer.precision 16-mixed", "--trainer.precision 16-mixed: needs a GPU; on a CPU: bf16-mixed"),
    ("--trainer.precision 16", "--trainer.precision 16-mixed: needs a GPU; on a CPU: bf16-mixed"),
    (
        "--trainer.gradient_clip_val 1",
        "--trainer.gradient_clip_val: each player is clipped by itself: --model.generator_clip, --model.discriminator_clip",
    ),
    ("--trainer.accumulate_grad_batches=2", "--trainer.accumulate_grad_batches: use --model.accumulate"),
    ("--trainer.logger true", "--trainer.logger: use --logger csv,tensorboard,wandb (any of them, by comma) or none"),
    ("--logger csvv", f"unknown logger 'csvv'. Did you mean csv? Choose from: {LOGGERS}"),
    ("--logger csv,none", f"unknown logger 'none'. Choose from: {LOGGERS}"),
    ("--logger csv --wandb.project x", "--wandb.project without W&B; add it: --logger csv,wandb"),
    (
        "--logger wandb --wandb.log_model true --wandb.offline true",
        "--wandb.log_model uploads checkpoints and cannot be used offline",
    ),
]

OTHER = [
    ("--data.size 20", "images of 20x20; allowed: square, a power of two from 16 up (nearest: 16 or 32)"),
    ("--ckpt_path no.ckpt", "no checkpoint at 'no.ckpt'"),
    (
        "--ckpt_path last",
        "--ckpt_path last: no run with checkpoints/last.ckpt in runs/dcgan-digits; start one without --ckpt_path",
    ),
    ("--ckpt_path foreign.ckpt", "'foreign.ckpt' is damaged, or no checkpoint: EOFError"),
]


@pytest.mark.parametrize(("flags", "message"), USAGE)
def test_a_wrong_option_is_answered_with_what_is_right(call: Call, tmp_path: Path, flags: str, message: str) -> None:
    answer = call(*BASE, *flags.split())
    assert (answer.code, answer.out, answer.err) == (2, "", f"error: {message}\n")
    assert files(tmp_path) == {}


@pytest.mark.parametrize(("flags", "message"), OTHER)
def test_what_cannot_run_says_so_before_it_writes(call: Call, tmp_path: Path, flags: str, message: str) -> None:
    (tmp_path / "foreign.ckpt").write_bytes(b"")
    before = files(tmp_path)
    answer = call(*BASE, *flags.split())
    assert (answer.code, answer.out, answer.last) == (1, "", f"error: {message}")
    assert files(tmp_path) == before


@pytest.mark.parametrize("device", ["tpu", "no_such_thing"])
def test_a_device_that_is_not_there_is_refused(call: Call, tmp_path: Path, device: str) -> None:
    answer = call(*BASE, "--trainer.accelerator", device)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"error: --trainer.accelerator {device}: no such device here. Allowed: auto, cpu")
    assert answer.err.count("\n") == 1
    assert files(tmp_path) == {}


def test_an_unknown_option_of_wandb_gets_the_nearest_name(call: Call, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    answer = call(*BASE, "--logger", "wandb", "--wandb.projekt", "x")
    assert answer.code == 2
    assert answer.err.startswith(
        "error: unknown option --wandb.projekt. Did you mean project? Choose from: add_file_policy, "
    )
    assert answer.err.count("\n") == 1
    assert files(tmp_path) == {}


def test_an_unknown_option_in_a_file_names_the_file(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("model:\n  lrr: 1\n")
    answer = call(*BASE, "--config", "mine.yaml")
    assert (answer.code, answer.out) == (2, "")
    assert (
        answer.err
        == "error: unknown option --model.lrr in mine.yaml. Did you mean --model.lr? All options: add --help\n"
    )
    (tmp_path / "mine.yaml").write_text("trainer:\n  gradient_clip_val: 1\n")
    answer = call(*BASE, "--config", "mine.yaml")
    assert answer.err == (
        "error: --trainer.gradient_clip_val in mine.yaml: each player is clipped by itself: "
        "--model.generator_clip, --model.discriminator_clip\n"
    )


def test_missing_data_leaves_no_folder(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FashionMNIST, "folders", ())  # no copy of this machine
    flags = ["--data", "fashion_mnist", "--data.root", "nowhere", "--data.download", "false"]
    answer = call("train", "--model", "dcgan", *TINY, *flags, "--trainer.max_steps", "2")
    assert (answer.code, answer.out) == (1, "")
    assert answer.last.startswith("error: ")
    assert "nowhere" in answer.last
    assert files(tmp_path) == {}


def test_a_structured_message_of_the_parser_becomes_one_line() -> None:
    text = (
        'Parser key "data.size":\n  Does not validate against any of the Union subtypes\n'
        "  Subtypes: [<class 'int'>, <class 'str'>, <class 'NoneType'>]\n  Errors:\n    - Expected a <class 'int'>\n"
        "  Given value type: <class 'list'>\n  Given value: [1]"
    )
    assert explain(text) == "--data.size [1]: allowed: int, str, null"
    assert explain('Parser key "a.b":\n  something\n  else') == "--a.b: something else"
    assert explain("plain") == "plain"
