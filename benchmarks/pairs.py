"""Pairs of 256x256 images side by side in JPEGs, with the papers' jitter: pairs a second, ours against decoding each time.

All make the same batches, uint8 ones: a crop of 256 from 286, mirrored or not, alike in both halves. Ours comes from the
cache, and without one (``cache_limit=0``); theirs is what everybody writes: a data set that opens, cuts, resizes (bicubic),
crops and mirrors, in a shuffling DataLoader of two workers. All take turns in one run, the figures are medians. The clock
starts after the first batch of a round; decoding once into the cache is told apart ("build_seconds").

    python benchmarks/pairs.py > result.json
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import torch
from machine import cpu_name
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from datamodules import PairedFolder
from lightning_gans.batch import Batch

__all__ = ["main"]

SIDE, LOAD = 256, 286


class Decoded(Dataset[Batch]):
    """Pairs decoded anew each time."""

    def __init__(self, root: Path) -> None:
        self.paths = sorted(root.iterdir())

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Batch:
        both = Image.open(self.paths[index]).convert("RGB")
        half = both.width // 2
        top, left = random.randint(0, LOAD - SIDE), random.randint(0, LOAD - SIDE)
        mirrored = random.random() < 0.5

        def cut(box: tuple[int, int, int, int]) -> Tensor:
            image = both.crop(box).resize((LOAD, LOAD), Image.Resampling.BICUBIC)
            image = image.crop((left, top, left + SIDE, top + SIDE))
            if mirrored:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            return torch.from_numpy(np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1)))

        return {"source": cut((0, 0, half, both.height)), "target": cut((half, 0, both.width, both.height))}


def draw(root: Path, count: int) -> None:
    """Random smooth pictures, as much work to decode as photographs."""
    numbers = np.random.RandomState(0)
    root.mkdir(parents=True)
    for number in range(count):
        coarse, fine = (Image.fromarray(numbers.randint(0, 256, (n, 2 * n, 3)).astype(np.uint8)) for n in (6, 48))
        size = (2 * SIDE, SIDE)
        smooth = Image.blend(*(image.resize(size, Image.Resampling.BICUBIC) for image in (coarse, fine)), 0.3)
        smooth.save(root / f"{number:05}.jpg", quality=90)


def speed(loader: Iterable[Batch], batch_size: int, count: int) -> float:
    """Pairs a second over ``count`` batches, after a first one that is checked and not counted."""
    batches: Iterator[Batch] = chain.from_iterable(repeat(loader))
    for key, images in next(batches).items():
        if images.shape != (batch_size, 3, SIDE, SIDE) or images.dtype != torch.uint8:
            raise SystemExit(f"not the batch that is to be measured: {key} {tuple(images.shape)} {images.dtype}")
    start = time.perf_counter()
    for _ in range(count):
        next(batches)
    return count * batch_size / (time.perf_counter() - start)


def measure(root: Path, batch_size: int, rounds: int, pairs: int) -> dict[str, object]:
    data = PairedFolder(root=root, batch_size=batch_size)
    start = time.perf_counter()
    data.prepare_data()
    build = time.perf_counter() - start
    data.setup("fit")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bare = PairedFolder(root=root, batch_size=batch_size, cache_limit=0)
        bare.setup("fit")
        two = PairedFolder(root=root, batch_size=batch_size, cache_limit=0, num_workers=2)
        two.setup("fit")
    theirs = DataLoader(Decoded(root / "train"), batch_size=batch_size, shuffle=True, num_workers=2, drop_last=True)
    turns: dict[str, tuple[Iterable[Batch], int]] = {
        "cache": (data.train_dataloader(), 20 * pairs),
        "no_cache": (bare.train_dataloader(), pairs),
        "no_cache_2_workers": (two.train_dataloader(), 2 * pairs),
        "theirs_2_workers": (theirs, 2 * pairs),
    }
    speeds: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(rounds):
        for name, (loader, count) in turns.items():
            speeds[name].append(speed(loader, batch_size, max(1, count // batch_size)))
        print(f"round {number + 1}: {', '.join(f'{k} {v[-1]:,.0f}' for k, v in speeds.items())}", file=sys.stderr)
    medians = {name: round(statistics.median(values)) for name, values in speeds.items()}
    return {"batch_size": batch_size, "build_seconds": round(build, 1), "pairs_per_second": medians}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=400, help="how many pairs are made (default 400, as facades)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default 5)")
    parser.add_argument("--pairs", type=int, default=100, help="pairs a turn without a cache (default 100)")
    args = parser.parse_args()

    torch.set_num_threads(1)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder) / "pairs/train", args.images)
        for batch_size in (1, 16):
            os.environ["LIGHTNING_GANS_CACHE"] = str(Path(folder) / f"cache{batch_size}")
            results.append(measure(Path(folder) / "pairs", batch_size, args.rounds, args.pairs))
    machine = f"{cpu_name()}, {os.cpu_count()} cores, torch {torch.__version__}"
    print(json.dumps({"machine": machine, "results": results}, indent=2))


if __name__ == "__main__":
    main()
