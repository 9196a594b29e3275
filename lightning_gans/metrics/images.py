"""Images that are scored, by index: of a data set, of a tensor, or drawn by a model. Always uint8, as files hold them.

Scores of a model and of a folder of its PNG files agree because both are scored as uint8 (N, C, H, W).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from lightning_gans.batch import Batch, to_uint8
from lightning_gans.core.noise import draw
from lightning_gans.core.sampling import SamplingModule
from lightning_gans.metrics.modes import Mixture

__all__ = ["DatasetImages", "GeneratedImages", "ImageSet", "JoinedImages", "TensorImages", "labels_like"]

DIGEST_BYTES = 2**31  # up to so many all images are hashed, beyond that ...
DIGEST_IMAGES = 8192  # ... so many, evenly spaced


class ReadsRows(Protocol):
    """A data set that gathers a whole batch, such as ``train_dataset`` of our data modules."""

    labels: Tensor | None

    @property
    def count(self) -> int:
        """How many images there are."""

    def read(self, rows: np.ndarray[Any, Any]) -> Batch:
        """{"images": uint8 (len(rows), C, H, W), ...}."""


class ImageSet:
    """Images 0 .. count-1.

    Attributes:
        name: in a score's protocol, such as "digits train".
        count: how many.
        image_shape: (C, H, W).
        labels: int64 (count,), -1 = unlabelled; or None.
        mixture: what points were drawn from that pass for images of two pixels, in their units; or None.
    """

    name: str
    count: int
    image_shape: tuple[int, int, int]
    labels: Tensor | None = None
    mixture: Mixture | None = None
    _digest: str | None = None

    def batches(self, indices: Sequence[int], batch_size: int) -> Iterator[Tensor]:
        """The images of these indices, uint8 (N, C, H, W) on CPU, N at most `batch_size`."""
        raise NotImplementedError

    def describe(self) -> str:
        """For a score's protocol."""
        return f"{self.name} ({self.count} images of {'x'.join(map(str, self.image_shape))})"

    def digest(self) -> str:
        """16 hex digits that change with the images: of all up to 2 GB, of 8,192 evenly spaced ones beyond that."""
        if self._digest is None:
            self._digest = self._hash()
        return self._digest

    def _hash(self) -> str:
        size = self.count * int(np.prod(self.image_shape))
        rows = self.count if size <= DIGEST_BYTES else min(self.count, DIGEST_IMAGES)
        indices = np.linspace(0, self.count - 1, rows).round().astype(int).tolist()
        sha = hashlib.sha256(f"{self.count} {self.image_shape}".encode())
        for batch in self.batches(indices, 1024):
            sha.update(batch.contiguous().numpy().tobytes())
        return sha.hexdigest()[:16]


class TensorImages(ImageSet):
    """Images in memory.

    Args:
        images: uint8, or float in [-1, 1], (n, C, H, W).
        labels: int64 (n,), or None.
        name: see `ImageSet`.

    Raises:
        ValueError: images of another shape or without any, not finite, or labels of another number.
    """

    def __init__(self, images: Tensor, labels: Tensor | None = None, name: str = "images") -> None:
        if images.dim() != 4 or not len(images):
            raise ValueError(f"images of shape {tuple(images.shape)}; allowed: (n, C, H, W), n at least 1")
        if labels is not None and labels.shape != images.shape[:1]:
            raise ValueError(
                f"labels of shape {tuple(labels.shape)} for {len(images)} images; allowed: ({len(images)},)"
            )
        self.images = images if images.dtype == torch.uint8 else to_uint8(_finite(images))
        self.labels = None if labels is None else labels.cpu()
        self.name = name
        self.count = len(images)
        channels, height, width = images.shape[1:]
        self.image_shape = (channels, height, width)

    def batches(self, indices: Sequence[int], batch_size: int) -> Iterator[Tensor]:
        """See `ImageSet`."""
        for start in range(0, len(indices), batch_size):
            yield self.images[list(indices[start : start + batch_size])].cpu()


class DatasetImages(ImageSet):
    """Images of a data set that reads rows.

    Args:
        dataset: such as ``train_dataset`` of our data modules; mirrored images are not counted.
        image_shape: (C, H, W).
        name: see `ImageSet`.
    """

    def __init__(self, dataset: ReadsRows, image_shape: tuple[int, int, int], name: str) -> None:
        self.dataset = dataset
        self.image_shape = image_shape
        self.name = name
        self.count = dataset.count
        self.labels = (
            dataset.labels if dataset.labels is None or dataset.labels.dim() == 1 else None
        )  # tags are no classes

    def batches(self, indices: Sequence[int], batch_size: int) -> Iterator[Tensor]:
        """See `ImageSet`."""
        rows = np.asarray(indices)
        for start in range(0, len(rows), batch_size):
            yield self.dataset.read(rows[start : start + batch_size])["images"]


