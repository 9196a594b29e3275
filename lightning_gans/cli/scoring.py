"""What ``lightning-gans evaluate`` does once its flags are read: images of both sides, features, scores, a table."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datamodules import import_data
from datamodules._headers import uniform_shape
from lightning_gans.cli.data_source import checkpoint_data, open_data
from lightning_gans.cli.drawing import load_sampler
from lightning_gans.cli.errors import UsageError, say
from lightning_gans.core.loading import read_checkpoint
from lightning_gans.core.sampling import SamplingModule
from lightning_gans.metrics.features.choose import choose_features, trained_domain
from lightning_gans.metrics.images import DatasetImages, GeneratedImages, ImageSet, TensorImages, labels_like
from lightning_gans.metrics.scores import Score, check_metrics, evaluate

__all__ = ["score"]


def score(options: argparse.Namespace, data: str | None, data_options: dict[str, str]) -> int:
    """Score as asked and print; returns the exit code.

    Args:
        options: of the command line, but for ``--data`` and ``--data.KEY``.
        data: of ``--data``.
        data_options: of ``--data.KEY``.

    Raises:
        UsageError: options that are unknown or do not fit together.
        ValueError, OSError: a checkpoint, a folder or images that cannot be used.
    """
    try:
        names = check_metrics(options.metrics)
    except ValueError as error:
        raise UsageError(f"--metrics: {error}") from error
    target = Path(options.target)
    module = None if _is_images(target) else load_sampler(options.target, options.device)
    if module is None:
        drawn: ImageSet = _stored(target)
        if data is None:
            raise UsageError(f"'{target}' does not say what to compare it with; add --data D, a data set or a folder")
        shape = drawn.image_shape
    else:
        shape = module.image_shape
        if data is None:
            data, data_options = _own_data(options.target, data_options)
    name, reference, held_out = _reference(data, data_options, shape, options.split)
    if module is not None:
        drawn = _samples(module, reference, options)
    extractor = choose_features(options.features, name, reference, lambda images: _trained(images, name))
    if extractor is None:
        raise UsageError(f"--features {options.features}: none for this data")
    extractor.to(module.device if module is not None else _device(options.device))
    scores = evaluate(
        drawn,
        reference,
        names,
        extractor,
        held_out=held_out,
        seed=options.seed,
        batch_size=options.batch_size,
        progress=True,
        warn=lambda line: say(f"warning: {line}"),
    )
    sys.stdout.write(_as_json(scores) if options.json else _as_table(scores))
    return 0


def _is_images(target: Path) -> bool:
    return target.is_dir() or target.suffix.lower() in (".zip", ".npy")


def _stored(path: Path, cached: bool = False) -> ImageSet:
    """Images of a folder, .zip or .npy as they are, never resized."""
    if path.suffix.lower() == ".npy":
        return _array(path)
    shape = uniform_shape(path)
    # What is scored once need not be kept decoded.
    data = import_data("image_folder")(
        root=path, size=f"{shape[1]}x{shape[2]}", channels=shape[0], cache_limit=None if cached else 0, num_workers=0
    )
    data.prepare_data()
    data.setup()
    return DatasetImages(data.train_dataset, shape, str(path))


def _array(path: Path) -> ImageSet:
    try:
        images = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(f"{path} holds {images.dtype} of shape {images.shape}; allowed: uint8 (n, C, H, W)")
    return TensorImages(torch.from_numpy(images), name=str(path))


def _own_data(checkpoint: str, given: dict[str, str]) -> tuple[str, dict[str, Any]]:
    found = checkpoint_data(read_checkpoint(checkpoint), checkpoint)
    if found is None:
        raise UsageError(f"'{checkpoint}' does not say what it was trained on; add --data D, a data set or a folder")
    name, options = found
    return name, {**options, **given}


def _reference(
    data: str, options: dict[str, Any], shape: tuple[int, int, int], split: str
) -> tuple[str | None, ImageSet, ImageSet | None]:
    """The data set's name, the split to compare with and, if that is the training split, the one held out."""
    if Path(data).exists() and not options:
        return None, _stored(Path(data), cached=True), None
    opened = open_data(data, options, image_shape=shape)
    name = data if opened.source is None else opened.source["name"]
    train, test = (
        DatasetImages(dataset, opened.image_shape, f"{name} {part}")
        for part, dataset in (("train", opened.train_dataset), ("test", opened.test_dataset))
    )
    return name, (train if split == "train" else test), (test if split == "train" else None)


def _samples(module: SamplingModule, reference: ImageSet, options: argparse.Namespace) -> ImageSet:
    labels = None
    if module.is_conditional and reference.labels is not None and module.num_classes:
        known = reference.labels[reference.labels < module.num_classes]
        labels = labels_like(known, options.n)
    return GeneratedImages(
        module,
        options.n,
        seed=options.seed,
        ema=not options.raw,
        bn=options.bn,
        truncation=options.truncation,
        labels=labels,
    )


def _trained(images: ImageSet, name: str | None) -> Any:
    say("training a small classifier on this data for its features; it is kept for next time")
    return trained_domain(images, name, progress=True)


def _device(name: str) -> str:
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def _as_json(scores: dict[str, Score]) -> str:
    """NaN is no JSON: what is not finite becomes null."""
    plain = {
        name: {
            "value": score.value if math.isfinite(score.value) else None,
            "error": score.error,
            "protocol": score.protocol,
        }
        for name, score in scores.items()
    }
    return json.dumps(plain, indent=2) + "\n"


def _as_table(scores: dict[str, Score]) -> str:
    """A line for each score, and below them what their protocols have in common."""
    protocols = [score.protocol.split("; ") for score in scores.values()]
    shared = [parts[0] for parts in zip(*protocols, strict=False) if len(set(parts)) == 1] if len(scores) > 1 else []
    rows = [
        (name, f"{score.value:.4g}", "" if score.error is None else f"± {score.error:.2g}")
        for name, score in scores.items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = []
    for row, protocol in zip(rows, protocols, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join([*cells, "; ".join(protocol[len(shared) :])]).rstrip())
    return "\n".join([*lines, *(["all: " + "; ".join(shared)] if shared else [])]) + "\n"
