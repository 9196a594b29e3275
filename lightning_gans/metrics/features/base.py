"""What a feature extractor is: a frozen network from uint8 images to the vectors that metrics compare.

Scores are always made of uint8 images, so that a model and a folder of its PNGs agree.
"""

from __future__ import annotations

import hashlib
import os
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["Extracted", "FeatureExtractor", "cache_folder", "features_cache", "fingerprint"]


class Extracted(NamedTuple):
    """What an extractor says of N images."""

    features: Tensor
    """(N, D) float32."""
    logits: Tensor | None
    """(N, K) float32, before the softmax; None: the extractor tells no classes apart."""


class FeatureExtractor(nn.Module):
    """A network that stays as it is: in evaluation mode, without gradients, in 32-bit.

    An extractor sets the attributes and writes ``describe``, ``resize`` and ``extract``.

    Attributes:
        name: suffix of the scores: "" gives ``fid``, "domain" gives ``fid_domain``.
        dim: D, length of a feature vector.
        num_classes: K, length of the logits; None: there are none.
        fingerprint: first 8 hex digits of the SHA-256 of the weights, see `fingerprint`.
        knows_classes: whether logit k is class k of the data that is scored.
        cacheable: whether the fingerprint tells it from all others, so that features may be kept on disk under it.
    """

    name: str
    dim: int
    num_classes: int | None
    fingerprint: str
    knows_classes: bool = False
    cacheable: bool = True

    @property
    def device(self) -> torch.device:
        """Where the weights are; CPU if there are none."""
        return next((tensor.device for tensor in chain(self.parameters(), self.buffers())), torch.device("cpu"))

    def describe(self) -> str:
        """One line for a score's protocol: which network, which weights, how many features."""
        raise NotImplementedError

    def resize(self, image_shape: tuple[int, int, int]) -> str:
        """What happens to images of this shape (C, H, W) before the network sees them; "none" if nothing."""
        raise NotImplementedError

    def extract(self, images: Tensor) -> Extracted:
        """The network itself; `forward` calls it with what it has checked.

        Args:
            images: uint8 (N, C, H, W).
        """
        raise NotImplementedError

    def forward(self, images: Tensor) -> Extracted:
        """Features and logits of a batch.

        Args:
            images: uint8 (N, C, H, W).

        Raises:
            ValueError: other images, or of a number of channels that the extractor does not take.
        """
        if images.dtype != torch.uint8:
            given = str(images.dtype).removeprefix("torch.")
            raise ValueError(f"images are {given}; allowed: uint8, which is ((x + 1) * 127.5).round() of [-1, 1]")
        if images.dim() != 4:
            raise ValueError(f"images of shape {tuple(images.shape)}; allowed: (N, C, H, W)")
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            features, logits = self.extract(images)
            return Extracted(features.float(), None if logits is None else logits.float())

    def train(self, mode: bool = True) -> FeatureExtractor:
        """Evaluation mode, whatever is asked: a model that holds an extractor must not switch its batch norm."""
        return super().train(False)


def fingerprint(module: nn.Module) -> str:
    """First 8 hex digits of the SHA-256 of a module's weights and buffers: their bytes, in the order of their keys."""
    digest = hashlib.sha256()
    for _, value in sorted(module.state_dict().items()):
        # As bytes: NumPy knows no bfloat16. A scalar has no last dimension to be viewed as bytes.
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:8]


def cache_folder() -> Path:
    """``$LIGHTNING_GANS_CACHE``, else ``~/.cache/lightning-gans``; it may not exist yet."""
    return Path(os.environ.get("LIGHTNING_GANS_CACHE") or "~/.cache/lightning-gans").expanduser()


def features_cache() -> Path:
    """Folder of weights that were trained or put there by hand; it may not exist yet."""
    return cache_folder() / "features"
