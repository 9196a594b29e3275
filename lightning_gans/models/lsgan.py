"""LSGAN: the critic's raw output is pulled towards codes by least squares, so that far-off fakes keep a gradient.

Paper: Least Squares Generative Adversarial Networks, Mao et al. 2016, arXiv:1611.04076. Code: xudonmao/LSGAN.

Where we differ: the code sums a batch's squares where the paper, and we, take the mean; Adam hardly notices. Its network for
Chinese characters normalises the dense layer at each position of a map; we do so at each channel, as its LSUN network does.
Convolutions pad both sides alike (TensorFlow pads one side more). RMSProp's mean of squares starts at zeros, TensorFlow's at ones,
which makes its first steps far shorter; and the constant that keeps the root from 0 is added to the root, there to the mean. The
mixture of Gaussians in two dimensions is left out.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.latent import LatentModule
from lightning_gans.losses import least_squares_discriminator, least_squares_generator

__all__ = ["LSGAN"]

TARGETS = {"binary": (0.0, 1.0, 1.0), "pearson": (-1.0, 1.0, 0.0)}
"""The paper's choices of a, b, c: codes of fakes, of real images, and what the generator wants of its fakes."""
OPTIMIZERS = ("adam", "rmsprop")

# network -> (factor the sides are divisible by, kernel, width of the dense maps, (width, stride) of the layers up to the image)
PLANS: dict[str, tuple[int, int, int, list[tuple[int, int]]]] = {
    "lsun": (16, 3, 4, [(4, 2), (4, 1), (4, 2), (4, 1), (2, 2), (1, 2)]),
    "dcgan": (16, 5, 8, [(4, 2), (2, 2), (1, 2)]),
}
NETWORKS = (*PLANS, "hwdb")


