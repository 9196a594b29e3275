"""Models with classes at equal CPU time: Fréchet distance, class accuracy and intra-class recall of their recipes.

    python benchmarks/class_conditional.py                                            # Fashion-MNIST, 20 minutes each
    python benchmarks/class_conditional.py --data digits --minutes 5 --models cgan biggan --seed 1

Each model is trained by the recipe for the data (the file that `train.py --model M --data D` takes), on one thread, until it has
spent --minutes of CPU time; what scoring costs is not counted. --marks times along the way `fid_domain` is taken of
--curve_n samples; at the end `fid_domain`, class accuracy, intra-class Fréchet distance and recall of --n. The classifier
that judges classes is the one of `lightning-gans evaluate --features domain`. A model without classes has no scores of classes.

Each run writes ``OUT/<model>-<seed>.json`` when it is scored; a second call skips what is there. A run that is cut starts anew.
At the end: ``table.md``, the curves as ``curves.svg``, and ``<model>-<seed>.png``: a row of samples a class.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from errors import check_positive, one_line_errors
from plot import HEIGHT, WIDTH, Plot
from results import keep

from datamodules import import_data, list_data
from datamodules.base import ImageDataModule
from lightning_gans.cli.recipes import choose_recipe, fit_to
from lightning_gans.core.latent import LatentModule
from lightning_gans.core.pictures import save_grid
from lightning_gans.metrics.features.base import FeatureExtractor
from lightning_gans.metrics.features.choose import choose_features
from lightning_gans.metrics.images import DatasetImages, GeneratedImages, labels_like
from lightning_gans.metrics.scores import evaluate
from lightning_gans.registry import import_model

MODELS = ("dcgan", "cgan", "sngan", "sagan", "biggan")
SCORES = ("fid_domain", "acc_domain", "ifid_domain", "irecall_domain", "precision_domain", "recall_domain")
HEADS = ("`fid_domain`", "class accuracy", "intra-class `fid_domain`", "intra-class recall", "precision", "recall")
COLUMNS = 10  # samples a class
RIGHT = 90  # pixels for the names of models
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f")


class Budget(pl.Callback):
    """Ends a run after CPU seconds; scores it at equal shares of them, which costs nothing of the budget."""

    def __init__(self, seconds: float, marks: int, score: Any) -> None:
        self.seconds, self.marks, self.score = seconds, marks, score
        self.paused, self.started = 0.0, 0.0
        self.curve: list[tuple[float, int, float]] = []
        """(CPU minutes, iterations, score)"""

    @property
    def spent(self) -> float:
        """CPU seconds of training."""
        return time.process_time() - self.started - self.paused

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.started = time.process_time()
        self._mark(pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if self.spent >= self.seconds * len(self.curve) / self.marks:
            self._mark(pl_module)
            trainer.should_stop = len(self.curve) > self.marks

    def _mark(self, module: Any) -> None:
        spent = self.spent
        found = self.score(module)
        self.curve.append((spent / 60, module.iterations, found))
        self.paused += time.process_time() - self.started - self.paused - spent


def prepared(name: str, options: argparse.Namespace) -> tuple[LatentModule, ImageDataModule, dict[str, Any]]:
    """A model, its data and its recipe's settings."""
    cls = import_model(name)
    source = choose_recipe(name, options.data)
    if source is None:
        raise ValueError(f"there is no recipe for '{name}'")
    chosen = fit_to(source, name, options.data)
    settings = {"model": chosen.get("model", {}), "data": chosen.get("data", {"size": 32, "batch_size": 64})}
    places = {} if options.root is None else {"root": options.root}
    data = import_data(options.data)(**settings["data"], seed=options.seed, **places)
    data.prepare_data()
    data.setup("fit")
    pl.seed_everything(options.seed, verbose=False)
    classes = {} if name == "dcgan" else {"num_classes": data.num_classes}
    return cls(image_shape=data.image_shape, **classes, **settings["model"]), data, settings


