"""The digits that other sets are made of, scikit-learn's embedded ones or MNIST's, and what such sets share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datamodules.base import ImageDataModule
from datamodules.digits import Digits
from datamodules.mnist import MNIST

__all__ = ["MadeOfDigits", "single_digits"]

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


class MadeOfDigits(ImageDataModule):
    """A set whose images are made of `single_digits`; `own_options` names what a checkpoint keeps beside root and size."""

    own_options: tuple[str, ...]
    _singles: ImageDataModule

    @property
    def source(self) -> dict[str, Any] | None:
        """As of every data set, and the options that name these images."""
        source = super().source
        if source is not None:
            del source["options"]["channels"]
            source["options"].update({name: getattr(self, name) for name in self.own_options})
        return source

    def prepare_data(self) -> None:
        """Fetch the digits if they are not embedded.

        Raises:
            OSError: they are missing and cannot be downloaded; says what was tried and where to put which files.
        """
        self._singles.prepare_data()
