"""Data sets as LightningDataModules: ``from datamodules import Digits``.

Importing this package imports nothing else: torch and a data set's file are imported when a name is first used. A
file's name is the data set's name on the command line; ``base.py`` and files with a leading underscore are helpers.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamodules._names import choices

if TYPE_CHECKING:
    from datamodules.anime_faces import AnimeFaces as AnimeFaces
    from datamodules.cifar10 import CIFAR10 as CIFAR10
    from datamodules.cyclegan_sets import CycleGANSets as CycleGANSets
    from datamodules.digit_domains import DigitDomains as DigitDomains
    from datamodules.digit_pairs import DigitPairs as DigitPairs
    from datamodules.digits import Digits as Digits
    from datamodules.drawn_faces import DrawnFaces as DrawnFaces
    from datamodules.fashion_mnist import FashionMNIST as FashionMNIST
    from datamodules.gaussians import Gaussians as Gaussians
    from datamodules.horse2zebra import Horse2Zebra as Horse2Zebra
    from datamodules.image_folder import ImageFolder as ImageFolder
    from datamodules.mnist import MNIST as MNIST
    from datamodules.paired_folder import PairedFolder as PairedFolder
    from datamodules.pix2pix_sets import Pix2PixSets as Pix2PixSets
    from datamodules.stacked_mnist import StackedMNIST as StackedMNIST
    from datamodules.svhn import SVHN as SVHN
    from datamodules.unpaired_folder import UnpairedFolder as UnpairedFolder

__all__ = ["import_data", "list_data"]


def list_data() -> list[str]:
    """Names of all data sets, sorted; each is a file of this folder."""
    stems = (path.stem for path in Path(__file__).parent.glob("*.py"))
    return sorted(stem for stem in stems if not stem.startswith("_") and stem != "base")


def import_data(name: str) -> Any:
    """The class of the data set called ``name`` ("digits" -> Digits): the first name of its file's ``__all__``.

    Raises:
        ValueError: no such data set; the message holds the nearest name and the list.
    """
    if name not in list_data():
        raise ValueError(f"unknown data '{name}'. {choices(name, list_data())}")
    module = importlib.import_module(f"datamodules.{name}")
    return getattr(module, module.__all__[0])


def __getattr__(class_name: str) -> Any:
    for name in list_data() if class_name[:1].isupper() else []:
        if name.replace("_", "") == class_name.lower():
            found = import_data(name)
            if found.__name__ == class_name:
                return found
    raise AttributeError(f"module 'datamodules' has no attribute '{class_name}'")


def __dir__() -> list[str]:
    return list(__all__)
