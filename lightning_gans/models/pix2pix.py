"""Pix2Pix: a U-Net turns one picture into another, judged patch by patch beside its input, and held near the target by L1.

Paper: Image-to-Image Translation with Conditional Adversarial Networks, Isola et al. 2016, arXiv:1611.07004. Code:
phillipi/pix2pix (Lua) and junyanz/pytorch-CycleGAN-and-pix2pix (PyTorch, the default here). There is no noise but dropout, which
stays on after training, as batch norm keeps to the statistics of what it is given (`dropout_in_use`, `statistics_in_use`).

Where we differ: images are translated one at a time, so that a translation depends on its image and the seed alone (the code's
batch of one does the same). The Lua code judges the generator by what the critic said before its own step; here, as in the
PyTorch code, by the critic after it. Both rates fall linearly over the second half of a run in the PyTorch code: that is
`lr_schedule: constant_linear`, in the recipes.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lightning_gans.batch import Batch, shape_text
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.modes import partly_training
from lightning_gans.core.translating import DIRECTIONS
from lightning_gans.core.translation import TranslationModule
from lightning_gans.networks.patchgan_unet import make_critic
from lightning_gans.networks.resnet_translation import make_generator

__all__ = ["Pix2Pix"]

STATISTICS = ("own", "running")


class Pix2Pix(TranslationModule):
    """Pix2Pix (arXiv:1611.07004). A batch is {"source", "target"}, paired."""

    keys: ClassVar[tuple[str, str]] = ("source", "target")
    described: ClassVar[str] = "pairs of images (--data paired_folder)"

    _shared: Tensor | None = None

    def __init__(
        self,
        source_shape: tuple[int, int, int] = (3, 256, 256),
        target_shape: tuple[int, int, int] = (3, 256, 256),
        direction: str = "AtoB",
        network: str = "unet_256",
        receptive_field: int = 70,
        generator_channels: int = 64,
        discriminator_channels: int = 64,
        norm: str = "batch",
        dropout: bool = True,
        release: str = "pytorch",
        conditional_discriminator: bool = True,
        adversarial: str = "non_saturating",
        l1_weight: float = 100.0,
        dropout_in_use: bool = True,
        statistics_in_use: str = "own",
        lr: float = 2e-4,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        **engine: Any,
    ) -> None:
        """Build a generator and a critic.

        Args:
            source_shape: (C, H, W) of the inputs.
            target_shape: (C, H, W) of the targets; H and W as the source's.
            direction: what the way from source to target is called, AtoB or BtoA; data whose B is the source say so.
            network: unet_256, unet_128, unet_64, unet_32 (sides multiples of that), resnet_9 or resnet_6 (multiples of 4).
            receptive_field: pixels a logit of the critic sees: 1, 16, 34, 70, 142, 286 or 574.
            generator_channels: of the generator's first maps.
            discriminator_channels: of the critic's first maps.
            norm: batch or instance, in both networks.
            dropout: the generator has dropout (a unet_32 of the PyTorch release has none).
            release: pytorch, or lua: biases and gains everywhere, dropout one level deeper.
            conditional_discriminator: the critic sees the input beside the output.
            adversarial: non_saturating (the paper's) or least_squares.
            l1_weight: of the mean absolute difference to the target.
            dropout_in_use: dropout stays on after training, as the paper's only noise.
            statistics_in_use: batch norm after training: "own", of the image at hand (the paper), or "running".
            lr: Adam's learning rate.
            discriminator_lr: the critic's; None = lr.
            betas: Adam's decay rates.
            **engine: options of the engine and of every translation model.

        Raises:
            ValueError: an option outside what it allows, or sides that do not fit.
        """
        super().__init__(**engine)
        for name, value, allowed in (
            ("direction", direction, DIRECTIONS),
            ("statistics_in_use", statistics_in_use, STATISTICS),
        ):
            if value not in allowed:
                raise ValueError(f"{name} '{value}'; allowed: {', '.join(allowed)}")
        self.set_adversarial(adversarial)
        if l1_weight < 0.0:
            raise ValueError(f"l1_weight={l1_weight}; allowed: 0 or more")
        if tuple(source_shape[1:]) != tuple(target_shape[1:]):
            sides = [shape_text(shape[1:]) for shape in (source_shape, target_shape)]
            raise ValueError(f"sources of {sides[0]}, targets of {sides[1]}; allowed: both of one size")
        self.directions = (direction,)
        self.set_shapes(source_shape, target_shape)
        self.conditional_discriminator, self.l1_weight = conditional_discriminator, l1_weight
        self.dropout_in_use, self.statistics_in_use = dropout_in_use, statistics_in_use
        self.lr, self.discriminator_lr, self.betas = lr, discriminator_lr, betas
        inside, outside = source_shape[0], target_shape[0]
        generator = make_generator(network, inside, outside, generator_channels, norm, dropout, release)
        self.channel_groups = (inside, outside) if conditional_discriminator else None
        critic = make_critic(
            sum(self.channel_groups or (outside,)), discriminator_channels, receptive_field, norm, release
        )
        self.rows_apart = not (
            (statistics_in_use == "own" and norm == "batch")
            or (dropout_in_use and any(isinstance(module, nn.Dropout) for module in generator.modules()))
        )
        self.check_networks(generator, critic)
        self.set_players(generator, critic)

    def translator(self, direction: str, ema: bool = False) -> nn.Module:
        """The generator; it has one direction."""
        return self.generator_ema if ema and self.generator_ema is not None else self.generator

    def as_used(self, network: nn.Module) -> AbstractContextManager[Any]:
        """In evaluation mode but for dropout and batch norm, as the options say."""
        return partly_training(network, dropout=self.dropout_in_use, statistics=self.statistics_in_use == "own")

    # ---------------------------------------------------------------- training

    def discriminator_loss(self, batch: Batch) -> Terms:
        """Half of the critic's loss on pairs of an input and its target, and of an input and the output (the half slows it)."""
        source, target = batch["source"], batch["target"]
        real_logits = self.discriminate(self._judged(source, target))
        fake_logits = self.discriminate(self._judged(source, self.outputs(batch)))
        self.record("real_logits", real_logits)
        self.record("fake_logits", fake_logits)
        return self.critic_terms(real_logits, fake_logits)._asdict()

    def generator_loss(self, batch: Batch) -> Terms:
        """-log D(x, G(x)) (or (D(x, G(x)) - 1)^2), and the mean absolute difference to the target."""
        source, target = batch["source"], batch["target"]
        outputs = self.outputs(batch)
        logits, features = self.judge(self._judged(source, outputs))
        terms = {
            "adversarial": self.adversarial_term(logits),
            "l1": self.l1_weight * (outputs - target).abs().mean(),
        }
        if features:
            with torch.no_grad():
                wanted = self.judge(self._judged(source, target))[1]
            terms |= self.matching(wanted, features, paired=True)
        return terms | self.picture_terms([outputs], [(outputs, target)])

    def outputs(self, batch: Batch) -> Tensor:
        """The generator's images of this turn: with a graph in its own, without one in the critic's."""
        if self._shared is not None:
            return self._shared if self._moving == "generator" else self._shared.detach()
        with torch.set_grad_enabled(self._moving != "discriminator"):
            return self.run(self.generator, batch["source"])

    def play(self, parts: list[Batch]) -> None:
        """The turns on one pass of the generator, where a batch is neither cut nor its pass unwanted (`share_fakes`)."""
        whole = self.d_steps == self.accumulate == 1
        if whole and self.share_fakes is not False:
            self._shared = self.run(self.generator, parts[-1]["source"])
        try:
            super().play(parts)
        finally:
            self._shared = None

    def _judged(self, source: Tensor, target: Tensor) -> Tensor:
        """What the critic sees: (N, C, H, W) and (N, D, H, W) -> (N, C + D, H, W)."""
        return torch.cat([source, target], dim=1) if self.conditional_discriminator else target
