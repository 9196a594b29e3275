"""Rerun "Are GANs Created Equal?": seven formulations on one pair of networks, equal budget and seeds.

    python benchmarks/created_equal.py                                  # Fashion-MNIST at 28x28, 7 x 2 seeds x 2,000 iterations
    python benchmarks/created_equal.py --data digits --iterations 1500 --seeds 0 --vae
    python benchmarks/created_equal.py --settings study --channels 64 --iterations 18740 --seeds 0 1 2 3 4

Each run writes ``OUT/<name>-<seed>.json`` when it is scored; a second call skips what is there and continues a run that was
cut at its last checkpoint; what other settings made is refused. At the end: a table (``table.md``) and a picture
(``samples.png``: a row of samples a formulation, in the table's order). ``--logger wandb`` logs every run.

Settings: ``study`` are the defaults of the study's code, made for 20 epochs. ``short``, the default here, are one point of the
study's narrow search for all (Adam 1e-3, beta1 0.5, one turn of the critic, batch norm as the study has it there: none for
wgan_gp and dragan) but for two that so short a run needs elsewhere: wgan clips at 0.1, began's balance moves by 0.03.
``--vae`` adds the study's baseline: the generator as decoder, the discriminator's layers as encoder.

``--iterations`` are turns of the critic, as the study counts: all formulations see as much data. In ``study`` wgan, wgan_gp and
began have five of them to one turn of the generator (what five do not divide is left out), so 18,740 are 3,748 of the generator.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from clock import Clock
from errors import one_line_errors
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import Logger, WandbLogger
from results import keep
from torch import Tensor, nn

from datamodules import import_data
from datamodules.base import ImageDataModule
from lightning_gans import CreatedEqual
from lightning_gans.batch import normalize_batch, to_uint8
from lightning_gans.cli.data_source import open_data
from lightning_gans.cli.errors import UsageError
from lightning_gans.cli.names import check_data
from lightning_gans.core.pictures import save_grid
from lightning_gans.metrics.features.base import FeatureExtractor
from lightning_gans.metrics.features.choose import choose_features
from lightning_gans.metrics.features.files import shipped_domains
from lightning_gans.metrics.images import DatasetImages, TensorImages
from lightning_gans.metrics.scores import evaluate
from lightning_gans.models.created_equal import FORMULATIONS, Discriminator, Generator

SIZE, BATCH = 28, 64  # pixels a side, and images a turn of the critic: the study's
EVERY = 500  # iterations between checkpoints
ROW = 10  # pictures of a formulation

SHORT: dict[str, dict[str, Any]] = {
    "wgan": {"weight_clip": 0.1},
    "wgan_gp": {"batch_norm": False},
    "dragan": {"batch_norm": False},
    "began": {"lambda_k": 0.03},
}


class VAE(pl.LightningModule):
    """The study's baseline: Bernoulli pixels, a normal latent; ELBO of Kingma & Welling 2013 (arXiv:1312.6114)."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, channels: int, lr: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.latent_dim, self.lr = latent_dim, lr
        self.encoder = Discriminator(image_shape, channels, batch_norm=True)
        self.encoder.head = nn.Linear(16 * channels, 2 * latent_dim)
        self.decoder = Generator(image_shape, latent_dim, channels)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        images = normalize_batch(batch)["images"]
        pixels = (images + 1.0) / 2.0
        mean, log_variance = self.encoder.head(self.encoder.layers(pixels)).chunk(2, dim=1)
        latents = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        logits = self.decoder.layers(latents)
        fit = F.binary_cross_entropy_with_logits(logits, pixels, reduction="sum")
        divergence = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1.0).sum()
        loss: Tensor = (fit + divergence) / len(images)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), self.lr)

    @torch.no_grad()
    def generate(self, n: int, *, seed: int) -> Tensor:
        """Images (n, C, H, W) in [-1, 1]; batch norm by each batch's statistics: the running ones (0.999) trail for long."""
        self.train()
        latents = torch.randn(n, self.latent_dim, generator=torch.Generator().manual_seed(seed))
        return torch.cat([self.decoder(part) for part in latents.split(64)])


