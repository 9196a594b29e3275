"""Training models from images to images: what a batch holds, and terms that all of them may add."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor

from lightning_gans.batch import Batch, shape_text
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.perceptual import LEAST, VGGDistance
from lightning_gans.core.translating import TranslatingModule
from lightning_gans.losses import (
    CriticTerms,
    feature_distance,
    least_squares_discriminator,
    least_squares_generator,
    non_saturating_discriminator,
    non_saturating_generator,
    total_variation,
)
from lightning_gans.networks.patchgan_unet import PatchGAN, PixelGAN, UNetGenerator
from lightning_gans.networks.resnet_translation import ResNetGenerator

__all__ = ["TranslationModule"]

ADVERSARIAL = ("least_squares", "non_saturating")
ODD_SIDES = ("pad", "refuse")


class TranslationModule(TranslatingModule):
    """A translating model's training. A model ends its `__init__` with `check_networks` and `set_players`."""

    described: ClassVar[str]
    """What a batch is to hold, for errors."""
    adversarial: str
    """The game: "least_squares" or "non_saturating"."""

    def __init__(
        self,
        *,
        odd_sides: str = "pad",
        perceptual_weight: float = 0.0,
        perceptual_file: str | None = None,
        total_variation_weight: float = 0.0,
        feature_matching_weight: float = 0.0,
        **engine: Any,
    ) -> None:
        """Options that all translation models share; no paper's own are on.

        Args:
            odd_sides: what happens to images whose sides the generator does not take: "pad", their borders are mirrored and the
                result is cropped, or "refuse".
            perceptual_weight: of the distance in VGG16's features between outputs and what they should be.
            perceptual_file: torchvision's weights of VGG16; None: fetched once.
            total_variation_weight: of the mean absolute difference of neighbouring pixels of outputs.
            feature_matching_weight: of the distance between the critic's features of real and of generated images.
            **engine: options of the engine.

        Raises:
            ValueError: an option outside what it allows.
        """
        super().__init__(**engine)
        if odd_sides not in ODD_SIDES:
            raise ValueError(f"odd_sides '{odd_sides}'; allowed: {', '.join(ODD_SIDES)}")
        for name, weight in (
            ("perceptual_weight", perceptual_weight),
            ("total_variation_weight", total_variation_weight),
            ("feature_matching_weight", feature_matching_weight),
        ):
            if weight < 0.0:
                raise ValueError(f"{name}={weight}; allowed: 0 or more")
        if feature_matching_weight and self.augment is not None:
            raise ValueError(
                f"feature_matching_weight={feature_matching_weight} with augment '{self.augment}'; allowed: one of them "
                "(features of images that were augmented differently do not compare)"
            )
        self.odd_sides = odd_sides
        self.perceptual_weight, self.perceptual_file = perceptual_weight, perceptual_file
        self.total_variation_weight = total_variation_weight
        self.feature_matching_weight = feature_matching_weight
        self._vgg: tuple[VGGDistance] | None = None

    def set_adversarial(self, adversarial: str) -> None:
        """Choose the game, and with it the logit above which a critic says "real".

        Raises:
            ValueError: an unknown game.
        """
        if adversarial not in ADVERSARIAL:
            raise ValueError(f"adversarial '{adversarial}'; allowed: {', '.join(ADVERSARIAL)}")
        self.adversarial = adversarial
        self.decision_threshold = 0.5 if adversarial == "least_squares" else 0.0

    def check_networks(self, generator: UNetGenerator | ResNetGenerator, critic: PatchGAN | PixelGAN) -> None:
        """Refuse sides that a network does not take, before anything is trained.

        Raises:
            ValueError: images too small for the perceptual term or for the critic, or odd sides that are not to be padded.
        """
        least = min(self.image_shape[1:])
        if self.perceptual_weight and least < LEAST:
            raise ValueError(f"perceptual_weight with images of {least} pixels; allowed: {LEAST} or more a side")
        for shape in (self.source_shape, self.target_shape):
            self._check_sides(generator, *shape[1:])
        for _, (_, height, width) in map(self.shapes, self.directions):
            if min(height, width) < critic.least:
                raise ValueError(
                    f"images of {height}x{width} for a critic that wants {critic.least} pixels a side; allowed: a smaller "
                    "receptive_field"
                )

    # ---------------------------------------------------------------- training

    def check_batch(self, batch: Batch) -> None:
        """Refuse a first batch that does not hold as many images of both domains, of the shapes this model was built for.

        Raises:
            ValueError: another batch.
        """
        super().check_batch(batch)
        a, b = self.keys
        if not {a, b} <= batch.keys():
            raise ValueError(f"a batch of {', '.join(sorted(batch))}; allowed: {a} and {b}, {self.described}")
        for key, shape, name in ((a, self.source_shape, "source_shape"), (b, self.target_shape, "target_shape")):
            if tuple(batch[key].shape[1:]) != shape:
                given = shape_text(batch[key].shape[1:])
                raise ValueError(f"{key} of {given}; this model was built for {shape_text(shape)} ({name})")
        if len(batch[a]) != len(batch[b]):
            raise ValueError(f"{len(batch[a])} images of {a} and {len(batch[b])} of {b}; allowed: as many of both")

    def on_fit_start(self) -> None:
        """Fetch what a perceptual term needs before the first iteration."""
        super().on_fit_start()
        if self.perceptual_weight:
            self._distance()

    def judge(self, images: Tensor, name: str | None = None) -> tuple[Tensor, list[Tensor]]:
        """Logits of a critic and its features, which matching needs: none without `feature_matching_weight`."""
        if not self.feature_matching_weight:
            return self.discriminate(images, name=name), []
        network = self.discriminator if name is None else self.discriminator.get_submodule(name)
        *maps, logits = self.fast(network)(images, features=True)
        return logits.float(), maps

    def critic_terms(self, real_logits: Tensor, fake_logits: Tensor) -> CriticTerms:
        """Half of the critic's loss on real and on generated images (the half slows the critic)."""
        if self.adversarial == "least_squares":  # which has its halves already
            return least_squares_discriminator(real_logits, fake_logits)
        real, fake = non_saturating_discriminator(real_logits, fake_logits)
        return CriticTerms(0.5 * real, 0.5 * fake)

    def adversarial_term(self, fake_logits: Tensor) -> Tensor:
        """The generator's loss, whole: -log D, or (D - 1)^2."""
        if self.adversarial == "least_squares":
            return 2.0 * least_squares_generator(fake_logits)
        return non_saturating_generator(fake_logits)

    def matching(self, real: list[Tensor], fake: list[Tensor], paired: bool) -> Terms:
        """The term of feature matching, if it has a weight."""
        if not self.feature_matching_weight:
            return {}
        return {"feature_matching": self.feature_matching_weight * feature_distance(real, fake, paired=paired)}

    def picture_terms(self, outputs: Iterable[Tensor], wanted: Iterable[tuple[Tensor, Tensor]]) -> Terms:
        """The terms that look at pictures alone, if they have weights.

        Args:
            outputs: what generators made.
            wanted: (output, what it should be).
        """
        terms: Terms = {}
        if self.total_variation_weight:
            variation = torch.stack([total_variation(made) for made in outputs]).sum()
            terms["total_variation"] = self.total_variation_weight * variation
        if self.perceptual_weight:
            distances = [self._distance()(made, real) for made, real in wanted]
            terms["perceptual"] = self.perceptual_weight * torch.stack(distances).sum()
        return terms

    def _distance(self) -> VGGDistance:
        if self._vgg is None:
            # A tuple, so that it is no sub-module: its weights are no part of checkpoints.
            self._vgg = (VGGDistance(self.perceptual_file).to(self.device),)
        return self._vgg[0].to(self.device)
