"""BEGAN: the critic is an autoencoder, and a controller keeps real and generated images in balance by how well it rebuilds them.

Paper: BEGAN: Boundary Equilibrium Generative Adversarial Networks, Berthelot, Schumm and Metz 2017, arXiv:1703.10717. The
authors gave no code; carpedm20/BEGAN-tensorflow is the reference here (`network: tensorflow`).

Where we differ: both players use the same noise, as that code does; the paper draws it twice (`share_fakes: false`). The paper
halves the learning rate when its measure of convergence stalls (`halve_patience`), the code every 100,000 iterations (default).
"Stalls" is ours to define: no lower mean over a window of iterations. Residual paths that vanish in training are left out.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.latent import LatentModule
from lightning_gans.core.processes import average_
from lightning_gans.networks.dcgan import check_image_shape

__all__ = ["BEGAN", "reconstruction_errors"]

NETWORKS = ("tensorflow", "paper")
BASE = 8  # pixels of the smallest maps
UNREACHED = 1e30  # a convergence measure before the first; infinity would be taken for divergence


class Decoder(nn.Module):
    """A dense layer to 8x8, pairs of convolutions, nearest-neighbour doubling: (N, h) -> (N, C, S, S). It is the generator."""

    def __init__(self, image_shape: tuple[int, int, int], code_dim: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        levels = _levels(image_shape)
        self.dense = nn.Linear(code_dim, BASE * BASE * channels)
        layers: list[nn.Module] = []
        for level in range(levels):
            layers += [_conv(channels, channels), nn.ELU(inplace=True), _conv(channels, channels), nn.ELU(inplace=True)]
            if level < levels - 1:
                layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
        self.layers = nn.Sequential(*layers, _conv(channels, image_shape[0]))
        _init(self)

    def forward(self, codes: Tensor) -> Tensor:
        """(N, h) -> (N, C, S, S), meant for [-1, 1] but not bounded."""
        maps = self.dense(codes).view(-1, self.channels, BASE, BASE)  # (N, 64 W) -> (N, W, 8, 8)
        images: Tensor = self.layers(maps)
        return images


class Encoder(nn.Module):
    """Pairs of convolutions and strided ones down to 8x8, then a dense layer: (N, C, S, S) -> (N, h).

    Channels grow by `channels` a level: in the strided convolution where `early`, else in the one after it.
    """

    def __init__(self, image_shape: tuple[int, int, int], code_dim: int, channels: int, early: bool) -> None:
        super().__init__()
        levels = _levels(image_shape)
        layers: list[nn.Module] = [_conv(image_shape[0], channels), nn.ELU(inplace=True)]
        inside = channels
        for level in range(1, levels + 1):
            width = level * channels
            layers += [_conv(inside, width), nn.ELU(inplace=True), _conv(width, width), nn.ELU(inplace=True)]
            inside = width
            if level < levels:
                inside += channels if early else 0
                layers.append(_conv(width, inside, stride=2))
        self.layers = nn.Sequential(*layers)
        self.dense = nn.Linear(BASE * BASE * inside, code_dim)
        _init(self)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, S, S) -> (N, h)."""
        codes: Tensor = self.dense(self.layers(images).flatten(1))  # (N, W, 8, 8) -> (N, 64 W) -> (N, h)
        return codes


class Autoencoder(nn.Module):
    """The critic, (N, C, S, S) -> (N, C, S, S): it judges an image by how well it rebuilds it."""

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, S, S) -> rebuilt images of the same shape."""
        rebuilt: Tensor = self.decoder(self.encoder(images))
        return rebuilt


def reconstruction_errors(images: Tensor, rebuilt: Tensor) -> Tensor:
    """L(v) = |v - D(v)|, its mean over an image's pixels: (N, C, H, W) twice -> (N,)."""
    return (images - rebuilt).abs().flatten(1).mean(dim=1)


def _levels(image_shape: tuple[int, int, int]) -> int:
    """Sizes of maps from 8x8 up to the image's."""
    return check_image_shape(image_shape).bit_length() - BASE.bit_length() + 1


