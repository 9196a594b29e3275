"""Adversarial losses: pure functions of logits, each returning a scalar that is minimised.

Every critic loss takes the raw outputs on real and on fake images and returns two terms, (real, fake), whose sum is the
critic's loss; every generator loss takes the raw outputs on fake images. Logits may have any shape; the mean is over all.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "CriticLoss",
    "CriticTerms",
    "GeneratorLoss",
    "hinge_discriminator",
    "hinge_generator",
    "least_squares_discriminator",
    "least_squares_generator",
    "minimax_discriminator",
    "minimax_generator",
    "non_saturating_discriminator",
    "non_saturating_generator",
    "wasserstein_discriminator",
    "wasserstein_generator",
]


class CriticTerms(NamedTuple):
    """A critic's loss on real and on fake images, two scalars; the loss is their sum."""

    real: Tensor
    fake: Tensor


class CriticLoss(Protocol):
    """(real_logits, fake_logits) -> the two terms of the critic's loss."""

    def __call__(self, real_logits: Tensor, fake_logits: Tensor) -> CriticTerms: ...


class GeneratorLoss(Protocol):
    """(fake_logits) -> the generator's loss."""

    def __call__(self, fake_logits: Tensor) -> Tensor: ...


def minimax_discriminator(real_logits: Tensor, fake_logits: Tensor) -> CriticTerms:
    """-log D(x) and -log(1 - D(G(z))), Goodfellow et al. 2014 (arXiv:1406.2661), eq. 1.

    Softplus of the logits, so that neither underflows: -log sigmoid(a) = softplus(-a).
    """
    return CriticTerms(F.softplus(-real_logits).mean(), F.softplus(fake_logits).mean())


def minimax_generator(fake_logits: Tensor) -> Tensor:
    """log(1 - D(G(z))): the game as written (arXiv:1406.2661, eq. 1); its gradient vanishes while D wins."""
    return -F.softplus(fake_logits).mean()


def non_saturating_discriminator(real_logits: Tensor, fake_logits: Tensor) -> CriticTerms:
    """The critic of the non-saturating game is the minimax critic (arXiv:1406.2661, section 3)."""
    return minimax_discriminator(real_logits, fake_logits)


def non_saturating_generator(fake_logits: Tensor) -> Tensor:
    """-log D(G(z)) (arXiv:1406.2661, section 3): same fixed point as minimax, strong gradients early on."""
    return F.softplus(-fake_logits).mean()


def least_squares_discriminator(
    real_logits: Tensor, fake_logits: Tensor, *, real_target: float = 1.0, fake_target: float = 0.0
) -> CriticTerms:
    """Half the squared distance to the codes b (real) and a (fake), Mao et al. 2016 (arXiv:1611.04076), eq. 2."""
    return CriticTerms(
        0.5 * (real_logits - real_target).square().mean(), 0.5 * (fake_logits - fake_target).square().mean()
    )


def least_squares_generator(fake_logits: Tensor, *, target: float = 1.0) -> Tensor:
    """Half the squared distance of the critic's output on fakes to the code c (arXiv:1611.04076, eq. 2)."""
    return 0.5 * (fake_logits - target).square().mean()


def wasserstein_discriminator(real_logits: Tensor, fake_logits: Tensor) -> CriticTerms:
    """E f(G(z)) - E f(x), Arjovsky et al. 2017 (arXiv:1701.07875), algorithm 1; f must be kept Lipschitz elsewhere."""
    return CriticTerms(-real_logits.mean(), fake_logits.mean())


def wasserstein_generator(fake_logits: Tensor) -> Tensor:
    """-E f(G(z)) (arXiv:1701.07875, algorithm 1)."""
    return -fake_logits.mean()


def hinge_discriminator(real_logits: Tensor, fake_logits: Tensor) -> CriticTerms:
    """max(0, 1 - f(x)) and max(0, 1 + f(G(z))) (Lim & Ye 2017, arXiv:1705.02894; used by SNGAN, SAGAN and BigGAN)."""
    return CriticTerms(torch.relu(1.0 - real_logits).mean(), torch.relu(1.0 + fake_logits).mean())


def hinge_generator(fake_logits: Tensor) -> Tensor:
    """-E f(G(z)): the generator's side of the hinge game (arXiv:1705.02894)."""
    return -fake_logits.mean()
