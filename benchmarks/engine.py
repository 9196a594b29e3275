"""Our training step beside a textbook loop, alternated in one run.

    python benchmarks/engine.py dcgan                     # both plain, both channels_last, ours at its best
    python benchmarks/engine.py mlp                       # overhead of a step and where it goes
    python benchmarks/engine.py dcgan --precision bf16-mixed --device cuda

The textbook loop makes ONE generator pass an iteration, detaches its images for the critic and reuses them for the
generator, freezes the critic meanwhile, and logs nothing. Both sides have the same networks, losses, optimisers, data type,
threads and memory format; ours runs in the Trainer with the command line's bar, logs and callbacks. The two take turns within
one run, few iterations at a time, so that both see the same moods of the machine; what counts is the median of the rounds'
ratios.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import json
import logging
import os
import pstats
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from machine import cpu_name
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor, nn

from lightning_gans.callbacks import RunCheckpoint, RunProgress, SampleGrid, Watchdog
from lightning_gans.core.latent import LatentModule
from lightning_gans.losses import non_saturating_discriminator, non_saturating_generator
from lightning_gans.models.dcgan import DCGAN

SHAPE, MLP_SHAPE = (1, 32, 32), (1, 4, 8)
WARM_UP = 3  # rounds that do not count


class MLP(LatentModule):
    """A pair so small that a step is nearly all overhead: 16-64-32."""

    def __init__(self, **engine: Any) -> None:
        super().__init__(**engine)
        self.image_shape, self.latent_dim = MLP_SHAPE, 16
        self.lr, self.betas = 2e-4, (0.5, 0.999)
        generator = nn.Sequential(
            nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 32), nn.Tanh(), nn.Unflatten(1, MLP_SHAPE)
        )
        critic = nn.Sequential(nn.Flatten(), nn.Linear(32, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1), nn.Flatten(0))
        self.set_players(generator, critic)

    discriminator_loss = DCGAN.discriminator_loss
    generator_loss = DCGAN.generator_loss


def build(kind: str, **engine: Any) -> LatentModule:
    """The model of a benchmark, always with the same initial weights."""
    torch.manual_seed(0)
    return MLP(**engine) if kind == "mlp" else DCGAN(SHAPE, **engine)


class Images(torch.utils.data.Dataset[Tensor]):
    """Batches that cost nothing, so that both sides are timed on the step alone."""

    def __init__(self, shape: tuple[int, ...], batch: int, count: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.batches = [torch.rand(batch, *shape, generator=generator) * 2 - 1 for _ in range(8)]
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        if index >= self.count:
            raise IndexError(index)
        return self.batches[index % 8]


class Textbook:
    """The loop of a tutorial, done well."""

    def __init__(self, kind: str, options: argparse.Namespace, channels_last: bool, precision: str) -> None:
        model = build(kind, channels_last=False)
        self.device = torch.device(options.device)
        self.generator, self.critic = model.generator.to(self.device), model.discriminator.to(self.device)
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        if channels_last:
            self.generator.to(memory_format=self.format)
            self.critic.to(memory_format=self.format)
        self.latent_dim, self.precision = model.latent_dim, precision
        settings: dict[str, Any] = {"lr": model.lr, "betas": model.betas, "fused": precision != "16-mixed"}
        self.g_opt = torch.optim.Adam(self.generator.parameters(), **settings)
        self.d_opt = torch.optim.Adam(self.critic.parameters(), **settings)

    def step(self, images: Tensor) -> None:
        images = images.to(self.device).contiguous(memory_format=self.format)
        mixed = self.precision == "bf16-mixed"
        with torch.autocast(self.device.type, torch.bfloat16) if mixed else contextlib.nullcontext():
            fakes = self.generator(torch.randn(len(images), self.latent_dim, device=self.device))
            terms = non_saturating_discriminator(self.critic(images), self.critic(fakes.detach()))
            self.d_opt.zero_grad()
            (terms.real + terms.fake).backward()
            self.d_opt.step()
            for parameter in self.critic.parameters():
                parameter.requires_grad_(False)
            loss = non_saturating_generator(self.critic(fakes))
            self.g_opt.zero_grad()
            loss.backward()
            self.g_opt.step()
            for parameter in self.critic.parameters():
                parameter.requires_grad_(True)


class TakeTurns(pl.Callback):
    """After every `length` batches of ours, the loop takes as many; each side's seconds of a round are kept.

    Ours are counted from the end of the loop's turn, so all that the Trainer does between batches is in them.
    """

    def __init__(self, loop: Textbook, data: Images, length: int, warm_up: int) -> None:
        self.loop, self.data, self.length, self.warm_up = loop, data, length, warm_up
        self.ours: list[float] = []
        self.theirs: list[float] = []
        self.resumed = 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step % self.length:
            return
        ended = self.now()
        for index in range(self.length):
            self.loop.step(self.data[index % 8])
        resumed = self.now()
        if trainer.global_step > self.warm_up:
            self.ours.append(ended - self.resumed)
            self.theirs.append(resumed - ended)
        self.resumed = resumed

    def now(self) -> float:
        if self.loop.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def ours(kind: str, options: argparse.Namespace, engine: dict[str, Any], precision: str, *more: pl.Callback) -> None:
    """Our Trainer for all rounds, with the command line's callbacks and a logger."""
    model = build(kind, **engine)
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [
            RunProgress(),
            SampleGrid(every=10**9, folder=os.path.join(folder, "samples")),
            RunCheckpoint(folder=folder, every=10**9, minutes=1e9),
            Watchdog(every=10**9),
        ]
        runner = pl.Trainer(
            max_steps=options.iterations * (options.rounds + WARM_UP),
            max_epochs=-1,
            accelerator="gpu" if options.device == "cuda" else options.device,
            devices=1,
            precision=precision,  # type: ignore[arg-type]
            callbacks=[*callbacks, *more],
            logger=CSVLogger(folder),
            enable_model_summary=False,
        )
        loader = torch.utils.data.DataLoader(Images(tuple(model.image_shape), options.batch, 10**6), batch_size=None)
        with open(os.devnull, "w") as sink, contextlib.redirect_stderr(sink):
            runner.fit(model, loader)


