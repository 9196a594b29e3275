"""CycleGAN: two generators between two domains that have no pairs, each the way back of the other.

Paper: Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, Zhu et al. 2017, arXiv:1703.10593. Code:
junyanz/CycleGAN (Lua) and junyanz/pytorch-CycleGAN-and-pix2pix (PyTorch, the default here).

The generators move first, both in one step; then both critics, which judge what the generators' turn made, through pools of
earlier images: no generator passes twice over one input. Critics are named by the domain they judge (the code's D_A judges b).

Where we differ: a critic's real and generated images pass apart, as in the code, but the generators' passes over images of one
domain that need not wait for each other go together where norms keep images apart (`join_passes`): same numbers, fewer
calls. Rates fall linearly over the second half of a run: that is `lr_schedule: constant_linear`, in the recipes. The paper's
identity term was for paintings only; both releases have it on. Pools are each process's own: two processes do not equal one.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor, nn

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.image_pool import ImagePool
from lightning_gans.core.processes import gather_objects
from lightning_gans.core.translation import TranslationModule
from lightning_gans.networks.patchgan_unet import make_critic
from lightning_gans.networks.resnet_translation import make_generator

__all__ = ["CycleGAN"]

WAYS = {"a": ("b", "AtoB"), "b": ("a", "BtoA")}
"""Domain -> the other one, and the direction to it."""


class CycleGAN(TranslationModule):
    """CycleGAN (arXiv:1703.10593). A batch is {"a", "b"}, unpaired."""

    turn_order = ("generator", "discriminator")
    keys: ClassVar[tuple[str, str]] = ("a", "b")
    described: ClassVar[str] = "images of two domains (--data unpaired_folder)"
    directions = ("AtoB", "BtoA")

    def __init__(
        self,
        source_shape: tuple[int, int, int] = (3, 256, 256),
        target_shape: tuple[int, int, int] = (3, 256, 256),
        network: str = "resnet_9",
        receptive_field: int = 70,
        generator_channels: int = 64,
        discriminator_channels: int = 64,
        norm: str = "instance",
        dropout: bool = False,
        release: str = "pytorch",
        adversarial: str = "least_squares",
        cycle_weight: float = 10.0,
        cycle_weight_b: float | None = None,
        identity_weight: float = 0.5,
        pool_size: int = 50,
        join_passes: bool = True,
        lr: float = 2e-4,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        **engine: Any,
    ) -> None:
        """Build two generators and two critics.

        Args:
            source_shape: (C, H, W) of domain a.
            target_shape: (C, H, W) of domain b.
            network: resnet_9 (256 pixels and more), resnet_6 (128), or unet_256, unet_128, unet_64, unet_32.
            receptive_field: pixels a logit of the critics sees: 1, 16, 34, 70, 142, 286 or 574.
            generator_channels: of the generators' first maps.
            discriminator_channels: of the critics' first maps.
            norm: instance or batch, in all networks.
            dropout: the generators have dropout.
            release: pytorch, or lua: norms with gains and offsets.
            adversarial: least_squares (the paper's) or non_saturating.
            cycle_weight: of the mean absolute difference between an image of a and its way to b and back.
            cycle_weight_b: the same of domain b; None = cycle_weight.
            identity_weight: of the mean absolute difference between an image and what the generator that makes its domain makes
                of it, times the domain's cycle weight. Off where the domains' channels differ.
            pool_size: images a pool; 0: critics see the newest ones only.
            join_passes: generators take what they can in one pass; never with batch norm, whose images affect each other.
            lr: Adam's learning rate.
            discriminator_lr: the critics'; None = lr.
            betas: Adam's decay rates.
            **engine: options of the engine and of every translation model.

        Raises:
            ValueError: an option outside what it allows, or sides that do not fit.
        """
        super().__init__(**engine)
        self.set_adversarial(adversarial)
        weights = {"cycle_weight": cycle_weight, "cycle_weight_b": cycle_weight_b, "identity_weight": identity_weight}
        for name, weight in {**weights, "pool_size": pool_size}.items():
            if weight is not None and weight < 0:
                raise ValueError(f"{name}={weight}; allowed: 0 or more")
        if self.share_fakes is False:
            raise ValueError("share_fakes=False; allowed: True (critics judge what the generators' turn made)")
        self.set_shapes(source_shape, target_shape)
        self.cycle_weights = {"a": cycle_weight, "b": cycle_weight if cycle_weight_b is None else cycle_weight_b}
        self.identity_weight = identity_weight
        self.has_identity = identity_weight > 0.0 and self.source_shape[0] == self.target_shape[0]
        self.join_passes = join_passes and norm == "instance"
        self.lr, self.discriminator_lr, self.betas = lr, discriminator_lr, betas
        self.pools = {domain: ImagePool(pool_size) for domain in WAYS}
        self._judged: dict[str, list[Tensor]] = {}
        """Domain -> what its critic is shown of generated images, chunk by chunk."""
        self._resumed_pools: list[dict[str, list[Tensor]]] | None = None
        channels = {"a": self.source_shape[0], "b": self.target_shape[0]}
        generators = nn.ModuleDict(
            {
                direction: make_generator(
                    network, channels[domain], channels[other], generator_channels, norm, dropout, release
                )
                for domain, (other, direction) in WAYS.items()
            }
        )
        critics = nn.ModuleDict(
            {
                domain: make_critic(channels[domain], discriminator_channels, receptive_field, norm, release)
                for domain in WAYS
            }
        )
        self.check_networks(generators["AtoB"], critics["b"])  # type: ignore[arg-type]
        self.set_players(generators, critics)

    def translator(self, direction: str, ema: bool = False) -> nn.Module:
        """The generator of a direction."""
        networks = self.generator_ema if ema and self.generator_ema is not None else self.generator
        return networks.get_submodule(direction)

    # ---------------------------------------------------------------- training

    def generator_loss(self, batch: Batch) -> Terms:
        """Of each domain: what the other's critic says of its translations, the way there and back, and the identity."""
        fakes, same = self._first_passes(batch)
        terms: Terms = {}
        matched: list[Terms] = []
        for domain, fake in fakes.items():
            logits, features = self.judge(fake, domain)
            terms[f"adversarial_{domain}"] = self.adversarial_term(logits)
            if features:
                with torch.no_grad():
                    wanted = self.judge(batch[domain], domain)[1]
                matched.append(self.matching(wanted, features, paired=False))
        cycled = {}
        for domain, (other, _) in WAYS.items():
            cycled[domain] = self.run(self.translator(WAYS[other][1]), fakes[other])
            terms[f"cycle_{domain}"] = self.cycle_weights[domain] * (cycled[domain] - batch[domain]).abs().mean()
        for domain, image in same.items():
            weight = self.identity_weight * self.cycle_weights[domain]
            terms[f"identity_{domain}"] = weight * (image - batch[domain]).abs().mean()
        if matched:
            terms["feature_matching"] = torch.stack([term["feature_matching"] for term in matched]).sum()
        self._pool(fakes)
        return terms | self.picture_terms(fakes.values(), [(cycled[domain], batch[domain]) for domain in WAYS])

    def discriminator_loss(self, batch: Batch) -> Terms:
        """Each critic on its domain's images, and on what its pool gave for the generators' newest ones; half of each."""
        terms: Terms = {}
        logits: dict[str, list[Tensor]] = {"real": [], "fake": []}
        for domain in WAYS:
            made = self._judged[domain][self._turn.chunk]
            real_logits, fake_logits = (
                self.discriminate(batch[domain], name=domain),
                self.discriminate(made, name=domain),
            )
            logits["real"].append(real_logits.flatten())
            logits["fake"].append(fake_logits.flatten())
            losses = self.critic_terms(real_logits, fake_logits)
            terms |= {f"real_{domain}": losses.real, f"fake_{domain}": losses.fake}
        for kind, values in logits.items():
            self.record(f"{kind}_logits", torch.cat(values))
        return terms

    def generator_turn(self, batch: Batch) -> None:
        """One step of both generators; what they made goes through the pools to the critics."""
        self._judged = {domain: [] for domain in WAYS}
        super().generator_turn(batch)

    def play(self, parts: list[Batch]) -> None:
        """The turns; what the critics were shown is let go afterwards."""
        try:
            super().play(parts)
        finally:
            self._judged = {}

    def _first_passes(self, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """By the domain they belong to: translations, and, where there is an identity term, images sent to their own domain."""
        fakes, same = {}, {}
        for domain, (other, direction) in WAYS.items():
            network, inputs, own = self.translator(direction), batch[domain], batch[other]
            if self.has_identity and self.join_passes and inputs.shape == own.shape:
                fakes[other], same[other] = self.run(network, torch.cat([inputs, own])).chunk(2)
                continue
            fakes[other] = self.run(network, inputs)
            if self.has_identity:
                same[other] = self.run(network, own)
        return fakes, same

    def _pool(self, fakes: dict[str, Tensor]) -> None:
        """Hand a chunk's translations to the pools, in a turn of the generators, and keep what comes back."""
        if self._moving is None:
            return
        for domain, pool in self.pools.items():
            # Drawn on the CPU: to ask a GPU would be to wait for it.
            draws = self._turn.noise((len(fakes[domain]), 2), "uniform", torch.Generator())
            self._judged[domain].append(pool.query(fakes[domain], draws))

    # ---------------------------------------------------------------- runs

    def on_fit_start(self) -> None:
        """Say that the identity term is off, where it is; empty the pools, or fill them from the checkpoint."""
        super().on_fit_start()
        if self.identity_weight and not self.has_identity:
            a, b = self.source_shape[0], self.target_shape[0]
            rank_zero_warn(
                f"the identity term is off: domain a has {a} channels, b {b} (identity_weight 0 says the same)"
            )
        resumed = self._resumed_pools if self.trainer.ckpt_path is not None else None
        self._resumed_pools = None
        mine = resumed[self.global_rank] if resumed and self.global_rank < len(resumed) else {}
        for domain, pool in self.pools.items():
            pool.restore(mine.get(domain, []), self.device)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add every process's pools."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["pools"] = gather_objects({domain: pool.state() for domain, pool in self.pools.items()})

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the pools until a fit begins."""
        super().on_load_checkpoint(checkpoint)
        self._resumed_pools = checkpoint.get("pools")
