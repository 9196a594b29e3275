"""WGAN: a critic that is kept Lipschitz by clipping its weights estimates the Wasserstein distance the generator lowers.

Paper: Wasserstein GAN, Arjovsky, Chintala and Bottou 2017, arXiv:1701.07875. Code: martinarjovsky/WassersteinGAN.

Where we differ: weights are clipped after each of the critic's steps, as in algorithm 1 (the code clips before), and the
critic's loss has the algorithm's sign (the code mirrors both players). `network: mlp` keeps PyTorch's own initial weights,
as the code does. The code's extra convolutions (`n_extra_layers`, none by default) are left out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.latent import LatentModule
from lightning_gans.losses import wasserstein_discriminator, wasserstein_generator
from lightning_gans.networks.dcgan import TorchDiscriminator, TorchGenerator
from lightning_gans.networks.perceptron import PerceptronCritic, PerceptronGenerator
from lightning_gans.penalties import clip_weights_

__all__ = ["WGAN"]

NETWORKS = ("dcgan", "dcgan_nobn", "mlp")
OPTIMIZERS = ("rmsprop", "adam")
WARM_UP_TURNS, WARM_UP_ITERATIONS, WARM_UP_EVERY = 100, 25, 500


class WGAN(LatentModule):
    """Wasserstein GAN with weight clipping (arXiv:1701.07875)."""

    decision_threshold = None

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (3, 64, 64),
        latent_dim: int = 100,
        network: str = "dcgan",
        discriminator_network: str = "dcgan",
        generator_channels: int | None = None,
        discriminator_channels: int | None = None,
        weight_clip: float = 0.01,
        critic_warmup: bool = True,
        optimizer: str = "rmsprop",
        lr: float = 5e-5,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        d_steps: int = 5,
        **engine: Any,
    ) -> None:
        """Build both networks.

        Args:
            image_shape: (C, H, W); dcgan takes squares of a power of two from 16 up, mlp any.
            latent_dim: size of the noise, N(0, 1).
            network: the generator: dcgan (as DCGAN's "torch"), dcgan_nobn (without batch norm) or mlp.
            discriminator_network: the critic, of the same kinds.
            generator_channels: channels of the widest maps before the image, or hidden units; default 64, mlp 512.
            discriminator_channels: the same of the critic.
            weight_clip: every parameter of the critic is kept in [-weight_clip, weight_clip].
            critic_warmup: 100 turns of the critic in each of the first 25 iterations and in every 500th.
            optimizer: rmsprop, or adam (the code's option; the paper warns of momentum).
            lr: learning rate.
            discriminator_lr: the critic's; None = lr.
            betas: decay rates of adam.
            d_steps: turns of the critic an iteration.
            **engine: options of the engine.

        Raises:
            ValueError: an unknown network or optimiser, an image shape a network cannot build, no positive clip.
        """
        super().__init__(d_steps=d_steps, **engine)
        for name, value, allowed in (
            ("network", network, NETWORKS),
            ("discriminator_network", discriminator_network, NETWORKS),
            ("optimizer", optimizer, OPTIMIZERS),
        ):
            if value not in allowed:
                raise ValueError(f"{name} '{value}'; allowed: {', '.join(allowed)}")
        if weight_clip <= 0.0:
            raise ValueError(f"weight_clip={weight_clip}; allowed: more than 0")
        channels, height, width = image_shape
        self.image_shape, self.latent_dim = (channels, height, width), latent_dim
        self.weight_clip, self.critic_warmup, self.optimizer = weight_clip, critic_warmup, optimizer
        self.lr, self.discriminator_lr, self.betas = lr, discriminator_lr, betas
        self.set_players(
            self._generator_network(network, generator_channels),
            self._critic_network(discriminator_network, discriminator_channels),
        )

    def _generator_network(self, network: str, channels: int | None) -> nn.Module:
        if network == "mlp":
            return PerceptronGenerator(self.image_shape, self.latent_dim, channels or 512, he=False)
        return TorchGenerator(self.image_shape, self.latent_dim, channels or 64, batch_norm=network == "dcgan")

    def _critic_network(self, network: str, channels: int | None) -> nn.Module:
        if network == "mlp":
            return PerceptronCritic(self.image_shape, channels or 512, he=False)
        return TorchDiscriminator(self.image_shape, channels or 64, batch_norm=network == "dcgan")

    def discriminator_loss(self, batch: Batch) -> Terms:
        """E f(G(z)) - E f(x): the negative of the estimated distance, up to a factor."""
        return wasserstein_discriminator(*self.real_and_fake_logits(batch))._asdict()

    def generator_loss(self, batch: Batch) -> Terms:
        """-E f(G(z))."""
        return {"adversarial": wasserstein_generator(self.fake_logits(batch))}

    def discriminator_turn(self, batch: Batch) -> None:
        """A turn of the critic, then every one of its parameters (gains and biases too) is clipped."""
        super().discriminator_turn(batch)
        clip_weights_(self.discriminator, self.weight_clip)

    def discriminator_turns(self) -> int:
        """`d_steps`, but 100 while the critic is to be trained till optimality."""
        warm = self.critic_warmup and (self.iterations < WARM_UP_ITERATIONS or self.iterations % WARM_UP_EVERY == 0)
        return WARM_UP_TURNS if warm else self.d_steps

    def configure_optimizers(self) -> Any:
        """RMSProp for both, or Adam."""
        if self.optimizer == "adam":
            return super().configure_optimizers()
        return [
            torch.optim.RMSprop(network.parameters(), lr=self.learning_rate(player))
            for player, network in self.players.items()
        ]
