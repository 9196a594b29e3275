"""A critic kept smooth around real images: DRAGAN's points beside them, and the penalty on its gradient there."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lightning_gans.core.latent import LatentModule
from lightning_gans.core.processes import joint_deviation
from lightning_gans.penalties import local_gradient_penalty

__all__ = ["PERTURBATIONS", "NearRealModule"]

PERTURBATIONS = ("one_sided", "symmetric", "normal")


class NearRealModule(LatentModule):
    """A model whose critic's loss has the penalty of Kodali et al. 2017 (arXiv:1705.07215)."""

    perturbation: str
    """one_sided: a random share, one a sample, of the way to x + scale s U[0, 1), s the deviation of all pixels of the batch (the
    notebook). symmetric: x + scale s U[-1, 1), clipped to the images' range (compare_gan's later form). normal: x + scale N(0, 1),
    whatever the images' deviation (the paper's text, scale being the root of its c)."""
    perturbation_scale: float

    def set_perturbation(self, perturbation: str, scale: float) -> None:
        """Choose the noise.

        Raises:
            ValueError: an unknown perturbation, or a scale that is not 0 or more.
        """
        if perturbation not in PERTURBATIONS:
            raise ValueError(f"perturbation '{perturbation}'; allowed: {', '.join(PERTURBATIONS)}")
        if not 0.0 <= scale < math.inf:
            raise ValueError(f"perturbation_scale={scale}; allowed: 0 or more")
        self.perturbation, self.perturbation_scale = perturbation, scale

    def near_real_penalty(self, judge: Callable[[Tensor], Tensor], images: Tensor, *, low: float = -1.0) -> Tensor:
        """Mean of (||grad|| - 1)^2 at points beside real images, without its weight.

        Args:
            judge: points to logits, eager.
            images: real ones (N, C, H, W) in [-1, 1].
            low: the lowest pixel of the range that `judge` and its gradient work in; the highest is 1.
        """
        steps, shares = self._steps(images), torch.ones(len(images), device=images.device)
        if self.perturbation == "one_sided":
            shares = (self.noise((len(images),), "uniform") + 1.0) / 2.0  # U[0, 1)
        if low != -1.0:
            scale = (1.0 - low) / 2.0
            images, steps = low + (images + 1.0) * scale, steps * scale
        bounds = (low, 1.0) if self.perturbation == "symmetric" else None
        return local_gradient_penalty(judge, images, steps, shares, bounds=bounds)

    def _steps(self, images: Tensor) -> Tensor:
        """The noise (N, C, H, W) that is added to images, in their range [-1, 1]."""
        shape = tuple(images.shape)
        if self.perturbation == "normal":
            return self.perturbation_scale * self.noise(shape, "normal")
        # One deviation for the whole turn's images, which chunks and processes share.
        deviation = self.of_turn("deviation", lambda whole: joint_deviation(whole["images"]), {"images": images})
        noise = self.noise(shape, "uniform")
        if self.perturbation == "one_sided":
            noise = (noise + 1.0) / 2.0  # U[0, 1)
        return self.perturbation_scale * deviation * noise
