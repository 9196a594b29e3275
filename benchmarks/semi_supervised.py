"""What images without labels are worth: SGAN's classifier against the same network trained on the labels alone.

    python benchmarks/semi_supervised.py --data digits
    python benchmarks/semi_supervised.py --data fashion_mnist --iterations 12000 --out results

Both have the paper's MNIST classifier with its noise and weight norm, Adam, the same schedule of the learning rate, the same
average of the weights and as many iterations; that of the labels alone sees batches of labelled images only, all of them
labelled. Test errors are those of the last iteration: no test image chooses anything. Since the labels alone may want
a shorter training, the table also tells the least of the errors along it, each a favour to them that nobody has in practice.

Each run is a JSON file in the folder `--out`; a run whose file is there is not repeated, and one that was cut goes on from its
checkpoint by the same command. A table in Markdown comes out.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from pathlib import Path
from statistics import fmean
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from clock import Clock
from errors import check_positive, one_line_errors
from results import keep

from datamodules import Digits, FashionMNIST
from lightning_gans import SGAN
from lightning_gans.batch import Batch
from lightning_gans.callbacks import RunCheckpoint
from lightning_gans.cli.errors import UsageError
from lightning_gans.core.adversarial import Terms
from lightning_gans.losses import FEATURE_DISTANCES
from lightning_gans.registry import nearest

__all__ = ["main"]

DATA = {"digits": Digits, "fashion_mnist": FashionMNIST}
LABELS = {"digits": 10, "fashion_mnist": 100}  # a class
ITERATIONS = {"digits": 3000, "fashion_mnist": 4000}
ARMS = ("labels", "sgan")
BATCH = 100
LOOKS = 20  # test errors along a run
EMA_DECAY = 0.999


class LabelsOnly(SGAN):
    """SGAN's classifier without its game: only labelled images move it, and the generator does not move."""

    def discriminator_loss(self, batch: Batch) -> Terms:
        """Cross entropy."""
        logits, _ = self._judge(batch["images"])
        return {"labelled": F.cross_entropy(logits, batch["labels"])}

    def generator_turn(self, batch: Batch) -> None:
        """None."""


