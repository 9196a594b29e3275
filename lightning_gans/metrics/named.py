"""What each name on the command line computes from two sets of images: one function a metric, in terms of features."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_gans.metrics.class_scores import class_accuracy, intra_class_frechet, intra_class_recall
from lightning_gans.metrics.features.base import FeatureExtractor
from lightning_gans.metrics.frechet import frechet_distance, frechet_from_features, jackknife_error
from lightning_gans.metrics.images import GeneratedImages, ImageSet
from lightning_gans.metrics.inception_score import inception_score
from lightning_gans.metrics.kernel import kernel_distance
from lightning_gans.metrics.modes import Mixture, mixture_modes
from lightning_gans.metrics.neighbors import density_coverage, memorization, precision_recall
from lightning_gans.metrics.parzen import parzen_log_likelihood
from lightning_gans.metrics.perceptual_distance import LPIPS
from lightning_gans.metrics.perceptual_path import perceptual_path_length
from lightning_gans.metrics.prd import f_beta_pair, prd
from lightning_gans.metrics.sliced_wasserstein import sliced_wasserstein
from lightning_gans.metrics.statistics import Statistics

__all__ = ["METRICS", "Comparison", "Metric", "Result", "check_possible"]

PAIRWISE = 10_000  # images of a side whose distances to all of the other are taken
KID_SUBSETS, KID_SUBSET_SIZE = 100, 1000
SPLITS, SPLIT_SIZE = 10, 100  # of the Inception score, if there are so many
SWD_IMAGES = 16_384
PARZEN_VALUES = 3 * 64 * 64
PR_K, DC_K = 3, 5  # neighbours, as in the papers


class Result(NamedTuple):
    """What one metric found: `name` is still without the features."""

    name: str
    value: float
    error: float | None
    note: str


@dataclass
class Comparison:
    """What metrics are computed from. Stored images may be sorted by class: a part of them is always a seeded choice."""

    real: Statistics | None
    fake: Statistics | None
    real_images: ImageSet
    fake_images: ImageSet
    held_out: ImageSet | None
    held_out_features: Tensor | None
    extractor: FeatureExtractor | None
    seed: int

    def statistics(self) -> tuple[Statistics, Statistics]:
        """Of the real and of the generated images."""
        if self.real is None or self.fake is None:
            raise ValueError("a metric that needs statistics and does not say so")
        return self.real, self.fake

    def judge(self) -> FeatureExtractor:
        """What the features are made by."""
        if self.extractor is None:
            raise ValueError("a metric that needs features and does not say so")
        return self.extractor

    def pair(self, n: int = PAIRWISE) -> tuple[Tensor, Tensor, str]:
        """Features of both sides, at most n of each by a seeded choice; and words for the protocol."""
        real, fake = (_features(statistics) for statistics in self.statistics())
        n_real, n_fake = min(n, len(real)), min(n, len(fake))
        note = f"{n_real} real and {n_fake} generated"
        return _some(real, n_real, self.seed), _some(fake, n_fake, self.seed), note


def _features(statistics: Statistics) -> Tensor:
    if statistics.features is None:
        raise ValueError("a metric that needs features and does not say so")
    return statistics.features


def _some(rows: Tensor, n: int, seed: int) -> Tensor:
    if n == len(rows):
        return rows
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:n].sort().values]


# ---------------------------------------------------------------- one function a metric


def _fid(c: Comparison) -> Iterator[Result]:
    real, fake = c.statistics()
    value = frechet_distance(fake.moments, real.moments)
    blocks = len(fake.blocks)
    error = jackknife_error(fake.blocks, real.moments) if blocks > 1 else None
    yield Result("fid", value, error, f"error: jackknife of {blocks} blocks" if blocks > 1 else "")


def _kid(c: Comparison) -> Iterator[Result]:
    real, fake = (_features(statistics) for statistics in c.statistics())
    size = min(KID_SUBSET_SIZE, len(real), len(fake))
    found = kernel_distance(fake, real, subsets=KID_SUBSETS, subset_size=size, seed=c.seed)
    yield Result("kid", found.value, found.error, f"not multiplied, {KID_SUBSETS} subsets of {size}, seed {c.seed}")


def _is(c: Comparison) -> Iterator[Result]:
    logits = _logits(c, "is")
    splits = SPLITS if len(logits) >= SPLITS * SPLIT_SIZE else 1  # of a few images a split knows nothing
    found = inception_score(logits, splits=splits, seed=c.seed)
    note = f"{splits} splits of {len(logits) // splits}, shuffled" + (", error: their deviation" if splits > 1 else "")
    yield Result("is", found.mean, found.std if splits > 1 else None, note)


def _pr(c: Comparison) -> Iterator[Result]:
    real, fake, note = c.pair()
    found = precision_recall(real, fake, k=PR_K)
    yield Result("precision", found.precision, None, f"k={PR_K}, {note}")
    yield Result("recall", found.recall, None, f"k={PR_K}, {note}")


def _dc(c: Comparison) -> Iterator[Result]:
    real, fake, note = c.pair()
    found = density_coverage(real, fake, k=DC_K)
    yield Result("density", found.density, None, f"k={DC_K}, {note}")
    yield Result("coverage", found.coverage, None, f"k={DC_K}, {note}")


def _prd(c: Comparison) -> Iterator[Result]:
    real, fake, _ = c.pair()
    n = min(len(real), len(fake))
    found = f_beta_pair(prd(_some(real, n, c.seed), fake[:n], seed=c.seed))
    note = f"20 clusters of {n} real and {n} generated, 10 clusterings"
    yield Result("prd_f8", found.f8, None, f"recall-like, {note}")
    yield Result("prd_f1_8", found.f1_8, None, f"precision-like, {note}")


def _logits(c: Comparison, metric: str) -> Tensor:
    logits = c.statistics()[1].logits
    if logits is None:
        raise ValueError(f"{metric}: {c.judge().describe()} tells no classes apart; allowed: features of a classifier")
    return logits


def _labels(labels: Tensor | None, metric: str, side: str) -> Tensor:
    if labels is None:
        raise ValueError(
            f"{metric}: the {side} have no classes; allowed: labelled data, and a model or folder with classes"
        )
    return labels


def _ifid(c: Comparison) -> Iterator[Result]:
    real, fake = c.statistics()
    real_labels = _labels(real.labels, "ifid", "real images")
    known = real_labels >= 0
    fake_labels = _labels(fake.labels, "ifid", "generated images")
    arguments = (_features(real)[known], real_labels[known], _features(fake), fake_labels)
    found = intra_class_frechet(*arguments, frechet_from_features)
    least = min(int((labels == k).sum()) for labels in (real_labels[known], fake_labels) for k in found.per_class)
    dim = c.judge().dim
    few = f", only {least} images in one of them for {dim} features" if least <= dim else ""
    yield Result("ifid", found.mean, None, f"mean over {len(found.per_class)} classes{few}")
    recall = intra_class_recall(*arguments, k=PR_K)
    yield Result("irecall", recall.mean, None, f"k={PR_K}, mean over {len(recall.per_class)} classes")


def _acc(c: Comparison) -> Iterator[Result]:
    asked = _labels(c.statistics()[1].labels, "acc", "generated images")
    if not c.judge().knows_classes:
        raise ValueError(f"acc: {c.judge().describe()} has other classes; allowed: domain features, or your own")
    value = class_accuracy(_logits(c, "acc"), asked)
    yield Result(
        "acc",
        value,
        (value * (1 - value) / len(asked)) ** 0.5,
        "share read as the class that was asked for, binomial error",
    )


def _nn(c: Comparison) -> Iterator[Result]:
    if c.held_out_features is None:
        raise ValueError("nn: the reference has no held-out split; allowed: data with one")
    _, fake, _ = c.pair()
    found = memorization(fake, _features(c.statistics()[0]), c.held_out_features)
    note = f"{len(fake)} generated beside {len(c.held_out_features)} held-out images"
    yield Result("nn", found.ratio, None, f"distance to the nearest training image over the held-out ones', {note}")
    yield Result("nn_copies", found.copies, None, f"share nearer than 99 % of the held-out ones, {note}")


def _ppl(c: Comparison) -> Iterator[Result]:
    if not isinstance(c.fake_images, GeneratedImages):
        raise ValueError("ppl: images have no latents; allowed: a checkpoint")
    module, pairs = c.fake_images.module, c.fake_images.count
    distance = LPIPS().to(module.device)

    def between(first: Tensor, second: Tensor) -> Tensor:
        return distance(first.to(module.device), second.to(module.device)).cpu()  # type: ignore[no-any-return]

    render, latents = c.fake_images.path()
    value = perceptual_path_length(render, latents, between, pairs=pairs, seed=c.seed)
    yield Result("ppl", value, None, f"LPIPS-VGG16, {pairs} pairs, full path in z, epsilon 1e-4, no crop")


def _swd(c: Comparison) -> Iterator[Result]:
    n = min(c.real_images.count, c.fake_images.count, SWD_IMAGES)
    found = sliced_wasserstein(_batches(c.real_images, n, c.seed), _batches(c.fake_images, n, c.seed), seed=c.seed)
    levels = ", ".join(f"{size}: {value:.2f}" for size, value in found.levels.items())
    yield Result("swd", found.average, None, f"x1000, {n} images a side, levels {levels}")


def _parzen(c: Comparison) -> Iterator[Result]:
    if c.held_out is None:
        raise ValueError("parzen: the reference has no held-out split; allowed: data with one")
    values = math.prod(c.fake_images.image_shape)
    if values > PARZEN_VALUES:
        raise ValueError(f"parzen: images of {values} values; allowed: up to {PARZEN_VALUES}, more says nothing")
    samples, held_out = (_unit(images, min(images.count, PAIRWISE), c.seed) for images in (c.fake_images, c.held_out))
    half = len(held_out) // 2
    found = parzen_log_likelihood(samples, held_out[half:], held_out[:half])
    note = f"nats, {len(samples)} samples, sigma {found.bandwidth:.3g} by {half} held-out images, {len(held_out) - half} others"
    yield Result("parzen", found.log_likelihood, found.standard_error, f"{note}, error: of their mean")


def _modes(c: Comparison) -> Iterator[Result]:
    mixture, generated = _mixture(c.real_images), _drawn(c.fake_images)
    points = torch.cat([images.flatten(1) for images in generated.unrounded(range(generated.count), PAIRWISE)])
    found = mixture_modes(points, *mixture)
    note = f"within 3 standard deviations of a mean, {generated.count} samples"
    yield Result("modes", found.modes, None, f"of {len(mixture.means)} with a sample {note}")
    share = found.high_quality
    yield Result("high_quality", share, (share * (1 - share) / generated.count) ** 0.5, f"share {note}, binomial error")
    yield Result("reverse_kl", found.reverse_kl, None, f"nats, from uniform over modes, of samples {note}")


def _mixture(reference: ImageSet) -> Mixture:
    if reference.mixture is None:
        raise ValueError(f"modes: {reference.name} is no mixture of Gaussians; allowed: data with known means")
    return reference.mixture


def _drawn(images: ImageSet) -> GeneratedImages:
    if not isinstance(images, GeneratedImages):
        raise ValueError("modes: stored images are rounded to 8 bits; allowed: a checkpoint")
    return images


def _batches(images: ImageSet, n: int, seed: int) -> Iterator[Tensor]:
    """n images by a seeded choice, uint8 (N, C, H, W) at a time."""
    return images.batches(_some(torch.arange(images.count), n, seed).tolist(), 64)


def _unit(images: ImageSet, n: int, seed: int) -> Tensor:
    """n images by a seeded choice, (n, C * H * W) in [0, 1]."""
    return torch.cat([batch.flatten(1).float() / 255 for batch in _batches(images, n, seed)])


@dataclass(frozen=True)
class Metric:
    """How a metric is computed, and what it needs."""

    compute: Callable[[Comparison], Iterator[Result]]
    statistics: bool = True
    """Whether it needs features of both sides."""
    features: bool = True
    """Each image's, not only their moments."""
    featured: bool = True
    """Whether its name says the features."""
    training: bool = True
    """Whether it is possible, and cheap enough, while a run trains."""


