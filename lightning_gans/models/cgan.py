"""CGAN: both players are told the class, so that samples can be asked for by class.

Paper: Conditional Generative Adversarial Nets, Mirza and Osindero 2014, arXiv:1411.1784 (section 4.1, MNIST).

Where we differ: the paper does not state initial weights, so GAN's are taken. Fakes are made of the classes of the real
images they are judged beside. `network: dcgan` is not of the paper: DCGAN's "torch" networks with the class joined to the
latents and, as constant maps, to the critic's image, trained as DCGAN is.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.annealed import AnnealedModule
from lightning_gans.core.latent import LatentModule
from lightning_gans.core.noise import Draw
from lightning_gans.layers.initialize import uniform_init
from lightning_gans.layers.maxout import Maxout
from lightning_gans.losses import non_saturating_discriminator, non_saturating_generator
from lightning_gans.networks.dcgan import TorchDiscriminator, TorchGenerator

__all__ = ["CGAN"]

NETWORKS = ("mlp", "dcgan")


class Generator(nn.Module):
    """Latents and classes pass a layer each, then one together: (N, latent_dim), (N,) -> (N, C, H, W)."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, latent_dim: int, units: int) -> None:
        super().__init__()
        self.image_shape, self.num_classes = image_shape, num_classes
        from_latents, from_classes = units // 6, units - units // 6  # 200 and 1000 of 1200
        self.latents = nn.Linear(latent_dim, from_latents)
        self.classes = nn.Linear(num_classes, from_classes)
        self.hidden = nn.Linear(units, units)
        self.pixels = nn.Linear(units, math.prod(image_shape))
        self.dropout = nn.Dropout(0.5)
        uniform_init(self, 0.05)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """(N, latent_dim), labels (N,) -> (N, C, H, W) in [-1, 1]."""
        one_hot = F.one_hot(labels, self.num_classes).to(latents.dtype)  # (N, K)
        parts = [torch.relu(self.latents(latents)), torch.relu(self.classes(one_hot))]
        features = self.dropout(torch.cat(parts, dim=1))  # (N, units)
        features = self.dropout(torch.relu(self.hidden(features)))
        probabilities = torch.sigmoid(self.pixels(features))
        return (2.0 * probabilities - 1.0).view(-1, *self.image_shape)  # (N, C * H * W) -> (N, C, H, W)


class Discriminator(nn.Module):
    """Image and class pass a maxout layer each, then one together: (N, C, H, W), (N,) -> (N,)."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, units: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        class_units = max(units * 5 // 24, 1)  # 50 beside 240
        self.images = Maxout(math.prod(image_shape), units, pieces=5)
        self.classes = Maxout(num_classes, class_units, pieces=5)
        self.joint = Maxout(units + class_units, units, pieces=4)
        self.head = nn.Linear(units, 1)
        self.dropout = nn.Dropout(0.5)
        uniform_init(self, 0.005)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1], labels (N,) -> logits (N,)."""
        pixels = (images.flatten(1) + 1.0) / 2.0  # (N, C * H * W) in [0, 1]
        one_hot = F.one_hot(labels, self.num_classes).to(pixels.dtype)  # (N, K)
        features = self.dropout(torch.cat([self.images(pixels), self.classes(one_hot)], dim=1))
        logits: Tensor = self.head(self.dropout(self.joint(features))).flatten()  # (N, 1) -> (N,)
        return logits


class CGAN(AnnealedModule):
    """Conditional GAN (arXiv:1411.1784), with the settings of its MNIST experiment."""

    lr_rate = 1.00004

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        num_classes: int | None = 10,
        latent_dim: int = 100,
        network: str = "mlp",
        generator_channels: int | None = None,
        discriminator_channels: int | None = None,
        lr: float | None = None,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        **engine: Any,
    ) -> None:
        """Build both networks.

        Args:
            image_shape: (C, H, W); mlp takes any, dcgan squares of a power of two from 16 up.
            num_classes: classes to tell apart.
            latent_dim: size of the noise: U[0, 1] for mlp, N(0, 1) for dcgan.
            network: mlp (the paper's) or dcgan.
            generator_channels: units of the joint hidden layer (default 1200), or dcgan's channels (64).
            discriminator_channels: maxout units for the image (default 240), or dcgan's channels (64).
            lr: learning rate. Default: mlp 0.1, divided by 1.00004 after each iteration down to 1e-6 while momentum grows
                from 0.5 to 0.7 over 125,000 iterations; dcgan 2e-4, of Adam.
            discriminator_lr: the discriminator's; None = lr.
            betas: Adam's decay rates (dcgan).
            **engine: options of the engine.

        Raises:
            ValueError: no classes, an unknown network, or an image shape it cannot build.
        """
        super().__init__(**engine)
        if network not in NETWORKS:
            raise ValueError(f"network '{network}'; allowed: {', '.join(NETWORKS)}")
        if num_classes is None or num_classes < 1:
            raise ValueError(f"num_classes={num_classes}; allowed: 1 or more: CGAN needs data with labels")
        channels, height, width = image_shape
        self.image_shape, self.latent_dim = (channels, height, width), latent_dim
        self.num_classes, self.network = num_classes, network
        self.latent_distribution = "uniform" if network == "mlp" else "normal"
        self.lr = (0.1 if network == "mlp" else 2e-4) if lr is None else lr
        self.discriminator_lr, self.betas = discriminator_lr, betas
        if network == "mlp":
            self.set_players(
                Generator(self.image_shape, num_classes, latent_dim, generator_channels or 1200),
                Discriminator(self.image_shape, num_classes, discriminator_channels or 240),
            )
        else:
            self.set_players(
                TorchGenerator(self.image_shape, latent_dim, generator_channels or 64, num_classes),
                TorchDiscriminator(self.image_shape, discriminator_channels or 64, num_classes),
            )

    def latents(self, n: int, source: Draw) -> Tensor:
        """Uniform on the unit hypercube for mlp, N(0, 1) for dcgan."""
        noise = super().latents(n, source)
        return (noise + 1.0) / 2.0 if self.network == "mlp" else noise

    def discriminator_loss(self, batch: Batch) -> Terms:
        """-log D(x|y) - log(1 - D(G(z|y)|y))."""
        return non_saturating_discriminator(*self.real_and_fake_logits(batch))._asdict()

    def generator_loss(self, batch: Batch) -> Terms:
        """-log D(G(z|y)|y)."""
        return {"adversarial": non_saturating_generator(self.fake_logits(batch))}

    def configure_optimizers(self) -> Any:
        """The paper's gradient descent for mlp, Adam for dcgan."""
        return super().configure_optimizers() if self.network == "mlp" else LatentModule.configure_optimizers(self)

    def optimizer_settings(self, player: str, group: dict[str, Any]) -> dict[str, Any]:
        """The paper's decay of the rate and growth of momentum for mlp, the engine's schedule for dcgan."""
        if self.network == "mlp":
            return super().optimizer_settings(player, group)
        return LatentModule.optimizer_settings(self, player, group)
