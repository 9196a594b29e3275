"""What follows from gradients: optimisers, their settings over time, clipping, averages of the weights."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch.optim import Optimizer

from lightning_gans.core.ema import Averager
from lightning_gans.core.lifecycle import Lifecycle

__all__ = ["Optimization"]


class Optimization(Lifecycle):
    """One optimiser a player, in the order of `players`."""

    ema_players: ClassVar[tuple[str, ...]] = ("generator",)

    lr: float
    discriminator_lr: float | None = None
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0

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

    def optimizer_settings(self, player: str, group: dict[str, Any]) -> dict[str, Any]:
        """Settings of a parameter group for the coming iteration; `group["initial_lr"]` is the undecayed rate."""
        return {"lr": group["initial_lr"] * self.lr_factor()}

    def adjust_gradients(self, player: str) -> None:
        """Change the moving player's gradients, unscaled and averaged over processes, before they are clipped."""

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

    def apply_settings(self) -> None:
        """Write the coming iteration's settings into the optimisers."""
        custom = type(self).optimizer_settings is not Optimization.optimizer_settings
        if self.lr_schedule == "constant" and not custom:
            return
        for player, optimizer in zip(self.players, self.trainer.optimizers, strict=True):
            for group in optimizer.param_groups:
                group.update(self.optimizer_settings(player, group))
            if self._writes_log:
                self.log(f"{player}/lr", optimizer.param_groups[0]["lr"])

    def averagers(self) -> list[Averager]:
        """What moves the averages of the weights; empty without `ema_decay`."""
        if self.ema_decay is None:
            return []
        if self._cached_averagers is None:
            self._cached_averagers = [Averager(self.players[p], getattr(self, f"{p}_ema")) for p in self.ema_players]
        return self._cached_averagers

    def update_averages(self) -> None:
        """Move the averages, at the end of an iteration."""
        finished = self.iterations - 1 - self.ema_start
        for average in self.averagers():
            if finished < 0:
                average.copy()
            else:
                average.update(self.ema_decay or 0.0, finished)
