"""lightning-bolts' data modules beside Lightning 2: one shim for its import, one adapter for its batches.

lightning-bolts 0.7.0 (2023, its last release) asks for Lightning below 2.0 and imports a module that Lightning 2 no longer
has; with that module in place its data modules work. Its GANs do not: they train by ``optimizer_idx``, which is gone.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from pytorch_lightning import LightningDataModule
from torch import Tensor

from lightning_gans.batch import Batch

__all__ = ["BoltsData", "import_bolts"]

INSTALL = "pip install lightning-bolts==0.7.0 --no-deps"
MOVED = "pytorch_lightning.utilities.apply_func"
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
TRANSFORMS = ("train_transforms", "val_transforms", "test_transforms")


def import_bolts() -> ModuleType:
    """Import ``pl_bolts``, with what Lightning 2 moved away put back, and without its warnings that it is under review.

    After this call ``from pl_bolts.datamodules import ...`` works as well.

    Raises:
        ImportError: lightning-bolts is not installed, or lacks something else.
    """
    if importlib.util.find_spec("pl_bolts") is None:
        raise ImportError(
            f"lightning-bolts is not installed; {INSTALL} (with its dependencies it wants Lightning below 2.0)"
        )
    _put_back_apply_func()
    # Recorded, to be dropped: while it is imported, bolts puts filters of its own before any that is there.
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("ignore")
        try:
            bolts = importlib.import_module("pl_bolts")
            stability: Any = importlib.import_module("pl_bolts.utils.stability")
        except ImportError as error:
            raise ImportError(f"lightning-bolts cannot be imported ({error}); {INSTALL}") from error
    warnings.filterwarnings("ignore", category=stability.UnderReviewWarning)
    return bolts


def _put_back_apply_func() -> None:
    try:
        importlib.import_module(MOVED)
    except ModuleNotFoundError:
        from lightning_fabric.utilities import move_data_to_device
        from lightning_utilities.core.apply_func import apply_to_collection

        shim: Any = ModuleType(MOVED, "Names that Lightning 2 keeps elsewhere; put here for lightning-bolts.")
        shim.apply_to_collection, shim.move_data_to_device = apply_to_collection, move_data_to_device
        sys.modules[MOVED] = shim


class BoltsData(LightningDataModule):
    """A data module of lightning-bolts that gives our models what they take.

    Bolts' images end in [0, 1], or with ``normalize`` wherever their data set's mean and deviation bring them: in [-1, 1]
    for MNIST, beyond it for CIFAR-10. So its transforms are replaced: images leave as uint8, of which models make [-1, 1].
    Its options on files, splits, workers and order stay as they are; ``batch_size`` is taken as images per discriminator
    turn, and multiplied by the ``parts`` of the LightningModule that is trained.

    Args:
        datamodule: has ``dims`` (C, H, W), ``batch_size``, and data sets of PIL images and classes; such are those of MNIST,
            EMNIST, their binary kin, Fashion-MNIST, CIFAR-10, STL-10 and ImageNet.
        size: height and width in pixels; None = those of ``dims``. Where an image has another size its short side is scaled
            (bicubic), and the middle is cut out.

    Attributes:
        image_shape: (C, H, W) of a batch's images.
        num_classes: how many classes labels tell apart; None if the data module does not say.
        class_names: their names in the order of labels, where the data set's class holds them; else None.
        tags: None: these sets have none.
        batch_size: images per discriminator turn and process.

    Raises:
        ValueError: a data module without shape or batch size, or with transforms of its own; size below 1.
    """

    tags: list[str] | None = None

    def __init__(self, datamodule: LightningDataModule, *, size: int | None = None) -> None:
        super().__init__()
        self.datamodule: Any = datamodule
        self.name = type(datamodule).__name__
        dims, batch_size = getattr(datamodule, "dims", None), getattr(datamodule, "batch_size", None)
        if not isinstance(dims, tuple) or len(dims) != 3 or dims[0] not in MODES or not isinstance(batch_size, int):
            raise ValueError(
                f"{self.name} with dims {dims}, batch_size {batch_size}; "
                "allowed: dims (C, H, W) with 1, 3 or 4 channels, and a number of images"
            )
        for name in TRANSFORMS:
            given = getattr(datamodule, name, None)
            if given is not None and not isinstance(given, _ToBytes):
                raise ValueError(
                    f"{self.name} with {name} of its own; allowed: None (the adapter sets them), and size="
                )
        if size is not None and size < 1:
            raise ValueError(f"size {size}; allowed: 1 or more")
        self.image_shape: tuple[int, int, int] = (dims[0], size or dims[1], size or dims[2])
        self.num_classes: int | None = getattr(datamodule, "num_classes", None)
        names = getattr(getattr(datamodule, "dataset_cls", None), "classes", None)
        self.class_names: list[str] | None = None
        if isinstance(names, (list, tuple)) and len(names) == self.num_classes:
            self.class_names = [str(name) for name in names]
        self.batch_size: int = batch_size

    def prepare_data(self) -> None:
        """Download what is missing, as the data module does it."""
        self.datamodule.prepare_data()

    def setup(self, stage: str | None = None) -> None:
        """Replace the transforms, then make the data sets."""
        for name in TRANSFORMS:
            setattr(self.datamodule, name, _ToBytes(self.image_shape))
        self.datamodule.setup(stage)

    def train_dataloader(self) -> Any:
        """The data module's own loader, of batches that the model's turns divide."""
        parts = 1 if self.trainer is None else getattr(self.trainer.lightning_module, "parts", 1)
        self.datamodule.batch_size = self.batch_size * parts
        return self.datamodule.train_dataloader()

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch:
        """Name the parts of a batch.

        Raises:
            ValueError: images that the adapter's transforms did not make, or targets that are not classes.
        """
        images, labels = batch if isinstance(batch, (tuple, list)) and len(batch) == 2 else (batch, None)
        if not _is(images, torch.uint8, 4) or images.shape[1:] != self.image_shape:
            wanted = ", ".join(str(length) for length in self.image_shape)
            raise ValueError(f"{self.name} gives {_describe(images)} as images; allowed: uint8 (N, {wanted})")
        if not _is(labels, torch.int64, 1):
            raise ValueError(f"{self.name} gives {_describe(labels)} as labels; allowed: int64 (N,)")
        return {"images": images, "labels": labels}


class _ToBytes:
    """A PIL image to uint8 (C, H, W); a class, for processes that load must be able to pickle it."""

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        self.image_shape = image_shape

    def __call__(self, image: Image.Image) -> Tensor:
        channels, height, width = self.image_shape
        image = image.convert(MODES[channels])
        if image.size != (width, height):
            image = ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(image)).view(height, width, channels).permute(2, 0, 1)  # (C, H, W)


def _is(value: Any, dtype: torch.dtype, dimensions: int) -> bool:
    return isinstance(value, Tensor) and value.dtype == dtype and value.dim() == dimensions


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return type(value).__name__
