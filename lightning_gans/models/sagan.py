"""SAGAN: self-attention lets distant parts of a picture agree; spectral norm in both networks, two learning rates.

Paper: Self-Attention Generative Adversarial Networks, Zhang et al. 2018, arXiv:1805.08318. Code:
brain-research/self-attention-gan.

Where we differ: the paper has 128 pixels; other sizes of 4 or 6 times a power of two are built by SNGAN's rule, with attention at
the largest maps up to 32x32, and for 32x32 images where mimicry puts it (16x16 in the generator, 8x8 in the critic). Singular
vectors move in each pass of the critic, in the code only in that of real images, and no gradient flows through them, in the code
it does. Fakes have the classes of the real images they are judged beside. Adam's second rate is the paper's 0.9 (the code's is
TensorFlow's 0.999).
"""

from __future__ import annotations

from typing import Any

from torch import nn

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.latent import LatentModule
from lightning_gans.layers.initialize import glorot_init
from lightning_gans.losses import hinge_discriminator, hinge_generator
from lightning_gans.networks.resnet_sn import ResNetCritic, ResNetGenerator, check_side, spectral_norms, widths

__all__ = ["SAGAN"]

NETWORKS = ("attention", "plain")
ATTENDED = 32  # pixels: the paper's best maps


class SAGAN(LatentModule):
    """Self-attention GAN (arXiv:1805.08318)."""

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (3, 128, 128),
        num_classes: int | None = None,
        conditional: bool = True,
        latent_dim: int = 128,
        network: str = "attention",
        attention_size: int | None = None,
        generator_channels: int | None = None,
        discriminator_channels: int | None = None,
        generator_norm: str = "batch",
        upsampling: str = "nearest",
        iterate_in_evaluation: bool = False,
        release: str | None = None,
        lr: float = 1e-4,
        discriminator_lr: float | None = 4e-4,
        betas: tuple[float, float] = (0.0, 0.9),
        **engine: Any,
    ) -> None:
        """Build both networks.

        Args:
            image_shape: (C, H, W): squares of 4 or 6 times a power of two.
            num_classes: classes of the data; None: a model without classes.
            conditional: use the classes, if there are any: they set the generator's batch norms, the critic projects on them.
            latent_dim: size of the noise, N(0, 1).
            network: attention, or plain (the same without it).
            attention_size: side of the maps that attention follows, in both networks, 0: none. Default: 32 (where images are of 4
                times a power of two), at 32 pixels 16 in the generator and 8 in the critic.
            generator_channels: channels of the last maps before the image; default 256 up to 32 pixels, else 64.
            discriminator_channels: channels of the first maps; default 128 up to 32 pixels, else 64.
            generator_norm: batch, cross_replica, group, layer, instance or none.
            upsampling: nearest, or bilinear (mimicry).
            iterate_in_evaluation: power iteration in evaluation mode too, without keeping its vector (mimicry).
            release: mimicry: spectral norm of that code's weights, and what else it holds; set by imported checkpoints.
            lr: Adam's learning rate of the generator.
            discriminator_lr: the critic's; None = lr.
            betas: Adam's decay rates.
            **engine: options of the engine.

        Raises:
            ValueError: an unknown name, or an image shape or attention that it cannot build.
        """
        super().__init__(**engine)
        if network not in NETWORKS:
            raise ValueError(f"network '{network}'; allowed: {', '.join(NETWORKS)}")
        if num_classes is not None and num_classes < 1:
            raise ValueError(f"num_classes={num_classes}; allowed: None, or 1 or more")
        channels, height, width = image_shape
        self.image_shape, self.latent_dim = (channels, height, width), latent_dim
        self.num_classes, self.conditional = num_classes, conditional
        self.lr, self.discriminator_lr, self.betas = lr, discriminator_lr, betas
        side = check_side(self.image_shape)
        sizes = widths(side, generator_channels, discriminator_channels)
        if network == "plain":
            if attention_size is not None:
                raise ValueError(f"attention_size={attention_size} with network 'plain'; allowed: network attention")
            at = (0, 0)
        else:
            at = _attended(side) if attention_size is None else (attention_size, attention_size)
        classes = num_classes if conditional else None
        wrap, wrap_ends = spectral_norms(release, iterate_in_evaluation)
        generator = ResNetGenerator(
            self.image_shape,
            sizes.generator,
            latent_dim,
            classes,
            norm=generator_norm,
            eps=1e-5,
            momentum=0.001,
            wrap=wrap,
            wrap_ends=wrap_ends,
            upsampling=upsampling,
            attention=at[0],
        )
        discriminator = ResNetCritic(
            self.image_shape,
            sizes.discriminator,
            sizes.halvings,
            classes,
            wide=True,
            wrap=wrap,
            wrap_ends=wrap_ends,
            attention=at[1],
        )
        for net in (generator, discriminator):
            glorot_init(net)
        if discriminator.classes is not None:
            nn.init.xavier_uniform_(discriminator.classes.weight)
        self.set_players(generator, discriminator)

    def discriminator_loss(self, batch: Batch) -> Terms:
        """max(0, 1 - f(x)) + max(0, 1 + f(G(z)))."""
        return hinge_discriminator(*self.real_and_fake_logits(batch))._asdict()

    def generator_loss(self, batch: Batch) -> Terms:
        """-f(G(z))."""
        return {"adversarial": hinge_generator(self.fake_logits(batch))}


def _attended(side: int) -> tuple[int, int]:
    """Sides of the maps that attention follows, in generator and critic."""
    if side <= ATTENDED:
        return side // 2, 8
    while side > ATTENDED:
        side //= 2
    return side, side