class JoinedImages(ImageSet):
    """One set after the other, of one shape; labelled if both are."""

    def __init__(self, first: ImageSet, second: ImageSet, name: str) -> None:
        self.parts = (first, second)
        self.name = name
        self.count = first.count + second.count
        self.image_shape = first.image_shape
        if first.labels is not None and second.labels is not None:
            self.labels = torch.cat([first.labels, second.labels])

    def batches(self, indices: Sequence[int], batch_size: int) -> Iterator[Tensor]:
        """See `ImageSet`; indices must ascend."""
        border = self.parts[0].count
        yield from self.parts[0].batches([index for index in indices if index < border], batch_size)
        yield from self.parts[1].batches([index - border for index in indices if index >= border], batch_size)


class GeneratedImages(ImageSet):
    """What a model draws: image i depends on (seed, i, labels[i]) only.

    Args:
        module: draws images from latents.
        n: how many images.
        seed: names the set.
        ema: use the running average of the generator, if there is one.
        bn: batch-norm statistics, "standing" or "running".
        truncation: see `generate`.
        labels: int64 (n,) of a model with classes; None: i % num_classes.

    Raises:
        ValueError: n is below 1.
    """

    def __init__(
        self,
        module: SamplingModule,
        n: int,
        *,
        seed: int = 0,
        ema: bool = True,
        bn: str = "standing",
        truncation: float = 1.0,
        labels: Tensor | None = None,
    ) -> None:
        if n < 1:
            raise ValueError(f"n={n}; allowed: 1 or more")
        self.module, self.seed, self.ema, self.bn, self.truncation = module, seed, ema, bn, truncation
        self.count = n
        self.image_shape = module.image_shape
        self.like_reference = labels is not None and module.is_conditional
        self.told = (
            None
            if not module.is_conditional
            else module.drawn_labels(range(n), seed)
            if labels is None
            else labels.cpu()
        )
        """What the images are made of: classes (n,), tags (n, T), or None."""
        if module.condition == "labels":
            self.labels = self.told
        self.name = f"{n} generated"

    def batches(self, indices: Sequence[int], batch_size: int) -> Iterator[Tensor]:
        """See `ImageSet`.

        Raises:
            ValueError: a sample is not finite.
        """
        for images in self.unrounded(indices, batch_size):
            yield to_uint8(_finite(images))

    def unrounded(self, indices: Sequence[int], batch_size: int) -> Iterator[Tensor]:
        """As `batches`, but float32 in [-1, 1], and NaN where the model draws it."""
        return self.module.generate_batches(
            self.count,
            seed=self.seed,
            labels=self.told,
            truncation=self.truncation,
            ema=self.ema,
            batch_size=batch_size,
            bn=self.bn,
            indices=indices,
        )

    def path(self) -> tuple[Callable[[Tensor], Tensor], Callable[[int, torch.Generator], Tensor]]:
        """What `perceptual_path_length` asks for: a function that renders latents, whose two halves are pairs of one class
        each, and one that draws latents. Pair i is of the class of image i.

        Raises:
            ValueError: the latents are not normal, so that a path on the sphere leaves them, or they are truncated.
        """
        if self.module.latent_distribution != "normal":
            raise ValueError(f"ppl: latents are {self.module.latent_distribution}; allowed: a model of normal latents")
        if self.truncation != 1.0:
            raise ValueError(f"ppl: truncation {self.truncation:g}; allowed: 1, it is defined without")
        done = 0

        def render(latents: Tensor) -> Tensor:
            nonlocal done
            pairs = torch.arange(done, done + len(latents) // 2) % self.count
            done += len(pairs)
            labels = None if self.told is None else torch.cat([self.told[pairs], self.told[pairs]])
            return self.module.render(latents, labels, ema=self.ema, bn=self.bn)

        def latents(n: int, generator: torch.Generator) -> Tensor:
            return self.module.latents(n, lambda shape, distribution: draw(shape, distribution, generator))

        return render, latents

    def describe(self) -> str:
        """See `ImageSet`."""
        averaged = self.ema and self.module.generator_ema is not None
        facts = [
            "EMA weights" if averaged else "raw weights",
            f"batch norm {self.bn}",
            f"truncation {self.truncation:g}",
        ]
        if self.labels is not None:
            facts.append("classes as often as in the reference" if self.like_reference else "classes in turn")
        elif self.told is not None:
            facts.append("tags drawn as in training")
        return f"{self.name} at iteration {self.module.iterations} ({', '.join(facts)}, seed {self.seed})"


def labels_like(reference: ImageSet, module: SamplingModule, n: int, seed: int = 0) -> Tensor | None:
    """`n` classes for a model, as often as in a reference: a seeded shuffle of its labels, cycled.

    Unlabelled images are left out. None where that cannot be: the model takes no classes, the reference has none, or it
    has one that the model does not know.
    """
    if module.condition != "labels" or module.num_classes is None or reference.labels is None:
        return None
    known = reference.labels[reference.labels >= 0].cpu()
    if not len(known) or known.max() >= module.num_classes:
        return None
    shuffled = known[torch.randperm(len(known), generator=torch.Generator().manual_seed(seed))]
    return shuffled[torch.arange(n) % len(shuffled)]


def _finite(images: Tensor) -> Tensor:
    bad = int((~torch.isfinite(images.flatten(1)).all(dim=1)).sum())
    if bad:
        raise ValueError(f"{bad} of {len(images)} images hold NaN or infinite values")
    return images
