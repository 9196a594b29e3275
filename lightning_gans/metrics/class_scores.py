"""Metrics class by class, for conditional generators: a model that mixes its classes up may still look good over all.

Intra-class Fréchet distance: Miyato and Koyama 2018, "cGANs with Projection Discriminator" (arXiv:1802.05637), the mean over
classes. Per-class recall follows Kynkäänniemi et al. 2019 (arXiv:1904.06991) within each class; `class_accuracy` on a
classifier's verdict on generated images is the GAN-test of Shmelkov et al. 2018, "How good is my GAN?" (arXiv:1807.09499).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from lightning_gans.metrics.neighbors import share_inside

__all__ = ["ClassScores", "class_accuracy", "intra_class_frechet", "intra_class_recall"]


class ClassScores(NamedTuple):
    """The mean over classes, each class of equal weight, and each class's own score."""

    mean: float
    per_class: dict[int, float]


def intra_class_frechet(
    real: Tensor, real_labels: Tensor, fake: Tensor, fake_labels: Tensor, distance: Callable[[Tensor, Tensor], float]
) -> ClassScores:
    """Fréchet distance between the real and the generated samples of each class.

    Args:
        real: features of real samples, (N, D).
        real_labels: (N,) integers from 0 up.
        fake: features of generated samples, (M, D).
        fake_labels: (M,), the classes that were asked for.
        distance: the Fréchet distance of two sets of features, real first. It needs more samples a class than D for a full
            covariance: state how many there were.

    Raises:
        ValueError: labels that do not fit, or a class without samples on one side.
    """
    return _over_classes(real, real_labels, fake, fake_labels, distance, needed=1)


def intra_class_recall(real: Tensor, real_labels: Tensor, fake: Tensor, fake_labels: Tensor, k: int = 3) -> ClassScores:
    """Recall within each class: the share of its real samples inside the ball of a generated sample of the class.

    Args:
        real: features of real samples, (N, D).
        real_labels: (N,) integers from 0 up.
        fake: features of generated samples, (M, D).
        fake_labels: (M,), the classes that were asked for.
        k: which neighbour sets the radius, 1 to the generated samples of the smallest class - 1.

    Raises:
        ValueError: labels that do not fit, a class without samples on one side or with too few generated ones; k below 1.
    """
    if k < 1:
        raise ValueError(f"k={k}; allowed: 1 to the generated samples of the smallest class - 1")
    return _over_classes(
        real, real_labels, fake, fake_labels, lambda of_real, of_fake: share_inside(of_real, of_fake, k), needed=k + 1
    )


def class_accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of samples whose largest logit is their label's.

    Args:
        logits: (N, K), of a classifier that has seen only real samples.
        labels: (N,) integers, 0 to K - 1.

    Raises:
        ValueError: shapes or labels that do not fit.
    """
    if logits.dim() != 2 or labels.shape != logits.shape[:1] or not logits.numel():
        raise ValueError(
            f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)}; allowed: (N, K) and (N,), none 0"
        )
    if labels.is_floating_point() or labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(f"labels {_range(labels)}; allowed: integers from 0 to {logits.shape[1] - 1}")
    return float((logits.argmax(dim=1) == labels).double().mean())


def _over_classes(
    real: Tensor,
    real_labels: Tensor,
    fake: Tensor,
    fake_labels: Tensor,
    score: Callable[[Tensor, Tensor], float],
    needed: int,
) -> ClassScores:
    for name, features, labels in (("real", real, real_labels), ("fake", fake, fake_labels)):
        if labels.shape != features.shape[:1] or not len(labels):
            shapes = f"{tuple(features.shape)} and labels {tuple(labels.shape)}"
            raise ValueError(f"{name} features {shapes}; allowed: (N, D) and (N,), none 0")
        if labels.is_floating_point() or labels.min() < 0:
            raise ValueError(
                f"{name} labels {_range(labels)}; allowed: integers from 0 up (-1, unlabelled: take them out)"
            )
    of_real, of_fake = set(real_labels.tolist()), set(fake_labels.tolist())
    missing = [f"class {label} has no generated samples" for label in sorted(of_real - of_fake)]
    missing += [f"class {label} has no real samples" for label in sorted(of_fake - of_real)]
    if missing:
        raise ValueError(f"{', '.join(missing)}; allowed: samples of every class on both sides")
    few = [f"class {label} has {n}" for label in sorted(of_fake) if (n := int((fake_labels == label).sum())) < needed]
    if few:
        raise ValueError(f"{', '.join(few)} generated samples; allowed: {needed} or more (k + 1) in each class")
    scores = {
        int(label): float(score(real[real_labels == label], fake[fake_labels == label])) for label in sorted(of_real)
    }
    return ClassScores(sum(scores.values()) / len(scores), scores)


def _range(labels: Tensor) -> str:
    return f"{str(labels.dtype).removeprefix('torch.')} from {labels.min().item()} to {labels.max().item()}"
