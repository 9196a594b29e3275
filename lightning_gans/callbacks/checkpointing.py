"""``last.ckpt``: written every so often and however a run ends, between iterations, whole or not at all."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, cast
from weakref import proxy

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import Tensor

from lightning_gans.core.finite import Diverged, nonfinite
from lightning_gans.core.writing import write_checkpoint

if TYPE_CHECKING:
    from lightning_gans.core.adversarial import AdversarialModule

__all__ = ["RunCheckpoint"]

AGREE_EVERY = 20  # iterations between two questions to the other processes: each costs a round trip


class RunCheckpoint(ModelCheckpoint):
    """Keeps ``last.ckpt``: by iterations or time, at the end of training, on Ctrl-C, SIGTERM and exceptions.

    It is Lightning's ModelCheckpoint for loggers and ``ckpt_path="last"``, but none of that class's own cadence runs:
    in manual optimisation it would ignore time, count optimiser steps and warn at each save.

    Ctrl-C once lets the iteration finish, saves and ends the run; twice ends it at once. Several processes agree on
    signals and on time every 20 iterations. What only one of several processes knows of, such as an exception, is not
    saved: writing a checkpoint takes all of them.

    Args:
        folder: where ``last.ckpt`` goes; None: ``checkpoints`` in the first logger's folder, else in the Trainer's.
        every: iterations between two saves.
        minutes: the longest time between two saves.

    Raises:
        ValueError: ``every`` is below 1 or ``minutes`` not positive.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, every: int = 1000, minutes: float = 10.0) -> None:
        if every < 1 or not minutes > 0:
            raise ValueError(f"every {every}, minutes {minutes}; allowed: at least 1 iteration and more than 0 minutes")
        super().__init__(dirpath=None if folder is None else os.fspath(folder), filename="last", save_top_k=0)
        self.every = every
        self.minutes = minutes
        self._training = False  # before and after training there is nothing of ours to save
        self._saved_iteration = 0
        self._saved_at = 0.0  # time.monotonic()
        self._signal: int | None = None  # that this process received
        self._agreed = False  # all processes raise for a signal, at the same iteration
        self._handlers: dict[int, Any] = {}  # signal -> handler that ours replaced

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock and take over Ctrl-C."""
        self._training = True
        self._saved_iteration = _run(pl_module).iterations
        self._saved_at = time.monotonic()
        self._signal = None
        self._agreed = False
        self._take_signals(trainer.world_size)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time, or the last iteration; end the run if a signal said so.

        Raises:
            Diverged: the weights are not finite; the file keeps the last good ones.
            KeyboardInterrupt: Ctrl-C was pressed; ``on_exception`` saves.
            SIGTERMException: SIGTERM came to one of several processes; ``on_exception`` saves.
            OSError: the file cannot be written.
        """
        iterations = _run(pl_module).iterations
        interrupted, terminated, due = self._agree(trainer, iterations)
        if interrupted or terminated:
            self._agreed = True
            raise KeyboardInterrupt if interrupted else SIGTERMException
        # A run that ends inside an epoch is saved here: at on_train_end Lightning has counted that epoch as over, and a
        # longer run could not go on from there as if it had never stopped.
        stopped = trainer.should_stop and trainer.fit_loop._can_stop_early
        if due or stopped or iterations % self.every == 0 or 0 < trainer.max_steps <= trainer.global_step:
            self._save(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save what the last iteration left, unless it is saved.

        Raises:
            Diverged: the weights are not finite; the file keeps the last good ones.
            OSError: the file cannot be written.
        """
        self._save(trainer, pl_module)
        self._training = False
        self._give_signals_back()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Save what there is, if it is good; never hide the exception."""
        try:
            if self._training and _run(pl_module).iterations != self._saved_iteration:
                self._rescue(trainer, pl_module, exception)
        finally:
            self._training = False
            self._give_signals_back()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave no handler behind."""
        self._give_signals_back()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Not ModelCheckpoint's cadence."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Not ModelCheckpoint's cadence."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the folder may be moved or copied."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing."""

    def _agree(self, trainer: pl.Trainer, iterations: int) -> tuple[bool, bool, bool]:
        """Was Ctrl-C pressed, did SIGTERM come, is it time: in any process, the same answer in all."""
        due = trainer.is_global_zero and time.monotonic() - self._saved_at >= 60 * self.minutes
        mine = (self._signal == signal.SIGINT, self._signal == signal.SIGTERM, due)
        if trainer.world_size == 1:
            return mine
        if iterations % AGREE_EVERY:
            return False, False, False
        told = torch.tensor(mine, dtype=torch.int32, device=trainer.strategy.root_device)
        interrupted, terminated, due = cast(Tensor, trainer.strategy.reduce(told, reduce_op="sum")).bool().tolist()
        return interrupted, terminated, due

    def _save(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write ``last.ckpt`` unless this iteration is in it; all processes must come here together."""
        module = _run(pl_module)
        if module.iterations == self._saved_iteration or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        self._saved_iteration = module.iterations  # also when it fails below: the same attempt would fail again
        bad = nonfinite(module)
        if trainer.strategy.reduce_boolean_decision(bool(bad), all=False):
            raise Diverged.at(module.iterations, bad or ["a buffer in another process"])
        path = Path(str(self.dirpath)) / f"last{self.FILE_EXTENSION}"
        checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
        error = ""
        if trainer.is_global_zero:
            try:
                write_checkpoint(checkpoint, path)
            except OSError as caught:
                error = str(caught)
        if error := trainer.strategy.broadcast(error):  # the others would wait for ever for one that failed
            raise OSError(error)
        self._saved_at = time.monotonic()
        self.last_model_path = str(path)
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                logger.after_save_checkpoint(proxy(self))

    def _rescue(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        if isinstance(exception, Diverged):
            return
        if trainer.world_size > 1 and not self._agreed:
            rank_zero_warn(
                f"not saved: perhaps only one of {trainer.world_size} processes met this {type(exception).__name__}, "
                "and saving takes all of them; the last checkpoint is kept"
            )
            return
        if _run(pl_module).mid_iteration:
            rank_zero_warn(
                f"the {type(exception).__name__} came in the middle of iteration {_run(pl_module).iterations + 1}: "
                "a run resumed from this checkpoint does that iteration again, half of it for the second time"
            )
        try:
            self._save(trainer, pl_module)
        except Exception as error:  # whatever it is (a lost device, a full disk), the first exception matters more
            rank_zero_warn(f"not saved: {error}")
        else:
            rank_zero_info(f"Saved iteration {self._saved_iteration} to {self.last_model_path}")

    def _take_signals(self, world_size: int) -> None:
        """Replace the handlers of SIGINT and, for several processes, SIGTERM; only the main thread may."""
        if threading.current_thread() is not threading.main_thread():
            return
        # Lightning's SIGTERM handler does well alone; of several, one would broadcast amid another's all-reduce.
        taken = (signal.SIGINT,) if world_size == 1 else (signal.SIGINT, signal.SIGTERM)
        for number in taken:
            self._handlers[number] = signal.signal(number, self._on_signal)

    def _give_signals_back(self) -> None:
        for number, handler in self._handlers.items():
            # Lightning ignores Ctrl-C while it shuts down: only our own handler is taken away.
            if signal.getsignal(number) == self._on_signal:
                signal.signal(number, handler)
        self._handlers = {}

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._signal = number
        if number == signal.SIGINT:
            rank_zero_info("\nCtrl-C: finishing this iteration, then saving; again to stop at once")


def _run(pl_module: pl.LightningModule) -> AdversarialModule:
    return cast("AdversarialModule", pl_module)
