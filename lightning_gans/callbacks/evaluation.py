"""Scores while a run trains: on every logger, the best checkpoint kept by them, the run ended when they stop improving."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn

from lightning_gans.batch import IMAGE_KEYS, normalize_batch, to_uint8
from lightning_gans.core.processes import gather_objects, world_size
from lightning_gans.core.writing import write_checkpoint
from lightning_gans.metrics.features.base import FeatureExtractor
from lightning_gans.metrics.features.choose import choose_features
from lightning_gans.metrics.images import DatasetImages, GeneratedImages, ImageSet, TensorImages, labels_like
from lightning_gans.metrics.scores import METRICS, Score, check_metrics, evaluate, lower_is_better
from lightning_gans.metrics.statistics import Statistics, reference_statistics

if TYPE_CHECKING:
    from lightning_gans.core.sampling import SamplingModule

__all__ = ["Evaluate"]


class Evaluate(Callback):
    """Scores samples of the average generator every so often, before the first iteration and after the last.

    Nothing is drawn from the global random state: a run with it and one without are bit-identical. The reference is the
    training split of our data modules; of a foreign one, the first `n` images that it serves. Each score's whole
    protocol is told once.

    Args:
        every: iterations between two evaluations; 0: none.
        n: samples.
        metrics: names by comma: fid, kid, is, pr, dc, prd, ifid, acc.
        features: "auto" (a domain classifier that is at hand, else Inception if its weights are), "domain", "inception", or
            "package.module:name" of a function that returns a torch module.
        patience: evaluations without a better score after which the run ends; None: never.
        seed: names the samples.
        batch_size: images a pass.
        folder: where ``best.ckpt`` goes; None: ``checkpoints`` in the run's log folder.

    Raises:
        ValueError: an option outside what it allows, or an unknown metric.
    """

    def __init__(
        self,
        every: int = 1000,
        n: int = 1000,
        metrics: str = "fid",
        features: str = "auto",
        patience: int | None = None,
        seed: int = 0,
        batch_size: int = 64,
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        for name, value, low in (("every", every, 0), ("n", n, 2), ("batch_size", batch_size, 1)):
            if value < low:
                raise ValueError(f"evaluate: {name} {value}; allowed: {low} or more")
        if patience is not None and patience < 1:
            raise ValueError(f"evaluate: patience {patience}; allowed: None, or 1 or more")
        self.names = check_metrics(metrics, training=True)
        self.every, self.n, self.features, self.patience = every, n, features, patience
        self.seed, self.batch_size, self.folder = seed, batch_size, folder
        self.best: float | None = None
        """The best value so far of the first score."""
        self.seconds = 0.0
        """Spent on scores in this fit."""
        self._evaluated: int | None = None  # iteration of the last evaluation
        self._worse = 0  # evaluations since the best one
        self._extractor: FeatureExtractor | None = None
        self._reference: ImageSet | None = None
        self._seen: list[torch.Tensor] = []  # images of a foreign loader, until there are enough
        self._seen_labels: list[torch.Tensor | None] = []
        self._real: Statistics | None = None
        self._scored_by = ""
        self._off = False
        self._protocol_told = False
        self._target = Path()
        self._started = 0.0

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know; ``scored_by`` tells whether its scores compare."""
        return {"best": self.best, "worse": self._worse, "evaluated": self._evaluated, "scored_by": self._scored_by}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse."""
        self.best, self._worse, self._evaluated = state_dict["best"], state_dict["worse"], state_dict["evaluated"]
        self._scored_by = state_dict["scored_by"]

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Settle the folder: every process must ask the Trainer for its own, for it answers by a broadcast."""
        root = Path(trainer.log_dir or trainer.default_root_dir)
        self._target = Path(self.folder) if self.folder is not None else root / "checkpoints"

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Find reference and features, score the untrained generator; a resumed run has done that.

        Raises:
            ValueError: features that cannot be used, or a model that cannot be scored as asked.
            OSError: features that cannot be had.
        """
        self.seconds, self._started = 0.0, time.monotonic()
        self._reference, self._real, self._seen, self._seen_labels = None, None, [], []
        self._off = not self.every or bool(trainer.fast_dev_run) or not hasattr(pl_module, "generate_batches")  # type: ignore[attr-defined]
        if self._off:
            return
        module = cast("SamplingModule", pl_module)
        if trainer.ckpt_path is None:
            self.best, self._worse, self._evaluated, self._scored_by = None, 0, None, ""
        self._reference = _training_images(trainer)
        self._choose(trainer, module)
        if trainer.ckpt_path is None and self._reference is not None and not self._off:
            self._evaluate(trainer, module, first=True)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Score, if the iteration is due."""
        if self._off:
            return
        module = cast("SamplingModule", pl_module)
        if self._reference is None:
            self._keep(batch)
        stopped = trainer.should_stop and trainer.fit_loop._can_stop_early
        # The last iteration of all is scored here: at on_train_end a checkpoint can no longer be resumed exactly.
        if module.iterations % self.every == 0 or stopped or 0 < trainer.max_steps <= trainer.global_step:
            self._evaluate(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score what the run ended with, and tell what scoring cost."""
        if self._off:
            return
        self._evaluate(trainer, cast("SamplingModule", pl_module))
        whole = time.monotonic() - self._started
        rank_zero_info(f"scoring took {self.seconds:.0f} s, {self.seconds / max(whole, 1e-9):.0%} of the run")

    def _choose(self, trainer: pl.Trainer, module: SamplingModule) -> None:
        source = getattr(trainer.datamodule, "source", None) or {}  # type: ignore[attr-defined]
        allow_slow = module.device.type != "cpu"  # Inception would hold up a run on a CPU for hours
        self._extractor = choose_features(self.features, source.get("name"), self._reference, allow_slow=allow_slow)
        mine = None if self._extractor is None else (self._extractor.name, self._extractor.fingerprint)
        if any(other != mine for other in gather_objects(mine)) or mine is None:
            self._off = True
            rank_zero_info(
                "not scored while training: no features for this data are at hand "
                "(lightning-gans evaluate trains them once; --evaluate.every 0 leaves this out)"
            )
            return
        scored_by = f"{self.names} {self.n} {self.seed} {mine}"
        if self._scored_by not in ("", scored_by):
            rank_zero_info("scores are made in another way than before: the best one is looked for anew")
            self.best, self._worse = None, 0
        self._scored_by = scored_by

    def _keep(self, batch: Any) -> None:
        """Images of a foreign loader as they pass: a pass of our own would draw from its random state."""
        named = normalize_batch(batch, check=False)
        self._seen.append(to_uint8(next(value for key, value in named.items() if key in IMAGE_KEYS)).cpu())
        self._seen_labels.append(named["labels"].cpu() if "labels" in named else None)
        share = min(gather_objects(sum(map(len, self._seen))))
        if share * world_size() < self.n:
            return
        labelled = all(labels is not None for labels in self._seen_labels)
        labels = torch.cat([labels for labels in self._seen_labels if labels is not None])[:share] if labelled else None
        parts = gather_objects((torch.cat(self._seen)[:share], labels))
        known = [part[1] for part in parts if part[1] is not None]
        images = torch.cat([part[0] for part in parts])
        self._reference = TensorImages(
            images, torch.cat(known) if len(known) == len(parts) else None, "training batches"
        )
        self._seen, self._seen_labels = [], []

    def _evaluate(self, trainer: pl.Trainer, module: SamplingModule, first: bool = False) -> None:
        if module.iterations == self._evaluated or self._reference is None or self._extractor is None:
            return  # a skipped batch is no iteration
        start = time.monotonic()
        try:
            scores = self._score(module, self._extractor.to(module.device), self._reference)
        except (ValueError, OSError, RuntimeError) as error:  # RuntimeError: the device's memory is full
            if first:
                raise
            rank_zero_warn(f"not scored at iteration {module.iterations}: {' '.join(str(error).split())}")
            return
        # The first process decides: eigenvalues of two machines differ in their last digits.
        scores = gather_objects(scores)[0]
        self._evaluated = module.iterations
        name, score = next(iter(scores.items()))
        better = self.best is None or (score.value < self.best if lower_is_better(name) else score.value > self.best)
        self._worse = 0 if better else self._worse + 1
        if better:
            self.best = score.value
        seconds = time.monotonic() - start
        self.seconds += seconds
        self._tell(trainer, module, scores, better, seconds)
        if better and (trainer.checkpoint_callback is not None or self.folder is not None):
            self._save(trainer, module)
        if self.patience is not None and self._worse >= self.patience:
            rank_zero_info(f"{name} has not improved in {self._worse} evaluations: the run ends (evaluate.patience)")
            trainer.should_stop = True

    def _score(self, module: SamplingModule, extractor: FeatureExtractor, reference: ImageSet) -> dict[str, Score]:
        if self._real is None and any(METRICS[name].statistics for name in self.names):
            keep = any(METRICS[name].features for name in self.names)
            self._real = reference_statistics(reference, extractor, keep=keep, batch_size=self.batch_size)
            warn: Any = rank_zero_warn
        else:
            warn = None  # once is enough
        labels = labels_like(reference, module, self.n)
        generated = GeneratedImages(module, self.n, seed=self.seed, labels=labels, bn=module.batch_norm)
        options: Any = {"seed": self.seed, "errors": False, "batch_size": self.batch_size, "warn": warn}
        return evaluate(generated, reference, self.names, extractor, real=self._real, **options)

    def _tell(
        self, trainer: pl.Trainer, module: SamplingModule, scores: dict[str, Score], better: bool, seconds: float
    ) -> None:
        values = {name: score.value for name, score in scores.items()}
        for logger in trainer.loggers:
            # Rows count from 0, as Lightning's: what follows the 50th iteration has step 49.
            logger.log_metrics({**values, "evaluate/seconds": seconds}, step=max(module.iterations - 1, 0))
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in values.items()})
        if not trainer.is_global_zero:
            return
        if not self._protocol_told:
            self._protocol_told = True
            rank_zero_info(f"scores: {next(iter(scores.values())).protocol}")
        line = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        line = f"iteration {module.iterations}: {line}{' (best so far)' if better and module.iterations else ''}"
        bar = trainer.progress_bar_callback
        bar.print(line) if bar is not None else rank_zero_info(line)

    def _save(self, trainer: pl.Trainer, module: SamplingModule) -> None:
        """Write ``best.ckpt``; all processes come here together."""
        checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
        error = ""
        if trainer.is_global_zero:
            try:
                write_checkpoint(checkpoint, self._target / "best.ckpt")
            except OSError as caught:
                error = str(caught)
        if error := trainer.strategy.broadcast(error):
            rank_zero_warn(f"best.ckpt is not written: {error}")


def _training_images(trainer: pl.Trainer) -> ImageSet | None:
    """The training split of a data module whose data set gathers whole batches; None of another one."""
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    dataset = getattr(data, "train_dataset", None)
    if not (hasattr(dataset, "read") and hasattr(dataset, "count") and hasattr(data, "image_shape")):
        return None
    name = (getattr(data, "source", None) or {}).get("name") or type(data).__name__
    return DatasetImages(cast(Any, dataset), data.image_shape, f"{name} train")
