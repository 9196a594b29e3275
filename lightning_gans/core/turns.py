"""Small mechanics of a turn: freezing a player, cutting batches, counting an iteration once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
from torch import Tensor, nn

from lightning_gans.batch import IMAGE_KEYS, Batch

__all__ = [
    "batches_counted",
    "count_iteration",
    "cut",
    "detached_sum",
    "frozen",
    "rows",
    "silence_counting",
    "uncount_batch",
]


@contextmanager
def frozen(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Parameters that need no gradient inside the block; those that were frozen before stay frozen after it."""
    moved = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in moved:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in moved:
            parameter.requires_grad_(True)


def rows(batch: Batch) -> int:
    """The number of images of a batch."""
    return next(batch[key] for key in IMAGE_KEYS if key in batch).shape[0]


def cut(batch: Batch, parts: int) -> list[Batch]:
    """Consecutive equal parts of a batch; `parts` divides it."""
    if parts == 1:
        return [batch]
    size = rows(batch) // parts
    return [{key: value[i * size : (i + 1) * size] for key, value in batch.items()} for i in range(parts)]


# Lightning counts every optimiser step in manual mode, so global_step, max_steps and checkpoint intervals would count
# updates and not iterations (its issue #17958). The loop installs its counters anew before each training_step; these
# functions silence them and count once. They touch private attributes: tests/core/test_counting.py guards them.


def silence_counting(trainer: pl.Trainer) -> None:
    """Keep the optimiser steps of this training_step from being counted."""
    for optimizer in trainer.strategy._lightning_optimizers:
        optimizer._on_before_step = optimizer._on_after_step = _nothing


def count_iteration(trainer: pl.Trainer) -> None:
    """Count one step, whatever the number of updates was."""
    loop = trainer.fit_loop.epoch_loop.manual_optimization
    loop._on_before_step()
    loop._on_after_step()


def uncount_batch(trainer: pl.Trainer) -> None:
    """A skipped batch is no iteration: keep the loggers' axis where it is, write no row for it."""
    trainer.fit_loop.epoch_loop._batches_that_stepped -= 1
    if trainer._results is not None:
        trainer._results.reset()


def batches_counted(trainer: pl.Trainer) -> int:
    """The loggers' axis: training_steps that were iterations."""
    counted: int = trainer.fit_loop.epoch_loop._batches_that_stepped
    return counted


def _nothing(*_: Any) -> None:
    """Stands in for Lightning's counters."""


def detached_sum(total: dict[str, Tensor], terms: dict[str, Tensor], share: float, prefix: str) -> None:
    """Add `share` times the detached terms to `total`, under `prefix/name`."""
    for name, value in terms.items():
        key = f"{prefix}/{name}"
        part = value.detach() * share if share != 1.0 else value.detach()
        total[key] = total[key] + part if key in total else part
