"""BigGAN: large batches and wide networks; each block of the generator sees the class and its own part of the noise.

Paper: Large Scale GAN Training for High Fidelity Natural Image Synthesis, Brock, Donahue and Simonyan 2018, arXiv:1809.11096. Code:
ajbrock/BigGAN-PyTorch (the authors' training code was never released); google/compare_gan.

Truncation redraws the numbers of the latents that lie outside it (`generate(truncation=0.5)`: all below 0.5); statistics of batch
norm are re-estimated on latents so truncated. 1 means none, as everywhere here: the paper's threshold of 1 is 0.999.

Where we differ: orthogonal regularisation follows its exact derivative, 4 b (W W' off the diagonal) W, on rows as BigGAN-PyTorch
has it, which takes half of it. Adam's epsilon is PyTorch's. Fakes have the classes of the real images they are judged beside. At
32x32 `flat` is BigGAN-PyTorch's network for CIFAR-10, `hierarchical` the same with split noise and one shared embedding. Without
classes norms depend on the noise alone. Sizes that no code defines are refused, not guessed.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from lightning_gans.core.large_scale import LargeScaleModule
from lightning_gans.layers.norms import make_norm
from lightning_gans.layers.spectral_norm import spectral_norm
from lightning_gans.networks.biggan import Generator, check_size
from lightning_gans.networks.resnet_sn import ResNetCritic

__all__ = ["BigGAN"]

NETWORKS = ("hierarchical", "flat")
RELEASES = ("biggan_pytorch",)
SMALL = 32


class BigGAN(LargeScaleModule):
    """BigGAN (arXiv:1809.11096)."""

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (3, 128, 128),
        num_classes: int | None = None,
        conditional: bool = True,
        latent_dim: int | None = None,
        chunk_dim: int | None = None,
        network: str | None = None,
        generator_channels: int | None = None,
        discriminator_channels: int | None = None,
        embedding_dim: int = 128,
        attention_size: int | None = None,
        discriminator_attention_size: int | None = None,
        equal_shortcuts: bool = True,
        generator_norm: str = "cross_replica",
        init: str = "orthogonal",
        orthogonal_weight: float = 1e-4,
        truncation_trick: str = "threshold",
        release: str | None = None,
        lr: float = 5e-5,
        discriminator_lr: float | None = 2e-4,
        betas: tuple[float, float] = (0.0, 0.999),
        d_steps: int = 2,
        ema_decay: float | None = 0.9999,
        ema_start: int = 20_000,
        **engine: Any,
    ) -> None:
        """Build both networks.

        Args:
            image_shape: (C, H, W): squares of 32, 64, 128, 256 or 512.
            num_classes: classes of the data; None: a model without classes.
            conditional: use the classes, if there are any: they set the generator's batch norms, the critic projects on them.
            latent_dim: size of the noise, N(0, 1). Default: flat 128; hierarchical 80, 120, 120, 140, 160 by size.
            chunk_dim: size of each part of the noise, one for the first layer and one for each block, where `latent_dim` is not
                given (hierarchical): fits any size of images.
            network: hierarchical, or flat: noise enters the first layer only, each norm has class vectors of its own. Default: flat
                at 32 pixels, else hierarchical.
            generator_channels: of the table of widths; default 64 up to 64 pixels, else 96.
            discriminator_channels: the same of the critic.
            embedding_dim: size of a class's vector (hierarchical).
            attention_size: side of the maps that attention follows, 0: none. Default: none at 32 pixels, 32 at 64, else 64. At the
                image's own size only the generator has it.
            discriminator_attention_size: the critic's; None: the same.
            equal_shortcuts: a learned shortcut in critic's halving blocks of equal widths (BigGAN-PyTorch; compare_gan has none).
            generator_norm: batch, cross_replica (over the images of all processes), group, layer, instance or none.
            init: orthogonal, or normal, N(0, 0.02) (BigGAN-PyTorch's CIFAR-10).
            orthogonal_weight: of ||W W' off the diagonal||^2, over the generator's matrices; 0: none.
            truncation_trick: threshold, factor or bounded_factor; see `SamplingModule.truncation_trick`.
            release: biggan_pytorch: the numerics of that code's weights, and what else they hold; set by imported checkpoints.
            lr: Adam's learning rate of the generator.
            discriminator_lr: the critic's; None = lr.
            betas: Adam's decay rates.
            d_steps: turns of the critic an iteration.
            ema_decay: decay of the generator's running average; None keeps none.
            ema_start: iterations before which the average is a copy.
            **engine: options of the engine.

        Raises:
            ValueError: an unknown name, or an image shape, latents or attention that the networks cannot have.
        """
        super().__init__(d_steps=d_steps, ema_decay=ema_decay, ema_start=ema_start, **engine)
        classes = self.set_up(image_shape, num_classes, conditional, init, orthogonal_weight, truncation_trick)
        size, side = check_size(self.image_shape), self.image_shape[1]
        network = network or ("flat" if side <= SMALL else "hierarchical")
        if network not in NETWORKS:
            raise ValueError(f"network '{network}'; allowed: {', '.join(NETWORKS)}")
        if release not in (None, *RELEASES):
            raise ValueError(f"release '{release}'; allowed: None, {', '.join(RELEASES)}")
        if chunk_dim is not None and chunk_dim < 1:
            raise ValueError(f"chunk_dim={chunk_dim}; allowed: 1 or more")
        split = chunk_dim * len(size.generator) if chunk_dim else size.latent_dim
        self.latent_dim = latent_dim or (128 if network == "flat" else split)
        self.lr, self.discriminator_lr, self.betas = lr, discriminator_lr, betas
        attention = size.attention if attention_size is None else attention_size
        critic_attention = discriminator_attention_size
        if critic_attention is None:
            critic_attention = 0 if attention == side else attention
        self.attention_size, self.discriminator_attention_size = attention, critic_attention
        norm_eps, wrap = 1e-4, partial(spectral_norm, eps=1e-4)
        if release is not None:
            norm_eps, wrap = 1e-5, partial(spectral_norm, eps=1e-12, iterate_in_evaluation=True, keep="sigma")
        generator = Generator(
            self.image_shape,
            [factor * (generator_channels or size.channels) for factor in size.generator],
            self.latent_dim,
            classes,
            hierarchical=network == "hierarchical",
            embedding_dim=embedding_dim,
            norm=partial(make_norm, generator_norm, eps=norm_eps),
            wrap=wrap,
            attention=attention,
        )
        discriminator = ResNetCritic(
            self.image_shape,
            [factor * (discriminator_channels or size.channels) for factor in size.discriminator],
            size.halvings,
            classes,
            wide=True,
            wrap=wrap,
            attention=critic_attention,
        )
        if not equal_shortcuts:
            _drop_equal_shortcuts(discriminator)
        self.start(init, generator, discriminator)


def _drop_equal_shortcuts(critic: nn.Module) -> None:
    """Averaged maps as they are, beside blocks that halve the size and keep the width."""
    for block in critic.modules():
        shortcut = getattr(block, "shortcut", None)
        if isinstance(shortcut, nn.Conv2d) and shortcut.in_channels == shortcut.out_channels:
            block.shortcut = nn.Identity()
