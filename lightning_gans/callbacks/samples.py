"""Watch one set of latents become pictures: the same noise, drawn again and again as training goes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from lightning_gans.core.pictures import class_rows, save_grid, square

if TYPE_CHECKING:
    from lightning_gans.core.latent import LatentModule

__all__ = ["SampleGrid"]


class SampleGrid(Callback):
    """Draws a grid before the first iteration, every so often, and at the end: a PNG, and to loggers that take images.

    A model with classes gets rows of one class each; one with tags rows of one tag each, the other tags being drawn. Models without
    latents (translation) are left alone.

    Args:
        every: iterations between two grids.
        n: images a grid, at most.
        seed: of the latents.
        folder: where ``00000000.png`` (iteration) and its successors go; None: ``samples`` in the run's log folder.

    Raises:
        ValueError: ``every`` or ``n`` is below 1.
    """

    def __init__(
        self, every: int = 500, n: int = 64, seed: int = 0, folder: str | os.PathLike[str] | None = None
    ) -> None:
        if every < 1 or n < 1:
            raise ValueError(f"every {every}, n {n}; allowed: at least 1 each")
        self.every = every
        self.n = n
        self.seed = seed
        self.folder = folder
        self._target = Path()  # set by setup
        self._drawn: int | None = None  # iteration of the newest grid

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Settle the folder; every rank must ask the Trainer for its own, for it answers by a broadcast."""
        root = Path(trainer.log_dir or trainer.default_root_dir)
        self._target = root / "samples" if self.folder is None else Path(self.folder)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show what the untrained generator draws; a resumed run has shown it."""
        self._drawn = None
        if _iterations(pl_module) == 0:
            self._draw(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Draw when the iteration is due."""
        if _iterations(pl_module) % self.every == 0:
            self._draw(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show what the run ended with."""
        self._draw(trainer, pl_module)

    def _draw(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero or trainer.fast_dev_run or not hasattr(pl_module, "generate"):  # type: ignore[attr-defined]
            return
        if self._drawn == _iterations(pl_module):  # a skipped batch is no iteration
            return
        module = cast("LatentModule", pl_module)
        labels, columns = self._labels(module)
        images = module.pictures(self.n if labels is None else len(labels), seed=self.seed, labels=labels)
        picture = save_grid(images, self._target / f"{module.iterations:08d}.png", columns)
        _log_picture(trainer, picture, module.iterations)
        self._drawn = module.iterations

    def _labels(self, module: LatentModule) -> tuple[Tensor | None, int]:
        """Labels of a grid's images, and its columns."""
        kinds = module.num_classes if module.condition == "labels" else len(module.tags or [])
        if module.condition is None or not kinds:
            return None, square(self.n)
        shown, columns = class_rows(self.n, kinds)
        if module.condition == "labels":
            return shown, columns
        labels = module.drawn_labels(range(len(shown)), self.seed)
        for row, place in zip(labels.split(1), shown.tolist(), strict=True):
            module.set_tag(row, place)
        return labels, columns


def _iterations(pl_module: pl.LightningModule) -> int:
    return int(cast("LatentModule", pl_module).iterations)


def _log_picture(trainer: pl.Trainer, picture: Tensor, iteration: int) -> None:
    """Hand a uint8 (C, H, W) picture to each logger that takes images."""
    from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger

    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image("samples", picture, iteration)
        elif isinstance(logger, WandbLogger):
            from torchvision.transforms.functional import to_pil_image

            logger.log_image("samples", [to_pil_image(picture)], step=iteration)
