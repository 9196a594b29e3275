"""What tests of saving share: something done in the middle of a run, and what it left in its folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch


class At(pl.Callback):
    """Does something after an iteration, before the checkpoint callback (Lightning puts that last)."""

    def __init__(self, iteration: int, do: Callable[[pl.Trainer, Any], Any]) -> None:
        self.iteration, self.do = iteration, do

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        if pl_module.iterations == self.iteration:
            self.do(trainer, pl_module)


def fail(*_: Any) -> None:
    raise RuntimeError("broken")


def read(folder: Path) -> dict[str, Any]:
    """The checkpoint of a folder that must hold nothing else."""
    assert os.listdir(folder) == ["last.ckpt"]
    checkpoint: dict[str, Any] = torch.load(folder / "last.ckpt", weights_only=True)
    return checkpoint


def iteration(folder: Path) -> int:
    return int(read(folder)["adversarial"]["iterations"])
