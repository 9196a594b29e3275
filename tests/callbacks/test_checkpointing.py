from __future__ import annotations

import os
import resource
import signal
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.utilities import _scan_checkpoints

from lightning_gans import DCGAN
from lightning_gans.callbacks import RunCheckpoint, RunProgress, SampleGrid, Watchdog, checkpointing
from lightning_gans.core.finite import Diverged
from lightning_gans.core.writing import write_checkpoint
from tests.callbacks.saved import At, fail, iteration

Make, Run, Same = Callable[..., DCGAN], Callable[..., pl.Trainer], Callable[..., bool]


def poison(trainer: Any, module: Any) -> None:
    next(module.parameters()).data[-1] = float("nan")


@pytest.fixture
def saves(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Iterations at which a file was written."""
    seen: list[int] = []

    def spy(checkpoint: dict[str, Any], path: Path) -> None:
        seen.append(checkpoint["adversarial"]["iterations"])
        write_checkpoint(checkpoint, path)

    monkeypatch.setattr(checkpointing, "write_checkpoint", spy)
    return seen


# ---------------------------------------------------------------- cadence


def test_iterations_and_the_end(
    tiny: Make, run: Run, folder: Path, saves: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(tiny(), RunCheckpoint(folder, every=5), steps=12)
    assert saves == [5, 10, 12]
    assert iteration(folder) == 12
    assert not [w for w in caught if "pre-optimization" in str(w.message)]
    assert capsys.readouterr().out == ""


def test_an_end_on_the_cadence_is_saved_once(tiny: Make, run: Run, folder: Path, saves: list[int]) -> None:
    run(tiny(), RunCheckpoint(folder, every=5), steps=10)
    assert saves == [5, 10]


def test_minutes(tiny: Make, run: Run, folder: Path, saves: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(checkpointing.time, "monotonic", lambda: now[0])
    tick = At(0, lambda *_: None)
    tick.on_train_batch_end = lambda *_: now.__setitem__(0, now[0] + 50.0)  # type: ignore[method-assign]
    run(tiny(), tick, RunCheckpoint(folder, minutes=2.0), steps=8)
    assert saves == [3, 6, 8]  # after 150 s, 300 s and at the end


def test_the_end_of_epochs(tiny: Make, run: Run, folder: Path, saves: list[int]) -> None:
    run(tiny(), RunCheckpoint(folder), max_epochs=3, limit_train_batches=4)
    assert saves == [12]


def test_the_folder_of_the_logger(tiny: Make, run: Run, tmp_path: Path) -> None:
    run(tiny(), RunCheckpoint(), steps=1, logger=CSVLogger(tmp_path, name="a", version="b"))
    assert iteration(tmp_path / "a" / "b" / "checkpoints") == 1


def test_a_dry_run_leaves_nothing(tiny: Make, run: Run, tmp_path: Path, folder: Path) -> None:
    run(tiny(), RunCheckpoint(folder), fast_dev_run=True)
    assert os.listdir(tmp_path) == []


def test_bad_options() -> None:
    allowed = "allowed: at least 1 iteration and more than 0 minutes"
    with pytest.raises(ValueError, match=f"^every 0, minutes 10.0; {allowed}$"):
        RunCheckpoint(every=0)
    with pytest.raises(ValueError, match=f"^every 1000, minutes 0; {allowed}$"):
        RunCheckpoint(minutes=0)


# ---------------------------------------------------------------- what loggers and Lightning see


def test_loggers_are_told_and_find_the_file(tiny: Make, run: Run, tmp_path: Path, folder: Path) -> None:
    found = []

    class Logger(CSVLogger):
        def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
            found.append([path for _, path, _, _ in _scan_checkpoints(checkpoint_callback, {})])  # as W&B's does

    run(tiny(), RunCheckpoint(folder, every=2), steps=3, logger=Logger(tmp_path))
    assert found == [[str(folder / "last.ckpt")]] * 2


def test_lightning_finds_the_last_one(tiny: Make, run: Run, folder: Path, saves: list[int]) -> None:
    run(tiny(), RunCheckpoint(folder), steps=3)
    run(tiny(), RunCheckpoint(folder), steps=5, ckpt_path="last")
    assert saves == [3, 5]


# ---------------------------------------------------------------- resume


@pytest.mark.parametrize("stop", [7, 21, 25])  # in the first epoch, at its end, in the second
@pytest.mark.parametrize("how", ["max_steps", "should_stop", "exception", "SIGTERM"])
def test_a_resumed_run_is_the_run(tiny: Make, run: Run, same: Same, folder: Path, stop: int, how: str) -> None:
    whole, first, second = (tiny(ema_decay=0.9) for _ in range(3))
    run(whole, steps=30)
    if how == "max_steps":
        run(first, RunCheckpoint(folder), steps=stop)
    elif how == "should_stop":
        run(first, At(stop, lambda trainer, _: setattr(trainer, "should_stop", True)), RunCheckpoint(folder), steps=30)
    elif how == "exception":
        with pytest.raises(RuntimeError, match=r"^broken$"):
            run(first, At(stop, fail), RunCheckpoint(folder), steps=30)
    else:
        with pytest.raises(SystemExit):
            run(first, At(stop, lambda *_: signal.raise_signal(signal.SIGTERM)), RunCheckpoint(folder), steps=30)
    assert iteration(folder) == stop
    trainer = run(second, RunCheckpoint(folder), steps=30, ckpt_path=folder / "last.ckpt")
    assert trainer.global_step == second.iterations == 30
    assert same(whole.state_dict(), second.state_dict())


def test_the_moved_folder_of_a_run_resumes_without_a_word(tiny: Make, run: Run, folder: Path, tmp_path: Path) -> None:
    run(tiny(), RunCheckpoint(folder), steps=21)
    folder.rename(tmp_path / "moved")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(tiny(), RunCheckpoint(tmp_path / "moved"), steps=22, ckpt_path=tmp_path / "moved" / "last.ckpt")
    assert not [w for w in caught if "dirpath" in str(w.message)]
    assert iteration(tmp_path / "moved") == 22


def test_training_is_the_same_with_all_callbacks_and_without(tiny: Make, run: Run, same: Same, folder: Path) -> None:
    shown, plain = tiny(ema_decay=0.9), tiny(ema_decay=0.9)
    every = [RunProgress(), SampleGrid(every=2, n=4), Watchdog(every=1), RunCheckpoint(folder, every=3)]
    run(shown, *every, steps=12)
    run(plain, steps=12)
    assert same(shown.state_dict(), plain.state_dict())


# ---------------------------------------------------------------- exceptions


def test_an_exception_in_the_middle_of_an_iteration(
    tiny: Make, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = DCGAN.generator_loss

    def broken(self: DCGAN, batch: Any) -> Any:
        return fail() if self.iterations == 6 else loss(self, batch)

    monkeypatch.setattr(DCGAN, "generator_loss", broken)
    message = (
        "the RuntimeError came in the middle of iteration 7: a run resumed from this checkpoint does that iteration "
        "again, half of it for the second time"
    )
    with pytest.raises(RuntimeError, match=r"^broken$"), pytest.warns(UserWarning, match=f"^{message}$"):
        run(tiny(), RunCheckpoint(folder, every=4), steps=30)
    assert iteration(folder) == 6
    monkeypatch.undo()
    model = tiny()
    run(model, RunCheckpoint(folder), steps=8, ckpt_path=folder / "last.ckpt")
    assert model.iterations == 8


def test_before_training_nothing_is_saved(tiny: Make, run: Run, folder: Path, saves: list[int]) -> None:
    run(tiny(), RunCheckpoint(folder), steps=3)
    before = (folder / "last.ckpt").read_bytes()

    class Broken(pl.Callback):
        on_sanity_check_start = on_fit_start = fail

    with pytest.raises(RuntimeError, match=r"^broken$"):
        run(tiny(), Broken(), RunCheckpoint(folder), steps=3)

    class BrokenFirst(pl.Callback):
        on_train_batch_start = fail

    with pytest.raises(RuntimeError, match=r"^broken$"):
        run(tiny(), BrokenFirst(), RunCheckpoint(folder), steps=3)
    assert saves == [3]
    assert (folder / "last.ckpt").read_bytes() == before


def test_an_exception_is_never_hidden_by_the_save(
    tiny: Make, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any) -> None:
        raise RuntimeError("the device is gone")

    monkeypatch.setattr(checkpointing, "nonfinite", lost)
    with (
        pytest.raises(RuntimeError, match=r"^broken$"),
        pytest.warns(UserWarning, match=r"^not saved: the device is gone$"),
    ):
        run(tiny(), At(2, fail), RunCheckpoint(folder), steps=3)
    assert not folder.exists()


# ---------------------------------------------------------------- weights that are not finite


@pytest.mark.parametrize("steps", [8, 6], ids=["cadence", "end"])
def test_bad_weights_are_never_saved(tiny: Make, run: Run, folder: Path, steps: int) -> None:
    name = next(name for name, _ in tiny().named_parameters())
    with pytest.raises(Diverged) as caught:
        run(tiny(), At(steps, poison), RunCheckpoint(folder, every=4), steps=steps)
    assert str(caught.value) == str(Diverged.at(steps, [name]))
    assert iteration(folder) == 4


def test_bad_weights_are_not_saved_by_an_exception(tiny: Make, run: Run, folder: Path) -> None:
    def both(trainer: Any, module: Any) -> None:
        poison(trainer, module)
        fail()

    name = next(name for name, _ in tiny().named_parameters())
    with (
        pytest.raises(RuntimeError, match=r"^broken$"),
        pytest.warns(UserWarning, match=f"^not saved: diverged: not finite at iteration 6: {name};"),
    ):
        run(tiny(), At(6, both), RunCheckpoint(folder, every=4), steps=8)
    assert iteration(folder) == 4


# ---------------------------------------------------------------- no space


@pytest.fixture
def small_disk() -> Iterator[Callable[[], None]]:
    """Files cannot grow beyond 20 KB from the moment the fixture is called."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_space_leaves_the_old_file(
    tiny: Make, run: Run, folder: Path, saves: list[int], small_disk: Callable[[], None]
) -> None:
    with pytest.raises(OSError) as caught:
        run(tiny(), At(6, lambda *_: small_disk()), RunCheckpoint(folder, every=3), steps=9)
    message = str(caught.value)
    free = message.partition("(")[2].partition(" MiB")[0]
    assert int(free) > 0
    assert message == (
        f"cannot write {folder / 'last.ckpt'}: File too large ({free} MiB free there); "
        "an earlier checkpoint of that name is untouched"
    )
    assert saves == [3, 6]  # and not a third time because of the exception
    assert iteration(folder) == 3
