"""The run that tests/core/test_resume.py stops: batch norm, dropout, a schedule, d_steps 3, an average.

As a script it trains and kills itself: ``python -m tests.core.resuming FOLDER WORKERS KILL_AT``.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import pytorch_lightning as pl
import torch

from datamodules import Digits
from lightning_gans.callbacks import RunCheckpoint
from tests.core.toys import Toy
from tests.training import fit

STEPS, EVERY = 24, 4


class KillAt(pl.Callback):
    """SIGKILL, before the batch of an iteration ends (so after that iteration's checkpoint, if it has one)."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == self.iteration:
            os.kill(os.getpid(), signal.SIGKILL)


def train(
    folder: str, workers: int, *, kill_at: int = -1, ckpt_path: str | None = None, seed: int = 0
) -> tuple[Any, Any]:
    """Train (or go on) to the end; an epoch has 1,400 // (3 * 40) = 11 batches."""
    torch.manual_seed(seed)
    model = Toy(batch_norm=True, dropout=0.3, d_steps=3, ema_decay=0.9, lr_schedule="cosine", penalty=1.0)
    data = Digits(size=8, batch_size=40, num_workers=workers, flip=True)
    callbacks = [RunCheckpoint(folder=folder, every=EVERY, minutes=1e9), KillAt(kill_at)]
    return model, fit(
        model, STEPS, data, callbacks=callbacks, ckpt_path=ckpt_path, enable_checkpointing=True, seed=seed
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(sys.argv[1], int(sys.argv[2]), kill_at=int(sys.argv[3]))
