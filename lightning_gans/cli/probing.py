"""``lightning-gans probe``: a linear classifier on a discriminator's features. Flags are read without torch."""

from __future__ import annotations

import argparse
import json
import math
import sys
from typing import TYPE_CHECKING, Any

from lightning_gans.cli.data_source import checkpoint_data, open_data, same_images, take_data_flags
from lightning_gans.cli.errors import UsageError, say
from lightning_gans.cli.imports import quick_imports
from lightning_gans.cli.parsing import CommandParser, positive

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from datamodules.base import ImageDataModule, ImageDataset
    from lightning_gans.analysis.probe import ProbeResult
    from lightning_gans.core.adversarial import AdversarialModule

__all__ = ["probe"]


def probe(arguments: list[str]) -> int:
    """Tell classes by the discriminator's features, by an untrained one's and by pixels; returns the exit code.

    Raises:
        UsageError: unknown names or options, or a checkpoint that does not tell its data.
        ValueError: a checkpoint, or data, that cannot be probed.
        OSError: files that cannot be read.
    """
    data, data_options, rest = take_data_flags(arguments)
    options = _parser().parse_args(rest)
    with quick_imports():
        from lightning_gans.analysis import probe as analysis
        from lightning_gans.cli import drawing
        from lightning_gans.cli.quiet import quiet
        from lightning_gans.core.loading import read_checkpoint

    quiet()
    checkpoint = read_checkpoint(options.checkpoint)
    name, chosen = _choose(checkpoint, options.checkpoint, data, data_options)
    module = drawing.load_sampler(options.checkpoint, options.device)
    images = open_data(name, chosen, image_shape=module.image_shape)
    train, test = _splits(images, name, options.n_train, options.n_test, options.seed)
    result = analysis.probe(
        module, _untrained(checkpoint, options.seed).to(module.device), train, test, seed=options.seed, report=say
    )
    own = {"data": name, "seed": options.seed}
    sys.stdout.write(json.dumps({**result._asdict(), **own}) + "\n" if options.json else _table(result, name))
    return 0


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="lightning-gans probe",
        description="How well a linear classifier (L2-SVM) tells classes by the features of the discriminator, max-pooled to "
        "4x4 grids; beside it the same network untrained, and the pixels themselves.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "checkpoint", metavar="CKPT", help="a checkpoint, such as runs/dcgan-digits/1/checkpoints/last.ckpt"
    )
    # These two are taken out before; here they are for --help and for hints.
    parser.add_argument(
        "--data",
        metavar="D|FOLDER",
        help="labelled images: a data set, a folder or a .zip; default: the checkpoint's own",
    )
    parser.add_argument("--data.KEY", metavar="V", help="an option of the data, such as --data.root")
    parser.add_argument("--n_train", type=positive, default=10000, help="images to train on, at most (default 10000)")
    parser.add_argument("--n_test", type=positive, default=10000, help="images to test on, at most (default 10000)")
    parser.add_argument(
        "--seed", type=_seed, default=0, help="of the choice of images and of initial weights (default 0)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ...; default: cuda where there is one")
    return parser


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text}; allowed: 0 to {2**32 - 1}")
    return int(text)


def _choose(
    checkpoint: dict[str, Any], path: str, data: str | None, flags: dict[str, str]
) -> tuple[str, dict[str, Any]]:
    """The data's name or path and its options: as the flags say, else the checkpoint's own with what the flags change."""
    if data is not None:
        return data, dict(flags)
    own = checkpoint_data(checkpoint, path)
    if own is None:
        raise UsageError(f"checkpoint '{path}' does not tell which data it was trained on; name it: --data D")
    return own[0], {**own[1], **flags}


def _untrained(checkpoint: dict[str, Any], seed: int) -> AdversarialModule:
    """The same model with initial weights."""
    import torch

    from lightning_gans.registry import import_model

    hparams = checkpoint["hyper_parameters"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: AdversarialModule = import_model(hparams["model_name"])(**hparams)
    return model.eval()


def _splits(
    data: ImageDataModule, name: str, n_train: int, n_test: int, seed: int
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Labelled images to train on and to test with: random ones of each split, none of them in both."""
    import numpy as np

    train, test = data.train_dataset, data.test_dataset
    for split in (train, test):
        if split.labels is None or split.labels.dim() != 1 or not bool((split.labels >= 0).any()):
            raise ValueError(f"data '{name}' has no labels; allowed: images with classes")
    random = np.random.default_rng(seed)
    rows, test_rows = (random.permutation(_labelled(split)) for split in (train, test))
    if same_images(train, test):
        held = len(rows) // 5
        rows, test_rows = rows[held:], rows[:held]
        say(
            f"data '{name}' has no test images of its own: a fifth of its {held + len(rows)} labelled ones is kept for it"
        )
    for what, wanted, there in (("n_train", n_train, len(rows)), ("n_test", n_test, len(test_rows))):
        if wanted > there:
            say(f"--{what} {wanted}: data '{name}' has {there}; all of them are taken")
    return _read(train, rows[:n_train]), _read(test, test_rows[:n_test])


def _labelled(split: ImageDataset) -> np.ndarray[Any, Any]:
    """Rows that have a class (-1: none), mirrored copies not counted."""
    labels: Any = split.labels
    rows: np.ndarray[Any, Any] = (labels >= 0).nonzero().flatten().numpy()
    return rows


def _read(split: ImageDataset, rows: np.ndarray[Any, Any]) -> tuple[Tensor, Tensor]:
    """Images uint8 (N, C, H, W) and labels (N,) of these rows."""
    import numpy as np

    batch = split.read(np.sort(rows))
    return batch["images"], batch["labels"]


def _table(result: ProbeResult, name: str) -> str:
    lines = [f"{'features':<16}{'accuracy':>8}"]
    for kind in ("discriminator", "untrained", "pixels"):
        accuracy: float = getattr(result, kind)
        error = math.sqrt(accuracy * (1.0 - accuracy) / result.n_test)  # of a share of n_test independent trials
        lines.append(f"{kind:<16}{accuracy:>8.4f} ± {error:.4f}")
    lines.append(
        f"{name}: trained on {result.n_train} images, tested on {result.n_test}; {result.dims} features an image"
    )
    return "\n".join(lines) + "\n"
