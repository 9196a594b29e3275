"""``lightning-gans generate`` and ``interpolate``: images from a checkpoint. Flags are read without torch."""

from __future__ import annotations

import argparse
from itertools import chain
from pathlib import Path

from lightning_gans.cli.errors import UsageError
from lightning_gans.cli.imports import quick_imports
from lightning_gans.cli.parsing import TRUNCATION, CommandParser, positive

__all__ = ["generate", "interpolate"]


def generate(arguments: list[str]) -> int:
    """Draw n images into one grid (``*.png``), one array (``*.npy``) or a folder of files; returns the exit code."""
    parser = _parser("generate", "Draw images from a checkpoint.")
    parser.add_argument("--n", type=positive, default=64, help="images (default 64)")
    parser.add_argument(
        "--out", required=True, help="X.png: a grid; X.npy: uint8 (n, C, H, W); else a folder of PNG files"
    )
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that is not empty")
    parser.add_argument("--classes", type=_classes, help="0,1,2: classes by number, in turn; default: all in turn")
    parser.add_argument(
        "--tags",
        help="'blue hair, smile': by comma; other tags are off, unnamed hair and eye colours drawn; default: all drawn",
    )
    parser.add_argument(
        "--truncation",
        type=_truncations,
        default=[1.0],
        help=f"{TRUNCATION}; 0.2,0.5,1: a row of X.png for each",
    )
    parser.add_argument("--batch_size", type=positive, default=64, help="images a pass; changes nothing but memory")
    options = parser.parse_args(arguments)
    if options.classes is not None and options.tags is not None:
        raise UsageError("--classes and --tags: give one of them")
    sweep = len(options.truncation) > 1
    if sweep and Path(options.out).suffix.lower() != ".png":
        raise UsageError(
            f"--out {options.out} with several truncations; allowed: a file *.png, of which each gets a row"
        )
    with quick_imports():
        from lightning_gans.cli import drawing

    drawing.check_out(Path(options.out), options.overwrite)
    module = drawing.load_sampler(options.checkpoint, options.device)
    if options.classes is not None and module.tags is not None:
        some = module.tags[0]
        raise ValueError(
            f"--classes for {type(module).__name__}, which was trained with tags; allowed: --tags '{some}'"
        )
    batches = [
        module.generate_batches(
            options.n,
            seed=options.seed,
            labels=options.classes,
            tags=options.tags,
            truncation=truncation,
            ema=not options.raw,
            batch_size=options.batch_size,
            bn=options.bn,
        )
        for truncation in options.truncation
    ]
    columns = options.n if sweep else None
    drawing.write_images(
        chain.from_iterable(batches), options.n * len(batches), module.image_shape, Path(options.out), columns
    )
    return 0


def interpolate(arguments: list[str]) -> int:
    """Draw the way from each of n latents to the next, as rows of a picture or as a film; returns the exit code."""
    parser = _parser("interpolate", "Walk from latent to latent, round to the first.")
    parser.add_argument("--n", type=positive, default=8, help="latents to pass (default 8)")
    parser.add_argument("--steps", type=positive, default=10, help="images from one to the next (default 10)")
    parser.add_argument("--out", required=True, help="X.png: a row for each way; X.gif: one image after the other")
    options = parser.parse_args(arguments)
    out = Path(options.out)
    if out.suffix.lower() not in (".png", ".gif"):
        raise UsageError(f"--out {out}: allowed: a file *.png or *.gif")
    if options.n < 2 or options.steps < 2:
        raise UsageError(f"--n {options.n} --steps {options.steps}: allowed: at least 2 each")
    with quick_imports():
        from lightning_gans.cli import drawing

    module = drawing.load_sampler(options.checkpoint, options.device)
    drawing.write_walk(module, options.n, options.steps, options.seed, not options.raw, options.bn, out)
    return 0


def _parser(command: str, description: str) -> CommandParser:
    parser = CommandParser(prog=f"lightning-gans {command}", description=description, allow_abbrev=False)
    parser.add_argument(
        "checkpoint", metavar="CKPT", help="a checkpoint, such as runs/dcgan-digits/1/checkpoints/last.ckpt"
    )
    parser.add_argument("--seed", type=int, default=0, help="names the set of images (default 0)")
    parser.add_argument("--raw", action="store_true", help="the generator itself, not its running average")
    parser.add_argument("--bn", choices=("standing", "running"), default="standing", help="batch-norm statistics")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ...; default: cuda where there is one")
    return parser


def _classes(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text}; allowed: numbers of classes by comma, such as 0,1,2")
    return [int(part) for part in parts]


def _truncations(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}'; allowed: a number, or several by comma, such as 0.2,0.5,1"
        ) from None
