"""Modes of mixtures of Gaussians: a plain GAN, WGAN-GP and E-GAN at equal turns of the generator and at equal seconds.

    python benchmarks/mixtures.py                                    # both mixtures, three models, seeds 0 1 2
    python benchmarks/mixtures.py --data ring8 --models wgan_gp --seeds 0
    python benchmarks/mixtures.py --units 512 --batch 256 --lr 1e-4 --iterations 100000 --seconds 0    # the paper's size

Every run trains until the generator has had ``--iterations`` turns and ``--seconds`` of CPU time are used (of one thread: seconds
that other jobs take do not count), and is judged at both moments on 2,500 samples by VEEGAN's and PacGAN's rule: a sample is of
high quality within three standard deviations of the nearest mean, a mode is found if one such sample is nearest to it, reverse
KL is that of the high-quality samples over the modes from uniform. A turn is one update; E-GAN's is a generation, three updates of
which one survives, so that at equal turns it has made three times as many. All models have the same perceptrons, batch (points
a turn of the critic), optimiser and average of the generator's weights, which is what is judged: the last weights jump from mode
to mode. What is a model's own stands in ``MODELS``, its noise in ``NOISE``.

Each run writes ``OUT/<data>-<model>-<seed>.json``; a second call skips what is there and was made with the same settings. At the
end: tables (``table.md``) and a picture a mixture (``ring8.png``, of the first seed: real points grey, samples coloured; at equal
turns above, at equal seconds below).
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
from errors import check_positive, one_line_errors
from PIL import Image, ImageDraw
from results import keep
from torch import Tensor

from datamodules import Gaussians
from lightning_gans import EGAN, GAN, WGANGP
from lightning_gans.core.latent import LatentModule
from lightning_gans.metrics.modes import mixture_modes

DATA = ("ring8", "grid25")
SAMPLES = 2500  # as VEEGAN and PacGAN judge
BETAS = (0.5, 0.9)
EMA = 0.99
# What is a model's own. WGAN-GP: penalty weight and turns of the critic are its toys', the critic's rate is ours (at the
# generator's own the middle of the grid comes late). E-GAN: gamma is the PyTorch code's; one turn and not three is ours.
MODELS: dict[str, tuple[type[LatentModule], dict[str, Any]]] = {
    "gan": (GAN, {"optimizer": "adam"}),
    "wgan_gp": (WGANGP, {"penalty_weight": 0.1, "d_steps": 5, "discriminator_lr": 3e-3}),
    "egan": (EGAN, {"gamma": 0.1, "d_steps": 1}),
}
# Of two numbers each, as the models draw it.
NOISE = {"gan": "U[-1.73, 1.73]", "wgan_gp": "N(0, 1)", "egan": "U[-1, 1]"}
MOMENTS = {"equal_updates": "equal turns of the generator", "equal_seconds": "equal seconds"}
SIDE, MARGIN, LABEL = 240, 8, 16  # pixels of a panel, around it and above it
COLOURS = {"gan": (214, 39, 40), "wgan_gp": (31, 119, 180), "egan": (44, 160, 44)}


class Judge(pl.Callback):
    """Judges the generator at both moments and ends the run after the later one; its own time does not count."""

    def __init__(self, data: Gaussians, iterations: int, seconds: float) -> None:
        if data.means is None:
            raise SystemExit(f"mixture {data.mixture} has no modes to count")
        self.data, self.means, self.iterations, self.seconds = data, data.means, iterations, seconds
        self.found: dict[str, dict[str, Any]] = {}
        self.started = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.started = time.process_time()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        now = time.process_time()
        due = {
            "equal_updates": trainer.global_step >= self.iterations,
            "equal_seconds": now - self.started >= self.seconds,
        }
        for moment in (name for name in MOMENTS if due[name] and name not in self.found):
            self.found[moment] = self.judge(pl_module, trainer.global_step, now - self.started)
        self.started += time.process_time() - now
        trainer.should_stop = len(self.found) == len(MOMENTS)

    def judge(self, module: Any, iterations: int, seconds: float) -> dict[str, Any]:
        points = self.data.points(module.generate(SAMPLES, seed=0, batch_size=SAMPLES))
        found = mixture_modes(points, self.means, self.data.std)
        return {
            "iterations": iterations,
            "seconds": round(seconds, 2),
            "modes": found.modes,
            "high_quality": found.high_quality,
            "reverse_kl": found.reverse_kl if found.modes else None,  # infinite is no JSON
            "points": [[round(value, 4) for value in point] for point in points.tolist()],
        }


def settings(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """All that a run depends on but its data and seed."""
    shared = {"batch": options.batch, "iterations": options.iterations, "seconds": options.seconds}
    sizes = {"generator_channels": options.units, "discriminator_channels": options.units, "latent_dim": 2}
    common = {"network": "mlp", "lr": options.lr, "betas": list(BETAS), "ema_decay": EMA, **sizes}
    return {**shared, "model": {**common, **MODELS[name][1]}}


def run(data_name: Any, name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train once and judge at both moments."""
    pl.seed_everything(seed, verbose=False)
    chosen = settings(name, options)
    data = Gaussians(mixture=data_name, batch_size=options.batch, seed=seed)
    module = MODELS[name][0](image_shape=data.image_shape, **chosen["model"])
    judge = Judge(data, options.iterations, options.seconds)
    runner = pl.Trainer(
        max_steps=-1,
        max_epochs=-1,
        accelerator="cpu",
        devices=1,
        callbacks=[judge],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    runner.fit(module, data)
    return {"data": data_name, "model": name, "seed": seed, "settings": chosen, **judge.found}


def known(path: Path, chosen: dict[str, Any]) -> dict[str, Any] | None:
    """A finished run of these settings."""
    if not path.is_file():
        return None
    result: dict[str, Any] = json.loads(path.read_text())
    return result if result["settings"] == json.loads(json.dumps(chosen)) else None


def spread(values: list[float], digits: int) -> str:
    """Mean and deviation over seeds."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def table(results: list[dict[str, Any]], moment: str) -> str:
    """A line for each mixture and model: the modes of each seed, mean and deviation of the rest."""
    lines = [
        "| mixture | model | modes | high quality | reverse KL | turns of the generator | CPU seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for key in dict.fromkeys((result["data"], result["model"]) for result in results):
        rows = [result[moment] for result in results if (result["data"], result["model"]) == key]
        divergences = [row["reverse_kl"] for row in rows if row["reverse_kl"] is not None]
        cells = [
            *(f"`{name}`" for name in key),
            ", ".join(str(row["modes"]) for row in rows),
            spread([100 * row["high_quality"] for row in rows], 1) + " %",
            spread(divergences, 2) if len(divergences) == len(rows) else "no sample of high quality",
            spread([row["iterations"] for row in rows], 0) if moment == "equal_seconds" else str(rows[0]["iterations"]),
            spread([row["seconds"] for row in rows], 0),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def picture(results: list[dict[str, Any]], data: Gaussians, path: Path) -> None:
    """Panels of one seed: a column a model, a row a moment."""
    data.setup()
    real = data.points(data.test_dataset.images)[:SAMPLES]
    width, height = SIDE + 2 * MARGIN, SIDE + LABEL + 2 * MARGIN
    sheet = Image.new("RGB", (width * len(results), height * len(MOMENTS)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, result in enumerate(results):
        for row, (moment, words) in enumerate(MOMENTS.items()):
            left, top = column * width + MARGIN, row * height + MARGIN + LABEL
            found = result[moment]
            draw.text((left, top - LABEL), f"{result['model']}, {words}: {found['modes']} modes", fill="black")
            draw.rectangle((left, top, left + SIDE, top + SIDE), outline=(200, 200, 200))
            for points, colour in ((real, (190, 190, 190)), (torch.tensor(found["points"]), COLOURS[result["model"]])):
                for x, y in pixels(points, data.scale):
                    draw.point((left + x, top + y), fill=colour)
    sheet.quantize(32).save(path, optimize=True)


def pixels(points: Tensor, scale: float) -> list[tuple[int, int]]:
    """Points (N, 2) to pixels of a panel, y upwards."""
    unit = (points / scale * torch.tensor([1.0, -1.0]) + 1.0) / 2.0  # (N, 2) in [0, 1]
    return [(int(x), int(y)) for x, y in (unit * (SIDE - 1)).round().tolist()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--iterations", type=int, default=1000, help="turns of the generator (default 1000)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of CPU time (default 60)")
    parser.add_argument("--units", type=int, default=128, help="of each of three hidden layers (default 128)")
    parser.add_argument("--batch", type=int, default=128, help="points a turn of the critic (default 128)")
    parser.add_argument("--lr", type=float, default=1e-3, help="Adam's, of both players (default 1e-3)")
    parser.add_argument("--out", type=Path, default=Path("mixtures"))
    options = parser.parse_args()
    with one_line_errors():
        check_positive(
            iterations=options.iterations,
            seconds=options.seconds,
            units=options.units,
            batch=options.batch,
            lr=options.lr,
        )
    torch.set_num_threads(1)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    for message in (".*does not have many workers.*", ".*in eval mode at the start.*"):
        warnings.filterwarnings("ignore", message=message)
    options.out.mkdir(parents=True, exist_ok=True)

    results = []
    for seed in options.seeds:
        for data_name in options.data:
            for name in options.models:
                path = options.out / f"{data_name}-{name}-{seed}.json"
                result = known(path, settings(name, options))
                if result is None:
                    result = run(data_name, name, seed, options)
                    keep(path, result, indent=None)
                results.append(result)
                told = {moment: {k: v for k, v in result[moment].items() if k != "points"} for moment in MOMENTS}
                print(json.dumps({"data": data_name, "model": name, "seed": seed, **told}), flush=True)
    results.sort(key=lambda r: (options.data.index(r["data"]), options.models.index(r["model"]), r["seed"]))
    header = (
        f"Three hidden layers of {options.units} ReLU units in both players, noise of 2 numbers, batch {options.batch}, "
        f"Adam {options.lr:g} {BETAS}, average of the generator {EMA}, {SAMPLES} samples, "
        f"seeds {', '.join(map(str, options.seeds))}; torch {torch.__version__}."
    )
    own = (
        ", ".join([f"`{name}`: noise {NOISE[name]}", *(f"{key} {value}" for key, value in MODELS[name][1].items())])
        for name in options.models
    )
    parts = [header, f"A model's own: {'; '.join(own)}."]
    if "egan" in options.models:
        parts.append("A turn of `egan`'s generator is a generation: three updates, of which one survives.")
    for moment, words in MOMENTS.items():
        parts += [f"At {words}:", table(results, moment)]
    (options.out / "table.md").write_text("\n\n".join(parts) + "\n")
    for data_name in options.data:
        first = [result for result in results if result["data"] == data_name and result["seed"] == options.seeds[0]]
        picture(first, Gaussians(mixture=data_name), options.out / f"{data_name}.png")
    print((options.out / "table.md").read_text())


if __name__ == "__main__":
    main()
