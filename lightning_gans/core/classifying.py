"""Critics that learn to classify as well: accuracy in `validate`, classes from `predict`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lightning_gans.batch import normalize_batch
from lightning_gans.core.latent import LatentModule
from lightning_gans.core.modes import evaluating

__all__ = ["ClassifyingModule"]


class ClassifyingModule(LatentModule):
    """A model whose discriminator also tells classes; the average of the discriminator classifies, where there is one."""

    conditional = False  # the discriminator knows the classes, the generator does not
    discriminator_ema: nn.Module | None

    def class_logits(self, network: nn.Module, images: Tensor, **options: Any) -> Tensor:
        """Class logits (N, num_classes) of a discriminator network; the options are a model's own."""
        raise NotImplementedError

    def predict(self, images: Tensor, *, ema: bool = True, batch_size: int = 256) -> Tensor:
        """Classify images, in evaluation mode, by the average of the discriminator.

        Args:
            images: uint8, or float in [-1, 1], (N, C, H, W).
            ema: use the running average of the discriminator, if there is one.
            batch_size: images a pass; the result depends on it only with minibatch discrimination.

        Returns:
            int64 (N,) on CPU, 0 to num_classes - 1.

        Raises:
            ValueError: a model that was built without classes, or a batch_size below 1.
        """
        if self.num_classes is None:
            raise ValueError(f"predict of a {type(self).__name__} that was built without classes (num_classes)")
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}; allowed: 1 or more")
        found = [self.classes_of(part, ema).cpu() for part in images.split(batch_size)]
        return torch.cat(found) if found else torch.empty(0, dtype=torch.long)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Log `accuracy`, the share of labelled images whose class the average of the discriminator finds.

        Raises:
            ValueError: a batch without labels.
        """
        named = normalize_batch(batch)
        if "labels" not in named:
            name = type(self).__name__
            raise ValueError(
                f"a batch without labels to validate {name} with; allowed: a label an image, -1 = unlabelled"
            )
        known = named["labels"] >= 0
        images, labels = named["images"][known], named["labels"][known]
        if len(labels):
            share = (self.classes_of(images) == labels).float().mean()
            self.log("accuracy", share, on_epoch=True, sync_dist=True, batch_size=len(labels))

    def predict_step(self, batch: Any, batch_idx: int = 0) -> Tensor:
        """Classes int64 (N,) of a batch, by the average of the discriminator."""
        return self.classes_of(normalize_batch(batch)["images"])

    @torch.no_grad()
    def classes_of(self, images: Tensor, ema: bool = True, **options: Any) -> Tensor:
        """Classes int64 (N,) of images, on the model's device; options as of `class_logits`."""
        images = normalize_batch(images)["images"].to(self.device, memory_format=self._memory_format)
        network = self.discriminator_ema if ema and self.discriminator_ema is not None else self.discriminator
        with evaluating(network):
            return self.class_logits(network, images, **options).argmax(dim=1)
