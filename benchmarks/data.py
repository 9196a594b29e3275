"""Fashion-MNIST batches, ours against torchvision's: images a second as a model sees them, float32 in [-1, 1].

Theirs is what everybody writes: ``torchvision.datasets.FashionMNIST`` with Pad, ToTensor and Normalize in a shuffling
DataLoader of two workers. Both take turns in one run; the ratio is that of the medians. The clock starts after the first
batch of a round, so starting workers costs theirs nothing.

Every process has one thread, which is what a DataLoader's workers always have: with a thread per core, as torch starts
out, threads of our single process wait for each other whenever something else runs, and the figure tells how busy the
machine is (measured on two busy cores: 24 ms to bring 64 images to [-1, 1]; with one thread 0.07).

    python benchmarks/data.py --root FOLDER
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path

import torch
import torchvision
from machine import cpu_name
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import transforms

from datamodules import FashionMNIST
from lightning_gans.batch import normalize_batch

__all__ = ["main"]

BATCH_SIZE = 64


def ours(data: FashionMNIST) -> Iterator[Tensor]:
    for batch in epochs(data.train_dataloader()):
        yield normalize_batch(data.on_after_batch_transfer(batch, 0))["images"]


def theirs(folder: Path, workers: int) -> Iterator[Tensor]:
    steps = [transforms.Pad(2), transforms.ToTensor(), transforms.Normalize(0.5, 0.5)]
    dataset = torchvision.datasets.FashionMNIST(folder, transform=transforms.Compose(steps))
    loader = DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True, num_workers=workers, drop_last=True)
    for images, _ in epochs(loader):
        yield images


def epochs(loader: Iterable) -> Iterator:  # type: ignore[type-arg]
    return chain.from_iterable(repeat(loader))


def speed(batches: Iterator[Tensor], count: int) -> float:
    """Images a second over ``count`` batches, after a first one that is checked and not counted."""
    first = next(batches)
    if (
        first.shape != (BATCH_SIZE, 1, 32, 32)
        or first.dtype != torch.float32
        or not -1 <= first.min() < first.max() <= 1
    ):
        raise SystemExit(f"not the batch that is to be measured: {tuple(first.shape)} {first.dtype}")
    start = time.perf_counter()
    for _ in range(count):
        next(batches)
    return count * BATCH_SIZE / (time.perf_counter() - start)


def plain_files(data: FashionMNIST, folder: Path) -> None:
    """Lay the four files where torchvision looks for them, unpacked."""
    source = data.find()
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for path in source.glob("*-ubyte*") if source else ():
        with (
            gzip.open(path) if path.suffix == ".gz" else path.open("rb") as packed,
            (raw / path.stem).open("wb") as plain,
        ):
            shutil.copyfileobj(packed, plain)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="folder of Fashion-MNIST; default as in the data module")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each (default 7)")
    parser.add_argument("--batches", type=int, default=300, help="batches a turn (default 300)")
    args = parser.parse_args()

    torch.set_num_threads(1)
    data = FashionMNIST(root=args.root, batch_size=BATCH_SIZE)
    data.prepare_data()
    data.setup("fit")
    print(f"{cpu_name()}, {os.cpu_count()} cores, torch {torch.__version__}, torchvision {torchvision.__version__}")
    print(
        f"Fashion-MNIST 32x32, batch {BATCH_SIZE}, {args.rounds} rounds of {args.batches} batches, one thread a process; images/s"
    )
    results: dict[str, list[float]] = {"ours": [], "theirs": []}
    with tempfile.TemporaryDirectory() as folder:
        plain_files(data, Path(folder))
        for number in range(args.rounds):
            results["ours"].append(speed(ours(data), args.batches))
            results["theirs"].append(speed(theirs(Path(folder), workers=2), args.batches))
            print(f"round {number + 1}: ours {results['ours'][-1]:9,.0f}  theirs {results['theirs'][-1]:9,.0f}")
    mine, other = (statistics.median(results[name]) for name in ("ours", "theirs"))
    print(f"median:  ours {mine:9,.0f}  theirs {other:9,.0f}  ratio {mine / other:.1f} (needed: 10)")


if __name__ == "__main__":
    main()
