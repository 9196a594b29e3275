"""What ``lightning-gans evaluate`` does once its flags are read: images of both sides, features, scores, a table."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from datamodules import import_data
from datamodules._headers import uniform_shape
from lightning_gans.cli.data_source import checkpoint_data, open_data, same_images
from lightning_gans.cli.drawing import find_device, load_sampler
from lightning_gans.cli.errors import UsageError, say
from lightning_gans.cli.names import is_path
from lightning_gans.core.loading import read_checkpoint
from lightning_gans.core.sampling import SamplingModule
from lightning_gans.metrics.features.base import FeatureExtractor
from lightning_gans.metrics.features.choose import choose_features, trained_domain
from lightning_gans.metrics.images import (
    DatasetImages,
    GeneratedImages,
    ImageSet,
    JoinedImages,
    TensorImages,
    labels_like,
)
from lightning_gans.metrics.modes import Mixture
from lightning_gans.metrics.scores import METRICS, Score, check_metrics, evaluate

__all__ = ["score"]

DEFAULT, MIXTURES = "fid", "modes"  # metrics where none is named
SAMPLES, MIXTURE_SAMPLES = 10_000, 2500  # the latter is the papers' rule: more samples find more modes


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
        names = check_metrics(DEFAULT if options.metrics is None else options.metrics)
    except ValueError as error:
        raise UsageError(f"--metrics: {error}") from error
    target = Path(options.target)
    device = find_device(options.device)
    module: SamplingModule | None = None
    name, held_out = None, None
    if _is_images(target):
        drawn: ImageSet = _stored(target)
        if data is None:
            raise UsageError(f"'{target}' does not say what to compare it with; add --data D, a data set or a folder")
        shape = drawn.image_shape
    else:
        module = load_sampler(options.target, options.device)
        shape = module.image_shape
        if data is None:
            data, data_options = _own_data(options.target, data_options)
    if module is None and (is_path(data) or data.endswith(".npy")) and not data_options:
        reference = training = _stored(Path(data), options.split)
    else:
        name, reference, training, held_out = _data_set(data, data_options, shape, options.split)
    if options.metrics is None and reference.mixture is not None:
        names = [MIXTURES]
    if module is not None:
        n = options.n or (MIXTURE_SAMPLES if names == [MIXTURES] else SAMPLES)
        drawn = GeneratedImages(
            module,
            n,
            seed=options.seed,
            ema=not options.raw,
            bn=options.bn,
            truncation=options.truncation,
            labels=labels_like(reference, module, n),
        )
    extractor: FeatureExtractor | None = None
    if any(METRICS[metric].statistics for metric in names):
        extractor = cast(FeatureExtractor, choose_features(options.features, name, training, _trained)).to(device)
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


def _stored(path: Path, split: str | None = None) -> ImageSet:
    """Images of a folder, .zip or .npy as they are, never resized; of a folder with splits one, or both (`split` None)."""
    if path.suffix.lower() == ".npy":
        return _array(path)
    shape = uniform_shape(path)
    # Decoded images are not kept on disk: what is scored is often scored once.
    size = f"{shape[1]}x{shape[2]}"
    data = import_data("image_folder")(root=path, size=size, channels=shape[0], cache_limit=0, num_workers=1)
    data.prepare_data()
    data.setup()
    train, test = (DatasetImages(part, shape, str(path)) for part in (data.train_dataset, data.test_dataset))
    if same_images(data.train_dataset, data.test_dataset):
        return train
    return JoinedImages(train, test, str(path)) if split is None else (train if split == "train" else test)


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


def _data_set(
    data: str, options: dict[str, Any], shape: tuple[int, int, int], split: str
) -> tuple[str | None, ImageSet, ImageSet, ImageSet | None]:
    """The data's name, the split to compare with, the training split and, if that is the reference, what is held out."""
    opened = open_data(data, options, image_shape=shape)
    name = None if opened.source is None else opened.source["name"]
    mixture = _mixture(opened)
    train, test = (
        DatasetImages(dataset, opened.image_shape, f"{name or data} {part}")
        for part, dataset in (("train", opened.train_dataset), ("test", opened.test_dataset))
    )
    train.mixture = test.mixture = mixture
    if not same_images(opened.train_dataset, opened.test_dataset):
        return name, (train if split == "train" else test), train, (test if split == "train" else None)
    if split == "test":
        raise UsageError(f"--split test: data '{data}' has no images apart to test with; allowed: train")
    return name, train, train, None


def _mixture(data: Any) -> Mixture | None:
    """What the points of `gaussians` were drawn from, in the units of its images."""
    means = getattr(data, "means", None)
    return None if means is None else Mixture(means / data.scale, data.std / data.scale)


def _trained(images: ImageSet) -> FeatureExtractor:
    say("training a small classifier on this data for its features; it is kept for next time")
    return trained_domain(images, progress=True)


def _as_json(scores: dict[str, Score]) -> str:
    """NaN is no JSON: what is not finite becomes null."""
    plain = {
        name: {
            "value": score.value if math.isfinite(score.value) else None,
            "error": score.error if score.error is not None and math.isfinite(score.error) else None,
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
