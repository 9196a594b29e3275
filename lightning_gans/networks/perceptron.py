"""Perceptrons of three hidden layers of ReLU, for images of any shape: the toys' networks, and WGAN's without convolutions.

WGAN's code (martinarjovsky/WassersteinGAN, models/mlp.py) and the toys of WGAN-GP (Gulrajani et al. 2017, arXiv:1704.00028) and
E-GAN (Wang et al. 2018, arXiv:1803.00657) have this architecture, with 512 units a layer. WGAN's start as PyTorch starts them;
the toys' weights N(0, 2 / fan_in), the last layer's N(0, 1 / fan_in) (`he`): PyTorch's shrink from layer to layer.
"""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn

__all__ = ["PerceptronCritic", "PerceptronGenerator"]


class PerceptronGenerator(nn.Module):
    """No norm, no bound on pixels: (N, latent_dim) -> (N, C, H, W)."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, units: int = 512, he: bool = True) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.layers = _perceptron(latent_dim, units, math.prod(image_shape), he)

    def forward(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        images: Tensor = self.layers(latents).view(-1, *self.image_shape)  # (N, C * H * W) -> (N, C, H, W)
        return images


class PerceptronCritic(nn.Module):
    """The generator's mirror image: (N, C, H, W) -> logits (N,)."""

    def __init__(self, image_shape: tuple[int, int, int], units: int = 512, he: bool = True) -> None:
        super().__init__()
        self.layers = _perceptron(math.prod(image_shape), units, 1, he)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N,), of no fixed scale."""
        logits: Tensor = self.layers(images.flatten(1)).flatten()  # (N, 1) -> (N,)
        return logits


def _perceptron(inside: int, units: int, outside: int, he: bool) -> nn.Sequential:
    linears = [nn.Linear(*sizes) for sizes in ((inside, units), (units, units), (units, units), (units, outside))]
    if he:  # biases stay PyTorch's: at 0 all units of the first layer would bend at the origin
        for linear in linears:
            kind: Literal["linear", "relu"] = "linear" if linear is linears[-1] else "relu"
            nn.init.kaiming_normal_(linear.weight, nonlinearity=kind)
    hidden = [layer for linear in linears[:-1] for layer in (linear, nn.ReLU(inplace=True))]
    return nn.Sequential(*hidden, linears[-1])
