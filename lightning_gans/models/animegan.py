"""AnimeGAN: faces of anime characters by tags, drawn by a super-resolution network, its critic judging tags as well.

Paper: Towards the Automatic Anime Characters Creation with Generative Adversarial Networks, Jin et al. 2017, arXiv:1708.05509
(not the later AnimeGAN that turns photos into anime). Code: makegirlsmoe; CirQ/AnimeNet and bhpfelix, re-implementations.

Where we differ: tags that fakes are made of are drawn anew for each, one colour of hair and one of eyes as likely as the others and
every other tag with probability 1/4; the paper's rule is known by hearsay only, as is the decay of its learning rate (an option of
the engine). The generator is told -1 and 1, as the demo's is. The leaky ReLU's slope is 0.2. The penalty's noise is DRAGAN's
one-sided one. The weight of the adversarial loss is the number of tags, as the paper's 34 is; without tags it stays 34, so that the
penalty keeps its share. Initial weights are not stated: the generator's are PyTorch's, the critic's He's, its blocks' last
ones 0. Smaller images have fewer doublings and stages, by our rule.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.conditions import EYE_COLOURS, HAIR_COLOURS
from lightning_gans.core.near_real import NearRealModule
from lightning_gans.losses import non_saturating_discriminator, non_saturating_generator, tag_cross_entropy
from lightning_gans.networks.srresnet import SRResNetCritic, SRResNetGenerator

__all__ = ["AnimeGAN"]

KERNELS = {"paper": (4, 4, 3), "bhpfelix": (4,)}
MARKS = ("long hair", "short hair", "twin tails", "drill hair", "ponytail", "blush", "smile", "open mouth", "hat", "ribbon",
         "glasses")  # fmt: skip
TAGS = [*(f"{colour} hair" for colour in HAIR_COLOURS), *MARKS, *(f"{colour} eyes" for colour in EYE_COLOURS)]
"""The paper's 34 attributes, in the order of its first public model."""


class AnimeGAN(NearRealModule):
    """Anime faces by tags (arXiv:1708.05509): SRResNet against a critic with a head for tags, and DRAGAN's penalty."""

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (3, 128, 128),
        tags: list[str] | None = TAGS,
        latent_dim: int = 128,
        network: str = "paper",
        generator_channels: int = 64,
        discriminator_channels: int = 32,
        generator_blocks: int = 16,
        adversarial_weight: float | None = None,
        tag_weight: float = 1.0,
        penalty_weight: float = 0.5,
        perturbation: str = "one_sided",
        perturbation_scale: float = 0.5,
        lr: float = 2e-4,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        **engine: Any,
    ) -> None:
        """Build both networks.

        Args:
            image_shape: (C, H, W), a square of a power of two from 16 up.
            tags: names of the tags; None: images are drawn of noise alone. Of the tags "blonde hair", "brown hair", ... and "blue
                eyes", "red eyes", ... that are the paper's colours an image has one each.
            latent_dim: size of the noise, N(0, 1).
            network: paper, or bhpfelix, whose critic halves with 4x4 kernels everywhere.
            generator_channels: of all its maps.
            discriminator_channels: after the critic's first halving.
            generator_blocks: residual blocks of the generator.
            adversarial_weight: of the adversarial loss, in both turns. Default: the number of tags; 34 without tags.
            tag_weight: of the cross-entropy of tags, summed over tags.
            penalty_weight: of the gradient penalty.
            perturbation: where it is taken: one_sided, symmetric or normal, as in DRAGAN.
            perturbation_scale: of its noise, in deviations of the batch's pixels; for normal of pixels in [-1, 1].
            lr: Adam's learning rate.
            discriminator_lr: the critic's; None = lr.
            betas: Adam's decay rates.
            **engine: options of the engine.

        Raises:
            ValueError: an unknown network or perturbation, an image shape it cannot build, tags without names or named twice, or a
                number outside what it allows.
        """
        super().__init__(**engine)
        if network not in KERNELS:
            raise ValueError(f"network '{network}'; allowed: {', '.join(KERNELS)}")
        if tags is not None and (not tags or len(set(tags)) < len(tags)):
            raise ValueError(f"tags {tags}; allowed: None, or names, each once")
        if generator_blocks < 1:
            raise ValueError(f"generator_blocks={generator_blocks}; allowed: 1 or more")
        self.set_perturbation(perturbation, perturbation_scale)
        channels, height, width = image_shape
        self.image_shape, self.latent_dim = (channels, height, width), latent_dim
        self.tags, count = (None, 0) if tags is None else (list(tags), len(tags))
        self.adversarial_weight = float(count or len(TAGS)) if adversarial_weight is None else adversarial_weight
        self.tag_weight, self.penalty_weight = tag_weight, penalty_weight
        self.lr, self.discriminator_lr, self.betas = lr, discriminator_lr, betas
        self.set_players(
            SRResNetGenerator(self.image_shape, latent_dim, generator_channels, generator_blocks, count),
            SRResNetCritic(self.image_shape, discriminator_channels, KERNELS[network], count),
        )

    def discriminator_loss(self, batch: Batch) -> Terms:
        """Weighted -log D(x) - log(1 - D(G(z))), the tags of both, and the penalty beside real images."""
        fakes = self.fakes(batch)
        real, fake = self._judge(batch["images"]), self._judge(fakes.images)
        self.record("real_logits", real[0])
        self.record("fake_logits", fake[0])
        losses = non_saturating_discriminator(real[0], fake[0])
        terms = {"real": self.adversarial_weight * losses.real, "fake": self.adversarial_weight * losses.fake}
        if self.tags is not None and fakes.labels is not None:
            terms["real_tags"] = self.tag_weight * tag_cross_entropy(real[1], batch["tags"])
            terms["fake_tags"] = self.tag_weight * tag_cross_entropy(fake[1], fakes.labels)
        penalty = self.near_real_penalty(lambda points: self.discriminator(points)[:, 0], batch["images"])
        terms["gradient_penalty"] = self.penalty_weight * penalty
        return terms

    def generator_loss(self, batch: Batch) -> Terms:
        """Weighted -log D(G(z)), and the tags it was to draw."""
        fakes = self.fakes(batch)
        logits, tag_logits = self._judge(fakes.images)
        terms = {"adversarial": self.adversarial_weight * non_saturating_generator(logits)}
        if fakes.labels is not None:
            terms["tags"] = self.tag_weight * tag_cross_entropy(tag_logits, fakes.labels)
        return terms

    def _judge(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of being real (N,), and of each tag (N, T)."""
        opinion = self.discriminate(images)
        return opinion[:, 0], opinion[:, 1:]
