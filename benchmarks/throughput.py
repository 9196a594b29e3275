"""Training speed and memory of whole models at full width, by precision, memory format and compilation.

    python benchmarks/throughput.py                                          # CIFAR-sized nets, on a GPU where there is one
    python benchmarks/throughput.py --models sngan biggan --batch 64 --iterations 100 --device cuda

Each model is the paper's 32x32 one in its default width (3 channels, 10 classes, its own number of critic turns), trained by the
Trainer on random images that cost nothing. All settings of a model are measured in one run of this script, one after the
other, --rounds times round; a figure is the median over all of a setting's iterations but the first ones of each
round. images/s are real images that the critic saw; memory is the peak that PyTorch held on the GPU (none is told on a CPU).
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_gans.registry import import_model

SHAPE, CLASSES = (3, 32, 32), 10
MODELS: dict[str, dict[str, Any]] = {
    "dcgan": {},
    "sngan": {"num_classes": CLASSES, "conditional": True},
    "sagan": {"num_classes": CLASSES},
    "biggan": {"num_classes": CLASSES},
    "biggan_deep": {"num_classes": CLASSES},
}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "32-bit": ("32-true", {"channels_last": False}),
    "channels_last": ("32-true", {"channels_last": True}),
    "bf16": ("bf16-mixed", {"channels_last": False}),
    "bf16, channels_last": ("bf16-mixed", {"channels_last": True}),
    "bf16, channels_last, compile": ("bf16-mixed", {"channels_last": True, "compile": True}),
}


class Images(torch.utils.data.Dataset[dict[str, Tensor]]):
    """The same batch for ever."""

    def __init__(self, batch: int, count: int) -> None:
        source = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (batch, *SHAPE), generator=source, dtype=torch.uint8)
        self.batch = {"images": images, "labels": torch.randint(0, CLASSES, (batch,), generator=source)}
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if index >= self.count:
            raise IndexError(index)
        return self.batch


class Watch(pl.Callback):
    """Seconds of each iteration but the first ones."""

    def __init__(self, skipped: int) -> None:
        self.skipped, self.before = skipped, 0.0
        self.seconds: list[float] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        if trainer.global_step > self.skipped:
            self.seconds.append(now - self.before)
        self.before = now


def measure(name: str, setting: str, options: argparse.Namespace) -> tuple[list[float], int, int | None]:
    """Seconds of the iterations, images of one of them, and the peak of GPU memory in bytes."""
    precision, engine = SETTINGS[setting]
    pl.seed_everything(0, verbose=False)
    module = import_model(name)(image_shape=SHAPE, **MODELS[name], **engine)
    watch, cuda = Watch(options.skipped), options.device == "cuda"
    trainer = pl.Trainer(
        accelerator="gpu" if cuda else "cpu",
        devices=1,
        precision=precision,  # type: ignore[arg-type]
        max_steps=options.skipped + options.iterations,
        max_epochs=-1,
        callbacks=[watch],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    images = options.batch * module.d_steps
    trainer.fit(module, torch.utils.data.DataLoader(Images(images, 10**6), batch_size=None))
    return watch.seconds, images, torch.cuda.max_memory_allocated() if cuda else None


def main() -> None:
    """Measure what was asked and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--batch", type=int, default=64, help="images of a turn of the critic")
    parser.add_argument("--iterations", type=int, default=50, help="measured, a round")
    parser.add_argument("--skipped", type=int, default=5, help="iterations before them")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="on a CPU")
    parser.add_argument("--out", type=Path, help="a file for the figures, JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_float32_matmul_precision("high")
    place = torch.cuda.get_device_name() if options.device == "cuda" else f"CPU, {options.threads} threads"
    print(f"{place}, torch {torch.__version__}, batch {options.batch}\n")
    print("| model | setting | images/s | ms an iteration | GPU memory, GB |\n|---|---|---|---|---|", flush=True)
    found: dict[str, Any] = {}
    for name in options.models:
        seconds: dict[str, list[float]] = {setting: [] for setting in options.settings}
        facts: dict[str, tuple[int, int | None]] = {}
        for _ in range(options.rounds):
            for setting in options.settings:
                some, *fact = measure(name, setting, options)
                seconds[setting] += some
                facts[setting] = (fact[0], fact[1])  # type: ignore[assignment]
        for setting in options.settings:
            median, (images, memory) = statistics.median(seconds[setting]), facts[setting]
            held = "" if memory is None else f"{memory / 1e9:.2f}"
            print(f"| `{name}` | {setting} | {images / median:.0f} | {1e3 * median:.1f} | {held} |", flush=True)
            found[f"{name}, {setting}"] = {"images_per_s": images / median, "seconds": median, "bytes": memory}
    if options.out:
        options.out.write_text(json.dumps({"place": place, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
