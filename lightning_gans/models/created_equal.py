"""Seven formulations of the GAN on one pair of networks: the study that found none of them the best once tuned.

Paper: Are GANs Created Equal? A Large-Scale Study, Lucic et al. 2017, arXiv:1711.10337. Code: google/compare_gan, tag v1.0.
The networks are those of InfoGAN's MNIST experiment; pixels lie in [0, 1] inside them and in the penalties, as in the code.

The code's own readings of the formulations, kept here: least squares are taken of the sigmoid; DRAGAN's gradient is that of
the sigmoid, at real images plus one-sided noise, through the critic's batch norm; WGAN uses Adam; BEGAN's balance has no
bounds; the norm in both penalties is sqrt(1e-4 + the sum of squares); WGAN-GP alone draws fresh noise for the generator.

Where we differ: WGAN's weights are clipped after the critic's step (the code fixes no order). With more than one turn of the
critic, the generator's turn draws noise of its own. BEGAN's balance moves by the errors that the critic's turn saw; the code
measures them once more after it. The code counts turns of the critic, we count iterations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lightning_gans import losses
from lightning_gans.batch import Batch, shape_text
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.latent import LatentModule
from lightning_gans.core.processes import average_, joint_deviation
from lightning_gans.layers.initialize import normal_init
from lightning_gans.penalties import clip_weights_, gradient_norms

__all__ = ["CreatedEqual"]


class Formulation(NamedTuple):
    """Losses of both players, and the study's default settings."""

    critic: Callable[[Tensor, Tensor], losses.CriticTerms]
    generator: Callable[[Tensor], Tensor]
    lr: float
    beta1: float
    d_steps: int
    batch_norm: bool


def _squared_critic(real_logits: Tensor, fake_logits: Tensor) -> losses.CriticTerms:
    return losses.least_squares_discriminator(real_logits.sigmoid(), fake_logits.sigmoid())


def _squared_generator(fake_logits: Tensor) -> Tensor:
    return losses.least_squares_generator(fake_logits.sigmoid())


def _errors(real_errors: Tensor, fake_errors: Tensor) -> losses.CriticTerms:
    return losses.CriticTerms(real_errors.mean(), -fake_errors.mean())


_non_saturating = (losses.non_saturating_discriminator, losses.non_saturating_generator)
_wasserstein = (losses.wasserstein_discriminator, losses.wasserstein_generator)

FORMULATIONS = {
    "minimax": Formulation(losses.minimax_discriminator, losses.minimax_generator, 5e-5, 0.0, 1, True),
    "non_saturating": Formulation(*_non_saturating, 5e-5, 0.0, 1, True),
    "least_squares": Formulation(_squared_critic, _squared_generator, 2e-4, 0.5, 1, True),
    "wgan": Formulation(*_wasserstein, 5e-5, 0.5, 5, True),
    "wgan_gp": Formulation(*_wasserstein, 1e-4, 0.5, 5, False),
    "dragan": Formulation(*_non_saturating, 1e-4, 0.5, 1, True),
    "began": Formulation(_errors, torch.mean, 1e-4, 0.5, 5, False),
}


class Generator(nn.Module):
    """Two dense layers, two transposed convolutions, a sigmoid (scaled): (N, latent_dim) -> (N, C, H, W)."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_dense(latent_dim, 16 * channels, True), *_decoder(16 * channels, image_shape, channels, True)
        )
        _init(self)

    def forward(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W) in [-1, 1]."""
        images: Tensor = 2.0 * torch.sigmoid(self.layers(latents)) - 1.0
        return images


