"""``lightning-gans evaluate``: scores of a checkpoint's samples, or of a folder of images. Flags are read without torch."""

from __future__ import annotations

import argparse

from lightning_gans.cli.data_source import take_data_flags
from lightning_gans.cli.imports import quick_imports
from lightning_gans.cli.parsing import TRUNCATION, CommandParser, above_zero, positive, seed_number

__all__ = ["evaluate"]

METRICS = "fid kid is pr dc prd ifid acc ppl swd nn parzen modes"


def evaluate(arguments: list[str]) -> int:
    """Print one line for each score, its protocol included; returns the exit code."""
    parser = CommandParser(
        prog="lightning-gans evaluate",
        description="Score samples against real images.",
        epilog=f"metrics: {METRICS}",
        allow_abbrev=False,
    )
    parser.add_argument("target", metavar="CKPT|FOLDER", help="a checkpoint; or a folder, .zip or .npy of images")
    parser.add_argument("--data", help="a data set's name or a folder; default: what the checkpoint was trained on")
    parser.add_argument(
        "--data.KEY", metavar="V", dest="data_key", help="an option of the data set, such as --data.root"
    )
    parser.add_argument("--metrics", help="names by comma (default fid; of a mixture of Gaussians modes)")
    parser.add_argument("--n", type=positive, help="samples to draw (default 10000; for modes alone 2500)")
    parser.add_argument("--split", choices=("train", "test"), default="train", help="of the data (default train)")
    parser.add_argument(
        "--features",
        default="auto",
        help="auto, domain (a small classifier for this data), inception, or package.module:function; auto: domain "
        "if it is at hand, else inception if its weights are, else domain, trained now and kept",
    )
    parser.add_argument("--seed", type=seed_number, default=0, help="names the set of samples (default 0)")
    parser.add_argument("--truncation", type=above_zero, default=1.0, help=TRUNCATION)
    parser.add_argument("--raw", action="store_true", help="the generator itself, not its running average")
    parser.add_argument("--bn", choices=("standing", "running"), default="standing", help="batch-norm statistics")
    parser.add_argument("--batch_size", type=positive, default=64, help="images a pass; changes nothing but memory")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ...; default: cuda where there is one")
    parser.add_argument("--json", action="store_true", help="scores as JSON")
    data, data_options, rest = take_data_flags(arguments)
    options: argparse.Namespace = parser.parse_args(rest)
    with quick_imports():
        from lightning_gans.cli import scoring

    return scoring.score(options, data, data_options)