def build(name: str, options: argparse.Namespace, image_shape: tuple[int, int, int]) -> CreatedEqual | VAE:
    """A run's model."""
    if name == "vae":
        return VAE(image_shape, 64, options.channels, 5e-5 if options.settings == "study" else 1e-3)
    settings: dict[str, Any] = {}
    if options.settings == "short":
        settings = {"lr": 1e-3, "betas": (0.5, 0.999), "d_steps": 1, **SHORT.get(name, {})}
    width = {"generator_channels": options.channels, "discriminator_channels": options.channels}
    return CreatedEqual(image_shape, formulation=name, **width, **settings)


def trainer_steps(model: CreatedEqual | VAE, iterations: int) -> int:
    """Iterations of the Trainer for turns of the critic; the VAE has neither player, and sees as much data."""
    return iterations // model.d_steps if isinstance(model, CreatedEqual) else iterations


def check_iterations(names: list[str], options: argparse.Namespace) -> None:
    """Refuse turns of the critic that are too few for one of the generator.

    Raises:
        UsageError: they are.
    """
    study = options.settings == "study"
    least = max(FORMULATIONS[name].d_steps if study and name in FORMULATIONS else 1 for name in names)
    if options.iterations < least:
        raise UsageError(f"iterations {options.iterations}; allowed: {least} or more")


class Source(NamedTuple):
    """What models learn from and are scored by."""

    data: ImageDataModule
    images: DatasetImages
    features: FeatureExtractor


def opened(name: str) -> Source:
    """A data set, and its classifier.

    Raises:
        UsageError: no data set of that name, or none that a classifier is there for.
        ValueError, OSError: its images cannot be had.
    """
    check_data(name)
    if "size" in signature(import_data(name)).parameters:
        data = open_data(name, {"size": SIZE, "batch_size": BATCH})
        images = DatasetImages(data.train_dataset, data.image_shape, name)
        features = choose_features("domain", name, images)
        if features is not None:
            return Source(data, images, features)
    raise UsageError(
        f"data '{name}' has no classifier to be scored by; allowed: {', '.join(shipped_domains())}, or data that "
        f"`lightning-gans evaluate` has trained one for at {SIZE}x{SIZE}"
    )


def settings(name: str, seed: int, options: argparse.Namespace, model: CreatedEqual | VAE) -> dict[str, Any]:
    """All that training depends on, a model's defaults included, as JSON holds it."""
    told = {"data": options.data, "size": SIZE, "batch": BATCH, "seed": seed, "iterations": options.iterations}
    study = FORMULATIONS[name]._asdict() if name in FORMULATIONS else {}
    own = {key: value for key, value in study.items() if not callable(value)}
    own |= {key: value for key, value in model.hparams.items() if value is not None}  # None: the study's
    whole = {**told, "settings": options.settings, **{f"model.{key}": value for key, value in own.items()}}
    plain: dict[str, Any] = json.loads(json.dumps(whole))
    return plain


def check_same(path: Path, found: Any, asked: dict[str, Any]) -> None:
    """Refuse what was made with other settings than are asked for now.

    Raises:
        UsageError: the message tells those that differ.
    """
    if not isinstance(found, dict):
        raise UsageError(f"{path} does not tell all its settings; allowed: another --out")
    differ = [key for key in {**found, **asked} if found.get(key) != asked.get(key)]
    if differ:
        made, now = (", ".join(f"{key}={some.get(key)}" for key in differ) for some in (found, asked))
        raise UsageError(f"{path} was made with {made}, not with {now}; allowed: the same, or another --out")


