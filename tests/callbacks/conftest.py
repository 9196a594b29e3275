"""A tiny DCGAN on the embedded digits: 21 batches of 64 an epoch, a few milliseconds each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from datamodules import Digits
from lightning_gans import DCGAN


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """So small a network loses by sharing its work, most of all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def tiny() -> Callable[..., DCGAN]:
    """A new model, always with the same weights."""

    def make(channels: int = 1, **options: Any) -> DCGAN:
        torch.manual_seed(0)
        shape = (channels, 16, 16)
        return DCGAN(**{"image_shape": shape, "generator_channels": 8, "discriminator_channels": 8} | options)

    return make


@pytest.fixture
def digits() -> Callable[..., Digits]:
    return lambda **options: Digits(**{"size": 16} | options)


@pytest.fixture
def run(tmp_path: Path, digits: Callable[..., Digits]) -> Callable[..., pl.Trainer]:
    """Train a model with some callbacks for some iterations; returns the Trainer."""

    def fit(
        model: pl.LightningModule,
        *callbacks: pl.Callback,
        steps: int = -1,
        ckpt_path: Path | str | None = None,
        data: pl.LightningDataModule | None = None,
        **options: Any,
    ) -> pl.Trainer:
        from lightning_gans.callbacks import RunCheckpoint, RunProgress

        torch.manual_seed(1)
        settings: dict[str, Any] = {
            "default_root_dir": tmp_path,
            "accelerator": "cpu",
            "logger": False,
            "max_steps": steps,
            "max_epochs": -1,
            "enable_model_summary": False,
            "enable_checkpointing": any(isinstance(callback, RunCheckpoint) for callback in callbacks),
            "enable_progress_bar": any(isinstance(callback, RunProgress) for callback in callbacks),
        }
        trainer = pl.Trainer(callbacks=list(callbacks), **settings | options)
        trainer.fit(model, datamodule=data or digits(), ckpt_path=ckpt_path)
        return trainer

    return fit


@pytest.fixture
def same() -> Callable[[dict[str, Tensor], dict[str, Tensor]], bool]:
    """Are two state dicts bit-identical?"""
    return lambda one, two: one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where checkpoints of a run are kept."""
    return tmp_path / "checkpoints"
