"""The digits that other sets are made of: scikit-learn's embedded ones, or MNIST's."""

from __future__ import annotations

from pathlib import Path

from datamodules.base import ImageDataModule
from datamodules.digits import Digits
from datamodules.mnist import MNIST

__all__ = ["single_digits"]

SETS: dict[str, type[ImageDataModule]] = {"embedded": Digits, "mnist": MNIST}


def single_digits(digits: str, *, root: str | Path | None, size: int | str, download: bool) -> ImageDataModule:
    """The set of grey digits of a size, not yet loaded.

    Args:
        digits: "embedded" or "mnist".
        root: folder of MNIST.
        size: height and width in pixels, or "HxW": 28 as is, larger ones padded with black.
        download: fetch MNIST where it is missing.

    Raises:
        ValueError: another set, or a size that it does not have.
    """
    if digits not in SETS:
        raise ValueError(f"digits {digits!r}; allowed: {', '.join(map(repr, SETS))}")
    return SETS[digits](root=root, size=size, download=download)
