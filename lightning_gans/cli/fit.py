"""The run of ``lightning-gans train``: options to model, data and Trainer, checks before anything is written, fit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelSummary, ProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

from datamodules import import_data
from lightning_gans.callbacks.checkpointing import RunCheckpoint
from lightning_gans.callbacks.evaluation import Evaluate
from lightning_gans.callbacks.progress import RunProgress
from lightning_gans.callbacks.samples import SampleGrid
from lightning_gans.callbacks.watchdog import Watchdog
from lightning_gans.cli.checks import check_device, check_precision, describe_start, read_resumed
from lightning_gans.cli.errors import UsageError, say
from lightning_gans.cli.loggers import check_loggers, default_loggers, make_loggers
from lightning_gans.cli.options import FROM_DATA, REPLACED, check_flags, check_source, explain
from lightning_gans.cli.quiet import quiet
from lightning_gans.cli.recipes import merge
from lightning_gans.cli.request import Request
from lightning_gans.cli.run_folder import LAST, RunFolder, newest_run
from lightning_gans.core.loading import init_from
from lightning_gans.registry import import_model

__all__ = ["TrainingCLI", "fit"]

WANDB = dict[str, bool | list[str] | dict[str, Any] | str | None]  # no numbers: a run may be called 007 or 1e5
CALLBACKS = {
    "samples": SampleGrid,
    "evaluate": Evaluate,
    "checkpoint": RunCheckpoint,
    "watchdog": Watchdog,
}  # section of options -> class


def fit(request: Request) -> int:
    """Train as asked; returns the exit code.

    Raises:
        UsageError: options that are unknown or do not fit together.
        ValueError: a checkpoint, a size or a batch that cannot be used.
        OSError: files that cannot be read or written.
    """
    quiet()
    torch.set_float32_matmul_precision("high")
    cli = TrainingCLI(request)
    folder = cli.run_folder
    try:
        cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=cli.checkpoint)
    finally:
        if cli.trainer.is_global_zero:
            for line in folder.report():
                say(line)
    return 0


class TrainingCLI(LightningCLI):
    """LightningCLI for one model and one data set, chosen before; recipe, then configuration files, then flags.

    Args:
        request: of the first pass.

    Attributes:
        checkpoint: what to go on from, or None.
        run_folder: makes the run's folder.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.checkpoint: str | None = None
        self.resume: tuple[Path, int] | None = None
        super().__init__(
            import_model(request.model),
            import_data(request.data),
            save_config_callback=None,
            seed_everything_default=0,
            parser_kwargs={
                "prog": f"lightning-gans train --model {request.model} --data {request.data}",
                "description": f"Train {request.model} on {request.data}.",
                "allow_abbrev": False,
                "exit_on_error": False,
            },
            run=False,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Model, data and Trainer, without what an adversarial run cannot use."""
        unused = {name.removeprefix("trainer.") for name in REPLACED if name.startswith("trainer.")}
        common: dict[str, Any] = {"fail_untyped": False, "sub_configs": True}
        parser.add_class_arguments(Trainer, "trainer", instantiate=False, skip=unused, **common)
        parser.add_class_arguments(self._model_class, "model", skip={"model_name"}, **common)
        parser.add_class_arguments(self._datamodule_class, "data", **common)

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The two names that head a configuration, and the seed."""
        parser.add_argument("--model_name", default=self.request.model, help="in configuration files: as --model")
        parser.add_argument("--data_name", default=self.request.data, help="in configuration files: as --data")
        super().add_default_arguments_to_parser(parser)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Our own options, and the links from data to model."""
        parser.add_argument("--ckpt_path", type=str | None, help="checkpoint to go on from; last: the newest run's")
        parser.add_argument(
            "--init_from", type=str | None, help="checkpoint whose weights to start from, where they fit"
        )
        parser.add_argument("--logger", type=str, default=default_loggers(), help="csv,tensorboard,wandb or none")
        parser.add_argument("--wandb", type=WANDB, default={}, help="--wandb.KEY V: options of W&B")
        for key, callback in CALLBACKS.items():
            parser.add_class_arguments(callback, key, skip={"folder"})
            parser.callback_keys.append(key)
        model_options = {action.dest for action in parser._actions}
        for name in FROM_DATA:
            if f"model.{name}" in model_options:
                default = parser.get_default(f"model.{name}")
                parser.link_arguments("data", f"model.{name}", _attribute(name, default), apply_on="instantiate")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse configurations and flags, every name checked first.

        Raises:
            UsageError: an unknown option or a value that it does not take.
        """
        names = {action.dest for action in parser._actions if not action.dest.endswith(".help")}
        groups = {name for name in names if any(other.startswith(f"{name}.") for other in names)}
        leaves = names - groups - set(REPLACED) - {"help", "config"}
        check_flags(self.request.flags, leaves | {"help", "print_config"}, groups)
        values: dict[str, Any] = {}
        for source in self.request.sources:
            check_source(source, leaves)
            values = merge(values, source.values)
        try:
            configured = parser.parse_object(values)
            parser.set_defaults({name: configured[name] for name in leaves if name in configured})  # for --help
            self.config = parser.parse_args(self.request.flags, namespace=configured)
        except argparse.ArgumentError as error:
            raise UsageError(explain(str(error))) from error

    def before_instantiate_classes(self) -> None:
        """Refuse what cannot run, before networks are built."""
        trainer = self.config.trainer
        check_device(trainer.accelerator)
        check_precision(trainer.precision, trainer.accelerator)
        if {"--init_from", "--ckpt_path"} <= {flag.partition("=")[0] for flag in self.request.flags}:
            raise UsageError("--init_from starts a new run, --ckpt_path goes on with one: give one of them")
        self.loggers = check_loggers(self.config.logger, self.config.wandb)
        self.runs = Path(trainer.default_root_dir or ".") / "runs" / f"{self.request.model}-{self.request.data}"
        if self.config.ckpt_path:
            last = self.config.ckpt_path == "last"
            self.checkpoint = str(newest_run(self.runs) / LAST) if last else self.config.ckpt_path

    def instantiate_trainer(self, **_: Any) -> Trainer:
        """The Trainer with the callbacks of a run; loggers come with its folder."""
        if self.checkpoint:
            iteration = read_resumed(self.checkpoint, self.model)
            if self.config.ckpt_path == "last":
                self.resume = (Path(self.checkpoint).parents[1], iteration)
        elif self.config.init_from:
            say(describe_start(self.config.init_from, init_from(self.model, self.config.init_from)))
        options = dict(self.config_init.trainer)
        given = options.pop("callbacks", None) or []
        callbacks = [*given] if isinstance(given, list) else [given]
        ours = [self.config_init[key] for key in CALLBACKS]
        if options["enable_checkpointing"] is False:
            ours = [callback for callback in ours if not isinstance(callback, RunCheckpoint)]
        if options["enable_progress_bar"] is not False and not any(isinstance(c, ProgressBar) for c in callbacks):
            ours.append(RunProgress())
        if options["enable_model_summary"] is not False and not any(isinstance(c, ModelSummary) for c in callbacks):
            ours.append(ModelSummary())  # by default it would be Rich's where Rich is installed, and on stdout
        self.run_folder = RunFolder(self.runs, self._dump(), self._make_loggers, self.resume)
        return Trainer(**options, callbacks=[self.run_folder, *callbacks, *ours], logger=False)

    def _make_loggers(self, folder: Path, resumed_at: int | None) -> Any:
        return make_loggers(self.loggers, folder, self.config.wandb, resumed_at)

    def _dump(self) -> str:
        """The configuration that repeats this run; going on in its own folder does not change how it began."""
        config: Namespace = self.config.clone()
        if config.ckpt_path == "last":
            config.ckpt_path = None
        text: str = self.parser.dump(config, skip_none=False)
        return text


def _attribute(name: str, default: Any) -> Any:
    """What data says about itself, or the model's default where it says nothing; of both domains' shapes where it tells one."""
    same = "image_shape" if name in ("source_shape", "target_shape") else name

    def of(data: Any) -> Any:
        return getattr(data, name, getattr(data, same, default))

    return of
