"""Stochastic gradient descent whose rate falls and whose momentum grows, as Pylearn2's models of 2014 were trained."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from lightning_gans.core.latent import LatentModule
from lightning_gans.schedules import exponential, ramp

__all__ = ["AnnealedModule"]


class AnnealedModule(LatentModule):
    """A latent model whose players move by SGD: the rate is divided by `lr_rate` after each iteration, down to `lr_floor`,
    while momentum grows from the first to the second of `momentum` in `momentum_iterations`."""

    lr_rate: ClassVar[float]
    lr_floor: ClassVar[float] = 1e-6
    momentum: ClassVar[tuple[float, float]] = (0.5, 0.7)
    momentum_iterations: ClassVar[int] = 125_000  # 250 epochs of 50,000 images in batches of 100

    def configure_optimizers(self) -> Any:
        """Stochastic gradient descent with momentum for both."""
        return [
            torch.optim.SGD(network.parameters(), lr=self.learning_rate(player), momentum=self.momentum[0])
            for player, network in self.players.items()
        ]

    def optimizer_settings(self, player: str, group: dict[str, Any]) -> dict[str, Any]:
        """The decay of the rate and the growth of momentum, times the engine's schedule."""
        floor = self.lr_floor / group["initial_lr"]
        lr = group["initial_lr"] * exponential(self.iterations, rate=self.lr_rate, floor=floor)
        first, last = self.momentum
        momentum = ramp(self.iterations, first=first, last=last, iterations=self.momentum_iterations)
        return {"lr": lr * self.lr_factor(), "momentum": momentum}