class Generator(nn.Module):
    """A dense layer to maps of a sixteenth of the sides, then transposed convolutions: (N, latent_dim) -> (N, C, H, W)."""

    def __init__(
        self, plan: str, image_shape: tuple[int, int, int], latent_dim: int, channels: int, batch_norm: bool
    ) -> None:
        super().__init__()
        divisor, kernel, width, steps = PLANS[plan]
        inside = width * channels
        self.first_maps = (inside, image_shape[1] // divisor, image_shape[2] // divisor)
        self.dense = nn.Linear(latent_dim, inside * self.first_maps[1] * self.first_maps[2])
        layers: list[nn.Module] = [_norm(inside, batch_norm), nn.ReLU(inplace=True)]
        for factor, stride in steps:
            outside = factor * channels
            layers += [_up(inside, outside, kernel, stride), _norm(outside, batch_norm), nn.ReLU(inplace=True)]
            inside = outside
        layers += [_up(inside, image_shape[0], kernel, 1 if plan == "lsun" else 2), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        _init(self)

    def forward(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W) in [-1, 1]."""
        maps = self.dense(latents).view(-1, *self.first_maps)  # (N, W * h * w) -> (N, W, h, w)
        images: Tensor = self.layers(maps)
        return images


class Discriminator(nn.Module):
    """Four 5x5 convolutions that halve, then a dense layer: (N, C, H, W) -> (N,)."""

    def __init__(self, image_shape: tuple[int, int, int], channels: int, batch_norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [_down(image_shape[0], channels), nn.LeakyReLU(0.2, inplace=True)]
        for width in (channels, 2 * channels, 4 * channels):
            layers += [_down(width, 2 * width), _norm(2 * width, batch_norm), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.dense = nn.Linear(8 * channels * (image_shape[1] // 16) * (image_shape[2] // 16), 1)
        _init(self)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> raw outputs (N,)."""
        features = self.layers(images).flatten(1)  # (N, 8 W, H / 16, W / 16) -> (N, F)
        outputs: Tensor = self.dense(features).flatten()  # (N, 1) -> (N,)
        return outputs


class CharacterGenerator(nn.Module):
    """A linear code of the class beside the latents: (N, latent_dim), (N,) -> (N, C, H, W)."""

    def __init__(
        self, image_shape: tuple[int, int, int], num_classes: int, latent_dim: int, channels: int, batch_norm: bool
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.first_maps = (channels, image_shape[1] // 4, image_shape[2] // 4)
        self.classes = nn.Linear(num_classes, 2 * channels)
        self.dense = nn.Linear(latent_dim + 2 * channels, channels * self.first_maps[1] * self.first_maps[2])
        self.layers = nn.Sequential(
            *(_norm(channels, batch_norm), nn.ReLU(inplace=True), _up(channels, channels, 5, 2)),
            *(_norm(channels, batch_norm), nn.ReLU(inplace=True), _up(channels, image_shape[0], 5, 2)),
        )
        _init(self)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """(N, latent_dim), labels (N,) -> (N, C, H, W) in [-1, 1]."""
        codes = self.classes(_one_hot(labels, self.num_classes, latents))  # (N, U)
        maps = self.dense(torch.cat([latents, codes], dim=1)).view(-1, *self.first_maps)  # (N, W, H / 4, W / 4)
        return 2.0 * torch.sigmoid(self.layers(maps)) - 1.0


class CharacterDiscriminator(nn.Module):
    """A linear code of the class joined to every layer but the first: (N, C, H, W), (N,) -> (N,); sees pixels in [0, 1]."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, channels: int, batch_norm: bool) -> None:
        super().__init__()
        self.num_classes, units = num_classes, 4 * channels
        self.classes = nn.Linear(num_classes, units)
        self.first = _down(image_shape[0], image_shape[0] + units)
        self.second = _down(image_shape[0] + 2 * units, channels + units)
        self.second_norm = _norm(channels + units, batch_norm)
        positions = (image_shape[1] // 4) * (image_shape[2] // 4)
        self.hidden = nn.Linear((channels + units) * positions + units, 16 * channels)
        self.hidden_norm = nn.BatchNorm1d(16 * channels) if batch_norm else nn.Identity()
        self.head = nn.Linear(16 * channels + units, 1)
        _init(self)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """(N, C, H, W), labels (N,) -> raw outputs (N,)."""
        codes = self.classes(_one_hot(labels, self.num_classes, images))  # (N, U)
        features = F.leaky_relu(self.first((images + 1.0) / 2.0), 0.2)  # (N, C + U, H / 2, W / 2)
        maps = codes[:, :, None, None].expand(-1, -1, *features.shape[2:])  # (N, U, H / 2, W / 2)
        features = self.second(torch.cat([features, maps], dim=1))  # (N, W + U, H / 4, W / 4)
        features = F.leaky_relu(self.second_norm(features), 0.2).flatten(1)  # (N, F)
        features = F.leaky_relu(self.hidden_norm(self.hidden(torch.cat([features, codes], dim=1))), 0.2)
        outputs: Tensor = self.head(torch.cat([features, codes], dim=1)).flatten()  # (N, 1) -> (N,)
        return outputs


def _one_hot(labels: Tensor, num_classes: int, like: Tensor) -> Tensor:
    return F.one_hot(labels, num_classes).to(like.dtype)  # (N, K)


def _norm(channels: int, batch_norm: bool) -> nn.Module:
    return nn.BatchNorm2d(channels) if batch_norm else nn.Identity()


def _up(inside: int, outside: int, kernel: int, stride: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inside, outside, kernel, stride, kernel // 2, output_padding=stride - 1)


def _down(inside: int, outside: int) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, 5, 2, 2)


def _init(network: nn.Module) -> None:
    """Weights N(0, 0.02), of convolutions cut at two deviations, as in the code; biases 0, gains 1."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.trunc_normal_(module.weight, std=0.02, a=-0.04, b=0.04)
        elif isinstance(module, (nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)) and module.bias is not None:
            nn.init.zeros_(module.bias)


class LSGAN(LatentModule):
    """Least squares GAN (arXiv:1611.04076)."""

    latent_distribution = "uniform"

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (3, 112, 112),
        num_classes: int | None = None,
        latent_dim: int = 1024,
        network: str = "lsun",
        generator_channels: int | None = None,
        discriminator_channels: int = 64,
        generator_norm: bool = True,
        discriminator_norm: bool = True,
        targets: str = "binary",
        a: float | None = None,
        b: float | None = None,
        c: float | None = None,
        optimizer: str = "adam",
        lr: float | None = None,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        **engine: Any,
    ) -> None:
        """Build both networks.

        Args:
            image_shape: (C, H, W); lsun and dcgan take multiples of 16, hwdb multiples of 4.
            num_classes: used by network "hwdb", which needs it; the others are unconditional.
            latent_dim: size of the noise, U[-1, 1].
            network: lsun (112x112, 3x3 kernels in the generator), dcgan (64x64, 5x5; the stability tests') or hwdb (28x28,
                conditional; handwritten Chinese characters).
            generator_channels: channels of the widest maps before the image; default 64, hwdb 128.
            discriminator_channels: channels after the first convolution; of hwdb, whose class code is 4 times as wide, a base.
            generator_norm: batch norm in the generator; the stability tests go without.
            discriminator_norm: batch norm in the critic; half of the stability tests go without.
            targets: binary (a, b, c = 0, 1, 1; the experiments') or pearson (-1, 1, 0; a Pearson chi-square divergence).
            a: code of fakes for the critic; None: as `targets` says.
            b: code of real images for the critic; None: as `targets` says.
            c: what the generator wants the critic to say of its fakes; None: as `targets` says.
            optimizer: adam or rmsprop (stability tests; TensorFlow's decay of 0.9).
            lr: learning rate; default 1e-3 for lsun, else 2e-4.
            discriminator_lr: the critic's; None = lr.
            betas: Adam's decay rates.
            **engine: options of the engine.

        Raises:
            ValueError: an unknown network, optimiser or choice of targets, codes that are equal or no numbers, an image shape a
                network cannot build, or no classes for hwdb.
        """
        super().__init__(**engine)
        for name, value, allowed in (
            ("network", network, NETWORKS),
            ("targets", targets, tuple(TARGETS)),
            ("optimizer", optimizer, OPTIMIZERS),
        ):
            if value not in allowed:
                raise ValueError(f"{name} '{value}'; allowed: {', '.join(allowed)}")
        codes = (code if given is None else given for given, code in zip((a, b, c), TARGETS[targets], strict=True))
        self.a, self.b, self.c = codes
        for name, code in (("a", self.a), ("b", self.b), ("c", self.c)):
            if not math.isfinite(code):
                raise ValueError(f"{name}={code}; allowed: a finite number")
        if self.a == self.b:
            raise ValueError(f"a={self.a}, b={self.b}; allowed: two codes that differ")
        channels, height, width = image_shape
        _check_image_shape(network, height, width)
        self.image_shape, self.latent_dim, self.optimizer = (channels, height, width), latent_dim, optimizer
        self.lr = (1e-3 if network == "lsun" else 2e-4) if lr is None else lr
        self.discriminator_lr, self.betas = discriminator_lr, betas
        self.decision_threshold = (self.a + self.b) / 2.0  # half way between the codes
        if network == "hwdb":
            if num_classes is None or num_classes < 1:
                raise ValueError(f"num_classes={num_classes} for network 'hwdb'; allowed: 1 or more: labelled data")
            self.num_classes = num_classes
            g_channels, norm = generator_channels or 128, generator_norm
            self.set_players(
                CharacterGenerator(self.image_shape, num_classes, latent_dim, g_channels, norm),
                CharacterDiscriminator(self.image_shape, num_classes, discriminator_channels, discriminator_norm),
            )
        else:
            self.set_players(
                Generator(network, self.image_shape, latent_dim, generator_channels or 64, generator_norm),
                Discriminator(self.image_shape, discriminator_channels, discriminator_norm),
            )

    def discriminator_loss(self, batch: Batch) -> Terms:
        """(D(x) - b)^2 / 2 + (D(G(z)) - a)^2 / 2."""
        real, fake = self.real_and_fake_logits(batch)
        return least_squares_discriminator(real, fake, real_target=self.b, fake_target=self.a)._asdict()

    def generator_loss(self, batch: Batch) -> Terms:
        """(D(G(z)) - c)^2 / 2."""
        return {"adversarial": least_squares_generator(self.fake_logits(batch), target=self.c)}

    def configure_optimizers(self) -> Any:
        """Adam, or RMSProp with TensorFlow's decay of 0.9 and the root of its constant, 1e-10."""
        if self.optimizer == "adam":
            return super().configure_optimizers()
        return [
            torch.optim.RMSprop(network.parameters(), lr=self.learning_rate(player), alpha=0.9, eps=1e-5)
            for player, network in self.players.items()
        ]


def _check_image_shape(network: str, height: int, width: int) -> None:
    divisor = 4 if network == "hwdb" else 16
    if height % divisor or width % divisor or not height or not width:
        raise ValueError(f"images of {height}x{width}; network '{network}' allows multiples of {divisor}")
