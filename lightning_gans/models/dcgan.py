"""DCGAN: convolutions with batch norm in both networks, no pooling, and the settings that made GANs trainable.

Paper: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks, Radford, Metz and
Chintala 2015, arXiv:1511.06434. Code: Newmu/dcgan_code (Theano), soumith/dcgan.torch, pytorch/examples.

Where we differ: the Theano code gives each mini-batch to one player only and normalises with batch statistics at test time
too; here both players see a mini-batch, and sampling re-estimates the statistics. soumith's code reuses the critic's
activations from before its step for the generator's gradient; we evaluate the critic again, as pytorch/examples does.

Off by default, the techniques of Salimans et al. 2016 (arXiv:1606.03498), which were made for this model: one-sided label
smoothing, feature matching, minibatch discrimination, historical averaging, virtual batch norm, weight norm.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.techniques import TechniquesModule
from lightning_gans.layers.virtual_batch_norm import WithReference
from lightning_gans.layers.weight_norm import use_weight_norm
from lightning_gans.losses import (
    feature_matching,
    non_saturating_discriminator,
    non_saturating_generator,
    one_sided_discriminator,
)
from lightning_gans.networks import dcgan as networks

__all__ = ["DCGAN"]

NETWORKS = ("torch", "paper", "mnist")
OBJECTIVES = ("non_saturating", "feature_matching")
GENERATOR_NORMS = ("batch", "virtual")
DISCRIMINATOR_NORMS = ("batch", "weight")
REFERENCES = 64  # images of virtual batch norm's reference batch
KERNELS = 100  # numbers that minibatch discrimination joins


class DCGAN(TechniquesModule):
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
        real_target: float = 1.0,
        generator_objective: str = "non_saturating",
        minibatch_discrimination: bool = False,
        historical_weight: float = 0.0,
        generator_norm: str = "batch",
        discriminator_norm: str = "batch",
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
            real_target: what the discriminator is to say of real images; below 1 it is one-sided label smoothing (0.9).
            generator_objective: non_saturating, or feature_matching (of what the discriminator's last layer sees).
            minibatch_discrimination: the discriminator sees how near samples of a batch are to each other.
            historical_weight: of historical averaging, in both players' losses.
            generator_norm: batch, or virtual (by a fixed reference batch of 64).
            discriminator_norm: batch, or weight (started from the first batch).
            **engine: options of the engine.

        Raises:
            ValueError: an unknown name, a number outside what is allowed, or an image shape it cannot build.
        """
        super().__init__(**engine)
        for name, value, allowed in (
            ("network", network, NETWORKS),
            ("generator_objective", generator_objective, OBJECTIVES),
            ("generator_norm", generator_norm, GENERATOR_NORMS),
            ("discriminator_norm", discriminator_norm, DISCRIMINATOR_NORMS),
        ):
            if value not in allowed:
                raise ValueError(f"{name} '{value}'; allowed: {', '.join(allowed)}")
        if not 0.0 < real_target <= 1.0:
            raise ValueError(f"real_target={real_target}; allowed: above 0, up to 1")
        channels, height, width = image_shape
        self.image_shape, self.latent_dim = (channels, height, width), latent_dim
        self.lr, self.discriminator_lr, self.betas, self.weight_decay = lr, discriminator_lr, betas, weight_decay
        self.real_target, self.matches_features = real_target, generator_objective == "feature_matching"
        self.latent_distribution = "normal" if network == "torch" else "uniform"
        default = 128 if network == "paper" else 64
        g_channels, d_channels = generator_channels or default, discriminator_channels or default
        generator: nn.Module
        critic: networks.Discriminator
        if network == "torch":
            generator = networks.TorchGenerator(self.image_shape, latent_dim, g_channels)
            critic = networks.TorchDiscriminator(self.image_shape, d_channels)
        elif network == "paper":
            generator = networks.PaperGenerator(self.image_shape, latent_dim, g_channels)
            critic = networks.PaperDiscriminator(self.image_shape, d_channels)
        else:
            if (height, width) != (28, 28):
                raise ValueError(f"images of {height}x{width}; network 'mnist' allows only 28x28 (--data.size 28)")
            self.num_classes = num_classes
            generator = networks.MNISTGenerator(self.image_shape, latent_dim, g_channels, num_classes)
            critic = networks.MNISTDiscriminator(self.image_shape, d_channels, num_classes)
        if generator_norm == "virtual":
            generator = WithReference(generator, torch.randn(REFERENCES, latent_dim), self._reference_labels())
        if discriminator_norm == "weight":
            use_weight_norm(critic)
        discriminator: nn.Module = critic
        self.joins_features = self.matches_features or minibatch_discrimination
        if self.joins_features:
            kernels = KERNELS if minibatch_discrimination else 0
            discriminator = networks.FeatureDiscriminator(critic, self.image_shape, kernels)
        self.keep_history(historical_weight, generator=generator, discriminator=discriminator)
        self.set_players(generator, discriminator)

    def _reference_labels(self) -> Tensor | None:
        """Classes of the reference batch, in turn."""
        return torch.arange(REFERENCES) % self.num_classes if self.num_classes else None

    def discriminator_loss(self, batch: Batch) -> Terms:
        """-log D(x) - log(1 - D(G(z))), or its one-sided smoothing; real and fake pass separately, each with its own batch
        statistics."""
        logits = self.real_and_fake_logits(batch)
        if self.real_target < 1.0:
            terms = one_sided_discriminator(*logits, real_target=self.real_target)
        else:
            terms = non_saturating_discriminator(*logits)
        return {**terms._asdict(), **self.historical("discriminator")}

    def generator_loss(self, batch: Batch) -> Terms:
        """-log D(G(z)), or the distance of mean features of fakes from those of real images."""
        if not self.matches_features:
            return {"adversarial": non_saturating_generator(self.fake_logits(batch)), **self.historical("generator")}
        fakes = self.fakes(batch)
        features = self._features(fakes.images, fakes.labels)
        with torch.no_grad():
            real_features = self._features(batch["images"], batch["labels"] if self.is_conditional else None)
        return {"feature_matching": feature_matching(real_features, features), **self.historical("generator")}

    def discriminate(self, images: Tensor, labels: Tensor | None = None, *, name: str | None = None) -> Tensor:
        """Logits (N,); features that come with them are left out."""
        judged = super().discriminate(images, labels, name=name)
        return judged[:, 0] if self.joins_features else judged

    def _features(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """(N, F), what the discriminator's last layer sees."""
        return super().discriminate(images, labels)[:, 1:]