class Discriminator(nn.Module):
    """Two convolutions, two dense layers: (N, C, H, W) -> (N,)."""

    def __init__(self, image_shape: tuple[int, int, int], channels: int, batch_norm: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_encoder(image_shape, channels, batch_norm),
            *_dense(_code_size(image_shape, channels), 16 * channels, batch_norm),
        )
        self.head = nn.Linear(16 * channels, 1)
        _init(self)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> (N,)."""
        logits: Tensor = self.head(self.layers((images + 1.0) / 2.0)).flatten()  # (N, 1) -> (N,)
        return logits


class Autoencoder(nn.Module):
    """BEGAN's critic, smaller than the others by its narrow code: (N, C, H, W) -> errors of reconstruction (N,)."""

    def __init__(self, image_shape: tuple[int, int, int], channels: int, batch_norm: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_encoder(image_shape, channels, False),
            *_dense(_code_size(image_shape, channels), channels, batch_norm),
            *_decoder(channels, image_shape, channels, batch_norm),
        )
        _init(self)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> (N,), the mean over pixels of |x - AE(x)|, x in [0, 1]."""
        pixels = (images + 1.0) / 2.0
        return (pixels - torch.sigmoid(self.layers(pixels))).abs().flatten(1).mean(dim=1)  # (N, C, H, W) -> (N,)


class CreatedEqual(LatentModule):
    """Seven GAN formulations on one architecture (arXiv:1711.10337)."""

    k: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        formulation: str = "non_saturating",
        latent_dim: int = 64,
        generator_channels: int = 64,
        discriminator_channels: int = 64,
        batch_norm: bool | None = None,
        weight_clip: float = 0.01,
        penalty_weight: float = 10.0,
        gamma: float = 0.75,
        lambda_k: float = 1e-3,
        lr: float | None = None,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] | None = None,
        d_steps: int | None = None,
        **engine: Any,
    ) -> None:
        """Build both networks; an option that is None takes the study's default for the formulation.

        Args:
            image_shape: (C, H, W); height and width multiples of 4. The study has 28x28, 32x32 and 64x64.
            formulation: minimax, non_saturating, least_squares, wgan, wgan_gp, dragan or began.
            latent_dim: size of the noise, U[-1, 1].
            generator_channels: channels of the widest maps before the image.
            discriminator_channels: channels after the first convolution.
            batch_norm: batch norm in the critic. Default: in all but wgan_gp and began.
            weight_clip: wgan: every parameter of the critic is kept in [-weight_clip, weight_clip].
            penalty_weight: wgan_gp and dragan: of the gradient penalty.
            gamma: began: diversity ratio E(G(z)) / E(x) that the balance aims at, in [0, 1].
            lambda_k: began: how fast the balance k moves.
            lr: Adam's learning rate. Default: minimax, non_saturating, wgan 5e-5; least_squares 2e-4; the others 1e-4.
            discriminator_lr: the critic's; None = lr.
            betas: Adam's decay rates. Default: minimax, non_saturating (0, 0.999); the others (0.5, 0.999).
            d_steps: turns of the critic an iteration. Default: wgan, wgan_gp, began 5; the others 1.
            **engine: options of the engine.

        Raises:
            ValueError: an unknown formulation, an image shape it cannot build, no positive clip, or a negative weight.
        """
        if formulation not in FORMULATIONS:
            raise ValueError(f"formulation '{formulation}'; allowed: {', '.join(FORMULATIONS)}")
        chosen = FORMULATIONS[formulation]
        super().__init__(d_steps=chosen.d_steps if d_steps is None else d_steps, **engine)
        if not 0.0 < weight_clip < math.inf:
            raise ValueError(f"weight_clip={weight_clip}; allowed: more than 0")
        for name, weight in (("penalty_weight", penalty_weight), ("lambda_k", lambda_k)):
            if not 0.0 <= weight < math.inf:
                raise ValueError(f"{name}={weight}; allowed: 0 or more")
        if not 0.0 <= gamma <= 1.0:
            raise ValueError(f"gamma={gamma}; allowed: from 0 to 1")
        channels, height, width = image_shape
        self.image_shape = _check_image_shape((channels, height, width))
        self.latent_dim, self.latent_distribution = latent_dim, "uniform"
        self.formulation, self.chosen = formulation, chosen
        self.weight_clip, self.penalty_weight = weight_clip, penalty_weight
        self.gamma, self.lambda_k = gamma, lambda_k
        self.lr = chosen.lr if lr is None else lr
        self.discriminator_lr, self.betas = discriminator_lr, betas or (chosen.beta1, 0.999)
        self.redraws_fakes = formulation == "wgan_gp"
        if formulation in ("wgan", "wgan_gp", "began"):
            self.decision_threshold = None  # the critic's sign means nothing
        normalized = chosen.batch_norm if batch_norm is None else batch_norm
        critic: type[nn.Module] = Discriminator
        if formulation == "began":
            critic = Autoencoder
            self.register_buffer("k", torch.zeros(()))
        self.set_players(
            Generator(self.image_shape, latent_dim, generator_channels),
            critic(self.image_shape, discriminator_channels, normalized),
        )

    def discriminator_loss(self, batch: Batch) -> Terms:
        """The formulation's loss; wgan_gp and dragan: and the penalty; began: E(x) - k E(G(z)), E the error."""
        real, fakes = batch["images"], self.fakes(batch).images
        real_logits, fake_logits = self.discriminate(real), self.discriminate(fakes)
        kind = "errors" if self.formulation == "began" else "logits"
        self.record(f"real_{kind}", real_logits)
        self.record(f"fake_{kind}", fake_logits)
        terms = self.chosen.critic(real_logits, fake_logits)._asdict()
        if self.formulation == "began":
            terms["fake"] = self.k * terms["fake"]
        elif self.formulation in ("wgan_gp", "dragan"):
            terms["gradient_penalty"] = self.penalty_weight * self._penalty(real, fakes)
        return terms

    def generator_loss(self, batch: Batch) -> Terms:
        """The formulation's loss of the critic's opinion; began: E(G(z))."""
        return {"adversarial": self.chosen.generator(self.fake_logits(batch))}

    def discriminator_turn(self, batch: Batch) -> None:
        """A turn of the critic, then wgan's clipping, or began's balance."""
        super().discriminator_turn(batch)
        if self.formulation == "wgan":
            clip_weights_(self.discriminator, self.weight_clip)
        elif self.formulation == "began":
            self._move_balance()

    def _move_balance(self) -> None:
        """k += lambda_k (gamma E(x) - E(G(z))), by the errors of all processes."""
        errors = [self.records[f"discriminator/{name}_errors"].mean() for name in ("real", "fake")]
        average_(errors)
        gap = self.gamma * errors[0] - errors[1]
        self.k += self.lambda_k * gap
        self.record("discriminator/k", self.k.clone())
        self.record("discriminator/convergence", errors[0] + gap.abs())

    def _penalty(self, real: Tensor, fakes: Tensor) -> Tensor:
        """Mean of (||grad|| - 1)^2 with respect to pixels in [0, 1].

        wgan_gp: of the critic's output, on lines from real to generated images; dragan: of its sigmoid, on lines from real
        images to themselves plus noise.
        """
        with torch.autocast(real.device.type, enabled=False):
            pixels = (real.float() + 1.0) / 2.0
            share = (self.noise((len(real),), "uniform") + 1.0) / 2.0  # U[0, 1)
            if self.formulation == "dragan":
                noise = (self.noise(tuple(real.shape), "uniform") + 1.0) / 2.0
                deviation = self.of_turn("deviation", _deviation_of_pixels, {"images": real})
                ends = pixels + 0.5 * deviation * noise
            else:
                ends = (fakes.float() + 1.0) / 2.0
            norms = gradient_norms(self._critic_of_pixels, pixels + share[:, None, None, None] * (ends - pixels))
            return ((norms.square() + 1e-4).sqrt() - 1.0).square().mean()

    def _critic_of_pixels(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.discriminator(2.0 * pixels - 1.0)
        return logits.sigmoid() if self.formulation == "dragan" else logits


def _deviation_of_pixels(batch: Batch) -> Tensor:
    """Of all processes' pixels in [0, 1], a scalar."""
    return joint_deviation((batch["images"].float() + 1.0) / 2.0)


def _check_image_shape(image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Refuse sides that two halvings do not divide."""
    sides = image_shape[1:]
    below, above = (shape_text(max(4, (side + up) // 4 * 4) for side in sides) for up in (0, 3))
    given = shape_text(sides)
    if given == below == above:
        return image_shape
    nearest = below if below == above else f"{below} or {above}"
    raise ValueError(f"images of {given}; allowed: height and width multiples of 4 (nearest: {nearest})")


def _code_size(image_shape: tuple[int, int, int], channels: int) -> int:
    """Numbers in the smallest maps: 2 * channels of a quarter of the sides."""
    return 2 * channels * (image_shape[1] // 4) * (image_shape[2] // 4)


def _dense(inside: int, outside: int, batch_norm: bool) -> list[nn.Module]:
    norm = [nn.BatchNorm1d(outside)] if batch_norm else []
    return [nn.Linear(inside, outside), *norm, nn.LeakyReLU(0.2, inplace=True)]


def _encoder(image_shape: tuple[int, int, int], channels: int, batch_norm: bool) -> list[nn.Module]:
    """(N, C, H, W) -> (N, 2 * channels * H / 4 * W / 4)."""
    return [
        nn.Conv2d(image_shape[0], channels, 4, 2, 1),  # H -> H / 2
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(channels, 2 * channels, 4, 2, 1),  # H / 2 -> H / 4
        *([nn.BatchNorm2d(2 * channels)] if batch_norm else []),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Flatten(),
    ]


def _decoder(inside: int, image_shape: tuple[int, int, int], channels: int, batch_norm: bool) -> list[nn.Module]:
    """(N, inside) -> (N, C, H, W), before the sigmoid."""
    return [
        *_dense(inside, _code_size(image_shape, channels), batch_norm),
        nn.Unflatten(1, (2 * channels, image_shape[1] // 4, image_shape[2] // 4)),
        nn.ConvTranspose2d(2 * channels, channels, 4, 2, 1),  # H / 4 -> H / 2
        *([nn.BatchNorm2d(channels)] if batch_norm else []),
        nn.LeakyReLU(0.2, inplace=True),
        nn.ConvTranspose2d(channels, image_shape[0], 4, 2, 1),  # H / 2 -> H
    ]


def _init(network: nn.Module) -> None:
    """Weights N(0, 0.02), biases 0, gains 1; the code's constants of batch norm."""
    normal_init(network)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.ones_(module.weight)
            module.momentum, module.eps = 1e-3, 1e-3
