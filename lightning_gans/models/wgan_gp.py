"""WGAN-GP: the critic is kept Lipschitz by a penalty on the norm of its gradient between real and generated images.

Paper: Improved Training of Wasserstein GANs, Gulrajani et al. 2017, arXiv:1704.00028. Code: igul222/improved_wgan_training.

Where we differ: the square root in the norm has 1e-12 inside, so that a constant critic gives no NaN. The classifier of the
conditional model (AC-GAN's) sits behind the critic's own output. `conditional` with `network: dcgan` is ours: the code has
classes only in its 32x32 ResNet. At 128x128 and above the 64x64 networks get one more block for each doubling. The toys'
perceptrons are `network: mlp`.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from lightning_gans.batch import Batch, dequantized
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.latent import LatentModule
from lightning_gans.losses import wasserstein_discriminator, wasserstein_generator
from lightning_gans.networks.dcgan import check_image_shape
from lightning_gans.networks.dcgan_gp import DCGANCritic, DCGANGenerator
from lightning_gans.networks.perceptron import PerceptronCritic, PerceptronGenerator
from lightning_gans.networks.resnet_gp import ResNetCritic, ResNetGenerator
from lightning_gans.penalties import gradient_penalty

__all__ = ["WGANGP"]

NETWORKS = ("resnet", "dcgan", "mnist", "mlp")
MNIST_SIDE = 28
LARGE = 64  # pixels: from here on networks start from 64 channels and not from 128


class WGANGP(LatentModule):
    """Wasserstein GAN with gradient penalty (arXiv:1704.00028)."""

    decision_threshold = None

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (3, 32, 32),
        num_classes: int | None = None,
        conditional: bool = False,
        latent_dim: int = 128,
        network: str | None = None,
        generator_channels: int | None = None,
        discriminator_channels: int | None = None,
        penalty_weight: float = 10.0,
        classifier_weight: float = 1.0,
        generator_classifier_weight: float = 0.1,
        dequantize: bool = False,
        generator_batch_factor: int | None = None,
        lr: float = 2e-4,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.0, 0.9),
        d_steps: int = 5,
        **engine: Any,
    ) -> None:
        """Build both networks.

        Args:
            image_shape: (C, H, W): squares of a power of two from 16 up; mnist 28x28; mlp any.
            num_classes: classes of the data; used by the conditional model.
            conditional: the class sets the generator's batch norms, and the critic also classifies (AC-GAN).
            latent_dim: size of the noise, N(0, 1); 2 in the toys.
            network: resnet, dcgan (5x5 kernels), mnist (28x28) or mlp (the toys'). Default: resnet below 64 pixels, dcgan from
                there on.
            generator_channels: channels after the last upsampling; default resnet 128 (64 from 64 pixels on), dcgan 128 (64
                from 64 pixels on), mnist 64; of mlp units of a hidden layer, 512.
            discriminator_channels: channels after the first convolution; the same defaults.
            penalty_weight: of the gradient penalty; 0.1 in the toys.
            classifier_weight: of the critic's cross entropy, on real images only.
            generator_classifier_weight: of the generator's cross entropy.
            dequantize: pixels as 2 (x / 256 - 1 / 2) plus noise U[0, 1 / 128], as the code's CIFAR-10 ResNet sees them.
            generator_batch_factor: fakes of the generator's turn for each real image. Default: resnet at 32x32 2, else 1.
            lr: Adam's learning rate; 1e-4 in all experiments but the CIFAR-10 ResNet.
            discriminator_lr: the critic's; None = lr.
            betas: Adam's decay rates; (0.5, 0.9) in the code's DCGAN experiments and toys.
            d_steps: turns of the critic an iteration.
            **engine: options of the engine.

        Raises:
            ValueError: an unknown network, an image shape it cannot build, or no classes for a conditional model.
        """
        super().__init__(d_steps=d_steps, **engine)
        channels, height, width = image_shape
        if network is None:
            network = "mnist" if height == MNIST_SIDE else "dcgan" if height >= LARGE else "resnet"
        if network not in NETWORKS:
            raise ValueError(f"network '{network}'; allowed: {', '.join(NETWORKS)}")
        if network in ("resnet", "dcgan"):
            check_image_shape(image_shape)
        elif network == "mnist" and (height, width) != (MNIST_SIDE, MNIST_SIDE):
            raise ValueError(f"images of {height}x{width}; network 'mnist' allows only 28x28 (--data.size 28)")
        if conditional and network in ("mnist", "mlp"):
            raise ValueError(f"conditional with network '{network}'; allowed: resnet, dcgan")
        if conditional and not num_classes:
            raise ValueError(f"num_classes={num_classes} for a conditional model; allowed: 1 or more: labelled data")
        if generator_batch_factor is not None and generator_batch_factor < 1:
            raise ValueError(f"generator_batch_factor={generator_batch_factor}; allowed: 1 or more")
        self.image_shape, self.latent_dim = (channels, height, width), latent_dim
        self.num_classes, self.conditional = num_classes, conditional
        self.penalty_weight, self.dequantize = penalty_weight, dequantize
        self.classifier_weight, self.generator_classifier_weight = classifier_weight, generator_classifier_weight
        self.generator_batch_factor = generator_batch_factor or (2 if network == "resnet" and height < LARGE else 1)
        self.lr, self.discriminator_lr, self.betas = lr, discriminator_lr, betas
        classes = num_classes if conditional else None
        default = 512 if network == "mlp" else 64 if network == "mnist" or height >= LARGE else 128
        g_channels, d_channels = generator_channels or default, discriminator_channels or default
        if network == "mlp":
            self.set_players(
                PerceptronGenerator(self.image_shape, latent_dim, g_channels),
                PerceptronCritic(self.image_shape, d_channels),
            )
        elif network == "resnet":
            self.set_players(
                ResNetGenerator(self.image_shape, latent_dim, g_channels, classes),
                ResNetCritic(self.image_shape, d_channels, classes),
            )
        else:
            self.set_players(
                DCGANGenerator(self.image_shape, latent_dim, g_channels, classes),
                DCGANCritic(self.image_shape, d_channels, classes),
            )

    def discriminator_loss(self, batch: Batch) -> Terms:
        """E f(G(z)) - E f(x) + penalty_weight E (||grad f|| - 1)^2, and the classes of real images."""
        fakes, real = self.fakes(batch).images, self._real(batch["images"])
        (real_logits, real_classes), (fake_logits, _) = self._judge(real), self._judge(fakes)
        self.record("real_logits", real_logits)
        self.record("fake_logits", fake_logits)
        terms = wasserstein_discriminator(real_logits, fake_logits)._asdict()
        epsilon = (self.noise((len(real),), "uniform") + 1.0) / 2.0  # (N,), U[0, 1)
        penalty = gradient_penalty(lambda points: _split(self.discriminator(points))[0], real, fakes, epsilon)
        terms["gradient_penalty"] = self.penalty_weight * penalty
        if real_classes is not None:
            terms["classes"] = self.classifier_weight * F.cross_entropy(real_classes, batch["labels"])
        return terms

    def generator_loss(self, batch: Batch) -> Terms:
        """-E f(G(z)), and the classes that were asked for."""
        fakes = self.fakes(batch)
        logits, classes = self._judge(fakes.images)
        terms = {"adversarial": wasserstein_generator(logits)}
        if classes is not None and fakes.labels is not None:
            terms["classes"] = self.generator_classifier_weight * F.cross_entropy(classes, fakes.labels)
        return terms

    def _real(self, images: Tensor) -> Tensor:
        """The real images as the critic sees them."""
        if not self.dequantize:
            return images
        noise = (self.noise(tuple(images.shape), "uniform") + 1.0) / 2.0  # U[0, 1)
        return dequantized(images, noise)

    def _judge(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        return _split(self.discriminate(images))


def _split(logits: Tensor) -> tuple[Tensor, Tensor | None]:
    """(N,) -> itself and None; (N, 1 + K) -> the critic's output (N,) and the classifier's (N, K)."""
    return (logits, None) if logits.dim() == 1 else (logits[:, 0], logits[:, 1:])
