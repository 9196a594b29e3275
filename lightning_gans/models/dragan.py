"""DRAGAN: the non-saturating game, its critic kept smooth around real images by a penalty on its gradient there.

Paper: On Convergence and Stability of GANs, Kodali et al. 2017, arXiv:1705.07215. Code: kodalinaveen3/DRAGAN (a notebook, MNIST).

Where we differ: which noise moves the points is told by `perturbation`. Default is the notebook's, which pushes pixels up only;
the paper's text has normal noise of a variance c without a unit (`normal`, whose `perturbation_scale` is yours to choose). The
deviation that scales the other kinds is that of a turn's images on all processes. The square root in the norm has 1e-12 inside.
The convolutional networks are DCGAN's ("torch"), the critic's without batch norm, because the penalty is per sample; much public
code keeps it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.near_real import NearRealModule
from lightning_gans.losses import non_saturating_discriminator, non_saturating_generator
from lightning_gans.networks.dcgan import TorchDiscriminator, TorchGenerator

__all__ = ["DRAGAN"]

NETWORKS = ("dcgan", "mlp")


class MLPGenerator(nn.Module):
    """One hidden layer of ReLU and a sigmoid: (N, latent_dim) -> (N, C, H, W)."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, units: int) -> None:
        super().__init__()
        self.image_shape = image_shape
        pixels = math.prod(image_shape)
        self.layers = nn.Sequential(nn.Linear(latent_dim, units), nn.ReLU(inplace=True), nn.Linear(units, pixels))
        _init(self)

    def forward(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W) in [-1, 1]."""
        probabilities = torch.sigmoid(self.layers(latents))
        return (2.0 * probabilities - 1.0).view(-1, *self.image_shape)  # (N, C * H * W) -> (N, C, H, W)


class MLPDiscriminator(nn.Module):
    """One hidden layer of ReLU: (N, C, H, W) -> (N,); sees pixels in [0, 1]."""

    def __init__(self, image_shape: tuple[int, int, int], units: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(math.prod(image_shape), units), nn.ReLU(inplace=True), nn.Linear(units, 1)
        )
        _init(self)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> logits (N,)."""
        pixels = (images.flatten(1) + 1.0) / 2.0  # (N, C * H * W) in [0, 1]
        logits: Tensor = self.layers(pixels).flatten()  # (N, 1) -> (N,)
        return logits


def _init(network: nn.Module) -> None:
    """Weights N(0, sqrt(2 / fan_in)), biases 0, as in the notebook."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=math.sqrt(2.0 / module.in_features))
            nn.init.zeros_(module.bias)


class DRAGAN(NearRealModule):
    """Deep regret analytic GAN (arXiv:1705.07215)."""

    latent_distribution = "uniform"
    redraws_fakes = True  # the notebook draws noise for each player

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (3, 32, 32),
        latent_dim: int = 100,
        network: str = "dcgan",
        generator_channels: int | None = None,
        discriminator_channels: int | None = None,
        discriminator_norm: bool = False,
        penalty_weight: float = 10.0,
        perturbation: str = "one_sided",
        perturbation_scale: float = 0.5,
        lr: float = 1e-4,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.9),
        **engine: Any,
    ) -> None:
        """Build both networks.

        Args:
            image_shape: (C, H, W); dcgan takes squares of a power of two from 16 up, mlp any.
            latent_dim: size of the noise, U[-1, 1].
            network: dcgan (DCGAN's "torch") or mlp (the notebook's, one hidden layer).
            generator_channels: channels of the widest maps before the image (default 64), or hidden units (128).
            discriminator_channels: channels after the first convolution, or hidden units; the same defaults.
            discriminator_norm: batch norm in dcgan's critic; a gradient then depends on the whole batch.
            penalty_weight: of the gradient penalty.
            perturbation: one_sided: a random share, one a sample, of the way to x + scale s U[0, 1), s the deviation of all
                pixels of the batch (the notebook). symmetric: x + scale s U[-1, 1), clipped to the images' range
                (compare_gan's later form). normal: x + scale N(0, 1) (the paper's text).
            perturbation_scale: `scale` of it; for normal the deviation of pixels in [-1, 1], the root of the paper's c, for which
                the default is no suggestion.
            lr: Adam's learning rate.
            discriminator_lr: the discriminator's; None = lr.
            betas: Adam's decay rates.
            **engine: options of the engine.

        Raises:
            ValueError: an unknown network or perturbation, an image shape it cannot build, or a negative weight or scale.
        """
        super().__init__(**engine)
        if network not in NETWORKS:
            raise ValueError(f"network '{network}'; allowed: {', '.join(NETWORKS)}")
        if not 0.0 <= penalty_weight < math.inf:
            raise ValueError(f"penalty_weight={penalty_weight}; allowed: 0 or more")
        channels, height, width = image_shape
        self.image_shape, self.latent_dim, self.network = (channels, height, width), latent_dim, network
        self.penalty_weight = penalty_weight
        self.set_perturbation(perturbation, perturbation_scale)
        self.lr, self.discriminator_lr, self.betas = lr, discriminator_lr, betas
        default = 128 if network == "mlp" else 64
        g_channels, d_channels = generator_channels or default, discriminator_channels or default
        if network == "mlp":
            self.set_players(
                MLPGenerator(self.image_shape, latent_dim, g_channels), MLPDiscriminator(self.image_shape, d_channels)
            )
        else:
            self.set_players(
                TorchGenerator(self.image_shape, latent_dim, g_channels),
                TorchDiscriminator(self.image_shape, d_channels, batch_norm=discriminator_norm),
            )

    def discriminator_loss(self, batch: Batch) -> Terms:
        """-log D(x) - log(1 - D(G(z))) + penalty_weight E (||grad D|| - 1)^2 near real images, of logits."""
        terms = non_saturating_discriminator(*self.real_and_fake_logits(batch))._asdict()
        # In the range of pixels that the network works in: [0, 1] for mlp, [-1, 1] for dcgan.
        low = 0.0 if self.network == "mlp" else -1.0
        penalty = self.near_real_penalty(self._judge, batch["images"], low=low)
        terms["gradient_penalty"] = self.penalty_weight * penalty
        return terms

    def generator_loss(self, batch: Batch) -> Terms:
        """-log D(G(z))."""
        return {"adversarial": non_saturating_generator(self.fake_logits(batch))}

    def _judge(self, points: Tensor) -> Tensor:
        """Logits of points in the network's own range, which gradients are taken in."""
        logits: Tensor = self.discriminator(2.0 * points - 1.0 if self.network == "mlp" else points)
        return logits
