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

from lightning_gans.augment.diffaugment import DRAWS, LEAST_SIDE, diff_augment
from lightning_gans.batch import Batch, normalize_batch, shape_text
from lightning_gans.core import turns
from lightning_gans.core.ema import averaged_copy
from lightning_gans.core.foreign import ForeignWeights
from lightning_gans.core.noise import Turn
from lightning_gans.core.optimization import Optimization
from lightning_gans.core.options import EngineOptions
from lightning_gans.core.processes import average_gradients, world_size

__all__ = ["AdversarialModule", "Terms"]

Terms = dict[str, Tensor]
"""Named, weighted scalars whose sum is differentiated."""


class AdversarialModule(Optimization, ForeignWeights):
    """Base of every model: networks in, two losses, and this class plays the game.

    A model's `__init__` calls `super().__init__(**engine)` first and ends with `set_players`; it writes `generator_loss` and
    `discriminator_loss`. It may extend (calling super) `generator_turn`, `discriminator_turn`, `prepare_batch`,
    `adjust_gradients`, `optimizer_settings`, `initialize` and `configure_optimizers`. Nobody overrides `training_step` or
    `update`.
    """

    turn_order: ClassVar[tuple[str, str]] = ("discriminator", "generator")
    decision_threshold: float | None = 0.0
    """The logit above which the critic says "real"; None where the scale of logits means nothing (Wasserstein)."""

    image_shape: tuple[int, int, int]
    num_classes: int | None = None
    channel_groups: tuple[int, ...] | None = None
    """Channels of each picture of those that the critic sees stacked; None: it sees one. Colours of one never reach another."""
    generator_ema: nn.Module | None

    # ---------------------------------------------------------------- construction

    def set_players(self, generator: nn.Module, discriminator: nn.Module) -> None:
        """Hand over the two networks (several networks of one player go in a `ModuleDict`); the last line of `__init__`.

        Raises:
            ValueError: images too small for `augment`.
        """
        if self._operations and min(self.image_shape[1:]) < LEAST_SIDE:
            shape = shape_text(self.image_shape[1:])
            raise ValueError(
                f"augment '{self.augment}' for images of {shape}; allowed: {LEAST_SIDE} pixels or more a side"
            )
        self.generator, self.discriminator = generator, discriminator
        if self.channels_last and any(parameter.dim() == 4 for parameter in self.parameters()):
            self._memory_format = torch.channels_last
            for weight in self.parameters():
                if weight.dim() == 4:
                    weight.data = weight.data.to(memory_format=torch.channels_last)
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
        if self._first_batch:
            self.check_batch(named)
        elif self._writes_log or self.device.type == "cpu":
            self.check_labels(named)
        for key, value in named.items():
            if value.dim() == 4:
                named[key] = value.contiguous(memory_format=self._memory_format)
        return named

    def check_batch(self, batch: Batch) -> None:
        """Refuse a first batch that does not suit the networks.

        Raises:
            ValueError: images of another shape than `image_shape`; see also `check_labels`.
        """
        if "images" in batch and tuple(batch["images"].shape[1:]) != self.image_shape:
            given, built = (shape_text(shape) for shape in (batch["images"].shape[1:], self.image_shape))
            raise ValueError(f"images of {given}; this model was built for {built} (image_shape)")
        self.check_labels(batch)

    def check_labels(self, batch: Batch) -> None:
        """Refuse a batch whose labels or tags the networks cannot take: the first one, and later ones where a look at them makes
        no accelerator wait (on the CPU, and in iterations that write the log)."""

    def initialize(self, batch: Batch) -> None:
        """A start that depends on data: called once, before the first iteration, with process 0's batch on all."""

    # ---------------------------------------------------------------- what losses use

    def discriminate(self, images: Tensor, labels: Tensor | None = None, *, name: str | None = None) -> Tensor:
        """The one door to the critic: float32 logits of `images` (N, C, H, W). Penalties take `self.discriminator` instead.

        `name` chooses a network of a player that is a `ModuleDict`. Logits leave half precision here, so that losses, what is
        logged and what is steered by them are computed in 32-bit.
        """
        images = self.augmented(images)
        network = self.discriminator if name is None else self.discriminator.get_submodule(name)
        network = self.fast(network)
        logits: Tensor = network(images) if labels is None else network(images, labels)
        return logits.float()

    def augmented(self, images: Tensor) -> Tensor:
        """Images as the critic sees them: in a turn, and with the option `augment`, each augmented by noise of its own."""
        if not self._operations or self._moving is None:
            return images
        draws = (self.noise_of_images((len(images), DRAWS), "uniform") + 1.0) / 2.0  # U[0, 1)
        augmented = diff_augment(images, draws, self._operations, self.channel_groups)
        return augmented.contiguous(memory_format=self._memory_format) if images.dim() == 4 else augmented

    def fast(self, network: nn.Module) -> nn.Module:
        """The compiled copy of a network, or the network itself when nothing is compiled."""
        compiled: nn.Module = self._compiled.get(id(network), network)
        return compiled

    def noise(self, shape: tuple[int, ...], distribution: str = "normal") -> Tensor:
        """The one source of noise in training: `shape[0]` rows of this turn's, this process's stream.

        Args:
            shape: (rows, ...).
            distribution: "normal", N(0, 1), or "uniform", U[-1, 1].
        """
        if self._generator is None or self._generator.device != self.device:
            self._generator = torch.Generator(self.device)
        return self._turn.noise(shape, distribution, self._generator)

    def noise_of_images(self, shape: tuple[int, ...], distribution: str = "normal") -> Tensor:
        """`noise` with a row for each image that the critic sees in this turn."""
        return self.noise(shape, distribution)

    def of_turn(self, name: str, measure: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
        """What `measure` tells of a turn's whole batch, of which `batch` is a chunk; outside a turn, of `batch` itself.

        It is asked once a turn and its answer kept under `name`. A loss that needs to know more of the images than its chunk
        shows (their deviation, how many have labels) asks here: then chunks add up to the whole. Processes are `measure`'s
        to join (`core/processes.py`).
        """
        turn = self._turn
        if turn.batch is None:
            return measure(batch)
        if name not in turn.measured:
            turn.measured[name] = measure(turn.batch)
        return turn.measured[name]

    def record(self, name: str, tensor: Tensor) -> None:
        """Keep a tensor that is logged (its mean) and watched, but not differentiated; chunks of a turn are joined.

        `name` stands below the player that moves, unless it says which: "discriminator/k", recorded after a turn.
        """
        key, values = name if "/" in name else f"{self._moving or 'generator'}/{name}", tensor.detach().flatten()
        joins = self._moving is not None and self._turn.chunk  # after a turn there are no chunks
        self.records[key] = torch.cat([self.records[key], values]) if joins else values

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
        with self._turn_of(player, batch, len(chunks)) as turn:
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
    def _turn_of(self, player: str, batch: Batch, chunks: int) -> Iterator[Turn]:
        """The other player frozen, the noise of a new turn."""
        others = chain.from_iterable(weights for name, weights in self._weights.items() if name != player)
        self._turn, self._moving = self._new_turn(self._turn.number + 1, chunks), player
        self._turn.batch = batch
        try:
            with turns.frozen(others):
                yield self._turn
        finally:
            self._turn.batch = self._moving = None

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
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        self._writes_log = every > 0 and (turns.batches_counted(self.trainer) + 1) % every == 0
        self._turn = self._new_turn(0)
        prepared = self.prepare_batch(batch)
        if not self._fits(prepared):
            turns.uncount_batch(self.trainer)
            return
        if self._first_batch:
            self._start(prepared)
        self.mid_iteration = True
        self.apply_settings()
        self.terms, self.records = {}, {}
        self.play(turns.cut(prepared, self.parts))
        self.iterations += 1
        self.images_seen += turns.rows(prepared) * self.trainer.world_size
        self.update_averages()
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
        """Whether to train on a batch: the first must divide into parts and chunks, a shorter one that ends an epoch is left.

        Raises:
            ValueError: a first batch that does not divide; names the nearest sizes that do.
        """
        size, unit = turns.rows(batch), self.parts * self.accumulate
        if self._first_batch and (size % unit or not size):
            below, above = size // unit * unit, (size // unit + 1) * unit
            works = " or ".join(str(n) for n in (below, above) if n)
            raise ValueError(
                f"a batch of {size} images does not divide into d_steps={self.parts} x accumulate={self.accumulate}; "
                f"allowed: multiples of {unit}, such as {works}"
            )
        if self._first_batch or size == self._batch_rows or (size % unit == 0 and not self.trainer.is_last_batch):
            self._batch_rows = size
            return True
        if not self._warned_short:
            self._warned_short = True
            warnings.warn(
                f"a batch of {size} images is skipped: the one before had {self._batch_rows} (drop_last=True avoids it)",
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
                self._turn = Turn(seed=self.seed or 0, number=-1)  # the same noise in all processes
                with torch.no_grad():
                    self.initialize({key: value.to(self.device) for key, value in first.items()})
                for average in self.averagers():
                    average.copy()
                self._turn = self._new_turn(0)
        for optimizer in self.trainer.optimizers:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
