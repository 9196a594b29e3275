"""The folder of a run: made when nothing can be wrong any more, or found again to go on in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger

from lightning_gans.callbacks.checkpointing import RunCheckpoint
from lightning_gans.callbacks.evaluation import Evaluate
from lightning_gans.callbacks.samples import SampleGrid
from lightning_gans.cli.loggers import drop_rows
from lightning_gans.core.translating import TranslatingModule

__all__ = ["RunFolder", "newest_run"]

LAST = Path("checkpoints") / "last.ckpt"


def newest_run(runs: Path) -> Path:
    """The newest run that left a checkpoint.

    Args:
        runs: the folder of one model's runs on one data set, each in a folder whose name is a number.

    Raises:
        FileNotFoundError: there is none.
    """
    numbers = sorted((int(folder.name) for folder in _numbered(runs)), reverse=True)
    for number in numbers:
        if (runs / str(number) / LAST).is_file():
            return runs / str(number)
    raise FileNotFoundError(f"--ckpt_path last: no run with {LAST.as_posix()} in {runs}; start one without --ckpt_path")


class RunFolder(Callback):
    """Makes ``<runs>/<n>/`` once the data is there and the processes know each other, so that what fails earlier leaves
    nothing behind; writes ``config.yaml``, attaches loggers, and tells the callbacks that write where to.

    Args:
        runs: the folder of this model's runs on this data.
        config: what to write as ``config.yaml``.
        loggers: makes the loggers of a folder; its second argument is the iteration the run goes on from, or None.
        resume: a run of before to go on with, and the iteration of its checkpoint; None starts a new one.

    Attributes:
        path: the run's folder, once it is made.
    """

    def __init__(
        self,
        runs: Path,
        config: str,
        loggers: Callable[[Path, int | None], list[Logger]],
        resume: tuple[Path, int] | None = None,
    ) -> None:
        self.path: Path | None = None
        self._runs = runs
        self._config = config
        self._loggers = loggers
        self._resume = resume
        self._direction: str | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Make the folder in the first process and tell the others; nothing in ``fast_dev_run``."""
        if stage != "fit" or trainer.fast_dev_run or self.path is not None:  # type: ignore[attr-defined]
            return
        if isinstance(pl_module, TranslatingModule):
            self._direction = pl_module.directions[0]
        made = self._make() if trainer.is_global_zero else ""
        self.path = Path(trainer.strategy.broadcast(made))
        trainer.loggers = self._loggers(self.path, self._resume[1] if self._resume else None)
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, SampleGrid) and callback.folder is None:
                callback.folder = self.path / "samples"
            elif isinstance(callback, Evaluate) and callback.folder is None:
                callback.folder = self.path / LAST.parent
            elif isinstance(callback, RunCheckpoint) and callback.dirpath is None:
                callback.dirpath = str(self.path / LAST.parent)

    def report(self) -> list[str]:
        """What to tell at the end: where the pictures are, and how to draw more."""
        if self.path is None:
            return []
        lines = [f"pictures: {self.path / 'samples'}"]
        if (self.path / LAST).is_file():
            use = f"generate {self.path / LAST} --n 64 --out samples.png"
            if self._direction is not None:
                use = f"translate {self.path / LAST} --input FILE --direction {self._direction} --out DIR"
            lines.append(f"more: lightning-gans {use}")
        return [", ".join(lines)]

    def _make(self) -> str:
        if self._resume:
            folder, iteration = self._resume
            drop_rows(folder / "metrics.csv", iteration)
        else:
            folder = _next_folder(self._runs)
        (folder / "config.yaml").write_text(self._config, encoding="utf-8")
        return str(folder)


def _numbered(runs: Path) -> list[Path]:
    return [path for path in runs.iterdir() if path.name.isdecimal()] if runs.is_dir() else []


def _next_folder(runs: Path) -> Path:
    """Make the folder of the next free number; another run that starts at the same moment gets another one."""
    runs.mkdir(parents=True, exist_ok=True)
    number = max((int(path.name) for path in _numbered(runs)), default=0)
    while True:
        number += 1
        try:
            (runs / str(number)).mkdir()
        except FileExistsError:
            continue
        return runs / str(number)