METRICS: dict[str, Metric] = {
    "fid": Metric(_fid, features=False),
    "kid": Metric(_kid),
    "is": Metric(_is),
    "pr": Metric(_pr),
    "dc": Metric(_dc),
    "prd": Metric(_prd),
    "ifid": Metric(_ifid),
    "acc": Metric(_acc),
    "ppl": Metric(_ppl, statistics=False, featured=False, training=False),
    "swd": Metric(_swd, statistics=False, featured=False, training=False),
    "nn": Metric(_nn, training=False),
    "parzen": Metric(_parzen, statistics=False, featured=False, training=False),
    "modes": Metric(_modes, statistics=False, featured=False, training=False),
}


def check_possible(metric: str, generated: ImageSet, reference: ImageSet, held_out: ImageSet | None) -> None:
    """Refuse a metric for what the images lack, before any of them is made.

    Raises:
        ValueError: no classes, no held-out split, no latents or no mixture, where the metric needs them.
    """
    if metric == "modes":
        _mixture(reference)
        _drawn(generated)
    if metric in ("ifid", "acc"):
        _labels(generated.labels, metric, "generated images")
    if metric == "ifid":
        _labels(reference.labels, metric, "real images")
    if metric in ("nn", "parzen") and held_out is None:
        raise ValueError(f"{metric}: the reference has no held-out split; allowed: data with one")
    if metric == "ppl":
        if not isinstance(generated, GeneratedImages):
            raise ValueError("ppl: images have no latents; allowed: a checkpoint")
        generated.path()
