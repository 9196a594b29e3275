"""Short training runs for tests: one thread, no logger, no files unless asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from datamodules import Digits
from lightning_gans.core.adversarial import AdversarialModule

__all__ = ["fit", "same_state", "state_of", "trainer"]


def trainer(steps: int, **options: Any) -> pl.Trainer:
    """A quiet CPU Trainer of `steps` iterations."""
    defaults: dict[str, Any] = {
        "max_steps": steps,
        "max_epochs": -1,
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(**{**defaults, **options})


def fit(
    module: AdversarialModule,
    steps: int,
    data: Any = None,
    *,
    ckpt_path: str | None = None,
    seed: int = 0,
    **options: Any,
) -> pl.Trainer:
    """Train on small digits of the module's size (or `data`); returns the Trainer."""
    torch.manual_seed(seed)
    runner = trainer(steps, **options)
    if data is None:
        channels, size, _ = module.image_shape
        data = Digits(size=size, channels=channels, batch_size=8)
    runner.fit(module, data, ckpt_path=ckpt_path)
    return runner


def state_of(module: AdversarialModule, runner: pl.Trainer) -> dict[str, Any]:
    """All that a resumed run must restore: weights, averages, buffers, optimiser states, counters."""
    return {
        "weights": {key: value.clone() for key, value in module.state_dict().items()},
        "optimizers": [optimizer.state_dict() for optimizer in runner.optimizers],
        "counters": (module.iterations, module.images_seen, module.seed, module.decay_end, runner.global_step),
        "random": torch.get_rng_state(),
    }


def same_state(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Paths of leaves that are not bit-identical; empty when all are."""
    one, two = dict(_leaves(first)), dict(_leaves(second))
    different = sorted(one.keys() ^ two.keys())
    for path in one.keys() & two.keys():
        a, b = one[path], two[path]
        equal = torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a == b
        if not equal:
            different.append(path)
    return different


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}/{key}")
    elif isinstance(tree, (list, tuple)):
        for index, value in enumerate(tree):
            yield from _leaves(value, f"{path}/{index}")
    else:
        yield path, tree
