"""What Improved Techniques for Training GANs (Salimans et al. 2016, arXiv:1606.03498) asks of the engine, whatever the networks.

Historical averaging remembers the weights after each move; virtual batch norm and weight norm start from the first batch.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.latent import LatentModule
from lightning_gans.layers.calibration import Calibrated, calibrate
from lightning_gans.layers.virtual_batch_norm import WithReference
from lightning_gans.penalties import HistoricalAverage

__all__ = ["TechniquesModule"]


class TechniquesModule(LatentModule):
    """A latent model with historical averaging, if `keep_history` is called, and networks that start from data."""

    historical_weight: float = 0.0

    def keep_history(self, weight: float, **players: nn.Module) -> None:
        """Hold players back by `weight` times ||theta - mean of past theta||^2; call it before `set_players`.

        Args:
            weight: 0 keeps nothing.
            players: the networks, by player.

        Raises:
            ValueError: a negative weight.
        """
        if not 0.0 <= weight < math.inf:
            raise ValueError(f"historical_weight={weight}; allowed: 0 or more")
        self.historical_weight = weight
        kept = players if weight else {}
        self.history = nn.ModuleDict({name: HistoricalAverage(net.parameters()) for name, net in kept.items()})

    def historical(self, player: str) -> Terms:
        """The term of historical averaging, for a player's loss; none without a history."""
        past = self._past(player)
        return {} if past is None else {"historical": self.historical_weight * past(self.players[player].parameters())}

    def _past(self, player: str) -> HistoricalAverage | None:
        past = dict(self.history.items()).get(player)
        return past if isinstance(past, HistoricalAverage) else None

    def _remember(self, player: str) -> None:
        past = self._past(player)
        if past is not None:
            past.remember(self.players[player].parameters())

    def generator_turn(self, batch: Batch) -> None:
        """One turn, which historical averaging remembers."""
        super().generator_turn(batch)
        self._remember("generator")

    def discriminator_turn(self, batch: Batch) -> None:
        """One turn, which historical averaging remembers."""
        super().discriminator_turn(batch)
        self._remember("discriminator")

    def initialize(self, batch: Batch) -> None:
        """Set the reference batch, and what calibrated layers take from the first batch."""
        if isinstance(self.generator, WithReference):
            self.generator.reference.copy_(self.latents(len(self.generator.reference), self.noise))
        if not any(isinstance(module, Calibrated) for module in self.modules()):
            return
        labels = [batch["labels"]] if self.is_conditional else []
        latents = self.latents(len(batch["images"]), self.noise)
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):  # the same dropout and noise in all processes
            torch.manual_seed(self.seed or 0)
            calibrate(self.generator, latents, *labels)
            calibrate(self.discriminator, batch["images"], *labels)
