"""CoGAN: two generators and two critics that share most weights learn pairs of images from two domains without any pair.

Paper: Coupled Generative Adversarial Networks, Liu and Tuzel 2016, arXiv:1606.07536. Code: mingyuliutw/CoGAN (PyTorch, and
Caffe, which the paper's experiments used). What is deep in a generator and late in a critic is shared, so that one latent gives
two pictures of one thing; the first layer of each critic and the last of each generator belong to a domain.

Where we differ: both domains' losses are added, as in the paper; the code takes the mean over all images, half of that,
which beside weight decay changes nothing under Adam. The two outputs of the softmax are one logit, their difference. The PyTorch
code draws fakes anew for the generator's turn; here both turns see the same (`share_fakes: false` draws anew). The Caffe code
gives each iteration to one player (its 50,000 are 25,000 of ours), normalises real and generated faces together in the critic
and lets only weights decay; here they pass apart and all parameters decay, as in the PyTorch code. Its faces are one GAN's
prototype at 128x128: the pair and all other sizes are ours, by the paper's rule.

With classes (`num_classes`; `--data.labels true`) the critic learns those of domain a's images, by a dense layer on the
features that both domains share, and so tells those of domain b, which has no labels: the paper's unsupervised domain
adaptation. The features of a generated pair are drawn together: by the sum of their squared differences, as Caffe's Euclidean
loss has it (a mean over the 500, as PyTorch's has it, is that much weaker and taught domain b nothing in our runs).
"""

from __future__ import annotations

import math
import random
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_gans.batch import Batch, normalize_batch, shape_text
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.classifying import ClassifyingModule
from lightning_gans.core.conditions import check_range
from lightning_gans.losses import non_saturating_discriminator, non_saturating_generator
from lightning_gans.networks.coupled import (
    CoupledDigitsDiscriminator,
    CoupledDigitsGenerator,
    CoupledDiscriminator,
    CoupledFacesDiscriminator,
    CoupledFacesGenerator,
)

__all__ = ["CoGAN"]

NETWORKS = ("digits", "digits_caffe", "faces")
DIGITS_SIDE = 28
DOMAINS = ("a", "b")


