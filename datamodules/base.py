"""The base of data modules of single images: one uint8 tensor, in memory or a file, a whole batch gathered at once.

Batches stay uint8 until they are on the device; the model's ``normalize_batch`` brings them to [-1, 1] there.
"""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pytorch_lightning import LightningDataModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler

from datamodules._dataset import ImageDataset, take
from datamodules._partly_labelled import PartlyLabelledSampler, choose_labelled
from datamodules._sampler import PositionSampler
from lightning_gans.batch import Batch

__all__ = ["ImageDataModule", "ImageDataset", "data_folder", "parse_size", "set_channels", "take", "zero_pad"]


class ImageDataModule(LightningDataModule):
    """A set of images, in an order that two processes, workers or a resume do not change.

    A batch is {"images": uint8 (N, C, H, W), "labels": int64 (N,)} with N = ``batch_size`` times the ``parts`` of the
    LightningModule that is trained (1 if it has no such attribute). With tags it has "tags": float32 (N, T) in {0, 1}.

    A data set sets ``classes``, ``min_size`` (pixels) and, if its images are not grey, ``own_channels``; it writes ``load``
    if it is kept in memory, else ``setup`` (which ends with ``choose_labels``), and ``prepare_data`` if it is downloaded. One
    whose batches are not rows of one set of images has a ``sampler_class`` of its own.

    Args:
        root: folder of the data; default ``$LIGHTNING_GANS_DATA``, else ``~/.cache/lightning-gans/data``.
        size: height and width in pixels, or "HxW".
        channels: of the images; "auto" = as the set has them (1 = grey); grey becomes 3 equal channels, or 4 with an
            opaque alpha.
        flip: mirror images left to right with probability 1/2, drawn anew in every epoch.
        batch_size: images per discriminator turn and process.
        num_workers: processes that gather batches; 0 is fastest for a set in memory.
        download: fetch what is missing.
        labels_per_class: how many training images of each class show their labels, drawn once from ``seed``; all others, and in
            the unlabelled rows of a batch these too, have the label -1. None: all show them.
        labelled_fraction: share of a batch's rows, with ``labels_per_class``, that are labelled, drawn with repetition.
        seed: of the order, the flips and the choice of labels, in 0 .. 2**32 - 1.

    Attributes:
        image_shape: (C, H, W) of a batch's images.
        num_classes: how many classes labels tell apart; None: batches have no labels.
        class_names: their names, in the order of labels; None as above.
        tags: names of the tags, in the order of columns; None: batches have none.
        train_dataset: ``ImageDataset``, after ``setup``.
        test_dataset: ``ImageDataset``, after ``setup``; never mirrored.

    Raises:
        ValueError: an option outside what is allowed.
    """

    classes: tuple[str, ...]
    min_size: int
    own_channels: int = 1
    sampler_class: type[PositionSampler] = PositionSampler
    class_names: list[str] | None
    num_classes: int | None
    tags: list[str] | None = None
    train_dataset: ImageDataset
    test_dataset: ImageDataset

    def __init__(
        self,
        *,
        root: str | Path | None = None,
        size: int | str = 32,
        channels: Literal["auto", 1, 3, 4] = "auto",
        flip: bool = False,
        batch_size: int = 64,
        num_workers: int = 0,
        download: bool = True,
        labels_per_class: int | None = None,
        labelled_fraction: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if channels not in ("auto", 1, 3, 4):
            raise ValueError(f"channels {channels!r}; allowed: 'auto', 1, 3, 4")
        for name, value, low in (("batch_size", batch_size, 1), ("num_workers", num_workers, 0), ("seed", seed, 0)):
            if value < low:
                raise ValueError(f"{name} {value}; allowed: {low} or more")
        if labels_per_class is not None and labels_per_class < 1:
            raise ValueError(f"labels_per_class {labels_per_class}; allowed: None, or 1 or more")
        if not 0.0 < labelled_fraction <= 1.0:
            raise ValueError(f"labelled_fraction {labelled_fraction}; allowed: above 0, up to 1")
        if seed >= 2**32:
            raise ValueError(f"seed {seed}; allowed: 0 to {2**32 - 1}")
        self.root = Path(root).expanduser() if root else data_folder()
        self._root = str(self.root.resolve()) if root else None
        own = self.own_channels if channels == "auto" else channels
        self.image_shape = (own, *parse_size(size, self.min_size))
        self.class_names = list(self.classes)
        self.num_classes = len(self.classes)
        self.flip = flip
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.download = download
        self.labels_per_class = labels_per_class
        self.labelled_fraction = labelled_fraction
        self.seed = seed
        # Test images are there for models that validate; others are not to be told that they do not.
        warnings.filterwarnings("ignore", ".*passed in a `val_dataloader` but have no `validation_step`.*")

    @property
    def source(self) -> dict[str, Any] | None:
        """What a checkpoint keeps to find these images again: {"name": of the data set, "options": of plain values}; None for a
        class that is not found by a name."""
        package, _, name = type(self).__module__.rpartition(".")
        if package != __name__.rpartition(".")[0]:
            return None
        channels, height, width = self.image_shape
        options = {"size": f"{height}x{width}", "channels": channels}
        # A root that nobody gave may be another one where the checkpoint is read.
        return {"name": name, "options": options if self._root is None else {"root": self._root, **options}}

    def load(self, train: bool) -> tuple[Tensor, Tensor]:
        """Read one split.

        Returns:
            Images uint8 (n, own_channels, H, W), H and W those of ``image_shape``; labels int64 (n,).
        """
        raise NotImplementedError

    def setup(self, stage: str | None = None) -> None:
        """Read both splits into memory, once."""
        if hasattr(self, "test_dataset"):
            return
        for train in (True, False):
            images, labels = self.load(train)
            images = set_channels(images, self.image_shape[0]).contiguous()
            if train:
                self.train_dataset = ImageDataset(images, labels, flip=self.flip)
            else:
                self.test_dataset = ImageDataset(images, labels)
        self.choose_labels()

    def choose_labels(self) -> None:
        """With ``labels_per_class``: choose the training images that show their labels.

        Raises:
            ValueError: images without labels, or a class that has fewer images.
        """
        self.check_labels()
        labels = self.train_dataset.labels
        if self.labels_per_class is not None and labels is not None:
            names = self.class_names or []
            self.train_dataset.labelled = choose_labelled(labels, self.labels_per_class, names, self.seed)

    def check_labels(self) -> None:
        """Refuse ``labels_per_class`` of a set whose ``num_classes`` is None; a set that may be such calls it early.

        Raises:
            ValueError: images without labels.
        """
        if self.labels_per_class is not None and self.num_classes is None:
            raise ValueError(f"labels_per_class {self.labels_per_class} of images without labels; allowed: None")

    def _sampler_options(self) -> tuple[type[PositionSampler], dict[str, Any]]:
        """What deals the rows of training, and its own options."""
        if self.labels_per_class is None:
            return self.sampler_class, {}
        return PartlyLabelledSampler, {"labelled_fraction": self.labelled_fraction}

    def train_dataloader(self) -> DataLoader[Batch]:
        """Training batches; its ``sampler.batch(t)`` tells the indices of batch t of the training."""
        trainer = self.trainer
        parts = 1 if trainer is None else getattr(trainer.lightning_module, "parts", 1)
        sampler_class, options = self._sampler_options()
        sampler = sampler_class(
            self.train_dataset,
            self.train_dataset.count,
            self.batch_size * parts,
            flip=self.flip,
            seed=self.seed,
            world=1 if trainer is None else trainer.world_size,
            rank=0 if trainer is None else trainer.global_rank,
            position=None if trainer is None else lambda: _batches_done(trainer),
            **options,
        )
        return DataLoader(
            self.train_dataset,
            batch_size=sampler.batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            collate_fn=_identity,
            pin_memory=trainer is not None and trainer.strategy.root_device.type == "cuda",
            drop_last=True,
            generator=torch.Generator(),  # its own: otherwise each epoch draws from the global one
            persistent_workers=self.num_workers > 0,
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        """All test images in order, for models that validate; each process sees all of them, so their scores agree."""
        return DataLoader(
            self.test_dataset,
            batch_size=self.batch_size,
            sampler=DistributedSampler(self.test_dataset, num_replicas=1, rank=0, shuffle=False),
            num_workers=self.num_workers,
            collate_fn=_identity,
            generator=torch.Generator(),
        )

    def predict_dataloader(self) -> DataLoader[Batch]:
        """As ``val_dataloader``."""
        return self.val_dataloader()

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Mirror the rows that "flip" marks, on the device, and remove the mark."""
        if not isinstance(batch, dict) or "flip" not in batch:
            return batch
        batch = dict(batch)
        mirrored = batch.pop("flip")[:, None, None, None]  # (N,) -> (N, 1, 1, 1)
        batch["images"] = torch.where(mirrored, batch["images"].flip(-1), batch["images"])
        return batch


def data_folder() -> Path:
    """Where data lies that is given no ``root``: ``$LIGHTNING_GANS_DATA``, else ``~/.cache/lightning-gans/data``."""
    return Path(os.environ.get("LIGHTNING_GANS_DATA") or "~/.cache/lightning-gans/data").expanduser()


def zero_pad(images: Tensor, height: int, width: int) -> Tensor:
    """Black borders around images (n, C, h, w) to (n, C, height, width); an odd pixel goes to the right and bottom."""
    rows, columns = height - images.shape[-2], width - images.shape[-1]
    return F.pad(images, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))


def parse_size(size: int | str, least: int) -> tuple[int, int]:
    """Height and width of a number of pixels or "HxW"; raises ValueError for something else, or sides below ``least``."""
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", str(size))
    if match is None:
        raise ValueError(f"size {size!r}; allowed: a number of pixels, or 'HxW'")
    height = int(match[1])
    width = int(match[2] or height)
    if min(height, width) < least:
        raise ValueError(f"size {size}; allowed: {least} or more")
    return height, width


def set_channels(images: Tensor, channels: int) -> Tensor:
    """Uint8 (n, 1 or 3, H, W) to (n, channels, H, W); the fourth channel is an opaque alpha."""
    if channels == 4:
        return torch.cat([images.expand(-1, 3, -1, -1), torch.full_like(images[:, :1], 255)], dim=1)
    if channels < images.shape[1]:
        red, green, blue = images.to(torch.int32).split(1, dim=1)  # three of (n, 1, H, W)
        luma: Tensor = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16  # ITU-R 601, as Pillow rounds it
        return luma.to(torch.uint8)
    return images.expand(-1, channels, -1, -1)


def _batches_done(trainer: Trainer) -> int:
    """Batches finished since the start of training. Lightning saves the count, exact in mid-epoch and in any hook."""
    total: Any = trainer.fit_loop.epoch_loop.batch_progress.total
    return int(total.processed)


def _identity(batch: Any) -> Any:
    return batch
