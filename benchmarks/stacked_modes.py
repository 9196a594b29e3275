"""Stacked MNIST of the embedded digits: how many of 1,000 modes a generator covers, and KL from uniform, at equal iterations.

    python benchmarks/stacked_modes.py                                          # DCGAN and WGAN-GP at 16x16, seed 0
    python benchmarks/stacked_modes.py --models dcgan --seeds 0 1 2 --iterations 10000
    python benchmarks/stacked_modes.py --size 32 --channels 64 --iterations 50000    # nearer to the papers

Protocol of VEEGAN and PacGAN: three random digits are the red, green and blue of a picture; 26,000 samples, a classifier's verdict
on each channel, a mode is found by one sample, KL(samples || uniform) in nats, at most ln 1000 = 6.91. The classifier here is the
one shipped for ``--data digits``; its accuracy at the benchmark's size, and what 26,000 real pictures score, stand in the table.

Each run writes ``OUT/<model>-<seed>.json``; a second call skips what is there and was made with the same settings, and continues
a run that was cut at its last checkpoint. At the end: ``table.md``, and ``samples.png``: rows of real pictures, then of each
model's first seed.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from clock import Clock
from errors import check_positive, one_line_errors
from results import keep

from datamodules import Digits, StackedMNIST
from lightning_gans import DCGAN, EGAN, WGANGP
from lightning_gans.batch import to_float, to_uint8
from lightning_gans.callbacks import RunCheckpoint
from lightning_gans.core.latent import LatentModule
from lightning_gans.core.pictures import save_grid
from lightning_gans.metrics.features.domain import DomainFeatures, find_domain
from lightning_gans.metrics.modes import ClassModes, class_modes, stacked_classes

MODES = 1000
SAMPLES = 26_000  # as VEEGAN and PacGAN judge
PASS = 500  # pictures a pass
ROW, ROWS = 16, 3  # pictures a model shows
# Each paper's own settings; all have --channels, --batch and an average of the generator's weights.
MODELS: dict[str, tuple[type[LatentModule], dict[str, Any]]] = {
    "dcgan": (DCGAN, {"lr": 2e-4, "betas": [0.5, 0.999]}),
    "wgan_gp": (WGANGP, {"network": "dcgan", "lr": 4e-4, "betas": [0.5, 0.9], "d_steps": 5}),
    "egan": (EGAN, {"lr": 2e-4, "betas": [0.5, 0.999], "d_steps": 3}),
}
EMA = 0.99


def judge(pictures: Any, classifier: DomainFeatures) -> ClassModes:
    """Modes of batches of pictures, uint8 (N, 3, H, W)."""
    digits = []
    for batch in pictures:
        logits = classifier(batch.flatten(0, 1)[:, None]).logits  # (N, 3, H, W) -> (3 N, 1, H, W) -> (3 N, 10)
        digits.append(logits.argmax(dim=1).view(-1, 3))
    return class_modes(stacked_classes(torch.cat(digits)), MODES)


def run(name: str, seed: int, chosen: dict[str, Any], data: StackedMNIST, folder: Path) -> tuple[LatentModule, float]:
    """Train to the end, or go on where a run was cut; and the CPU seconds that it took."""
    pl.seed_everything(seed, verbose=False)
    with one_line_errors():
        module = MODELS[name][0](image_shape=data.image_shape, **chosen["model"])
    clock = Clock()
    runner = pl.Trainer(
        max_steps=chosen["iterations"],
        max_epochs=-1,
        accelerator="cpu",
        devices=1,
        callbacks=[clock, RunCheckpoint(folder=folder, every=500)],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    last = folder / "last.ckpt"
    runner.fit(module, data, ckpt_path=str(last) if last.is_file() else None)
    if module.iterations < chosen["iterations"]:
        raise SystemExit(f"{name}, seed {seed}: stopped at iteration {module.iterations}; the same command continues")
    return module, clock.seconds


def score(name: str, seed: int, options: argparse.Namespace, classifier: DomainFeatures) -> dict[str, Any]:
    """A run's result, from disk where it is there."""
    shared = {
        "size": options.size,
        "batch": options.batch,
        "iterations": options.iterations,
        "samples": options.samples,
    }
    widths = {"generator_channels": options.channels, "discriminator_channels": options.channels, "ema_decay": EMA}
    chosen = {**shared, "model": {**widths, **MODELS[name][1]}}
    path = options.out / f"{name}-{seed}.json"
    if path.is_file():
        result: dict[str, Any] = json.loads(path.read_text())
        if result["settings"] == chosen:
            return result
    marks = "-".join(str(value) for value in (name, seed, options.size, options.batch, options.channels))
    with one_line_errors():
        data = StackedMNIST(size=options.size, batch_size=options.batch, seed=seed)
    module, seconds = run(name, seed, chosen, data, options.out / marks)
    drawn = module.generate_batches(options.samples, seed=0, batch_size=PASS)
    found = judge((to_uint8(images) for images in drawn), classifier)
    result = {"model": name, "seed": seed, "settings": chosen, "modes": found.modes, "kl": found.kl, "seconds": seconds}
    result["pictures"] = to_uint8(module.generate(ROW * ROWS, seed=0)).tolist()
    keep(path, result, indent=None)
    return result


