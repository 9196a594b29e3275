"""BigGAN-deep: BigGAN with four times the depth and fewer weights: bottleneck blocks whose shortcuts only drop or add channels.

Paper: Large Scale GAN Training for High Fidelity Natural Image Synthesis, Brock, Donahue and Simonyan 2018, arXiv:1809.11096,
appendix B. Code: ajbrock/BigGAN-PyTorch; huggingface/pytorch-pretrained-BigGAN (the generator, from modules on TF Hub).

Noise is not split: all of it, joined with the class's vector, enters the first layer and every norm. Truncation, and where we
differ, are as in BigGAN (`models/biggan.py`). At 512x512 the critic is ours: it follows BigGAN's table of widths.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from lightning_gans.core.large_scale import LargeScaleModule
from lightning_gans.layers.norms import make_norm
from lightning_gans.layers.spectral_norm import spectral_norm
from lightning_gans.layers.tabulated_norm import TabulatedBatchNorm
from lightning_gans.networks.biggan import MakeNorm, check_size
from lightning_gans.networks.biggan_deep import DeepDiscriminator, DeepGenerator

__all__ = ["BigGANDeep"]

NORM = "cross_replica"
RELEASES = ("pytorch_pretrained_biggan",)
CHANNELS = 128
LARGE = 256  # pixels: from here on both players have one rate


class BigGANDeep(LargeScaleModule):
    """BigGAN-deep (arXiv:1809.11096)."""

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (3, 128, 128),
        num_classes: int | None = None,
        conditional: bool = True,
        latent_dim: int = 128,
        generator_channels: int | None = None,
        discriminator_channels: int | None = None,
        embedding_dim: int = 128,
        attention_size: int | None = None,
        image_channels: int | None = None,
        generator_norm: str = NORM,
        init: str = "orthogonal",
        orthogonal_weight: float = 1e-4,
        truncation_trick: str = "threshold",
        release: str | None = None,
        lr: float | None = None,
        discriminator_lr: float | None = None,
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
            conditional: use the classes, if there are any.
            latent_dim: size of the noise, N(0, 1).
            generator_channels: of the table of widths; default 128.
            discriminator_channels: the same of the critic.
            embedding_dim: size of a class's vector.
            attention_size: side of the maps that attention follows, 0: none. Default: none at 32 pixels, 32 at 64, else 64. At the
                image's own size only the generator has it.
            image_channels: of the generator's last convolution, of which the image takes the first (the released weights: 128).
                Default: the image's.
            generator_norm: batch, cross_replica (over the images of all processes), group, layer, instance or none.
            init: orthogonal, or normal, N(0, 0.02).
            orthogonal_weight: of ||W W' off the diagonal||^2, over the generator's matrices; 0: none.
            truncation_trick: threshold, factor or bounded_factor; see `SamplingModule.truncation_trick`.
            release: pytorch_pretrained_biggan: the numerics of those weights, and what else they hold: batch-norm statistics for 51
                truncations; set by imported checkpoints.
            lr: Adam's learning rate of the generator. Default: 5e-5, from 256 pixels on 2.5e-5.
            discriminator_lr: the critic's; None = lr where that is given, else 2e-4, from 256 pixels on 2.5e-5.
            betas: Adam's decay rates.
            d_steps: turns of the critic an iteration.
            ema_decay: decay of the generator's running average; None keeps none.
            ema_start: iterations before which the average is a copy.
            **engine: options of the engine.

        Raises:
            ValueError: an unknown name, or an image shape or attention that the networks cannot have.
        """
        super().__init__(d_steps=d_steps, ema_decay=ema_decay, ema_start=ema_start, **engine)
        classes = self.set_up(image_shape, num_classes, conditional, init, orthogonal_weight, truncation_trick)
        size, side = check_size(self.image_shape), self.image_shape[1]
        if release not in (None, *RELEASES):
            raise ValueError(f"release '{release}'; allowed: None, {', '.join(RELEASES)}")
        if release is not None and generator_norm != NORM:
            raise ValueError(f"generator_norm '{generator_norm}' with release '{release}'; allowed: {NORM}")
        if image_channels is not None and image_channels < self.image_shape[0]:
            raise ValueError(f"image_channels={image_channels}; allowed: {self.image_shape[0]} or more")
        self.latent_dim, self.betas = latent_dim, betas
        rates = (2.5e-5, 2.5e-5) if side >= LARGE else (5e-5, 2e-4)
        self.lr = rates[0] if lr is None else lr
        self.discriminator_lr = rates[1] if lr is None and discriminator_lr is None else discriminator_lr
        self.attention_size = attention = size.attention if attention_size is None else attention_size
        wrap = partial(spectral_norm, eps=1e-4)
        norm: MakeNorm = partial(make_norm, generator_norm, eps=1e-4)
        if release is not None:
            wrap = partial(spectral_norm, eps=1e-4, keep="v")
            norm = partial(TabulatedBatchNorm, eps=1e-4)
        generator = DeepGenerator(
            self.image_shape,
            [factor * (generator_channels or CHANNELS) for factor in size.generator],
            latent_dim,
            classes,
            embedding_dim=embedding_dim,
            norm=norm,
            wrap=wrap,
            attention=attention,
            image_channels=image_channels,
        )
        discriminator = DeepDiscriminator(
            self.image_shape,
            [factor * (discriminator_channels or CHANNELS) for factor in size.deep_discriminator],
            size.deep_halvings,
            classes,
            wrap=partial(spectral_norm, eps=1e-4),
            attention=0 if attention == side else attention,
        )
        self.start(init, generator, discriminator)
