"""Where a run's numbers go: ``metrics.csv`` in its folder, ``tensorboard/`` and ``wandb/`` below it."""

from __future__ import annotations

import csv
import importlib.util
import inspect
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter
from pytorch_lightning.utilities import rank_zero_only

from lightning_gans.cli.errors import UsageError, did_you_mean
from lightning_gans.core.writing import whole_file

__all__ = ["MetricsFile", "check_loggers", "default_loggers", "drop_rows", "make_loggers"]

KINDS = ("csv", "tensorboard", "wandb")
WANDB_OURS = ("self", "kwargs", "experiment", "save_dir", "dir", "version")  # the run's folder decides


def default_loggers() -> str:
    """CSV, and TensorBoard where it is installed."""
    return "csv,tensorboard" if importlib.util.find_spec("tensorboard") else "csv"


def check_loggers(text: str, wandb_options: dict[str, Any]) -> list[str]:
    """Read ``--logger`` and check ``--wandb.KEY`` before anything is written.

    Returns:
        Names of loggers, each once, in the order csv, tensorboard, wandb.

    Raises:
        UsageError: an unknown logger or W&B option, one whose package is missing, or W&B options without W&B.
    """
    given = [name.strip() for name in text.split(",") if name.strip()]
    for name in given if given != ["none"] else []:
        if name not in KINDS:
            raise UsageError(
                f"unknown logger '{name}'.{did_you_mean(name, KINDS)} Choose from: {', '.join(KINDS)}, none"
            )
        if name != "csv" and importlib.util.find_spec(name) is None:
            raise UsageError(f"--logger {name}: package '{name}' is not installed; pip install 'lightning-gans[train]'")
    names = [kind for kind in KINDS if kind in given]
    if wandb_options and "wandb" not in names:
        raise UsageError(
            f"--wandb.{next(iter(wandb_options))} without W&B; add it: --logger {','.join([*names, 'wandb'])}"
        )
    if "wandb" in names:
        _check_wandb(wandb_options)
    return names


def _check_wandb(options: dict[str, Any]) -> None:
    import wandb

    signatures = {*inspect.signature(WandbLogger.__init__).parameters, *inspect.signature(wandb.init).parameters}
    known = sorted(signatures - set(WANDB_OURS))
    for key in options:
        if key not in known:
            raise UsageError(f"unknown option --wandb.{key}.{did_you_mean(key, known)} Choose from: {', '.join(known)}")
    if options.get("log_model") and (options.get("offline") or options.get("mode") == "offline"):
        raise UsageError("--wandb.log_model uploads checkpoints and cannot be used offline")


def make_loggers(names: list[str], folder: Path, wandb_options: dict[str, Any], resumed_at: int | None) -> list[Logger]:
    """The loggers of a run.

    Args:
        names: of ``check_loggers``.
        folder: the run's.
        wandb_options: what was given as ``--wandb.KEY``.
        resumed_at: iteration of the checkpoint that the run in this folder goes on from; None for a new run.
    """
    loggers: list[Logger] = []
    if "csv" in names:
        loggers.append(MetricsFile(folder))
    if "tensorboard" in names:
        # purge_step: what was written beyond the checkpoint is written again
        loggers.append(TensorBoardLogger(folder, name="", version="tensorboard", purge_step=resumed_at))
    if "wandb" in names:
        loggers.append(_wandb_logger(folder, dict(wandb_options)))
    return loggers


def _wandb_logger(folder: Path, options: dict[str, Any]) -> WandbLogger:
    """W&B below the run's folder; the id lies beside its files, so that a continued run is the same run there."""
    kept = folder / "wandb" / "run_id.txt"
    if kept.exists():
        options.setdefault("id", kept.read_text(encoding="utf-8").strip())
    logger = WandbLogger(save_dir=folder, **options)
    _keep_id(logger, kept)
    return logger


@rank_zero_only
def _keep_id(logger: WandbLogger, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{logger.experiment.id}\n", encoding="utf-8")


def drop_rows(path: Path, iteration: int) -> None:
    """Take the rows of ``iteration`` and later out of a ``metrics.csv``: a resumed run writes them again.

    Rows count from 0: the row of the 50th iteration has step 49.
    """
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or [])
        rows = [row for row in reader if row.get("step", "").isdigit() and int(row["step"]) < iteration]
    with whole_file(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=columns)
        writer.writeheader()
        writer.writerows(rows)


class MetricsFile(CSVLogger):
    """``metrics.csv`` directly in a run's folder, added to when the run goes on; options are in ``config.yaml``.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name="", version="", flush_logs_every_n_steps=1)

    @property
    @rank_zero_only
    def experiment(self) -> Any:
        """The writer of the file."""
        if self._experiment is None:
            self._experiment = _Writer(self.save_dir)
        return self._experiment

    @rank_zero_only
    def log_hyperparams(self, params: Any = None) -> None:
        """Nothing to do: ``config.yaml`` has them."""


class _Writer(ExperimentWriter):
    """Lightning's writer, except that it goes on with a file that is there, where Lightning's deletes it."""

    def _check_log_dir_exists(self) -> None:
        path = Path(self.metrics_file_path)
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                self.metrics_keys = next(csv.reader(file), [])
