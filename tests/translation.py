"""Small data for models from images to images: digits and what is made of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from datamodules import Digits

__all__ = ["Domains", "Pairs", "pictures_of"]


class Pairs(Digits):
    """Digits and their negatives, paired; `channels` of both."""

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if "images" not in batch:
            return batch
        return {"source": batch["images"], "target": 255 - batch["images"]}


class Domains(Digits):
    """Digits, and negatives of other digits; `grey` makes domain b grey."""

    def __init__(self, grey: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.grey = grey

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if "images" not in batch:
            return batch
        other = 255 - batch["images"].roll(1, dims=0)
        return {"a": batch["images"], "b": other[:, :1] if self.grey else other}


def pictures_of(n: int, channels: int, height: int, width: int | None = None, seed: int = 0) -> Tensor:
    """Smooth random pictures (n, channels, height, width) in [-1, 1]."""
    small = torch.rand(n, channels, 5, 5, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(small, (height, width or height), mode="bilinear")
