"""Scores by name, each with the protocol it was made by: what a number means without it is anybody's guess."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypedDict

import torch
from tqdm import tqdm

from lightning_gans.batch import shape_text
from lightning_gans.metrics.features.base import FeatureExtractor
from lightning_gans.metrics.frechet import check_rank
from lightning_gans.metrics.images import ImageSet
from lightning_gans.metrics.named import METRICS, Comparison, Metric, check_possible
from lightning_gans.metrics.statistics import Statistics, collect, reference_statistics

__all__ = ["METRICS", "Score", "check_metrics", "evaluate", "lower_is_better"]

BLOCKS = 10  # of the generated images, for the jackknife
LOWER = ("fid", "kid", "ifid")  # among those that can be followed while training


class Score(NamedTuple):
    """One number and how it was made."""

    value: float
    error: float | None
    """Standard error, where one is known; what it is made of stands in the protocol."""
    protocol: str


def check_metrics(text: str, *, training: bool = False) -> list[str]:
    """Names of metrics from "fid,kid", each once.

    Raises:
        ValueError: an unknown name, or none.
    """
    known = [name for name, metric in METRICS.items() if metric.training or not training]
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names or [text]:
        if name not in known:
            raise ValueError(f"metric '{name}'; allowed: {', '.join(known)}, by comma")
    return names


def lower_is_better(score: str) -> bool:
    """Whether less of a score, such as fid_domain, means better images."""
    return score.partition("_")[0] in LOWER


def evaluate(
    generated: ImageSet,
    reference: ImageSet,
    metrics: Sequence[str],
    extractor: FeatureExtractor | None,
    *,
    held_out: ImageSet | None = None,
    real: Statistics | None = None,
    seed: int = 0,
    errors: bool = True,
    batch_size: int = 64,
    cache: bool = True,
    progress: bool = False,
    warn: Callable[[str], object] | None = None,
) -> dict[str, Score]:
    """Score images against a reference; with several processes, all of them must call it.

    Args:
        generated: images to score.
        reference: real images.
        metrics: names among `METRICS`.
        extractor: on the device to compute on; None where no metric needs features.
        held_out: real images that were not trained on, for nn and parzen.
        real: the reference's statistics, if they are at hand; with features, if a metric needs them.
        seed: of subsets, clusterings and directions.
        errors: add standard errors to what costs more with them.
        batch_size: images a pass.
        cache: keep the reference's statistics on disk.
        progress: show a bar on stderr, if that is a terminal.
        warn: told one line about each score that means little, such as a singular covariance.

    Returns:
        Scores by name, the features' name at the end: "fid_domain", "fid" of Inception.

    Raises:
        ValueError: images of two shapes, not finite, too few, or without what a metric needs.
    """
    if generated.image_shape != reference.image_shape:
        ours, theirs = (shape_text(images.image_shape) for images in (generated, reference))
        raise ValueError(f"images of {ours} beside a reference of {theirs}; allowed: images of one shape")
    chosen = {name: METRICS[name] for name in metrics}
    for name in chosen:
        check_possible(name, generated, reference, held_out)
    comparison = Comparison(real, None, reference, generated, held_out, None, extractor, seed)
    if any(metric.statistics for metric in chosen.values()):
        extractor = comparison.judge()
        if generated.count < 2 or reference.count < 2:
            raise ValueError(f"{generated.count} images beside {reference.count}; allowed: at least 2 each")
        keep = any(metric.statistics and metric.features for metric in chosen.values())
        options: _Options = {"keep": keep, "batch_size": batch_size}
        hidden = None if progress else True  # None: shown on a terminal only
        with tqdm(total=reference.count + generated.count, unit="image", disable=hidden, leave=False) as bar:
            if real is None:
                comparison.real = reference_statistics(
                    reference, extractor, progress=bar.update, cache=cache, **options
                )
            blocks = max(1, min(BLOCKS, generated.count // 2)) if errors else 1
            comparison.fake = collect(generated, extractor, blocks=blocks, progress=bar.update, **options)
            if "nn" in chosen and held_out is not None:
                comparison.held_out_features = collect(held_out, extractor, batch_size=batch_size).features
        for side, statistics in zip(("reference", "generated"), comparison.statistics(), strict=True):
            sentence = check_rank(statistics.count, extractor.dim) if "fid" in chosen else None
            if sentence and warn:
                warn(f"{side}: {sentence}")
    return dict(_named(comparison, chosen))


class _Options(TypedDict):
    keep: bool
    batch_size: int


def _named(comparison: Comparison, chosen: dict[str, Metric]) -> Iterator[tuple[str, Score]]:
    extractor, suffix, features = comparison.extractor, "", ""
    if extractor is not None:
        suffix = f"_{extractor.name}" if extractor.name else ""
        resized = extractor.resize(comparison.fake_images.image_shape)
        features = f"features {extractor.describe()}, resize: {resized}"
    sides = f"reference {comparison.real_images.describe()}; {comparison.fake_images.describe()}"
    device = "cpu" if extractor is None else extractor.device.type
    # PyTorch's default on a GPU: convolutions round their inputs to 10 bits.
    tf32 = ", TF32 convolutions" if device == "cuda" and torch.backends.cudnn.allow_tf32 else ""
    for metric in chosen.values():
        for result in metric.compute(comparison):
            note = f"; {result.note}" if result.note else ""
            protocol = f"{features if metric.featured else 'pixels'}; {sides}; float32 on {device}{tf32}{note}"
            yield f"{result.name}{suffix if metric.featured else ''}", Score(result.value, result.error, protocol)
