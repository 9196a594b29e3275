"""A history of generated images that critics are shown, so that they do not forget what generators did before.

Shrivastava et al. 2016 (arXiv:1612.07828), as CycleGAN uses it (arXiv:1703.10593, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["ImagePool"]


class ImagePool:
    """Keeps up to `size` images; once it is full, half of the new ones are exchanged for older ones.

    Args:
        size: images kept; 0: every image is returned as it is.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: list[Tensor] = []
        """(C, H, W) each, without gradients, where the images were made."""

    def query(self, images: Tensor, draws: Tensor) -> Tensor:
        """Hand in new images, get as many back: until the pool is full the same ones, which are kept; then, with probability
        1/2 each, a stored one, whose place the new one takes.

        Args:
            images: (N, C, H, W); gradients are cut.
            draws: (N, 2) uniform in [-1, 1), on the CPU: whether, and which.
        """
        images = images.detach()
        if not self.size:
            return images
        returned = []
        for image, (coin, place) in zip(images, draws.tolist(), strict=True):
            if len(self.images) < self.size:
                self.images.append(image.clone())
            elif coin < 0.0:
                index = min(int((place + 1.0) / 2.0 * self.size), self.size - 1)
                older, self.images[index] = self.images[index], image.clone()
                returned.append(older)
                continue
            returned.append(image)
        return torch.stack(returned)

    def state(self) -> list[Tensor]:
        """The images on the CPU, for a checkpoint."""
        return [image.cpu() for image in self.images]

    def restore(self, images: Sequence[Tensor], device: torch.device) -> None:
        """The inverse of `state`."""
        self.images = [image.to(device) for image in images[: self.size]]
