"""Which features scores are made of, from what a person says: a name, or nothing."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lightning_gans.metrics.features.base import FeatureExtractor
from lightning_gans.metrics.features.domain import DomainFeatures, find_domain, train_domain
from lightning_gans.metrics.features.inception import InceptionFeatures, inception_weights_present
from lightning_gans.metrics.features.module import ModuleFeatures
from lightning_gans.metrics.features.pixels import set_channels, shrink
from lightning_gans.metrics.images import ImageSet

__all__ = ["choose_features", "trained_domain"]

TRAINING_IMAGES = 50_000  # a domain classifier is trained on at most so many, evenly spaced
ITERATIONS = 2000
FOLDER = "images"  # the name that trained classifiers go by: what they are of, their hash tells
LARGEST = 64  # pixels: the longer side it sees


def choose_features(
    features: str,
    data_name: str | None,
    images: ImageSet | None,
    train: Callable[[ImageSet], FeatureExtractor] | None = None,
    allow_slow: bool = True,
) -> FeatureExtractor | None:
    """The extractor of a name.

    Args:
        features: "auto", "domain", "inception" or "package.module:name". Auto takes the domain classifier that is shipped
            for this data or was trained for it, else Inception if its weights are here, else trains if it may.
        data_name: of the data set, as on the command line; None for a foreign one.
        images: the training split, by which a classifier that was trained before is found.
        train: makes a domain classifier where there is none; None: nothing is trained.
        allow_slow: whether auto may take Inception, some ten images a second and core.

    Returns:
        The extractor on CPU, or None: only if nothing may be trained, and only for auto and domain.

    Raises:
        ValueError: an unknown name, or what it names cannot be used.
        OSError: Inception's weights cannot be had.
    """
    if features == "inception":
        return InceptionFeatures()
    if ":" in features:
        return _from_code(features)
    if features not in ("auto", "domain"):
        raise ValueError(f"features '{features}'; allowed: auto, domain, inception or package.module:name")
    found = find_domain(data_name) if data_name else None
    if found is None and images is not None:
        found = find_domain(FOLDER, data_hash=_data_hash(images))
    takes = images is None or images.image_shape[0] in (1, 3)
    if found is None and features == "auto" and allow_slow and takes and inception_weights_present():
        return InceptionFeatures()
    if found is None and train is not None and images is not None:
        return train(images)
    return found


def trained_domain(images: ImageSet, *, progress: bool = False) -> DomainFeatures:
    """Train a domain classifier on a training split, the same for the same images and labels, and keep it (`find_domain`)."""
    rows = np.linspace(0, images.count - 1, min(images.count, TRAINING_IMAGES)).round().astype(int)
    labels = None if images.labels is None else images.labels[rows]
    if labels is not None:
        known = labels >= 0
        rows, labels = (rows[known.numpy()], labels[known]) if known.any() else (rows, None)
    small = torch.cat([_shrunk(batch) for batch in images.batches(rows.tolist(), 256)])
    return train_domain(
        small,
        labels,
        name=FOLDER,
        iterations=ITERATIONS,
        data_hash=_data_hash(images),
        device="cuda" if torch.cuda.is_available() else "cpu",
        progress=progress,
        keep=True,
    )


def _data_hash(images: ImageSet) -> str:
    """Of the images and their labels: other labels make another classifier."""
    labels = b"" if images.labels is None else images.labels.cpu().numpy().tobytes()
    return hashlib.sha256(images.digest().encode() + labels).hexdigest()[:16]


def _shrunk(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W), its longer side at most 64 pixels; alpha is laid on white first, as in scoring."""
    images = set_channels(images, 3) if images.shape[1] == 4 else images
    height, width = images.shape[2:]
    scale = LARGEST / max(height, width)
    return images if scale >= 1 else shrink(images, (max(1, round(height * scale)), max(1, round(width * scale))))


def _from_code(name: str) -> FeatureExtractor:
    """What ``package.module:function`` returns, the current folder's modules included."""
    module_name, _, attribute = name.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        # A network of random weights is the same each time, in all processes, and training goes on as if it were not made.
        with torch.random.fork_rng():
            torch.manual_seed(0)
            made = getattr(importlib.import_module(module_name), attribute)()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"features '{name}': {error}; allowed: package.module:name of a function") from error
    finally:
        sys.path.pop(0)
    if isinstance(made, FeatureExtractor):
        return made
    if not isinstance(made, nn.Module):
        raise ValueError(f"features '{name}' returned {type(made).__name__}; allowed: a torch module")
    return ModuleFeatures(made, name=f"{attribute.lower()}_" if attribute.lower() == "domain" else attribute.lower())
