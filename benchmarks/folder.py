"""Batches of 256x256 JPEGs, ours from the cache against torchvision's decoding: images a second.

Theirs is what everybody writes: ``torchvision.datasets.ImageFolder`` with ToTensor and Normalize in a shuffling
DataLoader of two workers. Both take turns in one run; ratios are those of the medians. The clock starts after the first
batch of a round, so starting workers costs theirs nothing; decoding once into the cache is told apart ("build_seconds").

Ours is measured twice: as batches leave the data, in uint8, which is what travels to an accelerator and becomes float
there ("ratio"), and made float32 in [-1, 1] by one thread of this CPU as theirs are ("ratio_float").

    python benchmarks/folder.py > result.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import torch
import torchvision
from machine import cpu_name
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import transforms

from datamodules import ImageFolder
from lightning_gans.batch import normalize_batch

__all__ = ["main"]

BATCH_SIZE = 64
SIDE = 256


def ours(data: ImageFolder, *, as_float: bool) -> Iterator[Tensor]:
    for batch in epochs(data.train_dataloader()):
        batch = data.on_after_batch_transfer(batch, 0)
        yield (normalize_batch(batch) if as_float else batch)["images"]


def theirs(root: Path) -> Iterator[Tensor]:
    steps = [transforms.ToTensor(), transforms.Normalize(0.5, 0.5)]
    dataset = torchvision.datasets.ImageFolder(root, transform=transforms.Compose(steps))
    loader = DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True, num_workers=2, drop_last=True)
    for images, _ in epochs(loader):
        yield images


def epochs(loader: Iterable) -> Iterator:  # type: ignore[type-arg]
    return chain.from_iterable(repeat(loader))


def speed(batches: Iterator[Tensor], count: int, dtype: torch.dtype) -> float:
    """Images a second over ``count`` batches, after a first one that is checked and not counted."""
    first = next(batches)
    if first.shape != (BATCH_SIZE, 3, SIDE, SIDE) or first.dtype != dtype:
        raise SystemExit(f"not the batch that is to be measured: {tuple(first.shape)} {first.dtype}")
    start = time.perf_counter()
    for _ in range(count):
        next(batches)
    return count * BATCH_SIZE / (time.perf_counter() - start)


def draw(root: Path, count: int) -> None:
    """Random smooth pictures, as much work to decode as photographs; half of them in either of two classes."""
    random = np.random.RandomState(0)
    for number in range(count):
        folder = root / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        coarse, fine = (Image.fromarray(random.randint(0, 256, (n, n, 3)).astype(np.uint8)) for n in (6, 48))
        smooth = Image.blend(*(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC) for image in (coarse, fine)), 0.3)
        smooth.save(folder / f"{number:05}.jpg", quality=90)


def measure(root: Path, rounds: int, batches: int) -> dict[str, object]:
    data = ImageFolder(root=root, size=SIDE, batch_size=BATCH_SIZE)
    start = time.perf_counter()
    data.prepare_data()
    build = time.perf_counter() - start
    data.setup("fit")
    speeds: dict[str, list[float]] = {"ours": [], "ours_float": [], "theirs": []}
    for number in range(rounds):
        speeds["ours"].append(speed(ours(data, as_float=False), 10 * batches, torch.uint8))
        speeds["ours_float"].append(speed(ours(data, as_float=True), 2 * batches, torch.float32))
        speeds["theirs"].append(speed(theirs(root), batches, torch.float32))
        print(f"round {number + 1}: {', '.join(f'{k} {v[-1]:,.0f}' for k, v in speeds.items())}", file=sys.stderr)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    return {
        "images": len(data.train_dataset),
        "batch_size": BATCH_SIZE,
        "build_seconds": round(build, 1),
        "images_per_second": {name: round(median) for name, median in medians.items()},
        "ratio": round(medians["ours"] / medians["theirs"], 1),
        "ratio_float": round(medians["ours_float"] / medians["theirs"], 1),
        "needed": 10,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000, help="how many are made (default 2000)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default 5)")
    parser.add_argument("--batches", type=int, default=20, help="batches a turn of theirs (default 20)")
    args = parser.parse_args()

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LIGHTNING_GANS_CACHE"] = str(Path(folder) / "cache")
        draw(Path(folder) / "images", args.images)
        result = measure(Path(folder) / "images", args.rounds, args.batches)
    machine = f"{cpu_name()}, {os.cpu_count()} cores, torch {torch.__version__}, torchvision {torchvision.__version__}"
    print(json.dumps({"machine": machine, **result}, indent=2))


if __name__ == "__main__":
    main()
