"""The FID's own arithmetic, ours against scipy's matrix root and torchmetrics.

(a) The Fréchet distance of two covariances, each of 4,096 random correlated samples: ours, what TTUR and pytorch-fid do
(``scipy.linalg.sqrtm``), and torchmetrics' eigenvalues of the product. (b) All of an FID of 10,000 against 10,000 images but
the network: moments of float32 features that come in batches of 64, then the distance, ours against a
``FrechetInceptionDistance`` whose network hands its input on.

All take turns in one run; ratios are those of the medians, of seconds on the clock and of seconds of CPU: the latter do not
count waiting for a core that something else has. That all give the same distance is checked.

    python benchmarks/metrics.py > result.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable

import scipy
import scipy.linalg
import torch
import torchmetrics
from machine import cpu_name
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance, _compute_fid

from lightning_gans.metrics.frechet import frechet_distance
from lightning_gans.metrics.moments import Moments

__all__ = ["main"]

BATCH_SIZE = 64
SAMPLES, IMAGES = 4096, 10_000
NEEDED = {"frechet": {"scipy": 5.0, "torchmetrics": 2.0}, "fid": {"torchmetrics": 1.0}}


class Handed(nn.Module):
    """Stands in for the network: its input is features already."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.num_features = features

    def forward(self, features: Tensor) -> Tensor:
        return features


def samples(count: int, features: int, seed: int) -> Tensor:
    """(count, features) float32, correlated, not negative as pooled features are."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(features, features, generator=generator) / features**0.5
    mixed: Tensor = torch.randn(count, features, generator=generator) @ mixing
    return mixed.add_(0.3).relu_()


def by_scipy(first: Moments, second: Moments) -> float:
    one, other = first.covariance.numpy(), second.covariance.numpy()
    gap = (first.mean - second.mean).square().sum()
    return float(gap + one.trace() + other.trace() - 2 * scipy.linalg.sqrtm(one @ other).trace().real)


def by_torchmetrics(first: Moments, second: Moments) -> float:
    return float(_compute_fid(first.mean, first.covariance, second.mean, second.covariance))


def whole_ours(first: Tensor, second: Tensor) -> float:
    moments = [Moments(first.shape[1]), Moments(first.shape[1])]
    for own, features in zip(moments, (first, second), strict=True):
        for batch in features.split(BATCH_SIZE):
            own.update(batch)
    return frechet_distance(*moments)


def whole_torchmetrics(first: Tensor, second: Tensor) -> float:
    metric = FrechetInceptionDistance(Handed(first.shape[1]))
    for real, features in ((False, first), (True, second)):
        for batch in features.split(BATCH_SIZE):
            metric.update(batch, real=real)
    return float(metric.compute())


def alternate(versions: dict[str, Callable[[], float]], rounds: int) -> dict[str, tuple[float, float]]:
    """Median seconds of each version, on the clock and of CPU."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in versions}
    for number in range(rounds):
        values = []
        for name, version in versions.items():
            clock, work = time.perf_counter(), time.process_time()
            values.append(version())
            seconds[name].append((time.perf_counter() - clock, time.process_time() - work))
        if max(values) - min(values) > 1e-4 * max(values):
            raise SystemExit(f"not the same distance: {dict(zip(versions, values, strict=True))}")
        told = ", ".join(f"{name} {times[-1][0]:.2f} s (CPU {times[-1][1]:.2f})" for name, times in seconds.items())
        print(f"round {number + 1}: {told}; distance {values[0]:.6f}", file=sys.stderr)
    return {
        name: (statistics.median(t for t, _ in times), statistics.median(t for _, t in times))
        for name, times in seconds.items()
    }


def report(seconds: dict[str, tuple[float, float]], needed: dict[str, float]) -> dict[str, object]:
    result: dict[str, object] = {}
    for kind, title in enumerate(("clock", "cpu")):
        result[f"{title}_seconds"] = {name: round(value[kind], 2) for name, value in seconds.items()}
        ratios = {name: round(value[kind] / seconds["ours"][kind], 1) for name, value in seconds.items()}
        result[f"{title}_ratio"] = {name: ratio for name, ratio in ratios.items() if name != "ours"}
    return {**result, "needed": needed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=2048, help="length of a feature (default 2048)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default 5)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default 1); scipy's: OPENBLAS_NUM_THREADS")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    first, second = (Moments.of(samples(SAMPLES, args.features, seed)) for seed in range(2))
    frechet = alternate(
        {
            "ours": lambda: frechet_distance(first, second),
            "scipy": lambda: by_scipy(first, second),
            "torchmetrics": lambda: by_torchmetrics(first, second),
        },
        args.rounds,
    )
    real, fake = (samples(IMAGES, args.features, seed) for seed in range(2, 4))
    whole = alternate(
        {"ours": lambda: whole_ours(fake, real), "torchmetrics": lambda: whole_torchmetrics(fake, real)}, args.rounds
    )
    machine = f"{cpu_name()}, {os.cpu_count()} cores, {args.threads} threads"
    versions = f"torch {torch.__version__}, scipy {scipy.__version__}, torchmetrics {torchmetrics.__version__}"
    result = {
        "machine": f"{machine}, {versions}",
        "features": args.features,
        "rounds": args.rounds,
        "frechet": report(frechet, NEEDED["frechet"]),
        "fid": {"images": IMAGES, "batch_size": BATCH_SIZE, **report(whole, NEEDED["fid"])},
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
