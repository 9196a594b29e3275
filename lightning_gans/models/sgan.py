"""SGAN: the discriminator classifies, and learns from images without labels that they belong to some class and fakes to none.

Paper: Improved Techniques for Training GANs, Salimans et al. 2016, arXiv:1606.03498. Code: openai/improved-gan. K logits; that
of the fake class is fixed at 0, which takes nothing away. The generator matches mean features of real images.

Where we differ: labelled and unlabelled images of a batch pass the discriminator together, with as many fakes as both (the
code: as unlabelled ones), so minibatch discrimination compares both kinds of real images. Features are matched within each
chunk of each process (`accumulate`). Data-dependent starts see the first batch, not 500 images. The generator's turn sees the
batch of the discriminator's, the code another. The running average of the discriminator is warmed up, and the generator has
one too. Virtual batch norm is the paper's of ImageNet, brought to these networks; the weight of historical averaging, which
neither paper nor code tells, is yours to choose.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.classifying import ClassifyingModule
from lightning_gans.core.conditions import check_range
from lightning_gans.core.noise import Draw
from lightning_gans.core.processes import average_
from lightning_gans.core.techniques import TechniquesModule
from lightning_gans.layers.virtual_batch_norm import WithReference
from lightning_gans.losses import (
    FEATURE_DISTANCES,
    feature_matching,
    label_counts,
    minimax_generator,
    real_logit,
    semi_supervised_discriminator,
    unlabelled_rows,
)
from lightning_gans.networks import improved

__all__ = ["SGAN"]

NETWORKS = ("conv", "mlp")
OBJECTIVES = ("feature_matching", "minimax")
NORMS = ("batch", "virtual")
REFERENCES = 64  # images of virtual batch norm's reference batch
KERNELS = 100  # numbers that minibatch discrimination joins


class SGAN(TechniquesModule, ClassifyingModule):
    """Semi-supervised GAN (arXiv:1606.03498)."""

    redraws_fakes = True
    ema_players = ("generator", "discriminator")
    generator_ema: nn.Module | None
    discriminator_ema: nn.Module | None

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (3, 32, 32),
        num_classes: int | None = 10,
        latent_dim: int = 100,
        network: str = "conv",
        generator_channels: int | None = None,
        discriminator_channels: int | None = None,
        minibatch_discrimination: bool = False,
        generator_norm: str = "batch",
        generator_objective: str | None = None,
        feature_distance: str | None = None,
        g_steps: int | None = None,
        unsupervised_weight: float = 1.0,
        real_target: float = 1.0,
        historical_weight: float = 0.0,
        lr: float | None = None,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        ema_decay: float | None = 0.9999,
        **engine: Any,
    ) -> None:
        """Build both networks.

        Args:
            image_shape: (C, H, W): conv squares of a power of two from 16 up, mlp any.
            num_classes: K, classes of the labelled images.
            latent_dim: size of the noise, U[0, 1).
            network: conv (CIFAR-10, SVHN) or mlp (MNIST).
            generator_channels: channels before the image (conv, default 128) or units of each hidden layer (mlp, 500).
            discriminator_channels: channels after the first convolution (conv, default 96; the code's SVHN 64) or units of
                the first layer (mlp, 1000).
            minibatch_discrimination: the discriminator sees how near samples of a batch are to each other.
            generator_norm: batch or virtual (by a fixed reference batch of 64).
            generator_objective: feature_matching, or minimax (-E softplus of the fakes' logit). Default: minimax with
                minibatch discrimination, else feature_matching.
            feature_distance: squared_norm (the paper), mean_squared (the code's MNIST), mean_absolute (its CIFAR-10 and
                SVHN). Default: mean_absolute for conv, mean_squared for mlp.
            g_steps: turns of the generator an iteration. Default: 3 with minibatch discrimination, else 1.
            unsupervised_weight: of the discriminator's terms on unlabelled and generated images.
            real_target: of unlabelled images; below 1 it is one-sided label smoothing (0.9 in the paper).
            historical_weight: of historical averaging, in both players' losses.
            lr: Adam's learning rate. Default: 3e-4 for conv, 3e-3 for mlp.
            discriminator_lr: the discriminator's; None = lr.
            betas: Adam's decay rates.
            ema_decay: of both players' running averages; that of the discriminator classifies. None keeps none.
            **engine: options of the engine.

        Raises:
            ValueError: an unknown name, a number outside what is allowed, or an image shape it cannot build.
        """
        super().__init__(ema_decay=ema_decay, **engine)
        g_steps = (3 if minibatch_discrimination else 1) if g_steps is None else g_steps
        objective = generator_objective or ("minimax" if minibatch_discrimination else "feature_matching")
        distance = feature_distance or ("mean_squared" if network == "mlp" else "mean_absolute")
        for name, value, allowed in (
            ("network", network, NETWORKS),
            ("generator_norm", generator_norm, NORMS),
            ("generator_objective", objective, OBJECTIVES),
            ("feature_distance", distance, FEATURE_DISTANCES),
        ):
            if value not in allowed:
                raise ValueError(f"{name} '{value}'; allowed: {', '.join(allowed)}")
        if num_classes is None or num_classes < 2:
            given = "data without labels" if num_classes is None else f"num_classes={num_classes}"
            raise ValueError(
                f"{given} for SGAN, which learns to classify; allowed: images labelled with 2 or more classes"
            )
        if g_steps < 1:
            raise ValueError(f"g_steps={g_steps}; allowed: 1 or more")
        if not 0.0 < real_target <= 1.0:
            raise ValueError(f"real_target={real_target}; allowed: above 0, up to 1")
        if not 0.0 <= unsupervised_weight < math.inf:
            raise ValueError(f"unsupervised_weight={unsupervised_weight}; allowed: 0 or more")
        self.num_classes, self.latent_dim = num_classes, latent_dim
        self.image_shape = (image_shape[0], image_shape[1], image_shape[2])
        self.g_steps, self.generator_objective, self.feature_distance = g_steps, objective, distance
        self.unsupervised_weight, self.real_target = unsupervised_weight, real_target
        self.lr = (3e-3 if network == "mlp" else 3e-4) if lr is None else lr
        self.discriminator_lr, self.betas = discriminator_lr, betas
        self.sees_batch = minibatch_discrimination
        kernels = KERNELS if minibatch_discrimination else 0
        generator: nn.Module
        discriminator: nn.Module
        if network == "mlp":
            generator = improved.MLPGenerator(self.image_shape, latent_dim, generator_channels or 500)
            channels = discriminator_channels or 1000
            discriminator = improved.MLPDiscriminator(self.image_shape, num_classes, channels, kernels)
        else:
            generator = improved.ConvGenerator(self.image_shape, latent_dim, generator_channels or 128)
            channels = discriminator_channels or 96
            discriminator = improved.ConvDiscriminator(self.image_shape, num_classes, channels, kernels)
        if generator_norm == "virtual":
            generator = WithReference(generator, torch.rand(REFERENCES, latent_dim))
        self.keep_history(historical_weight, generator=generator, discriminator=discriminator)
        self.set_players(generator, discriminator)

    def latents(self, n: int, source: Draw) -> Tensor:
        """U[0, 1)."""
        return (source((n, self.latent_dim), "uniform") + 1.0) / 2.0

    # ---------------------------------------------------------------- losses

    def discriminator_loss(self, batch: Batch) -> Terms:
        """Cross entropy of labelled images; -(log D(x) + log(1 - D(G(z)))) / 2 on unlabelled and generated ones."""
        images, fakes = batch["images"], self.fakes(batch).images
        if self.sees_batch:
            logits, fake_logits = self._judge(images)[0], self._judge(fakes)[0]  # apart: neither sees the other
        else:
            logits, fake_logits = self._judge(torch.cat([images, fakes]))[0].split([len(images), len(fakes)])
        self.record("real_logits", real_logit(logits))
        self.record("fake_logits", real_logit(fake_logits))
        counts = self._label_counts(batch)
        terms = semi_supervised_discriminator(
            logits, batch["labels"], fake_logits, real_target=self.real_target, counts=counts
        )
        weight = self.unsupervised_weight
        losses = {"labelled": terms.labelled, "real": weight * terms.real, "fake": weight * terms.fake}
        return {**losses, **self.historical("discriminator")}

    def generator_loss(self, batch: Batch) -> Terms:
        """The distance of mean features of fakes from those of unlabelled images; or -E softplus of the fakes' logit."""
        logits, features = self._judge(self.fakes(batch).images)
        if self.generator_objective == "minimax":
            return {"adversarial": minimax_generator(real_logit(logits)), **self.historical("generator")}
        with torch.no_grad():
            _, real_features = self._judge(batch["images"])
        rows = unlabelled_rows(batch["labels"])
        matching = feature_matching(real_features, features, rows=rows, distance=self.feature_distance)
        return {"feature_matching": matching, **self.historical("generator")}

    def _label_counts(self, batch: Batch) -> Tensor:
        """Labelled and unlabelled rows (2,) of a chunk on average, over all chunks and processes of the turn."""

        def measure(whole: Batch) -> Tensor:
            counts = label_counts(whole["labels"])
            average_([counts])
            return counts * (len(batch["labels"]) / len(whole["labels"]))

        return self.of_turn("label_counts", measure, batch)

    def _judge(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (N, K) and features (N, F) of images."""
        joined = self.discriminate(images)
        return joined[:, : self.num_classes], joined[:, self.num_classes :]

    # ---------------------------------------------------------------- turns

    def generator_turn(self, batch: Batch) -> None:
        """`g_steps` turns, each with fakes of its own."""
        for _ in range(self.g_steps):
            super().generator_turn(batch)

    def check_batch(self, batch: Batch) -> None:
        """Refuse a first batch from which no class can be learnt.

        Raises:
            ValueError: images of another shape, no labels or none but -1, or labels outside the classes.
        """
        super().check_batch(batch)
        if not self._label_counts(batch)[0]:  # of all processes: one may have none
            raise ValueError(
                f"a batch without one labelled image for SGAN, which learns to classify; {self._allowed_labels()}"
            )

    def check_labels(self, batch: Batch) -> None:
        """Refuse a batch without labels, or with ones outside the classes.

        Raises:
            ValueError: such labels.
        """
        if "labels" not in batch:
            raise ValueError(f"a batch without labels for SGAN, which learns to classify; {self._allowed_labels()}")
        check_range(batch["labels"], -1, self.num_classes or 0, self._allowed_labels())

    def _allowed_labels(self) -> str:
        return f"allowed: 0 to {(self.num_classes or 0) - 1}, -1 = unlabelled"

    def class_logits(self, network: nn.Module, images: Tensor, **options: Any) -> Tensor:
        """Class logits (N, num_classes) of images."""
        logits: Tensor = network(images)[:, : self.num_classes]  # (N, K + F) -> (N, K)
        return logits
