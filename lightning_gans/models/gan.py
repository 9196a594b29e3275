"""GAN: a generator and a discriminator, two fully connected networks, play against each other.

Paper: Generative Adversarial Nets, Goodfellow et al. 2014, arXiv:1406.2661. Code: goodfeli/adversarial (Pylearn2).

Where we differ: the code steps both players at once on one mini-batch; here the discriminator moves first, as the paper's
algorithm 1 has it. Its networks work on pixels in [0, 1]; ours convert at their ends. The output bias starts from the first
batch's pixel means, with half a count added, where the code takes the whole set's. `network: mlp` and `optimizer: adam` are the
plain GAN that later papers set beside theirs in toys.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.annealed import AnnealedModule
from lightning_gans.core.latent import LatentModule
from lightning_gans.core.noise import Draw
from lightning_gans.layers.initialize import uniform_init
from lightning_gans.layers.maxout import Maxout
from lightning_gans.losses import non_saturating_discriminator, non_saturating_generator
from lightning_gans.networks.perceptron import PerceptronCritic, PerceptronGenerator

__all__ = ["GAN"]

NETWORKS = ("maxout", "mlp")
OPTIMIZERS = ("sgd", "adam")


class Generator(nn.Module):
    """Two ReLU layers and a sigmoid: (N, latent_dim) -> (N, C, H, W)."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, units: int) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.hidden = nn.Sequential(
            nn.Linear(latent_dim, units), nn.ReLU(inplace=True), nn.Linear(units, units), nn.ReLU(inplace=True)
        )
        self.pixels = nn.Linear(units, math.prod(image_shape))
        uniform_init(self, 0.05)

    def forward(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W) in [-1, 1]."""
        probabilities = torch.sigmoid(self.pixels(self.hidden(latents)))
        return (2.0 * probabilities - 1.0).view(-1, *self.image_shape)  # (N, C * H * W) -> (N, C, H, W)


class Discriminator(nn.Module):
    """Two maxout layers with dropout: (N, C, H, W) -> (N,)."""

    def __init__(self, image_shape: tuple[int, int, int], units: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(0.2),
            Maxout(math.prod(image_shape), units, pieces=5),
            nn.Dropout(0.5),
            Maxout(units, units, pieces=5),
            nn.Dropout(0.5),
            nn.Linear(units, 1),
        )
        uniform_init(self, 0.005)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> logits (N,)."""
        pixels = (images.flatten(1) + 1.0) / 2.0  # (N, C * H * W) in [0, 1]
        logits: Tensor = self.layers(pixels).flatten()  # (N, 1) -> (N,)
        return logits


class GAN(AnnealedModule):
    """The original, fully connected GAN (arXiv:1406.2661), with the settings of its MNIST experiment."""

    lr_rate = 1.000004
    latent_distribution = "uniform"

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        latent_dim: int = 100,
        network: str = "maxout",
        generator_channels: int | None = None,
        discriminator_channels: int | None = None,
        optimizer: str = "sgd",
        lr: float = 0.1,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        **engine: Any,
    ) -> None:
        """Build both networks.

        Args:
            image_shape: (C, H, W), any.
            latent_dim: size of the noise, uniform with unit variance.
            network: maxout (the paper's), or mlp (three hidden layers of ReLU in both, no bound on pixels).
            generator_channels: units of each hidden layer of the generator; default 1200 (8000 in the TFD and CIFAR-10
                experiments), mlp 512.
            discriminator_channels: units of each hidden layer; default 240 of maxout (1200 for TFD, 1600 for CIFAR-10), mlp 512.
            optimizer: sgd (the paper's) or adam.
            lr: learning rate; that of sgd is divided by 1.000004 after each iteration, floor 1e-6, while its momentum grows
                from 0.5 to 0.7 over 125,000 iterations (250 epochs).
            discriminator_lr: the discriminator's; None = lr.
            betas: decay rates of adam.
            **engine: options of the engine.

        Raises:
            ValueError: an unknown network or optimiser.
        """
        super().__init__(**engine)
        for name, value, allowed in (("network", network, NETWORKS), ("optimizer", optimizer, OPTIMIZERS)):
            if value not in allowed:
                raise ValueError(f"{name} '{value}'; allowed: {', '.join(allowed)}")
        channels, height, width = image_shape
        self.image_shape, self.latent_dim = (channels, height, width), latent_dim
        self.optimizer, self.lr, self.discriminator_lr, self.betas = optimizer, lr, discriminator_lr, betas
        if network == "mlp":
            self.set_players(
                PerceptronGenerator(self.image_shape, latent_dim, generator_channels or 512),
                PerceptronCritic(self.image_shape, discriminator_channels or 512),
            )
        else:
            self.set_players(
                Generator(self.image_shape, latent_dim, generator_channels or 1200),
                Discriminator(self.image_shape, discriminator_channels or 240),
            )

    def latents(self, n: int, source: Draw) -> Tensor:
        """Uniform on [-sqrt(3), sqrt(3)]: unit variance."""
        return math.sqrt(3.0) * source((n, self.latent_dim), "uniform")

    def discriminator_loss(self, batch: Batch) -> Terms:
        """Half of -log D(x) - log(1 - D(G(z))), as the code weighs it."""
        terms = non_saturating_discriminator(*self.real_and_fake_logits(batch))
        return {"real": 0.5 * terms.real, "fake": 0.5 * terms.fake}

    def generator_loss(self, batch: Batch) -> Terms:
        """-log D(G(z)); the critic's dropout stays on, as in the code."""
        return {"adversarial": non_saturating_generator(self.fake_logits(batch))}

    def initialize(self, batch: Batch) -> None:
        """Start maxout's output bias at the data's pixel means: the logit of (sum + 1/2) / (N + 1)."""
        if not isinstance(self.generator, Generator):
            return
        pixels = (batch["images"].flatten(1) + 1.0) / 2.0  # (N, C * H * W) in [0, 1]
        means = (pixels.sum(dim=0) + 0.5) / (len(pixels) + 1)
        self.generator.pixels.bias.copy_(torch.logit(means))

    def configure_optimizers(self) -> Any:
        """Stochastic gradient descent with momentum for both, or Adam."""
        return LatentModule.configure_optimizers(self) if self.optimizer == "adam" else super().configure_optimizers()

    def optimizer_settings(self, player: str, group: dict[str, Any]) -> dict[str, Any]:
        """The engine's schedule; of sgd the decay of the rate and the growth of momentum, too."""
        settings = LatentModule if self.optimizer == "adam" else AnnealedModule
        return settings.optimizer_settings(self, player, group)