class Settings(pl.Callback):
    """Checkpoints tell what they were made with."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["settings"] = self.settings


def checkpoint_of(folder: Path, asked: dict[str, Any]) -> Path | None:
    """What a run that was cut goes on from, or None.

    Raises:
        UsageError: it was made with other settings.
    """
    last = folder / "last.ckpt"
    if not last.is_file():
        return None
    check_same(last, torch.load(last, map_location="cpu", weights_only=False).get("settings"), asked)
    return last


def train(
    model: CreatedEqual | VAE,
    source: Source,
    asked: dict[str, Any],
    folder: Path,
    last: Path | None,
    options: argparse.Namespace,
) -> float:
    """Train to the end, or go on where a run was cut; the seconds that it took."""
    logger: Logger | bool = False
    if options.logger == "wandb":
        logger = WandbLogger(project="lightning-gans", group="created_equal", name=folder.name, save_dir=options.out)
    clock = Clock(time.perf_counter)
    checkpoint = ModelCheckpoint(folder, "last", every_n_train_steps=EVERY, enable_version_counter=False)
    steps = trainer_steps(model, options.iterations)
    trainer = pl.Trainer(
        max_steps=steps,
        max_epochs=-1,
        logger=logger,
        callbacks=[clock, Settings(asked), checkpoint],
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=options.out,
    )
    trainer.fit(model, datamodule=source.data, ckpt_path=last, weights_only=None if last is None else False)
    if trainer.global_step < steps:
        raise SystemExit(f"{folder.name}: stopped at iteration {trainer.global_step}; the same command continues")
    return clock.seconds


def run(name: str, seed: int, options: argparse.Namespace, source: Source) -> dict[str, Any]:
    """Train and score one model, or read what a former call found."""
    folder = options.out / f"{name}-{seed}"
    result = folder.with_suffix(".json")
    with one_line_errors():
        pl.seed_everything(seed, verbose=False)
        model = build(name, options, source.data.image_shape)
        asked = settings(name, seed, options, model)
        if result.exists():
            found: dict[str, Any] = json.loads(result.read_text())
            check_same(result, found.get("settings"), {**asked, "samples": options.n})
            return found
        last = checkpoint_of(folder, asked)
    seconds = train(model, source, asked, folder, last, options)
    images = model.to("cpu").generate(options.n, seed=0)
    save_grid(images[:ROW], folder / "samples.png", columns=ROW)
    torch.save(to_uint8(images[:ROW]), folder / "samples.pt")
    score = evaluate(TensorImages(to_uint8(images)), source.images, ["fid", "pr"], source.features)
    found = {
        "fid": score["fid_domain"].value,
        "precision": score["precision_domain"].value,
        "recall": score["recall_domain"].value,
        "seconds": seconds,
        "protocol": score["fid_domain"].protocol,
        "settings": {**asked, "samples": options.n},
    }
    keep(result, found)
    return found


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown, best first; the spread is the sample standard deviation over seeds."""
    lines = ["| formulation | `fid_domain` | spread | precision | recall | minutes |", "|---|---|---|---|---|---|"]
    for name, runs in found.items():
        scores = [one["fid"] for one in runs]
        spread = f"{statistics.stdev(scores):.2f}" if len(scores) > 1 else ""
        precision, recall = (statistics.fmean(one[key] for one in runs) for key in ("precision", "recall"))
        minutes = f"{statistics.median(one['seconds'] for one in runs) / 60:.1f}"
        lines.append(
            f"| `{name}` | {statistics.fmean(scores):.2f} | {spread} | {precision:.2f} | {recall:.2f} | {minutes} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="fashion_mnist")
    parser.add_argument("--formulations", nargs="+", choices=list(FORMULATIONS), default=list(FORMULATIONS))
    parser.add_argument("--settings", choices=("short", "study"), default="short")
    parser.add_argument("--channels", type=int, default=16, help="of both networks; the study has 64")
    parser.add_argument("--iterations", type=int, default=2000, help="turns of the critic (default 2000)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--n", type=int, default=10_000, help="samples to score")
    parser.add_argument("--vae", action="store_true", help="add the study's baseline")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--logger", choices=("none", "wandb"), default="none")
    parser.add_argument("--out", type=Path, default=Path("created_equal"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    names = [*options.formulations, *(["vae"] if options.vae else [])]
    with one_line_errors():
        check_iterations(names, options)
        source = opened(options.data)
    options.out.mkdir(parents=True, exist_ok=True)

    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed in options.seeds:  # seed by seed: a cut comparison still compares
        for name in names:
            found[name].append(run(name, seed, options, source))
            print(f"{name} seed {seed}: fid_domain {found[name][-1]['fid']:.2f}", flush=True)
    ranked = sorted(names, key=lambda name: statistics.fmean(one["fid"] for one in found[name]))
    text = table({name: found[name] for name in ranked})
    (options.out / "table.md").write_text(text)
    rows = [torch.load(options.out / f"{name}-{options.seeds[0]}" / "samples.pt") for name in ranked]
    save_grid(torch.cat(rows).float() / 127.5 - 1.0, options.out / "samples.png", columns=ROW)
    print(text)


if __name__ == "__main__":
    main()
