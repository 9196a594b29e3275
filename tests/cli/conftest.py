"""The command line called in this process, and one tiny trained run that tests read or copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from lightning_gans.cli import main

__all__ = ["TINY", "Answer", "Call", "files"]

TINY = [
    *("--model.generator_channels", "8", "--model.discriminator_channels", "8"),
    *(
        "--trainer.accelerator",
        "cpu",
        "--trainer.enable_progress_bar",
        "false",
        "--trainer.enable_model_summary",
        "false",
    ),
]


class Answer(NamedTuple):
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line of stderr."""
        return self.err.rstrip("\n").rpartition("\n")[2]


Call = Callable[..., Answer]


def files(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, to compare before and after."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """So small a network loses by sharing its work, most of all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Run a command in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Answer:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return Answer(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="package")
def trained(_one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run of a tiny DCGAN on digits, 6 iterations; do not write into it."""
    root = tmp_path_factory.mktemp("trained")
    arguments = ["--model", "dcgan", *TINY, "--data.size", "16", "--trainer.max_steps", "6"]
    arguments += ["--trainer.log_every_n_steps", "2", "--trainer.default_root_dir", str(root)]
    state = torch.get_rng_state()
    assert main(["train", *arguments]) == 0
    torch.set_rng_state(state)
    return root


@pytest.fixture
def run_copy(trained: Path, tmp_path: Path) -> Path:
    """The run's folder, copied to where ``call`` stands."""
    shutil.copytree(trained / "runs", tmp_path / "runs")
    return tmp_path / "runs" / "dcgan-digits" / "1"


@pytest.fixture
def checkpoint(trained: Path) -> Path:
    """The run's checkpoint."""
    return trained / "runs" / "dcgan-digits" / "1" / "checkpoints" / "last.ckpt"
