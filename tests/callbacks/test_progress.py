from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from lightning_gans import DCGAN
from lightning_gans.callbacks import RunCheckpoint, RunProgress, progress

Make, Run = Callable[..., DCGAN], Callable[..., pl.Trainer]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def refreshes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Iterations at which the losses were read."""
    seen: list[int] = []
    refresh = RunProgress._refresh
    monkeypatch.setattr(RunProgress, "_refresh", lambda self, m: (seen.append(m.iterations), refresh(self, m))[1])
    return seen


def test_one_bar_for_the_whole_run(
    tiny: Make,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    refreshes: list[int],
) -> None:
    monkeypatch.setattr(progress, "FILE_SECONDS", 300.0)  # a busy machine may need more than ten
    run(tiny(), RunProgress(), steps=50)  # 2.4 epochs
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if line.startswith("training")]
    assert lines[0].startswith("training:   0%|")
    assert re.fullmatch(
        r"training: 100%\|\S+\| 50/50 \[\d\d:\d\d<00:00, G [\d.]+, D [\d.]+, \d+ images/s\]", lines[-1]
    ), lines[-1]
    assert len(lines) == 2  # a log file stays short
    assert refreshes == [50]


def test_a_resumed_run_begins_where_it_stands(
    tiny: Make, run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run(tiny(), RunCheckpoint(tmp_path), steps=30)
    run(tiny(), RunProgress(), steps=40, ckpt_path=tmp_path / "last.ckpt")
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("training")]
    assert " 30/40 " in lines[0]
    assert " 40/40 " in lines[-1]


def test_epochs_tell_the_length(tiny: Make, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run(tiny(), RunProgress(), steps=-1, max_epochs=2, limit_train_batches=3)
    assert " 6/6 " in capsys.readouterr().err


def test_a_run_without_an_end(tiny: Make, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    class Stop(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
            trainer.should_stop = pl_module.iterations == 4

    run(tiny(), RunProgress(), Stop())
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("training")]
    assert re.fullmatch(r"training: 4 \[\d\d:\d\d, G [\d.]+, D [\d.]+, \d+ images/s\]", lines[-1]), lines[-1]


def test_a_terminal_is_refreshed_in_place_and_rarely(
    tiny: Make, run: Run, monkeypatch: pytest.MonkeyPatch, refreshes: list[int]
) -> None:
    clock = iter(range(10**6))  # each look at the clock takes 0.03 s
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock) * 0.03)
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    run(tiny(), RunProgress(), steps=100)
    assert [b - a >= 20 for a, b in itertools.pairwise(refreshes)] == [True] * 4 + [False]
    assert len(refreshes) == 6
    assert terminal.getvalue().count("\r") >= 6


def test_slow_iterations_are_shown_all_the_same(
    tiny: Make, run: Run, monkeypatch: pytest.MonkeyPatch, refreshes: list[int]
) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock) * 6.0)
    monkeypatch.setattr("sys.stderr", Terminal())
    run(tiny(), RunProgress(), steps=3)
    assert refreshes[:3] == [1, 2, 3]


def test_several_terms_add_up_and_norms_do_not() -> None:
    terms = {
        "generator/adversarial": torch.tensor(0.5),
        "generator/path_length": torch.tensor(0.25),
        "generator/grad_norm": torch.tensor(7.0),
        "discriminator/real": torch.tensor(1.0),
    }
    assert progress._losses(terms) == ["G 0.75", "D 1"]
    assert progress._losses({}) == []


def test_disabled_it_is_silent(tiny: Make, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    bar = RunProgress()
    bar.disable()
    run(tiny(), bar, steps=2)
    assert "training" not in capsys.readouterr().err
    bar.enable()
    run(tiny(), bar, steps=2)
    assert "training" in capsys.readouterr().err


def test_only_the_first_process_has_a_bar() -> None:
    bar = RunProgress()
    bar.setup(SimpleNamespace(is_global_zero=False), None, "fit")  # type: ignore[arg-type]
    bar.on_train_start(None, None)  # type: ignore[arg-type]
    assert bar._bar is None


def test_an_exception_closes_the_bar(tiny: Make, run: Run) -> None:
    class Fail(pl.Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            raise RuntimeError("stop")

    bar = RunProgress()
    with pytest.raises(RuntimeError, match=r"^stop$"):
        run(tiny(), bar, Fail(), steps=3)
    assert bar._bar is None


def test_print_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    RunProgress().print("a", 1)
    assert capsys.readouterr() == ("", "a 1\n")


def test_training_is_the_same_with_and_without(tiny: Make, run: Run, same: Callable[..., bool]) -> None:
    shown, plain = tiny(), tiny()
    run(shown, RunProgress(), steps=4)
    run(plain, steps=4)
    assert same(shown.state_dict(), plain.state_dict())
