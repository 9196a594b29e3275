"""The options every model shares, and the state of a run that no tensor holds."""

from __future__ import annotations

from os import PathLike
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from lightning_gans.augment import parse_augment
from lightning_gans.core.ema import Averager
from lightning_gans.core.noise import Turn
from lightning_gans.registry import list_models
from lightning_gans.schedules import SCHEDULES, factor

__all__ = ["EngineOptions"]


class EngineOptions(pl.LightningModule):
    """Constructor of the engine: checks options, sets counters to zero."""

    generator: nn.Module
    discriminator: nn.Module

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **options: Any) -> Any:
        """As Lightning's. Another model's checkpoint is refused by name, also where its options are none of ours."""
        try:
            return super().load_from_checkpoint(checkpoint_path, *args, **options)
        except TypeError:
            if isinstance(checkpoint_path, (str, PathLike)):
                checkpoint = torch.load(checkpoint_path, map_location="cpu", weights_only=True)
                cls._refuse_other(checkpoint.get("hyper_parameters", {}).get("model_name"))
            raise

    def __init__(
        self,
        *,
        d_steps: int = 1,
        accumulate: int = 1,
        share_fakes: bool | None = None,
        ema_decay: float | None = None,
        ema_start: int = 0,
        generator_clip: float | None = None,
        discriminator_clip: float | None = None,
        lr_schedule: str = "constant",
        decay_start: int = 0,
        decay_iterations: int | None = None,
        augment: str | None = None,
        compile: bool = False,
        channels_last: bool = True,
        model_name: str | None = None,
    ) -> None:
        """Options of the engine, the same for every model.

        Args:
            d_steps: discriminator turns an iteration; a batch is cut into as many parts.
            accumulate: chunks each turn's part is cut into; their gradients add up to those of the whole part, but for what looks
                at a chunk alone: batch norm, dropout, minibatch discrimination, RaSGAN's and feature matching's means.
            share_fakes: draw fakes once an iteration and use them in both turns. Default: when d_steps and accumulate
                are 1 and the discriminator goes first.
            ema_decay: decay of the generator's running average, in [0, 1); None keeps none.
            ema_start: iterations before which the average is a copy.
            generator_clip: largest gradient norm of the generator; None clips nothing.
            discriminator_clip: largest gradient norm of the discriminator; None clips nothing.
            lr_schedule: constant, linear, constant_linear, cosine, exponential or step.
            decay_start: iteration at which the decay begins.
            decay_iterations: iteration at which the decay ends. Default: the run's length at its first start.
            augment: what happens to every image before the critic sees it, in both turns: "diffaugment", or with some of its
                operations "diffaugment:color,translation,cutout"; None: nothing.
            compile: compile the networks with torch.compile.
            channels_last: keep images and convolutions in the channels-last memory format (faster).
            model_name: set by checkpoints; a checkpoint of another model is refused.

        Raises:
            ValueError: an option outside what it allows.
        """
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self._refuse_other(model_name)
        for name, value in (("d_steps", d_steps), ("accumulate", accumulate)):
            if value < 1:
                raise ValueError(f"{name}={value}; allowed: 1 or more")
        if ema_decay is not None and not 0.0 <= ema_decay < 1.0:
            raise ValueError(f"ema_decay={ema_decay}; allowed: None, or from 0 up to but not including 1")
        for name, clip in (("generator_clip", generator_clip), ("discriminator_clip", discriminator_clip)):
            if clip is not None and clip <= 0.0:
                raise ValueError(f"{name}={clip}; allowed: None, or more than 0")
        if lr_schedule not in SCHEDULES:
            raise ValueError(f"lr_schedule '{lr_schedule}'; allowed: {', '.join(SCHEDULES)}")
        if share_fakes and (d_steps > 1 or accumulate > 1):
            raise ValueError(
                f"share_fakes with d_steps={d_steps}, accumulate={accumulate}; allowed: only when both are 1"
            )
        self.d_steps, self.accumulate, self.share_fakes = d_steps, accumulate, share_fakes
        self.ema_decay, self.ema_start = ema_decay, ema_start
        self.generator_clip, self.discriminator_clip = generator_clip, discriminator_clip
        self.lr_schedule, self.decay_start, self.decay_iterations = lr_schedule, decay_start, decay_iterations
        self.augment, self._operations = augment, parse_augment(augment)
        self.compile_networks, self.channels_last = compile, channels_last
        self._reset_run()

    def _reset_run(self) -> None:
        self.seed: int | None = None
        self.iterations, self.images_seen, self.initialized = 0, 0, False
        self.mid_iteration = False
        self.terms: dict[str, Tensor] = {}
        """Detached terms of the latest iteration, "player/term"."""
        self.records: dict[str, Tensor] = {}
        """Recorded tensors of the latest iteration, "player/name", flat, not reduced."""
        self.decay_end: int | None = self.decay_iterations
        self._turn = Turn()
        self._moving: str | None = None
        self._generator: torch.Generator | None = None
        self._compiled: dict[int, Any] = {}
        """Compiled copies by the id of the network; outside the module registry."""
        self._weights: dict[str, list[nn.Parameter]] = {}
        """Each player's parameters, listed once a fit: walking a network costs more than freezing it."""
        self._cached_averagers: list[Averager] | None = None
        self._memory_format = torch.contiguous_format
        self._first_batch, self._writes_log, self._warned_short, self._batch_rows = True, False, False, 0
        self._resumed: list[dict[str, Any]] | None = None

    @property
    def model_name(self) -> str:
        """The name on the command line: that of the file the class stands in."""
        return type(self).__module__.rpartition(".")[2]

    @classmethod
    def _refuse_other(cls, model_name: str | None) -> None:
        own = cls.__module__.rpartition(".")[2]
        if model_name != own and {model_name, own} <= set(list_models()):
            raise ValueError(
                f"a checkpoint of '{model_name}' cannot be loaded as '{own}'; lightning_gans.load(path) loads any model"
            )

    def lr_factor(self) -> float:
        """The factor of `lr_schedule` on learning rates in the coming iteration."""
        return factor(self.lr_schedule, self.iterations, start=self.decay_start, end=self.decay_end or 0)

    def fix_decay(self, trainer: pl.Trainer) -> None:
        """Fix where the decay ends, at the first start: a longer resumed run keeps it, unless the option names another.

        Raises:
            ValueError: a run without a length cannot tell where a decay ends.
        """
        self.decay_end = self.decay_iterations or self.decay_end
        if self.lr_schedule in ("constant", "step") or self.decay_end is not None:
            return
        steps = trainer.max_steps if trainer.max_steps > 0 else trainer.estimated_stepping_batches
        if steps == float("inf"):
            raise ValueError(
                f"lr_schedule '{self.lr_schedule}' in a run without an end; set decay_iterations or max_steps"
            )
        self.decay_end = self.iterations + int(steps)
