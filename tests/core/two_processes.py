"""Trains every model on two gloo processes; each leaves what it saw in FOLDER (see test_processes.py).

``python -m torch.distributed.run --nproc-per-node 2 -m tests.core.two_processes FOLDER``
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from datamodules import Digits
from lightning_gans import BigGAN
from lightning_gans.callbacks import Evaluate
from lightning_gans.metrics.scores import Score
from tests.contract import Contract, TranslationContract
from tests.core.toys import Toy, semi_supervised
from tests.training import fit

__all__ = [
    "STEPS",
    "Scorer",
    "contracts",
    "cross_replica",
    "cross_replica_data",
    "scorer",
    "semi_supervised_data",
    "toy",
    "toy_data",
]

STEPS = 5


def contracts() -> Iterator[tuple[str, Contract]]:
    """The contract class of every model."""
    for file in sorted((Path(__file__).parents[1] / "models").glob("test_*.py")):
        module = importlib.import_module(f"tests.models.{file.stem}")
        for name, item in vars(module).items():
            if isinstance(item, type) and issubclass(item, Contract) and item not in (Contract, TranslationContract):
                yield f"{file.stem}-{name}", item()


def toy(**options: Any) -> Toy:
    """No batch norm, no dropout, a gradient penalty: two processes must equal one."""
    torch.manual_seed(3)
    return Toy(**{"penalty": 10.0, "ema_decay": 0.9, "discriminator_clip": 1.0, "d_steps": 2, **options})


def toy_data(processes: int) -> Digits:
    """The same joint batch for any number of processes."""
    return Digits(size=8, batch_size=16 // processes)


class FewLabels(Digits):
    """Hides the labels of half the classes: processes and chunks have as many labelled rows as chance deals them."""

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return {**batch, "labels": batch["labels"].where(batch["labels"] < 5, -1)} if "labels" in batch else batch


def semi_supervised_data(processes: int) -> FewLabels:
    """The same joint batch for any number of processes."""
    return FewLabels(size=8, batch_size=8 // processes)


def cross_replica() -> BigGAN:
    """Batch norm over all processes' images: two processes must equal one."""
    torch.manual_seed(3)
    sizes: dict[str, Any] = {"generator_channels": 2, "discriminator_channels": 2, "num_classes": 10, "latent_dim": 8}
    return BigGAN((1, 32, 32), network="hierarchical", ema_decay=None, lr=1e-3, discriminator_lr=1e-3, **sizes)


def cross_replica_data(processes: int) -> Digits:
    """The same joint batch for any number of processes."""
    return Digits(size=32, batch_size=8 // processes)


class Scorer(Evaluate):
    """Scores on demand, too."""

    def score(self, module: Toy) -> dict[str, Score]:
        """Of a model as it stands, by the reference and the features of the last fit."""
        assert self._extractor is not None
        assert self._reference is not None
        return self._score(module, self._extractor, self._reference)


def scorer() -> Scorer:
    """Every second iteration, on 51 samples: an odd number, which two processes cannot share evenly."""
    features = "tests.metrics.extractors:small_features"
    return Scorer(every=2, n=51, metrics="fid,kid,pr,is", features=features)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    rank = int(os.environ["RANK"])
    options: dict[str, Any] = {"devices": 2, "strategy": "ddp"}
    for name, extra in (
        ("toy", {}),
        ("toy_shared", {"d_steps": 1}),
        ("toy_accumulate", {"accumulate": 2}),
        ("toy_batch_norm", {"batch_norm": True}),
    ):
        model = toy(**extra)
        runner = fit(model, STEPS, toy_data(2), **options)
        unsaved = {key: value.clone() for key, value in model.state_dict().items()}
        runner.save_checkpoint(folder / f"{name}.ckpt")
        seen = {"state": model.state_dict(), "unsaved": unsaved, "images": model.seen, "noise": model.drawn}
        torch.save(
            {**seen, "images_seen": model.images_seen, "iterations": model.iterations}, folder / f"{name}-{rank}.pt"
        )
    callback = scorer()
    scored = toy()
    fit(scored, STEPS, toy_data(2), callbacks=[callback], **options)
    scores = {name: score.value for name, score in callback.score(toy()).items()}
    torch.save(
        {"state": scored.state_dict(), "scores": scores, "best": callback.best}, folder / f"toy_scored-{rank}.pt"
    )
    for name, extra in (("semi_supervised", {}), ("semi_supervised_accumulate", {"accumulate": 2})):
        classifier = semi_supervised(**extra)
        fit(classifier, STEPS, semi_supervised_data(2), **options)
        torch.save({"state": classifier.state_dict()}, folder / f"{name}-{rank}.pt")
    joint = cross_replica()
    fit(joint, STEPS, cross_replica_data(2), **options)
    torch.save({"state": joint.state_dict()}, folder / f"cross_replica-{rank}.pt")
    for name, contract in contracts():
        torch.manual_seed(4)
        model = contract.tiny(ema_decay=0.9)
        runner = fit(model, 3, contract.data(), **options)
        runner.save_checkpoint(folder / f"{name}.ckpt")
        torch.save({"state": model.state_dict()}, folder / f"{name}-{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
