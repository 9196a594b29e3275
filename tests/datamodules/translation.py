"""A run of a data module of pairs or domains that is stopped and resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from torch import Tensor

__all__ = ["batches_resumed"]


class Recorder(LightningModule):
    """Remembers what it was shown."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.keys = keys
        self.seen: list[bytes] = []

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        assert set(batch) == set(self.keys)
        self.seen.append(b"".join(batch[key].contiguous().numpy().tobytes() for key in self.keys))
        return self.weight * 1.0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class SaveAt(Callback):
    """A checkpoint in the midst of an epoch."""

    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


def batches_resumed(
    make: Callable[[], LightningDataModule], keys: tuple[str, ...], path: Path
) -> tuple[list[bytes], list[bytes]]:
    """All batches of a run of 7 iterations, and those of a run that goes on after the third."""

    def run(ckpt: Path | None, *callbacks: Callback) -> list[bytes]:
        model = Recorder(keys)
        trainer = Trainer(
            accelerator="cpu",
            max_steps=7,
            max_epochs=-1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=list(callbacks),
        )
        trainer.fit(model, datamodule=make(), ckpt_path=ckpt)
        return model.seen

    return run(None, SaveAt(3, path)), run(path)