class CoGAN(ClassifyingModule):
    """Coupled GAN (arXiv:1606.07536). A batch is {"a", "b"}, unpaired; `generate` gives domain a, `generate_pairs` both.

    With classes a batch has "labels" of domain a too; `validate` reports `accuracy` (b) and `accuracy_a`, and `predict` classifies
    images of domain b.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        num_classes: int | None = None,
        latent_dim: int = 100,
        network: str | None = None,
        generator_channels: int | None = None,
        discriminator_channels: int | None = None,
        lr: float = 2e-4,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        weight_decay: float | None = None,
        classifier_weight: float | None = None,
        feature_weight: float = 0.01,
        **engine: Any,
    ) -> None:
        """Build both coupled networks.

        Args:
            image_shape: (C, H, W) of both domains: 28x28, or squares of a power of two from 16 up.
            num_classes: classes of domain a's labels; None: no classifier.
            latent_dim: size of the noise: N(0, 1) for digits, U[-1, 1] for digits_caffe and faces.
            network: digits (28x28, the PyTorch release), digits_caffe (28x28, the Caffe release) or faces. Default: digits at
                28x28, else faces.
            generator_channels: channels before a generator's own layer; default 128, faces 32.
            discriminator_channels: channels after a critic's own layer; default 20, faces 32.
            lr: Adam's learning rate.
            discriminator_lr: the critics'; None = lr.
            betas: Adam's decay rates.
            weight_decay: L2 penalty on weights. Default: 5e-4, faces 1e-4.
            classifier_weight: with classes: of their cross entropy. Default: 10, digits_caffe 0.5.
            feature_weight: with classes: of the squared distance (a sum over features) between a generated pair's features.
            **engine: options of the engine.

        Raises:
            ValueError: an unknown network, an image shape it cannot build, fewer than 2 classes, or a negative weight.
        """
        super().__init__(**engine)
        if num_classes is not None and num_classes < 2:
            raise ValueError(f"num_classes={num_classes}; allowed: None, or 2 or more")
        weights = {
            "classifier_weight": classifier_weight,
            "feature_weight": feature_weight,
            "weight_decay": weight_decay,
        }
        for name, weight in weights.items():
            if weight is not None and not 0.0 <= weight < math.inf:
                raise ValueError(f"{name}={weight}; allowed: 0 or more")
        self.num_classes, self.feature_weight = num_classes, feature_weight
        channels, height, width = image_shape
        small = (height, width) == (DIGITS_SIDE, DIGITS_SIDE)
        if network is None:
            network = "digits" if small else "faces"
        if network not in NETWORKS:
            raise ValueError(f"network '{network}'; allowed: {', '.join(NETWORKS)}")
        if network != "faces" and not small:
            raise ValueError(f"images of {height}x{width}; network '{network}' allows only 28x28 (--data.size 28)")
        self.image_shape, self.latent_dim = (channels, height, width), latent_dim
        self.lr, self.discriminator_lr, self.betas = lr, discriminator_lr, betas
        self.weight_decay = (1e-4 if network == "faces" else 5e-4) if weight_decay is None else weight_decay
        self.latent_distribution = "normal" if network == "digits" else "uniform"
        if classifier_weight is None:
            classifier_weight = 0.5 if network == "digits_caffe" else 10.0
        self.classifier_weight = classifier_weight
        if network == "faces":
            self.set_players(
                CoupledFacesGenerator(self.image_shape, latent_dim, generator_channels or 32),
                CoupledFacesDiscriminator(self.image_shape, discriminator_channels or 32, num_classes),
            )
        else:
            caffe = network == "digits_caffe"
            self.set_players(
                CoupledDigitsGenerator(self.image_shape, latent_dim, generator_channels or 128, caffe),
                CoupledDigitsDiscriminator(self.image_shape, discriminator_channels or 20, caffe, num_classes),
            )

    def discriminator_loss(self, batch: Batch) -> Terms:
        """-log D(x) - log(1 - D(G(z))) of both domains, added; with classes: and their cross entropy on domain a, and the
        distance between the features of a generated pair."""
        real = torch.stack([batch[domain] for domain in DOMAINS], dim=1)  # (N, 2, C, H, W)
        adaptation: Terms = {}
        if self.num_classes is None:
            real_logits, fake_logits = self.discriminate(real), self.fake_logits(batch)  # (N, 2) each
        else:
            real_logits, fake_logits, adaptation = self._adapt(real, batch)
        self.record("real_logits", real_logits)
        self.record("fake_logits", fake_logits)
        terms: Terms = {}
        for index, domain in enumerate(DOMAINS):
            term = non_saturating_discriminator(real_logits[:, index], fake_logits[:, index])
            terms |= {f"real_{domain}": term.real, f"fake_{domain}": term.fake}
        return terms | adaptation

    def _adapt(self, real: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Terms]:
        """Logits of real and of generated pairs (N, 2), and what teaches domain a's classes to both domains' features."""
        network = self.fast(self.discriminator)
        judged, drawn = (
            network(self.augmented(pairs), features=True).float() for pairs in (real, self.fakes(batch).images)
        )
        classifier = cast(nn.Linear, self.discriminator.classifier)
        labels = classifier(judged[:, 0, 1:]).float()  # (N, 2, 1 + F): domain a's features -> (N, num_classes)
        return (
            judged[:, :, 0],
            drawn[:, :, 0],
            {
                "labelled": self.classifier_weight * F.cross_entropy(labels, batch["labels"]),
                "features": self.feature_weight * (drawn[:, 0, 1:] - drawn[:, 1, 1:]).square().sum(dim=1).mean(),
            },
        )

    def generator_loss(self, batch: Batch) -> Terms:
        """-log D(G(z)) of both domains, added: the shared layers get both gradients."""
        fake_logits = self.fake_logits(batch)  # (N, 2)
        return {
            f"adversarial_{domain}": non_saturating_generator(fake_logits[:, index])
            for index, domain in enumerate(DOMAINS)
        }

    def check_batch(self, batch: Batch) -> None:
        """Refuse a first batch that is not as many images of two domains, all of `image_shape`.

        Raises:
            ValueError: another batch.
        """
        super().check_batch(batch)
        if not set(DOMAINS) <= batch.keys():
            raise ValueError(
                f"a batch of {', '.join(sorted(batch))}; allowed: a and b, images of two domains (--data digit_domains)"
            )
        shapes = [shape_text(batch[domain].shape[1:]) for domain in DOMAINS]
        built = shape_text(self.image_shape)
        if shapes != [built, built]:
            raise ValueError(
                f"images of {shapes[0]} (a) and {shapes[1]} (b); allowed: both of {built}, which this model was built for "
                "(image_shape)"
            )
        if len(batch["a"]) != len(batch["b"]):
            raise ValueError(
                f"{len(batch['a'])} images of a and {len(batch['b'])} of b; allowed: as many of both in a batch"
            )

    def check_labels(self, batch: Batch) -> None:
        """With classes, refuse a batch without labels of domain a's images, or with ones outside the classes.

        Raises:
            ValueError: such labels.
        """
        if self.num_classes is not None:
            allowed = f"allowed: a label an image of domain a, 0 to {self.num_classes - 1} (--data.labels true)"
            if "labels" not in batch:
                raise ValueError(f"a batch without labels for a CoGAN that learns to classify; {allowed}")
            check_range(batch["labels"], 0, self.num_classes, allowed)

    # ---------------------------------------------------------------- classification

    def class_logits(self, network: nn.Module, images: Tensor, *, domain: str = "b", **options: Any) -> Tensor:
        """Class logits (N, num_classes) of images of a domain; by default of the one that had no labels."""
        return cast(CoupledDiscriminator, network).classify(images, DOMAINS.index(domain))

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """With classes, log `accuracy` on domain b ("labels_b") and `accuracy_a` on domain a ("labels")."""
        named = normalize_batch(batch)
        if self.num_classes is None:
            return
        for domain, name, key in (("b", "accuracy", "labels_b"), ("a", "accuracy_a", "labels")):
            if {domain, key} <= named.keys():
                found = self.classes_of(named[domain], domain=domain)
                share = (found == named[key]).float().mean()
                self.log(name, share, on_epoch=True, sync_dist=True, batch_size=len(found))

    def predict_step(self, batch: Any, batch_idx: int = 0) -> Tensor:
        """Classes int64 (N,) of a batch's images of domain b."""
        named = normalize_batch(batch)
        return self.classes_of(named["b"] if "b" in named else named["images"])

    # ---------------------------------------------------------------- pairs

    def generate_pairs(
        self,
        n: int,
        *,
        seed: int | None = None,
        truncation: float = 1.0,
        ema: bool = True,
        batch_size: int = 64,
        bn: str | None = None,
    ) -> Tensor:
        """Sample both pictures of n latents; see `generate`, whose images are the first ones of the same seed.

        Returns:
            float32 (n, 2, C, H, W) in [-1, 1] on CPU: [:, 0] domain a, [:, 1] domain b.

        Raises:
            ValueError: n, batch_size or truncation out of range.
        """
        self.check_sampling(n, batch_size, truncation)
        seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        batches = [
            self.render_pairs(
                self.sample_latents(range(start, min(start + batch_size, n)), seed, truncation), ema=ema, bn=bn
            )
            for start in range(0, n, batch_size)
        ]
        return torch.cat(batches) if batches else torch.empty(0, 2, *self.image_shape)

    def pictures(self, n: int, *, seed: int, labels: Tensor | None = None) -> Tensor:
        """Pairs side by side, domain a on the left: (n, C, H, 2 W)."""
        return torch.cat(list(self.generate_pairs(n, seed=seed).unbind(dim=1)), dim=3)

    def render_pairs(self, latents: Tensor, *, ema: bool = True, bn: str | None = None) -> Tensor:
        """Both pictures of given latents (N, latent_dim): float32 (N, 2, C, H, W) in [-1, 1] on CPU."""
        return super().render(latents, None, ema=ema, bn=bn)

    def render(
        self,
        latents: Tensor,
        labels: Tensor | None = None,
        *,
        ema: bool = True,
        bn: str | None = None,
        truncation: float = 1.0,
    ) -> Tensor:
        """Domain a's pictures of given latents (N, latent_dim): float32 (N, C, H, W) in [-1, 1] on CPU."""
        return super().render(latents, labels, ema=ema, bn=bn, truncation=truncation)[:, 0].contiguous()
