"""Watch one set of latents, or of images to translate, become pictures: the same ones, drawn again as training goes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor

from lightning_gans.core.pictures import class_rows, save_grid, square
from lightning_gans.core.translating import TranslatingModule

if TYPE_CHECKING:
    from lightning_gans.batch import Batch
    from lightning_gans.core.latent import LatentModule

__all__ = ["SampleGrid"]


class SampleGrid(Callback):
    """Draws a grid before the first iteration, every so often, and at the end: a PNG, and to loggers that take images.

    A model with classes gets rows of one class each; one with tags rows of one tag each, the other tags being drawn. A model from
    images to images shows strips of input, output, the way back, and target: of the first held-out images, or, where the data has
    none, of the first batch.

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
        self._shown = True  # whether there is anything to draw from

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Settle the folder; every rank must ask the Trainer for its own, for it answers by a broadcast."""
        root = Path(trainer.log_dir or trainer.default_root_dir)
        self._target = root / "samples" if self.folder is None else Path(self.folder)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show what the untrained generator draws; a resumed run has shown it."""
        self._drawn = None
        self._shown = not isinstance(pl_module, TranslatingModule)
        if isinstance(pl_module, TranslatingModule) and trainer.is_global_zero:
            held_out = _held_out(trainer, pl_module, self.n)
            if held_out is not None:
                pl_module.show(held_out)
                self._shown = True
        if _iterations(pl_module) == 0:
            self._draw(trainer, pl_module)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Without held-out images, what is translated are those of the first batch."""
        if self._shown or not isinstance(pl_module, TranslatingModule):
            return
        pl_module.show(batch)
        self._shown = True
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
        if not trainer.is_global_zero or trainer.fast_dev_run or not hasattr(pl_module, "pictures"):  # type: ignore[attr-defined]
            return
        if not self._shown:
            return
        if self._drawn == _iterations(pl_module):  # a skipped batch is no iteration
            return
        module = cast("LatentModule | TranslatingModule", pl_module)
        if isinstance(module, TranslatingModule):
            labels, columns = None, len(module.directions)
        else:
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


def _held_out(trainer: pl.Trainer, module: TranslatingModule, n: int) -> Batch | None:
    """The first n (or fewer) rows that the data holds out, on the CPU; the global random state stays as it is."""
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    if data is None or not is_overridden("val_dataloader", data):
        return None
    rows: dict[str, list[Tensor]] = {key: [] for key in module.keys}
    with torch.random.fork_rng(devices=[]):
        for batch in data.val_dataloader():
            named = data.on_after_batch_transfer(batch, 0)
            if not isinstance(named, dict) or not rows.keys() <= named.keys():
                return None
            for key, parts in rows.items():
                parts.append(named[key])
            if sum(map(len, rows[module.keys[0]])) >= n:
                break
    if not rows[module.keys[0]]:
        return None
    return {key: torch.cat(parts)[:n].cpu() for key, parts in rows.items()}


def _log_picture(trainer: pl.Trainer, picture: Tensor, iteration: int) -> None:
    """Hand a uint8 (C, H, W) picture to each logger that takes images."""
    from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger

    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image("samples", picture, iteration)
        elif isinstance(logger, WandbLogger):
            from torchvision.transforms.functional import to_pil_image

            logger.log_image("samples", [to_pil_image(picture)], step=iteration)
