"""What scores are computed from: features of a set of images, and their moments; those of a reference kept on disk.

With several processes each takes every world-th image, and all end with the same statistics as one process would.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lightning_gans.core.processes import gather_objects, world_size
from lightning_gans.metrics.features.base import Extracted, FeatureExtractor, cache_folder
from lightning_gans.metrics.images import ImageSet
from lightning_gans.metrics.moments import Moments

__all__ = ["Statistics", "collect", "reference_statistics"]

VERSION = 1  # of the files on disk: raised when features of the same images and weights would differ


@dataclass
class Statistics:
    """Of one set of images under one extractor.

    Attributes:
        moments: count, mean and covariance of all features.
        blocks: the same of equal shares of the images, for error bars; one block if none were asked for.
        features: float32 (n, D) on CPU, if they were kept.
        logits: float32 (n, K) on CPU, if they were kept and the extractor has them.
        labels: int64 (n,), or None.
    """

    moments: Moments
    blocks: list[Moments]
    features: Tensor | None = None
    logits: Tensor | None = None
    labels: Tensor | None = None

    @property
    def count(self) -> int:
        """How many images."""
        return self.moments.count


def collect(
    images: ImageSet,
    extractor: FeatureExtractor,
    *,
    keep: bool = True,
    blocks: int = 1,
    batch_size: int = 64,
    progress: Callable[[int], object] | None = None,
) -> Statistics:
    """Extract the features of all images; with several processes, all of them must call it.

    Args:
        images: what to look at.
        extractor: on the device to compute on.
        keep: keep features and logits, not only the moments.
        blocks: shares that get moments of their own; image i is in block i % blocks.
        batch_size: images a pass of the extractor.
        progress: called with the number of images done since the last call.

    Raises:
        ValueError: images or features that are not finite.
    """
    world = world_size()
    mine = range(dist.get_rank(), images.count, world) if world > 1 else range(images.count)
    features, logits, problem = [], [], None
    parts = [Moments(max(extractor.dim, 1), extractor.device) for _ in range(blocks)]
    try:
        if not extractor.dim:  # a user's module tells only when it is called
            extractor(next(images.batches([0], 1)).to(extractor.device))
            parts = [Moments(extractor.dim, extractor.device) for _ in range(blocks)]
        for number, part in enumerate(parts):
            # Every blocks-th image: stored ones may be sorted by class.
            for batch in _extracted(images, extractor, [i for i in mine if i % blocks == number], batch_size, progress):
                part.update(batch.features)
                if keep:
                    features.append(batch.features.cpu())
                    logits += [] if batch.logits is None else [batch.logits.cpu()]
    except (ValueError, OSError, RuntimeError) as error:  # RuntimeError: a device's memory is full
        problem = error
    # The other processes would wait for ever for one that failed.
    told = [text for text in gather_objects(None if problem is None else str(problem)) if text is not None]
    if told:
        raise problem if problem is not None else ValueError(f"{told[0]} (in another process)")
    for part in parts:
        part.reduce()
    order = [i for number in range(blocks) for i in mine if i % blocks == number]
    return Statistics(
        reduce(add, parts),
        parts,
        _joined(features, order, images.count) if keep else None,
        _joined(logits, order, images.count) if keep and extractor.num_classes else None,
        images.labels,
    )


def _extracted(
    images: ImageSet,
    extractor: FeatureExtractor,
    indices: list[int],
    batch_size: int,
    progress: Callable[[int], object] | None,
) -> Iterator[Extracted]:
    for batch in images.batches(indices, batch_size):
        yield extractor(batch.to(extractor.device))
        if progress:
            progress(len(batch))


def _joined(mine: Sequence[Tensor], order: list[int], count: int) -> Tensor:
    """Rows of all processes, in the order of the images; `order` are the indices of this process's rows."""
    gathered = gather_objects((torch.cat(list(mine)) if mine else None, order))
    width = next(rows.shape[1] for rows, _ in gathered if rows is not None)
    joined = torch.empty(count, width)
    for rows, indices in gathered:
        if rows is not None:
            joined[indices] = rows
    return joined


def reference_statistics(
    images: ImageSet,
    extractor: FeatureExtractor,
    *,
    keep: bool = True,
    batch_size: int = 64,
    progress: Callable[[int], object] | None = None,
    cache: bool = True,
) -> Statistics:
    """`collect`, kept on disk under the images' and the extractor's fingerprints (`cache_folder()` / ``statistics``).

    Raises:
        ValueError: images or features that are not finite.
    """
    path = _path(images, extractor) if cache and extractor.cacheable else None
    found = _read(path, keep, images.labels) if path else None
    everywhere = all(gather_objects(found is not None))  # else one process would wait for another that has the file
    if found is not None and everywhere:
        if progress:
            progress(images.count)
        return found
    statistics = collect(images, extractor, keep=keep, batch_size=batch_size, progress=progress)
    if path and (world_size() == 1 or dist.get_rank() == 0):
        _write(path, statistics)
    return statistics


def _path(images: ImageSet, extractor: FeatureExtractor) -> Path:
    resized = extractor.resize(images.image_shape)
    # Devices round differently: what one computed is not another's.
    parts = (
        VERSION,
        images.digest(),
        images.count,
        extractor.name,
        extractor.fingerprint,
        resized,
        extractor.device.type,
    )
    key = hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()[:24]
    return cache_folder() / "statistics" / f"{key}.safetensors"


def _read(path: Path, keep: bool, labels: Tensor | None) -> Statistics | None:
    """What is on disk, or None: nothing, too little, or a damaged file (it is written anew)."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            wanted = [name for name in file.keys() if keep or name.startswith("moments.")]  # noqa: SIM118
            tensors = {name: file.get_tensor(name) for name in wanted}
        state = {name.removeprefix("moments."): value for name, value in tensors.items() if name.startswith("moments.")}
        moments = Moments.from_state(state)
    except (SafetensorError, KeyError, ValueError, OSError):
        return None
    if keep and "features" not in tensors:
        return None
    return Statistics(moments, [moments], tensors.get("features"), tensors.get("logits"), labels)


def _write(path: Path, statistics: Statistics) -> None:
    """Whole or not at all; a disk that takes no files only costs the time of the next run."""
    tensors = {f"moments.{name}": value.cpu().contiguous() for name, value in statistics.moments.state().items()}
    kept = {"features": statistics.features, "logits": statistics.logits}
    tensors.update({name: value.contiguous() for name, value in kept.items() if value is not None})
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, part)
        os.replace(part, path)
    except (OSError, SafetensorError):
        with suppress(OSError):
            part.unlink()