class Errors(pl.Callback):
    """Test errors in percent, at LOOKS iterations of the run, those before a cut included."""

    def __init__(self, data: Any, iterations: int) -> None:
        self.data, self.iterations = data, iterations
        self.found: dict[int, float] = {}

    def state_dict(self) -> dict[str, Any]:
        return {"found": dict(self.found)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.found = dict(state_dict["found"])

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        done = trainer.global_step
        if done % max(1, self.iterations // LOOKS) == 0 or done == self.iterations:
            test = self.data.test_dataset
            wrong = pl_module.predict(test.images) != test.labels
            self.found[done] = 100.0 * wrong.float().mean().item()


def train(arm: str, seed: int, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train one classifier, or go on where it was cut; what it was asked and its test errors in percent, by iteration."""
    pl.seed_everything(seed, verbose=False)
    labels = options.labels_per_class or LABELS[options.data]
    fraction = _fraction(arm, options)
    with one_line_errors():
        data = DATA[options.data](
            size=28, batch_size=BATCH, labels_per_class=labels, labelled_fraction=fraction, seed=seed, root=options.root
        )
        cls = LabelsOnly if arm == "labels" else SGAN
        model = cls(
            data.image_shape,
            data.num_classes,
            network="mlp",
            lr=options.generator_learning_rate,
            discriminator_lr=options.learning_rate,
            lr_schedule="constant_linear",
            decay_start=options.iterations * 2 // 3,  # the last third, as the code's for CIFAR-10
            ema_decay=EMA_DECAY,
            unsupervised_weight=0.0 if arm == "labels" else options.unsupervised_weight,
            feature_distance=options.feature_distance,
        )
    errors, clock = Errors(data, options.iterations), Clock(time.perf_counter)
    trainer = pl.Trainer(
        accelerator=options.accelerator,
        devices=1,
        max_steps=options.iterations,
        max_epochs=-1,
        callbacks=[errors, clock, RunCheckpoint(folder=folder, every=1000)],
        limit_val_batches=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    last = folder / "last.ckpt"
    trainer.fit(model, data, ckpt_path=str(last) if last.is_file() else None)
    if model.iterations < options.iterations:
        raise SystemExit(f"{folder.name}: stopped at iteration {model.iterations}; the same command continues")
    return {
        "data": options.data,
        "labels_per_class": labels,
        "arm": arm,
        "seed": seed,
        "iterations": options.iterations,
        "learning_rate": options.learning_rate,
        "generator_learning_rate": None if arm == "labels" else options.generator_learning_rate,
        "labelled_fraction": fraction,
        "unsupervised_weight": model.unsupervised_weight,
        "feature_distance": model.feature_distance,
        "minutes": round(clock.seconds / 60, 2),
        "errors": errors.found,
    }


def result(arm: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """A run's result, from its file or from training."""
    labels = options.labels_per_class or LABELS[options.data]
    settings = f"{options.iterations}-{options.learning_rate:g}-{_fraction(arm, options):g}"
    if arm == "sgan" and options.feature_distance:
        settings += f"-{options.feature_distance}"
    if arm == "sgan" and options.unsupervised_weight != 1.0:
        settings += f"-{options.unsupervised_weight:g}"
    if arm == "sgan" and options.generator_learning_rate != options.learning_rate:
        settings += f"-generator{options.generator_learning_rate:g}"
    name = f"{options.data}-{labels}-{arm}-{settings}-{seed}.json"
    path = options.out / name
    if not path.is_file():
        found = train(arm, seed, options, path.with_suffix(""))
        keep(path, found)
    read: dict[str, Any] = json.loads(path.read_text())
    print(f"{name}: {list(read['errors'].values())[-1]:.2f} %", flush=True)
    return read


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown: a row a seed, the means, and by how much they differ."""
    rows = [
        "| seed | labels alone, % | its best, % | with images without labels, % | fewer errors, % |",
        "|---|---|---|---|---|",
    ]
    columns = []
    for alone, joint in zip(results["labels"], results["sgan"], strict=True):
        along = list(alone["errors"].values())
        columns.append((along[-1], min(along), list(joint["errors"].values())[-1]))
        rows.append(_row(str(alone["seed"]), columns[-1]))
    means = tuple(fmean(column) for column in zip(*columns, strict=True))
    return "\n".join([*rows, _row("mean", (means[0], means[1], means[2]))])


def _arms(given: str) -> list[str]:
    """Of a list by comma."""
    arms = given.split(",")
    for arm in arms:
        if arm not in ARMS:
            raise UsageError(nearest(arm, ARMS, "arm"))
    return arms


def _seeds(given: str) -> list[int]:
    """Of a list by comma."""
    try:
        return [int(seed) for seed in given.split(",")]
    except ValueError as error:
        raise UsageError(f"seeds '{given}'; allowed: whole numbers, by comma") from error


def _fraction(arm: str, options: argparse.Namespace) -> float:
    """Of labelled images in a batch."""
    return 1.0 if arm == "labels" else float(options.labelled_fraction)


def _row(name: str, values: tuple[float, float, float]) -> str:
    last, best, joint = values
    fewer = [f"{100 * (1 - joint / other):.1f}" if other else "-" for other in (last, best)]
    return f"| {name} | {last:.2f} | {best:.2f} | {joint:.2f} | {fewer[0]} (of its best: {fewer[1]}) |"


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=sorted(DATA), default="digits")
    parser.add_argument("--iterations", type=int, help="of both; default 3,000 on digits, 4,000 on Fashion-MNIST")
    parser.add_argument("--seeds", default="0,1,2", help="by comma: of the weights, the order and the choice of labels")
    parser.add_argument(
        "--learning_rate", type=float, default=3e-3, help="of both classifiers; default the paper's MNIST's"
    )
    parser.add_argument("--generator_learning_rate", type=float, help="of SGAN's generator; default its classifier's")
    parser.add_argument("--labels_per_class", type=int, help="default 10 on digits, 100 on Fashion-MNIST")
    parser.add_argument("--labelled_fraction", type=float, default=0.5, help="of SGAN's batches")
    parser.add_argument("--unsupervised_weight", type=float, default=1.0, help="in SGAN's loss; default the paper's, 1")
    parser.add_argument(
        "--feature_distance", choices=FEATURE_DISTANCES, help="of SGAN's generator; default the model's"
    )
    parser.add_argument("--arms", default=",".join(ARMS), help="labels (alone), sgan; with one there is no table")
    parser.add_argument("--out", type=Path, default=Path("semi_supervised"), help="folder of the results")
    parser.add_argument("--root", help="folder of the data")
    parser.add_argument("--accelerator", default="cpu")
    options = parser.parse_args()
    options.iterations = options.iterations or ITERATIONS[options.data]
    if options.generator_learning_rate is None:
        options.generator_learning_rate = options.learning_rate
    with one_line_errors():
        arms, seeds = _arms(options.arms), _seeds(options.seeds)
        check_positive(
            iterations=options.iterations,
            learning_rate=options.learning_rate,
            generator_learning_rate=options.generator_learning_rate,
        )
    options.out.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore", category=UserWarning, module="pytorch_lightning")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    results = {arm: [result(arm, seed, options) for seed in seeds] for arm in arms}
    if set(arms) == set(ARMS):
        print(table(results))


if __name__ == "__main__":
    main()
