"""Whether a model draws the tags that it is asked for: judged by a classifier of tags that real faces taught.

    python benchmarks/tags.py CKPT [--data drawn_faces] [--n 2000] [--epochs 6] [--out FILE.json]

A small convolutional network learns the tags of the training images and is tested on the others, so that the table shows what
can be told at all. Then the checkpoint draws n images with tags drawn as in training. For each tag: balanced accuracy (mean of
the shares of images with it and without it that are recognised as such; 50 is chance) on real test images and on samples. For
colours of hair and of eyes, of which an image has one: how often the most likely colour is the one (top-1).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from torch import Tensor, nn

import lightning_gans
from datamodules.base import ImageDataModule
from lightning_gans.batch import to_float, to_uint8
from lightning_gans.cli.data_source import open_data
from lightning_gans.core.conditions import tag_groups
from lightning_gans.core.latent import LatentModule
from lightning_gans.losses import tag_cross_entropy

__all__ = ["balanced_accuracy", "main", "top_one"]

BATCH = 100


def classifier(channels: int, tags: int) -> nn.Sequential:
    """Four halvings to 64 channels and more, then a linear layer: (N, C, H, W) in [-1, 1] -> logits (N, T)."""
    layers: list[nn.Module] = []
    for width in (32, 64, 128, 128):
        layers += [nn.Conv2d(channels, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(4 * channels, tags))


def teach(images: Tensor, tags: Tensor, epochs: int, seed: int) -> nn.Sequential:
    """A classifier taught by uint8 images (n, C, H, W) and tags (n, T)."""
    torch.manual_seed(seed)
    network = classifier(images.shape[1], tags.shape[1])
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-2)
    steps = epochs * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for epoch in range(epochs):
        order = torch.randperm(len(images))
        total = 0.0
        for rows in order[: len(order) // BATCH * BATCH].split(BATCH):
            shifts = torch.randint(-2, 3, (2,)).tolist()
            loss = tag_cross_entropy(network(to_float(images[rows].roll(shifts, (2, 3)))), tags[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / (len(order) // BATCH):.3f}", flush=True)
    return network.eval()


@torch.no_grad()
def judge(network: nn.Module, images: Tensor) -> Tensor:
    """Logits (n, T) of uint8 images."""
    return torch.cat([network(to_float(part)) for part in images.split(BATCH)])


def balanced_accuracy(logits: Tensor, tags: Tensor) -> Tensor:
    """For each tag the mean of the shares recognised of those with it and of those without: (n, T), (n, T) -> (T,) in [0, 1]."""
    told, right = tags > 0.5, (logits > 0.0) == (tags > 0.5)
    having = (right & told).sum(0) / told.sum(0)
    lacking = (right & ~told).sum(0) / (~told).sum(0)
    return (having + lacking) / 2.0


def top_one(logits: Tensor, tags: Tensor, group: list[int]) -> float:
    """How often the most likely tag of a group is the image's."""
    return (logits[:, group].argmax(1) == tags[:, group].argmax(1)).float().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--data", default="drawn_faces", help="a data set with tags")
    parser.add_argument("--n", type=int, default=2000, help="samples")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a file for the figures, JSON")
    args = parser.parse_args()

    torch.set_num_threads(1)
    model = lightning_gans.load(args.checkpoint)
    if not isinstance(model, LatentModule) or model.tags is None:
        raise SystemExit(f"'{args.checkpoint}' holds {type(model).__name__} without tags; allowed: a model with tags")
    data: ImageDataModule = open_data(args.data, {}, image_shape=model.image_shape)
    train, test = data.train_dataset, data.test_dataset
    if data.tags != model.tags or train.labels is None or test.labels is None:
        raise SystemExit(f"data '{args.data}' has other tags than the model")
    start = time.perf_counter()
    network = teach(train.images.clone(), train.labels, args.epochs, args.seed)
    seconds = time.perf_counter() - start

    real = judge(network, test.images.clone())
    asked = model.drawn_labels(range(args.n), args.seed)
    fake = judge(network, to_uint8(model.generate(args.n, seed=args.seed)))
    figures = report(model.tags, (real, test.labels), (fake, asked))
    print(f"{args.checkpoint} at iteration {model.iterations}, {args.n} samples, seed {args.seed}; classifier of "
          f"{len(train.images)} images, {args.epochs} epochs, {seconds:.0f} s on one core")  # fmt: skip
    if args.out:
        args.out.write_text(json.dumps({"iteration": model.iterations, **figures}, indent=2) + "\n", encoding="utf-8")


def report(tags: list[str], real: tuple[Tensor, Tensor], fake: tuple[Tensor, Tensor]) -> dict[str, dict[str, float]]:
    """Print the table; returns its figures, in percent."""
    figures: dict[str, dict[str, float]] = {}
    each = [balanced_accuracy(*pair) * 100.0 for pair in (real, fake)]
    for place, tag in enumerate(tags):
        figures[tag] = {"real": each[0][place].item(), "samples": each[1][place].item()}
    figures["mean balanced accuracy"] = {"real": each[0].mean().item(), "samples": each[1].mean().item()}
    for group in tag_groups(tags):
        name = f"{tags[group[0]].split()[-1]} colour, top-1 of {len(group)}"
        figures[name] = {"real": 100.0 * top_one(*real, group), "samples": 100.0 * top_one(*fake, group)}
    print(f"{'tag':28}{'real':>8}{'samples':>9}")
    for name, row in figures.items():
        print(f"{name:28}{row['real']:8.1f}{row['samples']:9.1f}")
    return figures


if __name__ == "__main__":
    main()
