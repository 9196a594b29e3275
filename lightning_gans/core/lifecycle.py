"""What happens around training: checks, the seed, compilation, and what a checkpoint holds beyond tensors."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from pytorch_lightning.strategies import DDPStrategy, DeepSpeedStrategy, SingleDeviceStrategy
from torch import nn

from lightning_gans.core import resume
from lightning_gans.core.options import EngineOptions
from lightning_gans.core.processes import average_batch_norm, gather_objects

__all__ = ["Lifecycle"]

COUNTERS = ("seed", "iterations", "images_seen", "initialized", "decay_end")
"""Attributes that a checkpoint holds of the run so far, beside tensors and the random state."""


class Lifecycle(EngineOptions):
    """Lightning's hooks around training, and the counters that a checkpoint carries."""

    @property
    def players(self) -> dict[str, nn.Module]:
        """The networks that move, in the order of the optimisers."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def setup(self, stage: str) -> None:
        """Refuse what the engine cannot do right.

        Raises:
            ValueError: a strategy other than one device or DDP by separate processes, or a precision that casts the module.
        """
        if stage != "fit":
            return
        strategy, precision = self.trainer.strategy, str(self.trainer.precision)
        ddp = isinstance(strategy, DDPStrategy) and not isinstance(strategy, DeepSpeedStrategy)
        if not ddp and not isinstance(strategy, SingleDeviceStrategy):
            raise ValueError(f"strategy {type(strategy).__name__}; allowed: a single device, or ddp")
        started = getattr(strategy, "_start_method", None)
        if started not in (
            None,
            "popen",
        ):  # such processes would hand weights back, but not counters, seed and random state
            raise ValueError(f"ddp started by {started}; allowed: ddp, started as separate processes")
        if precision not in ("32-true", "bf16-mixed", "16-mixed"):
            raise ValueError(f"precision '{precision}'; allowed: 32-true, bf16-mixed, 16-mixed")

    def on_fit_start(self) -> None:
        """Choose the seed of a new run, fix the length of its schedule, compile.

        Raises:
            ValueError: what only shows now: synchronised batch norm, schedulers of Lightning, a schedule without an end.
        """
        if any(isinstance(module, nn.SyncBatchNorm) for module in self.modules()):
            raise ValueError("sync_batchnorm=True; allowed: False (sampling on one process would wait for the others)")
        if self.trainer.lr_scheduler_configs:
            raise ValueError(
                "schedulers from configure_optimizers; allowed: lr_schedule, or optimizer_settings of the model"
            )
        resumed = self.trainer.ckpt_path is not None
        if not resumed:  # a model that was loaded, or trained before, starts a run of its own
            self.seed, self.decay_end, self._resumed = None, None, None
        if self.seed is None:
            self.seed = self.trainer.strategy.broadcast(torch.initial_seed() % 2**62)
        self.fix_decay(self.trainer)
        self._first_batch, self._warned_short, self._cached_averagers = True, False, None
        self._weights = {player: list(network.parameters()) for player, network in self.players.items()}
        self.training = True
        for network in self.players.values():
            network.train()  # Lightning leaves the mode alone, and a loaded model is in evaluation mode
        if self.compile_networks:
            # Kept outside the module registry: state_dict keys stay as they are and penalties use the eager network.
            networks = [part for network in self.players.values() for part in _callable_parts(network)]
            self._compiled = {id(network): torch.compile(network) for network in networks}

    def on_train_start(self) -> None:
        """Take up the random state of the run that is resumed: nothing random happens between here and the first step."""
        if self._resumed is None:
            return
        states, self._resumed = self._resumed, None
        if self.global_rank < len(states):
            resume.restore_random_state(states[self.global_rank])
        loaders = self.trainer.fit_loop._combined_loader
        samplers = [getattr(loader, "sampler", None) for loader in ([] if loaders is None else loaders.flattened)]
        if all(getattr(sampler, "resumable", False) for sampler in samplers):
            # Lightning only knows loaders with a state_dict; ours need none.
            warnings.filterwarnings("ignore", ".*ended before the epoch ended and your dataloader is not resumable.*")
        else:
            warnings.warn(
                "the order of this DataLoader is not restored: the resumed run sees other batches than one that was never "
                "stopped (the data modules of this project restore it)",
                stacklevel=2,
            )

    def teardown(self, stage: str) -> None:
        """Drop the compiled copies, after an exception too."""
        self._compiled = {}

    def counters(self) -> dict[str, Any]:
        """Those of `COUNTERS`."""
        return {name: getattr(self, name) for name in COUNTERS}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what training depends on and no tensor holds. All processes take part."""
        average_batch_norm(self)
        checkpoint["adversarial"] = {
            **self.counters(),
            "random": gather_objects(resume.random_state()),
        }
        source = getattr(self.trainer.datamodule, "source", None)  # type: ignore[attr-defined]
        if isinstance(source, dict):  # what to score samples against
            checkpoint["data"] = source

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the counters; the random state waits for `on_train_start`."""
        state = checkpoint["adversarial"]
        for name in COUNTERS:
            setattr(self, name, state[name])
        self._resumed = state["random"]


def _callable_parts(network: nn.Module) -> list[nn.Module]:
    """What is called of a player: itself, or each network of a `ModuleDict`."""
    return list(network.values()) if isinstance(network, nn.ModuleDict) else [network]
