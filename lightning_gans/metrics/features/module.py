"""A network of the user's as a feature extractor."""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lightning_gans.metrics.features.base import Extracted, FeatureExtractor, fingerprint

__all__ = ["ModuleFeatures"]


class ModuleFeatures(FeatureExtractor):
    """Any module that turns images into features; its scores are called ``fid_<name>``.

    The module is put into evaluation mode and kept there, and its weights take no more gradients.

    Args:
        module: float32 images (N, C, H, W) in [-1, 1] -> features (N, D), or (N, D, H, W), which are averaged over
            space; or a tuple (features, logits) with logits (N, K).
        name: of lower-case letters, digits and underscores; not "domain", which is taken.
        preprocess: applied to the float images first: another size, other channels, another range.

    Attributes:
        dim: D, known after the first batch; 0 before.
        num_classes: K, likewise; None before.

    Raises:
        ValueError: a name that is not allowed.
    """

    knows_classes = True
    cacheable = False  # two modules of the same weights, or none, may compute different things

    def __init__(self, module: nn.Module, name: str, preprocess: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        if re.fullmatch(r"[a-z0-9_]+", name) is None or name == "domain":
            raise ValueError(f"name {name!r}; allowed: lower-case letters, digits and _, but not 'domain'")
        self.module = module.requires_grad_(False)
        self.name = name
        self.preprocess = preprocess
        self.dim = 0
        self.num_classes = None
        self.fingerprint = fingerprint(module)
        self.eval()

    def describe(self) -> str:
        """E.g. "mine 1a2b3c4d (64 features)"."""
        return f"{self.name} {self.fingerprint}" + (f" ({self.dim} features)" if self.dim else "")

    def resize(self, image_shape: tuple[int, int, int]) -> str:
        """What the extractor itself does, which is nothing; what ``preprocess`` does is the user's to tell."""
        return "none" if self.preprocess is None else f"preprocess of {self.name}"

    def extract(self, images: Tensor) -> Extracted:
        """See `FeatureExtractor.extract`.

        Raises:
            ValueError: the module returns something else than features, or features and logits.
        """
        inputs = images.float() / 127.5 - 1.0  # [0, 255] -> [-1, 1]
        if self.preprocess is not None:
            inputs = self.preprocess(inputs)
        output = self.module(inputs)
        features, logits = output if isinstance(output, tuple) and len(output) == 2 else (output, None)
        if isinstance(features, Tensor) and features.dim() == 4:
            features = features.mean(dim=(2, 3))  # (N, D, H, W) -> (N, D)
        self._check(features, "features", "(N, D) or (N, D, H, W)", "(N, D)", len(images))
        if logits is not None:
            self._check(logits, "logits", "(N, K)", "(N, K)", len(images))
        self.dim = features.shape[1]
        self.num_classes = None if logits is None else logits.shape[1]
        return Extracted(features, logits)

    def _check(self, value: object, what: str, allowed: str, wanted: str, count: int) -> None:
        if not isinstance(value, Tensor):
            raise ValueError(f"{self.name} returns {type(value).__name__} as {what}; allowed: a tensor {allowed}")
        if value.dim() != 2 or len(value) != count:
            given = tuple(value.shape)
            raise ValueError(f"{self.name} returns {what} of shape {given}; allowed: {allowed} with N = {count}")
        if not torch.is_floating_point(value):
            raise ValueError(f"{self.name} returns {what} of {value.dtype}; allowed: floating point {wanted}")
