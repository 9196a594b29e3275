"""Runs that are interrupted: they finish the iteration, save, and stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl

from lightning_gans import DCGAN
from lightning_gans.callbacks import RunCheckpoint
from tests.callbacks.saved import At, fail, iteration, read

Make, Run, Same = Callable[..., DCGAN], Callable[..., pl.Trainer], Callable[..., bool]


def test_control_c_finishes_the_iteration(tiny: Make, run: Run, same: Same, folder: Path) -> None:
    class Press(pl.Callback):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            if pl_module.iterations == 5:
                signal.raise_signal(signal.SIGINT)  # as if in the middle of the sixth

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as caught:
        run(tiny(), Press(), RunCheckpoint(folder), steps=30)
    assert caught.value.code == 1
    assert signal.getsignal(signal.SIGINT) is handler
    whole = tiny()
    run(whole, steps=6)
    assert iteration(folder) == 6
    assert same(whole.state_dict(), read(folder)["state_dict"])


def test_control_c_twice_stops_at_once(tiny: Make, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*_: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    loss = DCGAN.generator_loss
    monkeypatch.setattr(
        DCGAN, "generator_loss", lambda self, batch: press() if self.iterations == 5 else loss(self, batch)
    )
    with (
        pytest.raises(SystemExit),
        pytest.warns(UserWarning, match=r"^the KeyboardInterrupt came in the middle of itera"),
    ):
        run(tiny(), RunCheckpoint(folder), steps=30)
    assert iteration(folder) == 5


def test_handlers_are_given_back(tiny: Make, run: Run, folder: Path) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run(tiny(), RunCheckpoint(folder), steps=1)
    with pytest.raises(RuntimeError):
        run(tiny(), At(1, fail), RunCheckpoint(folder), steps=2)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_another_thread_may_train(tiny: Make, run: Run, folder: Path) -> None:
    thread = threading.Thread(target=lambda: run(tiny(), RunCheckpoint(folder), steps=2))
    thread.start()
    thread.join()
    assert iteration(folder) == 2


SCRIPT = """
import os, sys
from pathlib import Path
import torch, pytorch_lightning as pl
from datamodules import Digits
from lightning_gans import DCGAN
from lightning_gans.callbacks import RunCheckpoint, SampleGrid

class Here(pl.Callback):
    def on_train_batch_end(self, trainer, module, *_):
        if module.iterations == 30:
            Path(f"{trainer.global_rank}.pid").write_text(str(os.getpid()))

torch.manual_seed(0)
torch.set_num_threads(1)
model = DCGAN(image_shape=(1, 16, 16), generator_channels=8, discriminator_channels=8)
torch.manual_seed(1)
devices = int(sys.argv[1])
pl.Trainer(
    accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto", logger=False, max_epochs=-1,
    enable_progress_bar=False, enable_model_summary=False, callbacks=[Here(), RunCheckpoint("checkpoints", every=10**6)],
).fit(model, datamodule=Digits(size=16))
"""


def interrupt(folder: Path, number: int, devices: int, rank: int) -> tuple[int, str]:
    """Train without an end in processes of their own, signal one of them once it is under way: exit code, stdout."""
    script = folder / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    with (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, str(script), str(devices)],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        pid, end = folder / f"{rank}.pid", time.monotonic() + 120
        try:
            while not (pid.exists() and pid.read_text()):
                assert process.poll() is None, (folder / "stderr").read_text()
                assert time.monotonic() < end
                time.sleep(0.05)
            os.kill(int(pid.read_text()), number)
            out, _ = process.communicate(timeout=120)
        finally:
            process.kill()
    return process.returncode, out.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_from_outside(tiny: Make, run: Run, same: Same, tmp_path: Path, number: int) -> None:
    code, out = interrupt(tmp_path, number, devices=1, rank=0)
    assert out == ""
    assert code == 1 or number == signal.SIGTERM  # whose exit code Lightning 2.6 leaves at 0
    reached = iteration(tmp_path / "checkpoints")
    assert reached >= 30
    whole = tiny()
    run(whole, steps=reached)
    assert same(whole.state_dict(), read(tmp_path / "checkpoints")["state_dict"])


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_a_signal_to_one_of_two_processes(tmp_path: Path, number: int) -> None:
    interrupt(tmp_path, number, devices=2, rank=1)
    checkpoint = read(tmp_path / "checkpoints")["adversarial"]
    assert checkpoint["iterations"] >= 40
    assert checkpoint["iterations"] % 20 == 0  # when they agreed
    assert len(checkpoint["random"]) == 2
