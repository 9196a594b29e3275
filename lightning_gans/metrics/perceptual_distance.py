"""LPIPS v0.1 with VGG16, the distance of the perceptual path length, through torchmetrics' network.

Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (arXiv:1801.03924). The linear
layers come with torchmetrics; the VGG16 is torchvision's, downloaded once.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor, nn

__all__ = ["LPIPS"]

VGG = "vgg16-397923af.pth"  # the name holds the first 8 hex digits of its SHA-256
URL = f"https://download.pytorch.org/models/{VGG}"


class LPIPS(nn.Module):
    """Squared distance of normalised VGG16 features, weighted by channel.

    Args:
        untrained: random weights, for tests; nothing is downloaded.

    Raises:
        OSError: the weights are neither here nor to be had.
    """

    def __init__(self, untrained: bool = False) -> None:
        super().__init__()
        from torchmetrics.functional.image.lpips import _LPIPS  # scipy and torchvision's models come with it

        try:
            with redirect_stdout(sys.stderr):  # torch.hub tells of its downloads on stdout
                self.network = _LPIPS(net="vgg", pnet_rand=untrained)
        except (URLError, OSError, RuntimeError) as error:  # RuntimeError: a download of another hash
            place = Path(torch.hub.get_dir()) / "checkpoints" / VGG
            raise OSError(f"no weights of VGG16 for ppl: {URL} failed ({error}); put the file at {place}") from error

    @torch.no_grad()
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Distances of pairs.

        Args:
            first: (N, 1 or 3, H, W) in [-1, 1], H and W at least 16; grey is repeated.
            second: the same.

        Returns:
            (N,) float32.

        Raises:
            ValueError: images of another shape.
        """
        if first.shape != second.shape or first.shape[1] not in (1, 3) or min(first.shape[2:]) < 16:
            raise ValueError(
                f"images {tuple(first.shape)} and {tuple(second.shape)}; allowed: two of (N, 1 or 3, H, W), from 16 pixels up"
            )
        distances: Tensor = self.network(first.expand(-1, 3, -1, -1), second.expand(-1, 3, -1, -1))
        return distances.flatten()  # (N, 1, 1, 1) -> (N,)
