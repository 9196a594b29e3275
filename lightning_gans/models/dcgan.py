"""DCGAN: convolutions with batch norm in both networks, no pooling, and the settings that made GANs trainable.

Paper: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks, Radford, Metz and
Chintala 2015, arXiv:1511.06434. Code: Newmu/dcgan_code (Theano), soumith/dcgan.torch, pytorch/examples.

Where we differ: the Theano code gives each mini-batch to one player only and normalises with batch statistics at test time
too; here both players see a mini-batch, and sampling re-estimates the statistics. soumith's code reuses the critic's
activations from before its step for the generator's gradient; we evaluate the critic again, as pytorch/examples does.
"""

from __future__ import annotations

from typing import Any

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.latent import LatentModule
from lightning_gans.losses import non_saturating_discriminator, non_saturating_generator
from lightning_gans.networks import dcgan as networks

__all__ = ["DCGAN"]

NETWORKS = ("torch", "paper", "mnist")


class DCGAN(LatentModule):
    """Deep convolutional GAN (arXiv:1511.06434)."""

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (3, 64, 64),
        num_classes: int | None = None,
        latent_dim: int = 100,
        network: str = "torch",
        generator_channels: int | None = None,
        discriminator_channels: int | None = None,
        lr: float = 2e-4,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        weight_decay: float = 0.0,
        **engine: Any,
    ) -> None:
        """Build both networks.

        Args:
            image_shape: (C, H, W); torch and paper take squares of a power of two from 16 up, mnist takes 28x28.
            num_classes: used by network "mnist", which is conditional when it is given; the others are unconditional.
            latent_dim: size of the noise: N(0, 1) for torch, U[-1, 1] for paper and mnist.
            network: torch (4x4 kernels), paper (5x5 kernels, figure 1) or mnist (28x28, classes joined to every layer).
            generator_channels: channels of the widest maps before the image; default 64 (torch, mnist) or 128 (paper).
            discriminator_channels: channels after the first convolution; the same defaults.
            lr: Adam's learning rate.
            discriminator_lr: the discriminator's; None = lr.
            betas: Adam's decay rates.
            weight_decay: L2 penalty on weights (the Theano code has 1e-5, its MNIST net 2.5e-5).
            **engine: options of the engine.

        Raises:
            ValueError: an unknown network, or an image shape it cannot build.
        """
        super().__init__(**engine)
        if network not in NETWORKS:
            raise ValueError(f"network '{network}'; allowed: {', '.join(NETWORKS)}")
        channels, height, width = image_shape
        self.image_shape, self.latent_dim = (channels, height, width), latent_dim
        self.lr, self.discriminator_lr, self.betas, self.weight_decay = lr, discriminator_lr, betas, weight_decay
        self.latent_distribution = "normal" if network == "torch" else "uniform"
        default = 128 if network == "paper" else 64
        g_channels, d_channels = generator_channels or default, discriminator_channels or default
        if network == "torch":
            self.set_players(
                networks.TorchGenerator(self.image_shape, latent_dim, g_channels),
                networks.TorchDiscriminator(self.image_shape, d_channels),
            )
        elif network == "paper":
            self.set_players(
                networks.PaperGenerator(self.image_shape, latent_dim, g_channels),
                networks.PaperDiscriminator(self.image_shape, d_channels),
            )
        else:
            if (height, width) != (28, 28):
                raise ValueError(f"images of {height}x{width}; network 'mnist' allows only 28x28 (--data.size 28)")
            self.num_classes = num_classes
            self.set_players(
                networks.MNISTGenerator(self.image_shape, latent_dim, g_channels, num_classes),
                networks.MNISTDiscriminator(self.image_shape, d_channels, num_classes),
            )

    def discriminator_loss(self, batch: Batch) -> Terms:
        """-log D(x) - log(1 - D(G(z))); real and fake pass separately, each with its own batch statistics."""
        return non_saturating_discriminator(*self.real_and_fake_logits(batch))._asdict()

    def generator_loss(self, batch: Batch) -> Terms:
        """-log D(G(z))."""
        return {"adversarial": non_saturating_generator(self.fake_logits(batch))}