def run(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train and score one model, or read what a former call found."""
    path = options.out / f"{name}-{options.seed}.json"
    with one_line_errors():
        module, data, settings = prepared(name, options)
        asked = {"data": options.data, "minutes": options.minutes, "n": options.n, "settings": settings}
        if path.is_file():
            result: dict[str, Any] = json.loads(path.read_text())
            if {key: result[key] for key in asked} != asked:
                raise ValueError(f"{path} was made with other settings; name another --out")
            return result
        reference = DatasetImages(data.train_dataset, data.image_shape, options.data)
        extractor = choose_features("domain", options.data, reference)
        if not isinstance(extractor, FeatureExtractor):
            raise ValueError(f"no features for {options.data}")

    def score(count: int, metrics: list[str]) -> dict[str, float]:
        module.eval()
        fakes = GeneratedImages(module, count, labels=labels_like(reference, module, count))
        found = evaluate(fakes, reference, metrics, extractor, errors=False)
        module.train()
        return {key: value.value for key, value in found.items()}

    budget = Budget(60 * options.minutes, options.marks, lambda _: score(options.curve_n, ["fid"])["fid_domain"])
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_steps=-1,
        max_epochs=-1,
        callbacks=[budget],
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, data)
    trainer.save_checkpoint(options.out / f"{name}-{options.seed}.ckpt")
    metrics = ["fid", "pr", *(["acc", "ifid"] if module.is_conditional else [])]
    rows = data.num_classes or 1
    labels = torch.arange(rows).repeat_interleave(COLUMNS) if module.is_conditional else None
    save_grid(module.generate(rows * COLUMNS, seed=0, labels=labels), path.with_suffix(".png"), columns=COLUMNS)
    result = {
        **asked,
        "model": name,
        "seed": options.seed,
        "iterations": module.iterations,
        "curve": budget.curve,
        "scores": score(options.n, metrics),
        "threads": torch.get_num_threads(),
        "parameters": [
            sum(p.numel() for p in player.parameters()) for player in (module.generator, module.discriminator)
        ],
    }
    keep(path, result)
    return result


def table(results: list[dict[str, Any]]) -> str:
    """Markdown, a row a model."""
    lines = [f"| model | iterations | {' | '.join(HEADS)} |", "|---" * (2 + len(HEADS)) + "|"]
    for result in results:
        found = {key: result["scores"].get(key) for key in SCORES}
        cells = ["" if value is None else f"{value:.{2 if 'fid' in key else 3}f}" for key, value in found.items()]
        lines.append(f"| `{result['model']}` | {result['iterations']:,} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def svg(results: list[dict[str, Any]]) -> str:
    """The curves: score on a logarithmic axis over CPU minutes."""
    end = max(minutes for result in results for minutes, *_ in result["curve"])
    plot = Plot((value for result in results for *_, value in result["curve"]), end, RIGHT)
    plot.axes([f"{end * tick / 5:.0f}" for tick in range(6)])
    plot.text(WIDTH / 2, HEIGHT - 8, "CPU minutes; fid_domain")
    for result, colour in zip(results, COLOURS, strict=False):
        points = [plot.at(minutes, value) for minutes, _, value in result["curve"]]
        plot.curve(points, colour)
        x, y = points[-1]
        plot.text(x + 6, y + 4, result["model"], "start", f' fill="{colour}"')
    return plot.svg()


def main() -> None:
    """Train what is missing, then draw the table, the curves and the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="fashion_mnist", choices=list_data())
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--minutes", type=float, default=20.0, help="of CPU time of one thread, each")
    parser.add_argument("--marks", type=int, default=6, help="scores along a run, beside the one before it")
    parser.add_argument("--n", type=int, default=10_000, help="samples of the final scores")
    parser.add_argument("--curve_n", type=int, default=2000, help="samples of the scores along a run")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and noise")
    parser.add_argument("--root", help="folder of the data")
    parser.add_argument("--out", type=Path, default=Path("class_conditional"))
    options = parser.parse_args()
    with one_line_errors():
        check_positive(minutes=options.minutes, marks=options.marks, n=options.n, curve_n=options.curve_n)
    options.out.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore", category=UserWarning, module="pytorch_lightning")
    torch.set_num_threads(1)
    results = []
    for name in options.models:
        results.append(run(name, options))
        print(table(results[-1:]).splitlines()[-1], flush=True)
    (options.out / "table.md").write_text(table(results))
    (options.out / "curves.svg").write_text(svg(results))
    print(table(results))


if __name__ == "__main__":
    main()