def _conv(inside: int, outside: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, 3, stride, 1)


def _init(network: nn.Module) -> None:
    """Glorot's uniform start, TensorFlow's default (a stride does not count there); biases 0."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class BEGAN(LatentModule):
    """Boundary equilibrium GAN (arXiv:1703.10717)."""

    latent_distribution = "uniform"
    decision_threshold = None  # the critic's output is an image

    k: Tensor
    """Weight of generated images in the critic's loss, in [0, 1]."""
    measure_sum: Tensor
    """Of the convergence measure over the iterations of the current window."""
    measure_best: Tensor
    """Lowest mean of a window so far."""
    stalled: Tensor
    """Windows since then."""
    halvings: Tensor
    """Of the learning rates, by `halve_patience`."""

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (3, 64, 64),
        latent_dim: int = 64,
        network: str = "tensorflow",
        generator_channels: int = 128,
        discriminator_channels: int = 128,
        gamma: float = 0.5,
        lambda_k: float = 1e-3,
        lr: float = 8e-5,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.9, 0.999),
        lr_floor: float = 2e-5,
        halve_every: int | None = 100_000,
        halve_patience: int | None = None,
        stop_patience: int | None = None,
        measure_window: int = 1000,
        **engine: Any,
    ) -> None:
        """Build both networks.

        Args:
            image_shape: (C, H, W): squares of a power of two from 16 up.
            latent_dim: size of the noise, U[-1, 1], and of the autoencoder's code (the paper's N_z = N_h = h).
            network: where the encoder's channels grow: tensorflow, in the convolution after a halving; paper, in the halving
                one, as figure 1 draws it.
            generator_channels: channels of every layer (n).
            discriminator_channels: channels of the first level (n).
            gamma: diversity ratio E L(G(z)) / E L(x) that the balance aims at, in [0, 1]; the paper shows 0.3, 0.5, 0.7.
            lambda_k: how far an iteration moves k.
            lr: Adam's learning rate; the paper's lie in [5e-5, 1e-4].
            discriminator_lr: the autoencoder's; None = lr.
            betas: Adam's decay rates.
            lr_floor: halving ends at this rate.
            halve_every: iterations after which learning rates are halved; None: never.
            halve_patience: instead of `halve_every`: windows without a lower mean of the convergence measure after which
                learning rates are halved, as the paper does by hand; None: off.
            stop_patience: windows without a lower mean after which the run ends; None: never.
            measure_window: iterations the convergence measure is averaged over.
            **engine: options of the engine.

        Raises:
            ValueError: an unknown network, an image shape it cannot build, or a number outside what it allows.
        """
        super().__init__(**engine)
        if network not in NETWORKS:
            raise ValueError(f"network '{network}'; allowed: {', '.join(NETWORKS)}")
        if not 0.0 <= gamma <= 1.0:
            raise ValueError(f"gamma={gamma}; allowed: from 0 to 1")
        for name, rate in (("lambda_k", lambda_k), ("lr_floor", lr_floor)):
            if not 0.0 <= rate < math.inf:
                raise ValueError(f"{name}={rate}; allowed: 0 or more")
        counts = {"halve_every": halve_every, "halve_patience": halve_patience, "stop_patience": stop_patience}
        for name, count in {**counts, "measure_window": measure_window}.items():
            if count is not None and count < 1:
                raise ValueError(f"{name}={count}; allowed: {'None, or ' if name in counts else ''}1 or more")
        channels, height, width = image_shape
        self.image_shape, self.latent_dim = (channels, height, width), latent_dim
        self.gamma, self.lambda_k = gamma, lambda_k
        self.lr, self.discriminator_lr, self.betas, self.lr_floor = lr, discriminator_lr, betas, lr_floor
        self.halve_every, self.halve_patience = halve_every, halve_patience
        self.stop_patience, self.measure_window = stop_patience, measure_window
        self._halvings: int | None = None  # `halvings` on the host; None: to be read
        self.register_buffer("k", torch.zeros(()))
        self.register_buffer("measure_sum", torch.zeros(()))
        self.register_buffer("measure_best", torch.tensor(UNREACHED))
        self.register_buffer("stalled", torch.zeros((), dtype=torch.long))
        self.register_buffer("halvings", torch.zeros((), dtype=torch.long))
        self.set_players(
            Decoder(self.image_shape, latent_dim, generator_channels),
            Autoencoder(
                Encoder(self.image_shape, latent_dim, discriminator_channels, network == "paper"),
                Decoder(self.image_shape, latent_dim, discriminator_channels),
            ),
        )

    def discriminator_loss(self, batch: Batch) -> Terms:
        """L(x) - k L(G(z))."""
        real, fake = self._errors("real", batch["images"]), self._errors("fake", self.fakes(batch).images)
        return {"real": real, "fake": -self.k * fake}

    def generator_loss(self, batch: Batch) -> Terms:
        """L(G(z))."""
        return {"adversarial": self._errors("fake", self.fakes(batch).images)}

    def _errors(self, name: str, images: Tensor) -> Tensor:
        """The mean of L over a batch; each image's is recorded."""
        images = self.augmented(images)  # what is to be drawn again is what the autoencoder saw
        drawn: Tensor = self.fast(self.discriminator)(images)
        errors = reconstruction_errors(images.float(), drawn.float())
        self.record(f"{name}_error", errors)
        return errors.mean()

    def generator_turn(self, batch: Batch) -> None:
        """The generator's turn, which ends an iteration of the paper's game: then k moves, by the generator's own L(G(z))."""
        super().generator_turn(batch)
        real, fake = self.terms["discriminator/real"].clone(), self.terms["generator/adversarial"].clone()
        average_([real, fake])  # every process moves k alike
        balance = self.gamma * real - fake
        self.k.add_(self.lambda_k * balance).clamp_(0.0, 1.0)
        measure = real + balance.abs()
        self.record("discriminator/k", self.k.clone())
        self.record("discriminator/convergence", measure)
        self._follow(measure)

    def _follow(self, measure: Tensor) -> None:
        """Add to the window's mean; at its end count stalled windows, halve the rates or end the run."""
        self.measure_sum.add_(measure)
        if (self.iterations + 1) % self.measure_window:
            return
        mean = self.measure_sum / self.measure_window
        self.stalled.copy_(torch.where(mean < self.measure_best, 0, self.stalled + 1))
        self.measure_best.copy_(torch.minimum(mean, self.measure_best))
        self.measure_sum.zero_()
        if self.halve_patience is None and self.stop_patience is None:
            return
        stalled = int(self.stalled)  # waits for the device, once a window
        if self.halve_patience is not None and stalled and stalled % self.halve_patience == 0:
            self.halvings.add_(1)
            self._halvings = None
        if self.stop_patience is not None and stalled >= self.stop_patience:
            rank_zero_info(
                f"the convergence measure stalls at {float(self.measure_best):.4g}: the run ends (stop_patience)"
            )
            self.trainer.should_stop = True

    def on_fit_start(self) -> None:
        """A run of its own starts without the stalls and halvings of the one its weights come from; k belongs to the weights."""
        super().on_fit_start()
        self._halvings = None
        if self.trainer.ckpt_path is None:
            for state in (self.measure_sum, self.stalled, self.halvings):
                state.zero_()
            self.measure_best.fill_(UNREACHED)

    def optimizer_settings(self, player: str, group: dict[str, Any]) -> dict[str, Any]:
        """Rates halved down to `lr_floor`, times the engine's schedule."""
        initial = group["initial_lr"]
        halved = max(initial * 0.5 ** self._times_halved(), min(initial, self.lr_floor))
        return {"lr": halved * self.lr_factor()}

    def _times_halved(self) -> int:
        if self.halve_patience is None:
            return self.iterations // self.halve_every if self.halve_every is not None else 0
        if self._halvings is None:
            self._halvings = int(self.halvings)
        return self._halvings
