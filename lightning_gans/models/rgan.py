"""Relativistic GAN: the critic judges which of a real and a generated image is the more realistic.

Paper: The relativistic discriminator: a key element missing from standard GAN, Jolicoeur-Martineau 2018, arXiv:1807.00734.
Code: AlexiaJM/RelativisticGAN. RSGAN compares images in pairs, RaSGAN each with the mean of the other kind; both with the
standard (cross-entropy) loss and the DCGAN networks of the 64x64 experiments.

Where we differ: the algorithm draws another mini-batch for the generator's turn; here both players see one, and the same
fakes (`share_fakes: false` draws fakes anew). RaSGAN's two terms are added, as in the paper; the code halves their sum. Its
means are those of a process's chunk of the batch, so two accumulated halves are not quite one batch. The 32x32 network
of the CIFAR-10 experiments, and the hinge, least-squares and gradient-penalty forms, are left out.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.latent import LatentModule
from lightning_gans.networks.dcgan import TorchDiscriminator, TorchGenerator

__all__ = ["RGAN", "relativistic_loss"]


def relativistic_loss(higher: Tensor, lower: Tensor, average: bool) -> Tensor:
    """How far `higher` is from being judged more realistic than `lower`; the other player exchanges the two.

    Args:
        higher: raw outputs (N,) of the images that should win: the real ones in the critic's turn.
        lower: raw outputs (N,) of the others; row i makes a pair with row i of `higher`.
        average: compare with the mean of the other kind, not with a partner.
    """
    if average:
        return F.softplus(lower.mean() - higher).mean() + F.softplus(lower - higher.mean()).mean()
    return F.softplus(lower - higher).mean()


class RGAN(LatentModule):
    """Relativistic (average) standard GAN (arXiv:1807.00734)."""

    decision_threshold = None  # only differences of outputs mean anything

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (3, 64, 64),
        latent_dim: int = 128,
        average: bool = True,
        generator_channels: int = 64,
        discriminator_channels: int = 64,
        lr: float = 2e-4,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        **engine: Any,
    ) -> None:
        """Build both networks.

        Args:
            image_shape: (C, H, W): squares of a power of two from 16 up.
            latent_dim: size of the noise, N(0, 1).
            average: RaSGAN, each image against the mean of the other kind; false: RSGAN, in pairs.
            generator_channels: channels of the widest maps before the image.
            discriminator_channels: channels after the first convolution.
            lr: Adam's learning rate.
            discriminator_lr: the critic's; None = lr.
            betas: Adam's decay rates.
            **engine: options of the engine.

        Raises:
            ValueError: an image shape it cannot build.
        """
        super().__init__(**engine)
        channels, height, width = image_shape
        self.image_shape, self.latent_dim, self.average = (channels, height, width), latent_dim, average
        self.lr, self.discriminator_lr, self.betas = lr, discriminator_lr, betas
        self.set_players(
            TorchGenerator(self.image_shape, latent_dim, generator_channels),
            TorchDiscriminator(self.image_shape, discriminator_channels),
        )

    def discriminator_loss(self, batch: Batch) -> Terms:
        """-log s(C(x) - C(G(z))), s the sigmoid; average: -log s(C(x) - E C(G(z))) - log(1 - s(C(G(z)) - E C(x)))."""
        real, fake = self.real_and_fake_logits(batch)
        return {"adversarial": relativistic_loss(real, fake, self.average)}

    def generator_loss(self, batch: Batch) -> Terms:
        """The critic's loss with real and generated images exchanged: it depends on real images too."""
        real, fake = self.discriminate(batch["images"]), self.fake_logits(batch)
        return {"adversarial": relativistic_loss(fake, real, self.average)}
