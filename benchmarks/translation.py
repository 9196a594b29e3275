"""Models from images to images: the time of CycleGAN's step, and what translations of the embedded digits are worth.

    python benchmarks/translation.py step                          # 128x128, batch 1, ResNet-6: ours beside a hand-written loop
    python benchmarks/translation.py step --device cuda --precision bf16-mixed --compile
    python benchmarks/translation.py scores runs/pix2pix-digit_pairs/1/checkpoints/last.ckpt
    python benchmarks/translation.py scores runs/cyclegan-digit_domains/1/checkpoints/last.ckpt

`step`: the loop does what the authors' PyTorch code does, in its order: all passes of the generators (each once), their step with
frozen critics, then both critics on pools. It logs nothing. Ours runs in the Trainer with the command line's callbacks. Both take
turns within one run, few iterations at a time; what counts is the median of the rounds' ratios (above 1: ours is faster).

`scores`: on held-out images. Pix2Pix: the mean absolute difference to the target, beside that of copying the input, of a blank and
of the training targets' mean. CycleGAN: how far images are from themselves after both ways, beside an untrained model; how many
translated (and untouched) images a classifier of the two domains, trained on real images, takes for the other domain; how many
digits the shipped classifier reads rightly in translations to the domain of digits.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import logging
import os
import platform
import statistics
import tempfile
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from engine import WARM_UP, TakeTurns
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor

from datamodules import import_data
from lightning_gans import CycleGAN, Pix2Pix, load
from lightning_gans.batch import to_float, to_uint8
from lightning_gans.callbacks import RunCheckpoint, RunProgress, SampleGrid, Watchdog
from lightning_gans.cli.data_source import checkpoint_data
from lightning_gans.core.loading import read_checkpoint
from lightning_gans.metrics.features.domain import find_domain, train_domain

POOL = 50

# ---------------------------------------------------------------- the step


def build(side: int, **options: Any) -> CycleGAN:
    """The model of the benchmark, always with the same initial weights."""
    torch.manual_seed(0)
    shape = (3, side, side)
    return CycleGAN(shape, shape, network="resnet_6", **options)


class Images(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Batches that cost nothing."""

    def __init__(self, side: int, batch: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.batches = [
            {domain: torch.rand(batch, 3, side, side, generator=generator) * 2 - 1 for domain in "ab"} for _ in range(4)
        ]

    def __len__(self) -> int:
        return 10**6

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.batches[index % len(self.batches)]


class Loop:
    """CycleGAN's iteration, written out by hand in the order of the authors' PyTorch code."""

    def __init__(self, side: int, device: str) -> None:
        model = build(side, channels_last=False)
        self.device = torch.device(device)
        self.g_a, self.g_b = (model.generator[way].to(self.device) for way in ("AtoB", "BtoA"))
        self.d_a, self.d_b = (model.discriminator[domain].to(self.device) for domain in "ba")  # D_A judges b
        settings: dict[str, Any] = {"lr": 2e-4, "betas": (0.5, 0.999), "fused": True}
        self.g_opt = torch.optim.Adam(itertools.chain(self.g_a.parameters(), self.g_b.parameters()), **settings)
        self.d_opt = torch.optim.Adam(itertools.chain(self.d_a.parameters(), self.d_b.parameters()), **settings)
        self.pools: tuple[list[Tensor], list[Tensor]] = ([], [])

    def freeze(self, frozen: bool) -> None:
        for parameter in itertools.chain(self.d_a.parameters(), self.d_b.parameters()):
            parameter.requires_grad_(not frozen)

    def query(self, pool: list[Tensor], images: Tensor) -> Tensor:
        returned = []
        for image in images.detach():
            if len(pool) < POOL:
                pool.append(image.clone())
            elif torch.rand(()).item() > 0.5:
                index = int(torch.randint(POOL, ()).item())
                pool[index], image = image.clone(), pool[index]
            returned.append(image)
        return torch.stack(returned)

    def step(self, batch: dict[str, Tensor]) -> None:
        a, b = (batch[domain].to(self.device) for domain in "ab")
        fake_b, fake_a = self.g_a(a), self.g_b(b)
        rec_a, rec_b = self.g_b(fake_b), self.g_a(fake_a)
        self.freeze(True)
        self.g_opt.zero_grad()
        identity = 5.0 * F.l1_loss(self.g_a(b), b) + 5.0 * F.l1_loss(self.g_b(a), a)
        adversarial = (self.d_a(fake_b) - 1).square().mean() + (self.d_b(fake_a) - 1).square().mean()
        (identity + adversarial + 10.0 * F.l1_loss(rec_a, a) + 10.0 * F.l1_loss(rec_b, b)).backward()
        self.g_opt.step()
        self.freeze(False)
        self.d_opt.zero_grad()
        for critic, real, fake, pool in ((self.d_a, b, fake_b, self.pools[0]), (self.d_b, a, fake_a, self.pools[1])):
            shown = self.query(pool, fake)
            (0.5 * ((critic(real) - 1).square().mean() + critic(shown).square().mean())).backward()
        self.d_opt.step()


def step(options: argparse.Namespace) -> None:
    data = Images(options.side, options.batch)
    best = {"channels_last": options.channels_last, "compile": options.compile}
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("32-bit, passes apart, as the loop", {"channels_last": False, "join_passes": False}, "32-true"),
        ("32-bit, passes joined", {"channels_last": False}, "32-true"),
        (f"best: {options.precision}, {best}; loop plain 32-bit", best, options.precision),
    ]
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    print(json.dumps({"torch": torch.__version__, "machine": platform.processor(), "threads": torch.get_num_threads()}))
    for name, engine, precision in cases:
        turns = TakeTurns(Loop(options.side, options.device), data, options.iterations, options.iterations * WARM_UP)  # type: ignore[arg-type]
        with tempfile.TemporaryDirectory() as folder:
            callbacks = [
                RunProgress(),
                SampleGrid(every=10**9, n=1, folder=os.path.join(folder, "samples")),
                RunCheckpoint(folder=folder, every=10**9, minutes=1e9),
                Watchdog(every=10**9),
            ]
            runner = pl.Trainer(
                max_steps=options.iterations * (options.rounds + WARM_UP),
                max_epochs=-1,
                accelerator="gpu" if options.device == "cuda" else options.device,
                devices=1,
                precision=precision,  # type: ignore[arg-type]
                callbacks=[*callbacks, turns],
                logger=CSVLogger(folder),
                enable_model_summary=False,
            )
            with open(os.devnull, "w") as sink, contextlib.redirect_stderr(sink):
                runner.fit(build(options.side, **engine), torch.utils.data.DataLoader(data, batch_size=None))
        ratios = sorted(theirs / ours for ours, theirs in zip(turns.ours, turns.theirs, strict=True))
        seconds = {"ours_s": statistics.median(turns.ours), "loop_s": statistics.median(turns.theirs)}
        row = {key: round(value / options.iterations, 4) for key, value in seconds.items()}
        quartiles = [round(ratios[len(ratios) * part // 4], 3) for part in (1, 3)]
        print(json.dumps({"case": name, **row, "ratio": round(statistics.median(ratios), 3), "quartiles": quartiles}))


# ---------------------------------------------------------------- scores


def scores(options: argparse.Namespace) -> None:
    for path in options.checkpoints:
        found = checkpoint_data(read_checkpoint(path), path)
        if found is None:
            raise SystemExit(f"{path} does not say what it was trained on")
        name, given = found
        data: Any = import_data(name)(**{**given, **({"labels": True} if name == "digit_domains" else {})})
        data.prepare_data()
        data.setup()
        model = load(path)
        if isinstance(model, Pix2Pix):
            rows = paired(model, data)
        elif isinstance(model, CycleGAN):
            rows = unpaired(model, data)
        else:
            raise SystemExit(f"{path} holds model '{model.model_name}'; allowed: pix2pix, cyclegan")
        print(json.dumps({"checkpoint": str(path), "iterations": model.iterations, **rows}, indent=1))


def everything(data: Any, split: Any, keys: tuple[str, ...]) -> dict[str, Tensor]:
    """All rows of a split, in order."""
    parts: dict[str, list[Tensor]] = {key: [] for key in keys}
    for start in range(0, len(split), 256):
        batch = data.on_after_batch_transfer(split.__getitems__(list(range(start, min(start + 256, len(split))))), 0)
        for key in keys:
            parts[key].append(batch[key])
    return {key: torch.cat(rows) for key, rows in parts.items()}


def distance(first: Tensor, second: Tensor) -> float:
    """Mean absolute difference of images in [-1, 1]."""
    return (first - second).abs().mean().item()


def paired(model: Pix2Pix, data: Any) -> dict[str, Any]:
    """L1 on held-out pairs."""
    held = {key: to_float(images) for key, images in everything(data, data.test_dataset, model.keys).items()}
    train = to_float(everything(data, data.train_dataset, model.keys)["target"])
    source, target = held["source"], held["target"]
    mean = train.mean(dim=0, keepdim=True).expand_as(target)
    blank = torch.full_like(target, -1.0)
    trivial = {"blank": distance(blank, target), "mean image": distance(mean, target)}
    if source.shape[1] == target.shape[1]:
        trivial["input"] = distance(source, target)
    ours = distance(model.translate(source, model.directions[0]), target)
    kept = {name: round(value, 4) for name, value in trivial.items()}
    return {
        "pairs": len(target),
        "l1": round(ours, 4),
        **kept,
        "times below the best": round(min(kept.values()) / ours, 2),
    }


def unpaired(model: CycleGAN, data: Any) -> dict[str, Any]:
    """The way back, the domain, the digit."""
    held = everything(data, data.test_dataset, ("a", "b", "labels"))
    batches = everything(data, data.train_dataset, ("a", "b")) if len(data.train_dataset) < 10**5 else _domains(data)
    torch.manual_seed(0)
    untrained = CycleGAN(**model.hparams)
    rows: dict[str, Any] = {"images": len(held["labels"])}
    images = torch.cat([batches["a"], batches["b"]])
    labels = torch.cat([torch.full((len(batches[domain]),), number) for number, domain in enumerate("ab")])
    tests = torch.cat([held["a"], held["b"]])
    test_labels = torch.cat([torch.zeros(len(held["a"])), torch.ones(len(held["b"]))]).long()
    judge = train_domain(images, labels, tests, test_labels, name="domains", iterations=300)
    rows["domain classifier's accuracy on real images"] = float(judge.info["test_accuracy"])
    reader = find_domain("digits")
    for number, (domain, way, back) in enumerate((("a", "AtoB", "BtoA"), ("b", "BtoA", "AtoB"))):
        own = held[domain]
        made = model.translate(own, way)
        cycle = distance(model.translate(made, back), to_float(own))
        before = distance(untrained.translate(untrained.translate(own, way), back), to_float(own))
        rows[way] = {
            "cycle error": round(cycle, 4),
            "untrained": round(before, 4),
            "times below": round(before / cycle, 1),
            "translated, taken for the other domain": round(judge.accuracy(to_uint8(made), _all(made, 1 - number)), 4),
            "untouched, taken for the other domain": round(judge.accuracy(own, _all(own, 1 - number)), 4),
        }
        digits = made if domain == "b" else model.translate(made, back)
        if reader is not None:
            told = "read rightly after the translation" if domain == "b" else "read rightly after both ways"
            rows[way][told] = round(reader.accuracy(to_uint8(digits), held["labels"]), 4)
    if reader is not None:
        rows["digits read rightly, untouched"] = round(reader.accuracy(held["a"], held["labels"]), 4)
    return rows


def _domains(data: Any) -> dict[str, Tensor]:
    """The images of both domains, each once: items of an unpaired set are combinations of them."""
    a, b = data.train_dataset.count, len(data.train_dataset) // data.train_dataset.count
    both = {
        "a": data.train_dataset.__getitems__(list(range(a)))["a"],
        "b": data.train_dataset.__getitems__([a * number for number in range(b)])["b"],
    }
    return both


def _all(images: Tensor, label: int) -> Tensor:
    return torch.full((len(images),), label)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    steps = commands.add_parser("step")
    steps.set_defaults(run=step)
    steps.add_argument("--side", type=int, default=128)
    steps.add_argument("--batch", type=int, default=1)
    steps.add_argument("--iterations", type=int, default=2, help="of each side, in a round")
    steps.add_argument("--rounds", type=int, default=8)
    steps.add_argument("--device", default="cpu")
    steps.add_argument("--precision", default="bf16-mixed", help="of our best settings")
    steps.add_argument("--compile", action="store_true", help="in our best settings")
    steps.add_argument("--channels_last", action="store_true", help="in our best settings")
    steps.add_argument("--threads", type=int, default=torch.get_num_threads())
    scored = commands.add_parser("scores")
    scored.set_defaults(run=scores)
    scored.add_argument("checkpoints", nargs="+", type=Path)
    scored.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.run(options)


if __name__ == "__main__":
    main()
