"""Train the domain features that come with the package, and tell what they are worth.

    python benchmarks/domain_features.py digits|fashion_mnist [--out DIR]

Besides the test accuracy it prints Fréchet distances, in these features, of 10,000 training images (or all) to: test
images (the floor: no generator can do better), the same test images damaged in several ways, and noise (the ceiling).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules import Digits, FashionMNIST
from lightning_gans.metrics.features import DomainFeatures, train_domain
from lightning_gans.metrics.features.files import SHIPPED

__all__ = ["main"]

DATA = {"digits": Digits, "fashion_mnist": FashionMNIST}
LARGEST = 1_000_000  # bytes of a file that is shipped


def damaged(images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Test images (n, 1, 32, 32), as they are and worse and worse."""
    generator = torch.Generator().manual_seed(5)
    floats = images.float()
    partners = floats[torch.randperm(len(images), generator=generator)]
    grain = torch.randn(images.shape, generator=generator)
    sets = {
        "test images": floats,
        "blurred, sigma 0.5": blurred(floats, 0.5),
        "blurred, sigma 1": blurred(floats, 1.0),
        "noisy, sigma 8": floats + 8 * grain,
        "noisy, sigma 25": floats + 25 * grain,
        "shifted by 1 pixel": floats.roll(1, 3),
        "shifted by 2 pixels, both ways": floats.roll((2, 2), (2, 3)),
        "half of the classes": floats[labels < 5],
        "blends of two images": (floats + partners) / 2,
        "10 images repeated": floats[:10].repeat(len(images) // 10, 1, 1, 1),
        "noise": torch.randint(0, 256, images.shape, generator=generator).float(),
    }
    return {name: values.round().clamp(0, 255).to(torch.uint8) for name, values in sets.items()}


def blurred(images: Tensor, sigma: float) -> Tensor:
    kernel = torch.exp(-(torch.arange(-3, 4.0) ** 2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    images = F.conv2d(F.pad(images, [3, 3, 0, 0]), kernel.view(1, 1, 1, 7))
    return F.conv2d(F.pad(images, [0, 0, 3, 3]), kernel.view(1, 1, 7, 1))


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """Fréchet distance of the Gaussians of two sets of rows."""
    difference = first.mean(axis=0) - second.mean(axis=0)
    one, two = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    root = np.sqrt(np.maximum(np.linalg.eigvals(one @ two).real, 0.0)).sum()
    return float(difference @ difference + np.trace(one) + np.trace(two) - 2.0 * root)


def extracted(features: DomainFeatures, images: Tensor) -> np.ndarray:
    return torch.cat([features(part).features for part in images.split(500)]).double().numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=sorted(DATA))
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder to write to; default: the package")
    args = parser.parse_args()

    torch.set_num_threads(1)
    data = DATA[args.data]()
    data.prepare_data()
    data.setup("fit")
    train, test = data.train_dataset, data.test_dataset
    if test.labels is None:
        raise SystemExit(f"{args.data} has no labels")
    start, cpu = time.perf_counter(), time.process_time()
    features = train_domain(train.images, train.labels, test.images, test.labels, name=args.data, progress=True)
    minutes, core = (time.perf_counter() - start) / 60, (time.process_time() - cpu) / 60
    path = args.out / f"domain-{args.data}.safetensors"
    features.save(path)
    size = path.stat().st_size
    print(f"{features.describe()}: {len(train)} images, {minutes:.1f} minutes on the clock, {core:.1f} of one core")
    print(f"test accuracy {features.info['test_accuracy']} on {len(test)} images; {path}, {size:,} bytes")
    if size > LARGEST:
        raise SystemExit(f"{path} has {size:,} bytes; allowed: {LARGEST:,}")

    real = extracted(features, train.images[:10_000])
    distances = {name: frechet(real, extracted(features, x)) for name, x in damaged(test.images, test.labels).items()}
    floor = distances["test images"]
    for name, distance in distances.items():
        print(f"{name:32} {distance:9.2f} {distance / floor:9.1f} x floor")


if __name__ == "__main__":
    main()
