"""The engine: two players, turns, one primitive.

One `training_step` is one iteration: `d_steps` turns of the discriminator and one of the generator. A turn is a call of
`AdversarialModule.update`, which freezes the other player, differentiates the moving player's loss and steps its optimiser.
A paper's file writes two losses; `docs/engine.md` tells which of the other methods it may extend.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from typing import Any, ClassVar

import torch
from pytorch_lightning.strategies import ParallelStrategy
from torch import Tensor, nn
from torch.optim import Optimizer

from lightning_gans.batch import Batch, normalize_batch
from lightning_gans.core import turns
from lightning_gans.core.ema import Averager, averaged_copy
from lightning_gans.core.lifecycle import Lifecycle
from lightning_gans.core.noise import Turn
from lightning_gans.core.options import EngineOptions
from lightning_gans.core.processes import average_gradients, world_size

__all__ = ["AdversarialModule", "Terms"]

Terms = dict[str, Tensor]
"""Named, weighted scalars whose sum is differentiated."""


class AdversarialModule(Lifecycle):
    """Base of every model: networks in, two losses, and this class plays the game.

    A model's `__init__` calls `super().__init__(**engine)` first and ends with `set_players`; it writes `generator_loss` and
    `discriminator_loss`. It may extend (calling super) `generator_turn`, `discriminator_turn`, `prepare_batch`,
    `adjust_gradients`, `optimizer_settings`, `initialize` and `configure_optimizers`. Nobody overrides `training_step` or
    `update`.
    """

    turn_order: ClassVar[tuple[str, str]] = ("discriminator", "generator")
    ema_players: ClassVar[tuple[str, ...]] = ("generator",)
    decision_threshold: ClassVar[float | None] = 0.0
    """The logit above which the critic says "real"; None where the scale of logits means nothing (Wasserstein)."""

    lr: float
    discriminator_lr: float | None = None
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    image_shape: tuple[int, int, int]
    num_classes: int | None = None
    generator_ema: nn.Module | None

    # ---------------------------------------------------------------- construction

    def set_players(self, generator: nn.Module, discriminator: nn.Module) -> None:
        """Hand over the two networks (several networks of one player go in a `ModuleDict`); the last line of `__init__`."""
        self.generator, self.discriminator = generator, discriminator
        if self.channels_last and any(parameter.dim() == 4 for parameter in self.parameters()):
            self._memory_format = torch.channels_last
            self.to(memory_format=torch.channels_last)
        for player, network in self.players.items():
            averaged = self.ema_decay is not None and player in self.ema_players
            setattr(self, f"{player}_ema", averaged_copy(network) if averaged else None)
        self._name_hparams()

    def _name_hparams(self) -> None:
        """Keep the constructor's arguments (Lightning also collects those of a module that builds this one), add the name."""
        classes = [cls for cls in type(self).__mro__ if issubclass(cls, EngineOptions)]
        known = {name for cls in classes for name in inspect.signature(cls).parameters}
        hparams: dict[str, Any]
        for hparams in (self._hparams, self._hparams_initial):  # type: ignore[assignment]
            for key in set(hparams) - known:
                del hparams[key]
            hparams["model_name"] = self.model_name

    @property
    def parts(self) -> int:
        """How many parts a batch is cut into: one a discriminator turn."""
        return self.d_steps

    # ---------------------------------------------------------------- what a paper writes

    def generator_loss(self, batch: Batch) -> Terms:
        """The generator's terms on one batch (images float32 in [-1, 1])."""
        raise TypeError(f"{type(self).__name__} does not define generator_loss(batch)")

    def discriminator_loss(self, batch: Batch) -> Terms:
        """The discriminator's terms on one batch (images float32 in [-1, 1])."""
        raise TypeError(f"{type(self).__name__} does not define discriminator_loss(batch)")

    # ---------------------------------------------------------------- what a paper may extend

    def generator_turn(self, batch: Batch) -> None:
        """One turn of the generator."""
        self.update("generator", self.generator_loss, batch)

    def discriminator_turn(self, batch: Batch) -> None:
        """One turn of the discriminator."""
        self.update("discriminator", self.discriminator_loss, batch)

    def discriminator_turns(self) -> int:
        """The number of discriminator turns in this iteration; turns beyond `parts` walk the parts again."""
        return self.d_steps

    def prepare_batch(self, batch: Any) -> Batch:
        """A user's batch, normalised: float32 images in [-1, 1], in the memory format of the networks."""
        named = normalize_batch(batch, check=self._first_batch or self._writes_log, first=self._first_batch)
        for key, value in named.items():
            if value.dim() == 4:
                named[key] = value.contiguous(memory_format=self._memory_format)
        return named

    def initialize(self, batch: Batch) -> None:
        """A start that depends on data: called once, before the first iteration, with process 0's batch on all."""

    def adjust_gradients(self, player: str) -> None:
        """Change the moving player's gradients, unscaled and averaged over processes, before they are clipped."""

    def optimizer_settings(self, player: str, group: dict[str, Any]) -> dict[str, Any]:
        """Settings of a parameter group for the coming iteration; `group["initial_lr"]` is the undecayed rate."""
        return {"lr": group["initial_lr"] * self.lr_factor()}

    def learning_rate(self, player: str) -> float:
        """A player's undecayed learning rate."""
        return self.lr if player == "generator" or self.discriminator_lr is None else self.discriminator_lr

    def configure_optimizers(self) -> Any:
        """One optimiser a player, in the order of `players`: Adam with `lr`, `discriminator_lr`, `betas`."""
        # The fused step is a fifth of the plain one's time, but unscales by itself, before gradients can be clipped.
        fused = self.device.type in ("cpu", "cuda") and str(self.trainer.precision) != "16-mixed"
        return [
            torch.optim.Adam(
                [{"params": list(network.parameters()), "name": player}],
                lr=self.learning_rate(player),
                betas=self.betas,
                weight_decay=self.weight_decay,
                fused=fused,
            )
            for player, network in self.players.items()
        ]

    # ---------------------------------------------------------------- what losses use

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """The one door to the critic: logits of `images` (N, C, H, W). Penalties take `self.discriminator` instead."""
        network = self._compiled.get("discriminator", self.discriminator)
        logits: Tensor = network(images) if labels is None else network(images, labels)
        return logits

    def noise(self, shape: tuple[int, ...], distribution: str = "normal") -> Tensor:
        """The one source of noise in training: `shape[0]` rows of this turn's, this process's stream.

        Args:
            shape: (rows, ...).
            distribution: "normal", N(0, 1), or "uniform", U[-1, 1].
        """
        if self._generator is None or self._generator.device != self.device:
            self._generator = torch.Generator(self.device)
        return self._turn.noise(shape, distribution, self._generator)

    def record(self, name: str, tensor: Tensor) -> None:
        """Keep a tensor that is logged (its mean) and watched, but not differentiated."""
        self.records[f"{self._moving or 'generator'}/{name}"] = tensor.detach()

    # ---------------------------------------------------------------- the primitive

    def update(self, player: str, loss: Callable[[Batch], Terms], batch: Batch) -> Terms:
        """Move one player once: the only place where gradients are made.

        Args:
            player: "generator" or "discriminator".
            loss: batch -> terms; called on each of `accumulate` equal chunks of `batch`.
            batch: this turn's images.

        Returns:
            The terms, detached, averaged over the chunks, named "player/term".
        """
        optimizer = self.optimizers()[list(self.players).index(player)]  # type: ignore[index]
        chunks = turns.cut(batch, self.accumulate)
        total: Terms = {}
        with self._turn_of(player, len(chunks)) as turn:
            optimizer.zero_grad()
            for index, chunk in enumerate(chunks):
                turn.start_chunk(index)
                terms = loss(chunk)
                with self._block_sync():
                    self.manual_backward(torch.stack(list(terms.values())).sum() / len(chunks))
                turns.detached_sum(total, terms, 1.0 / len(chunks), player)
            average_gradients(self._weights[player])
            optimizer.step()
        self.terms.update(total)
        return total

    @contextmanager
    def _turn_of(self, player: str, chunks: int) -> Iterator[Turn]:
        """The other player frozen, the noise of a new turn."""
        others = chain.from_iterable(weights for name, weights in self._weights.items() if name != player)
        self._turn, self._moving = self._new_turn(self._turn.number + 1, chunks), player
        try:
            with turns.frozen(others):
                yield self._turn
        finally:
            self._moving = None

    def _new_turn(self, number: int, chunks: int = 1) -> Turn:
        attached = self._trainer is not None
        return Turn(
            seed=self.seed or 0,
            iteration=self.iterations,
            number=number,
            chunks=chunks,
            rank=self.global_rank if attached else 0,
            world=self.trainer.world_size if attached else 1,
        )

    def _block_sync(self) -> AbstractContextManager[Any]:
        """DDP's own reduction off: it expects every parameter in every backward, which is not how two players move."""
        strategy = self.trainer.strategy
        return strategy.block_backward_sync() if isinstance(strategy, ParallelStrategy) else nullcontext()

    # ---------------------------------------------------------------- one iteration

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """One iteration. Counts once, whatever the number of updates."""
        turns.silence_counting(self.trainer)
        self._writes_log = (turns.batches_counted(self.trainer) + 1) % self.trainer.log_every_n_steps == 0  # type: ignore[attr-defined]
        prepared = self.prepare_batch(batch)
        if not self._fits(prepared):
            turns.uncount_batch(self.trainer)
            return
        if self._first_batch:
            self._start(prepared)
        self.mid_iteration = True
        self._apply_settings()
        self._turn = self._new_turn(0)
        self.terms, self.records = {}, {}
        self.play(turns.cut(prepared, self.parts))
        self.iterations += 1
        self.images_seen += turns.rows(prepared) * self.trainer.world_size
        self._update_averages()
        turns.count_iteration(self.trainer)
        self.mid_iteration = False
        if self._writes_log:
            self.log_dict({**self.terms, **{name: value.float().mean() for name, value in self.records.items()}})

    def play(self, parts: list[Batch]) -> None:
        """The turns of one iteration; the generator's sees the last part."""
        for player in self.turn_order:
            if player == "generator":
                self.generator_turn(parts[-1])
            else:
                for turn in range(self.discriminator_turns()):
                    self.discriminator_turn(parts[turn % len(parts)])

    def _fits(self, batch: Batch) -> bool:
        """Whether the batch has the first one's size; the first one must divide into parts and chunks.

        Raises:
            ValueError: a first batch that does not divide; names the nearest sizes that do.
        """
        size, unit = turns.rows(batch), self.parts * self.accumulate
        if self._first_batch:
            if size % unit or not size:
                below, above = size // unit * unit, (size // unit + 1) * unit
                works = " or ".join(str(n) for n in (below, above) if n)
                raise ValueError(
                    f"a batch of {size} images does not divide into d_steps={self.parts} x accumulate={self.accumulate}; "
                    f"allowed: multiples of {unit}, such as {works}"
                )
            self._batch_rows = size
        if size == self._batch_rows:
            return True
        if not self._warned_short:
            self._warned_short = True
            warnings.warn(
                f"a batch of {size} images is skipped: the first had {self._batch_rows} (drop_last=True avoids it)",
                stacklevel=2,
            )
        return False

    def _start(self, batch: Batch) -> None:
        """The first batch of a fit: the data-dependent start of a new model, the base rates of schedules."""
        self._first_batch = False
        if not self.initialized:
            self.initialized = True
            if type(self).initialize is not AdversarialModule.initialize:
                first = self.trainer.strategy.broadcast(batch) if world_size() > 1 else batch
                with torch.no_grad():
                    self.initialize({key: value.to(self.device) for key, value in first.items()})
                for average in self._averagers():
                    average.copy()
        for optimizer in self.trainer.optimizers:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])

    def _apply_settings(self) -> None:
        custom = type(self).optimizer_settings is not AdversarialModule.optimizer_settings
        if self.lr_schedule == "constant" and not custom:
            return
        for player, optimizer in zip(self.players, self.trainer.optimizers, strict=True):
            for group in optimizer.param_groups:
                group.update(self.optimizer_settings(player, group))
            if self._writes_log:
                self.log(f"{player}/lr", optimizer.param_groups[0]["lr"])

    def _averagers(self) -> list[Averager]:
        if self.ema_decay is None:
            return []
        if self._cached_averagers is None:
            self._cached_averagers = [Averager(self.players[p], getattr(self, f"{p}_ema")) for p in self.ema_players]
        return self._cached_averagers

    def _update_averages(self) -> None:
        finished = self.iterations - 1 - self.ema_start
        for average in self._averagers():
            if finished < 0:
                average.copy()
            else:
                average.update(self.ema_decay or 0.0, finished)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Adjust, clip and measure gradients: here they are unscaled and averaged, in every precision."""
        player = list(self.players)[self.trainer.optimizers.index(optimizer)]
        self.adjust_gradients(player)
        clip = self.generator_clip if player == "generator" else self.discriminator_clip
        if clip is None and not self._writes_log:
            return
        gradients = [parameter.grad for parameter in self._weights[player] if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if clip is not None:
            torch._foreach_mul_(gradients, (clip / (norm + 1e-6)).clamp(max=1.0))
        self.terms[f"{player}/grad_norm"] = norm