def real(data: StackedMNIST, n: int) -> Any:
    """Batches of n real pictures, those that the data keeps to test with."""
    data.setup()
    for rows in np.split(np.arange(n), range(PASS, n, PASS)):
        yield data.test_dataset.read(rows)["images"]


def accuracy(classifier: DomainFeatures, size: int) -> float:
    """Share of all single digits of the size that are read as their label."""
    digits = Digits(size=size)
    digits.setup()
    images = torch.cat([digits.train_dataset.images, digits.test_dataset.images])
    labels = [dataset.labels for dataset in (digits.train_dataset, digits.test_dataset) if dataset.labels is not None]
    return classifier.accuracy(images, torch.cat(labels))


def table(floor: ClassModes, results: list[dict[str, Any]]) -> str:
    """A line for real pictures and one for each run."""
    lines = [
        "| | seed | modes | KL | CPU time |",
        "|---|---|---|---|---|",
        f"| real pictures | | {floor.modes} | {floor.kl:.3f} | |",
    ]
    for result in results:
        minutes = f"{result['seconds'] / 60:.0f} min"
        lines.append(f"| `{result['model']}` | {result['seed']} | {result['modes']} | {result['kl']:.3f} | {minutes} |")
    return "\n".join(lines)


def picture(data: StackedMNIST, results: list[dict[str, Any]], out: Path) -> None:
    """Rows of real pictures, then rows of each model's first seed."""
    data.setup()
    rows = [data.test_dataset.read(np.arange(ROW))["images"]]
    first = {result["model"]: result["pictures"] for result in reversed(results)}
    rows += [
        torch.tensor(first[name], dtype=torch.uint8) for name in dict.fromkeys(result["model"] for result in results)
    ]
    save_grid(to_float(torch.cat(rows)), out / "samples.png", ROW)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["dcgan", "wgan_gp"], choices=list(MODELS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--iterations", type=int, default=3000, help="default 3000")
    parser.add_argument("--size", type=int, default=16, help="pixels a side: a power of two from 16 up (default 16)")
    parser.add_argument("--channels", type=int, default=32, help="of both networks' widest maps (default 32)")
    parser.add_argument("--batch", type=int, default=64, help="pictures a turn of the critic (default 64)")
    parser.add_argument("--samples", type=int, default=SAMPLES, help=f"that are judged (default {SAMPLES})")
    parser.add_argument("--out", type=Path, default=Path("stacked_modes"))
    options = parser.parse_args()
    with one_line_errors():
        check_positive(
            iterations=options.iterations, channels=options.channels, batch=options.batch, samples=options.samples
        )
    torch.set_num_threads(1)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    for message in (".*does not have many workers.*", ".*in eval mode at the start.*"):
        warnings.filterwarnings("ignore", message=message)
    options.out.mkdir(parents=True, exist_ok=True)
    classifier = find_domain("digits")
    if classifier is None:
        raise SystemExit("the classifier of digits is not at hand; allowed: an installation with its weights")

    results = []
    for seed in options.seeds:
        for name in options.models:
            results.append(score(name, seed, options, classifier))
            print(json.dumps({key: value for key, value in results[-1].items() if key != "pictures"}), flush=True)
    results.sort(key=lambda result: (options.models.index(result["model"]), result["seed"]))
    data = StackedMNIST(size=options.size)
    floor = judge(real(data, min(options.samples, 26_000)), classifier)
    header = (
        f"{options.size}x{options.size}, {options.iterations} iterations, batch {options.batch}, {options.channels} channels, "
        f"average of the generator {EMA}, {options.samples} samples, KL at most {math.log(MODES):.2f}; the classifier reads "
        f"{accuracy(classifier, options.size):.2%} of single digits; torch {torch.__version__}."
    )
    (options.out / "table.md").write_text(f"{header}\n\n{table(floor, results)}\n")
    picture(data, results, options.out)
    print((options.out / "table.md").read_text())


if __name__ == "__main__":
    main()
