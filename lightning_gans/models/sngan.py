"""SNGAN: each layer of the discriminator is divided by its largest singular value, found by one step of power iteration a pass.

Papers: Spectral Normalization for Generative Adversarial Networks, Miyato et al. 2018, arXiv:1802.05957; cGANs with Projection
Discriminator, Miyato and Koyama 2018, arXiv:1802.05637. Code: pfnet-research/sngan_projection, chainer-gan-lib.

Where we differ: in each iteration the critic moves before the generator, the code the other way round: the same sequence but for
its first turn. Fakes have the classes of the real images they are judged beside. The papers have networks for 32, 48, 64 and 128
pixels; others of 4 or 6 times a power of two get a block more or less for each doubling. `upsampling`, `head_bias`,
`norm_eps`, `iterate_in_evaluation` and `release` are there for weights that were trained with mimicry.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from lightning_gans.batch import Batch, dequantized
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.latent import LatentModule
from lightning_gans.layers.residual import residual_init
from lightning_gans.losses import (
    hinge_discriminator,
    hinge_generator,
    non_saturating_discriminator,
    non_saturating_generator,
)
from lightning_gans.networks.cnn_sn import CNNCritic, CNNGenerator, check_multiple
from lightning_gans.networks.resnet_sn import (
    CONDITIONING,
    ResNetCritic,
    ResNetGenerator,
    check_side,
    spectral_norms,
    widths,
)

__all__ = ["SNGAN"]

NETWORKS = ("resnet", "cnn", "cnn_code")
NORM_EPS = 2e-5
LOSSES = {
    "hinge": (hinge_discriminator, hinge_generator),
    "non_saturating": (non_saturating_discriminator, non_saturating_generator),
}


class SNGAN(LatentModule):
    """Spectrally normalised GAN (arXiv:1802.05957), with classes by projection (arXiv:1802.05637)."""

    redraws_fakes = True

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (3, 32, 32),
        num_classes: int | None = None,
        conditional: bool = False,
        conditioning: str = CONDITIONING[0],
        latent_dim: int = 128,
        network: str = "resnet",
        generator_channels: int | None = None,
        discriminator_channels: int | None = None,
        generator_norm: str = "batch",
        norm_eps: float = NORM_EPS,
        loss: str | None = None,
        dequantize: bool = False,
        generator_batch_factor: int | None = None,
        upsampling: str = "nearest",
        head_bias: bool | None = None,
        iterate_in_evaluation: bool = False,
        release: str | None = None,
        lr: float = 2e-4,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] | None = None,
        d_steps: int | None = None,
        **engine: Any,
    ) -> None:
        """Build both networks.

        Args:
            image_shape: (C, H, W); resnet: squares of 4 or 6 times a power of two; cnn: of a multiple of 8.
            num_classes: classes of the data; used by the conditional model.
            conditional: the class sets the generator's batch norms, and the critic is told it (resnet).
            conditioning: how it is: projection, or concatenation, the comparison of the second paper (from 32 pixels on).
            latent_dim: size of the noise, N(0, 1).
            network: resnet, cnn (table 3) or cnn_code (the code's widths, and its batch norm of the dense layer).
            generator_channels: channels of the last maps before the image; default resnet 256 up to 32 pixels, else 64.
            discriminator_channels: channels of the first maps; default resnet 128 up to 32 pixels, else 64.
            generator_norm: batch, cross_replica, group, layer, instance or none (resnet).
            norm_eps: added to the variance (resnet; mimicry 1e-5).
            loss: hinge or non_saturating; default resnet hinge, cnn non_saturating.
            dequantize: pixels as x / 128 - 1 plus noise U[0, 1 / 128], as the code has them.
            generator_batch_factor: fakes of the generator's turn for each real image. Default: resnet 2 (at 64 pixels 1), cnn 1.
            upsampling: nearest, or bilinear (resnet).
            head_bias: whether the critic's last layer has a bias; default: resnet above 32 pixels (resnet).
            iterate_in_evaluation: power iteration in evaluation mode too, without keeping its vector.
            release: mimicry: spectral norm of that code's weights, and what else it holds (resnet); set by imported checkpoints.
            lr: Adam's learning rate.
            discriminator_lr: the critic's; None = lr.
            betas: Adam's decay rates; default resnet (0, 0.9), cnn (0.5, 0.999).
            d_steps: turns of the critic an iteration; default resnet 5, cnn 1.
            **engine: options of the engine.

        Raises:
            ValueError: an unknown name, an image shape it cannot build, or an option that the network has no use for.
        """
        if network not in NETWORKS:
            raise ValueError(f"network '{network}'; allowed: {', '.join(NETWORKS)}")
        residual = network == "resnet"
        super().__init__(d_steps=d_steps if d_steps is not None else 5 if residual else 1, **engine)
        loss = loss or ("hinge" if residual else "non_saturating")
        if loss not in LOSSES:
            raise ValueError(f"loss '{loss}'; allowed: {', '.join(LOSSES)}")
        only_resnet = {
            "conditional": conditional,
            "conditioning": conditioning != CONDITIONING[0],
            "generator_norm": generator_norm != "batch",
            "norm_eps": norm_eps != NORM_EPS,
            "upsampling": upsampling != "nearest",
            "head_bias": head_bias is not None,
            "release": release is not None,
        }
        for name, given in only_resnet.items():
            if given and not residual:
                raise ValueError(f"{name} with network '{network}'; allowed: resnet")
        if not conditional and conditioning != CONDITIONING[0]:
            raise ValueError(
                f"conditioning '{conditioning}' for a model without classes; allowed: with conditional=True"
            )
        if conditional and not num_classes:
            raise ValueError(f"num_classes={num_classes} for a conditional model; allowed: 1 or more: labelled data")
        if generator_batch_factor is not None and generator_batch_factor < 1:
            raise ValueError(f"generator_batch_factor={generator_batch_factor}; allowed: 1 or more")
        channels, height, width = image_shape
        self.image_shape, self.latent_dim = (channels, height, width), latent_dim
        self.num_classes, self.conditional = num_classes, conditional
        self.critic_loss, self.adversarial_loss = LOSSES[loss]
        self.dequantize = dequantize
        self.generator_batch_factor = generator_batch_factor or (2 if residual and height != 64 else 1)
        self.lr, self.discriminator_lr = lr, discriminator_lr
        self.betas = betas or ((0.0, 0.9) if residual else (0.5, 0.999))
        wrap, wrap_ends = spectral_norms(release, iterate_in_evaluation)
        if not residual:
            check_multiple(self.image_shape)
            code = network == "cnn_code"
            self.set_players(
                CNNGenerator(self.image_shape, latent_dim, generator_channels or 64, code),
                CNNCritic(self.image_shape, discriminator_channels or 64, code, wrap),
            )
            return
        side = check_side(self.image_shape)
        sizes = widths(side, generator_channels, discriminator_channels)
        classes = num_classes if conditional else None
        generator = ResNetGenerator(
            self.image_shape,
            sizes.generator,
            latent_dim,
            classes,
            norm=generator_norm,
            eps=norm_eps,
            upsampling=upsampling,
        )
        bias = side > 32 if head_bias is None else head_bias
        discriminator = ResNetCritic(
            self.image_shape,
            sizes.discriminator,
            sizes.halvings,
            classes,
            conditioning=conditioning,
            wrap=wrap,
            wrap_ends=wrap if conditional else wrap_ends,  # mimicry's projection discriminator has one kind of layers
            head_bias=bias,
        )
        for net in (generator, discriminator):
            residual_init(net)
        if discriminator.classes is not None:
            nn.init.xavier_uniform_(discriminator.classes.weight)
        self.set_players(generator, discriminator)

    def discriminator_loss(self, batch: Batch) -> Terms:
        """Hinge: max(0, 1 - f(x)) + max(0, 1 + f(G(z))); non-saturating: -log D(x) - log(1 - D(G(z)))."""
        if self.dequantize:
            noise = (self.noise(tuple(batch["images"].shape), "uniform") + 1.0) / 2.0  # U[0, 1)
            batch = {**batch, "images": dequantized(batch["images"], noise)}
        return self.critic_loss(*self.real_and_fake_logits(batch))._asdict()

    def generator_loss(self, batch: Batch) -> Terms:
        """Hinge: -f(G(z)); non-saturating: -log D(G(z))."""
        return {"adversarial": self.adversarial_loss(self.fake_logits(batch))}