def compare(kind: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Each comparison: our seconds and the loop's, alternated, as images/s and the median of ratios."""
    data = Images(MLP_SHAPE if kind == "mlp" else SHAPE, options.batch, 8)
    cases: list[tuple[str, dict[str, Any], str, bool, str]] = [
        ("plain", {"channels_last": False}, "32-true", False, "32-true"),
        ("channels_last", {"channels_last": True}, "32-true", True, "32-true"),
    ]
    if kind == "dcgan":
        best = {"channels_last": True, "compile": options.compile}
        name = f"best: channels_last, {options.precision}{', compile' if options.compile else ''}; loop plain 32-bit"
        cases.append((name, best, options.precision, False, "32-true"))
    else:
        cases = cases[:1]
    for name, engine, precision, loop_last, loop_precision in cases:
        loop = Textbook(kind, options, loop_last, loop_precision)
        turns = TakeTurns(loop, data, options.iterations, options.iterations * WARM_UP)
        ours(kind, options, engine, precision, turns)
        mine, theirs = turns.ours, turns.theirs
        ratios = sorted(b / a for a, b in zip(mine, theirs, strict=True))
        images = options.batch * options.iterations
        yield {
            "case": name,
            "ours_images_per_s": round(images / statistics.median(mine), 1),
            "loop_images_per_s": round(images / statistics.median(theirs), 1),
            "ratio": round(statistics.median(ratios), 3),
            "quartiles": [round(ratios[len(ratios) * part // 4], 3) for part in (1, 3)],
            "overhead_us": round(
                1e6 * statistics.median(a - b for a, b in zip(mine, theirs, strict=True)) / options.iterations, 1
            ),
        }


def where(options: argparse.Namespace) -> str:
    """Our step's own time by file, from a profile of the MLP."""
    profile = cProfile.Profile()
    profile.enable()
    ours("mlp", options, {"channels_last": False}, "32-true")
    profile.disable()
    steps = options.iterations * (options.rounds + WARM_UP)
    totals: dict[str, float] = {}
    for (file, _, name), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        groups = ("pytorch_lightning", "lightning_gans", "torch", "tqdm")
        group = next((group for group in groups if f"/{group}/" in file), "torch kernels" if file == "~" else "other")
        del name
        totals[group] = totals.get(group, 0.0) + own
    lines = [f"  {group}: {1e6 * own / steps:.0f} us a step (profiled)" for group, own in totals.items()]
    return "\n".join(sorted(lines, key=lambda line: -float(line.split()[-5])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["dcgan", "mlp"])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--iterations", type=int, help="of a turn; default: dcgan 1, mlp 50")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument(
        "--precision", default="bf16-mixed", choices=["32-true", "bf16-mixed"], help="of our best settings"
    )
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    options.iterations = options.iterations or (50 if options.kind == "mlp" else 1)
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    place = torch.cuda.get_device_name() if options.device == "cuda" else f"{cpu_name()}, {options.threads} threads"
    print(json.dumps({"place": place, "torch": torch.__version__, "batch": options.batch, "rounds": options.rounds}))
    for row in compare(options.kind, options):
        print(json.dumps(row), flush=True)
    if options.kind == "mlp":
        print(where(options))


if __name__ == "__main__":
    main()
