"""Models small enough for exact comparisons: no batch norm, no dropout unless asked for; every loss of the engine's kinds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_gans import SGAN
from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.latent import LatentModule
from lightning_gans.losses import wasserstein_discriminator, wasserstein_generator
from lightning_gans.penalties import gradient_penalty

__all__ = ["Toy", "images_loader", "seeded", "semi_supervised", "weights"]

SHAPE = (1, 8, 8)


class ToyGenerator(nn.Module):
    def __init__(self, batch_norm: bool) -> None:
        super().__init__()
        norm: nn.Module = nn.BatchNorm1d(8) if batch_norm else nn.Identity()
        self.layers = nn.Sequential(nn.Linear(3, 8), norm, nn.Tanh(), nn.Linear(8, 64), nn.Tanh())

    def forward(self, latents: Tensor) -> Tensor:
        return self.layers(latents).view(-1, *SHAPE)


class Toy(LatentModule):
    """A Wasserstein pair with a gradient penalty of its own."""

    def __init__(self, batch_norm: bool = False, dropout: float = 0.0, penalty: float = 1.0, **engine: Any) -> None:
        super().__init__(**engine)
        self.image_shape, self.latent_dim, self.penalty = SHAPE, 3, penalty
        self.lr, self.betas = 1e-3, (0.0, 0.9)
        critic = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1), nn.Flatten(0)
        )
        self.drawn: list[Tensor] = []
        self.seen: list[Tensor] = []
        self.set_players(ToyGenerator(batch_norm), critic)

    def discriminator_loss(self, batch: Batch) -> Terms:
        latents, _, images = self.fakes(batch)
        self.drawn.append(latents)
        self.seen.append(batch["images"])
        real_logits, fake_logits = self.discriminate(batch["images"]), self.discriminate(images)
        self.record("real_logits", real_logits)
        self.record("fake_logits", fake_logits)
        terms = wasserstein_discriminator(real_logits, fake_logits)._asdict()
        if self.penalty:
            epsilon = 0.5 * self.noise((len(images),), "uniform") + 0.5
            penalty = gradient_penalty(self.discriminator, batch["images"], images, epsilon)
            terms["penalty"] = self.penalty * penalty
        return terms

    def generator_loss(self, batch: Batch) -> Terms:
        return {"adversarial": wasserstein_generator(self.discriminate(self.fakes(batch).images))}


def seeded(**options: Any) -> Toy:
    torch.manual_seed(1)
    return Toy(**options)


def semi_supervised(**options: Any) -> SGAN:
    """An SGAN without batch norm and noise: two processes must equal one."""
    torch.manual_seed(3)
    named: dict[str, Any] = {"network": "mlp", "latent_dim": 3, "generator_objective": "minimax", "ema_decay": None}
    model = SGAN((1, 8, 8), **named, **options)
    generator = nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))
    model.set_players(generator, nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))
    return model


def images_loader(n: int, batch_size: int, **options: Any) -> DataLoader[Any]:
    """A user's own loader: tuples of float images in [-1, 1], in a fixed order."""
    images = torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(7)) * 2 - 1
    return DataLoader(TensorDataset(images, torch.arange(n) % 10), batch_size=batch_size, **options)


def weights(model: torch.nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])
