"""Names and values of training options: checked by name before the parser sees them, its errors told in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from lightning_gans.cli.errors import UsageError, did_you_mean
from lightning_gans.cli.recipes import Source

__all__ = ["FROM_DATA", "PRECISIONS", "REPLACED", "check_flags", "check_source", "explain"]

# What models take from their data; never typed.
FROM_DATA = ("image_shape", "num_classes", "tags", "source_shape", "target_shape", "direction")

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")

# Options that the Trainer has and an adversarial run cannot use, and what to use.
REPLACED = {
    "trainer.gradient_clip_val": "each player is clipped by itself: --model.generator_clip, --model.discriminator_clip",
    "trainer.gradient_clip_algorithm": "--model.generator_clip and --model.discriminator_clip clip the gradient's norm",
    "trainer.accumulate_grad_batches": "use --model.accumulate",
    "trainer.logger": "use --logger csv,tensorboard,wandb (any of them, by comma) or none",
    "model_name": "use --model",
    "data_name": "use --data",
    **{f"model.{name}": "the data says it (--data.size, --data.channels)" for name in FROM_DATA},
    "model.direction": "the data says it (--data.direction)",
}


def check_flags(flags: Iterable[str], leaves: Iterable[str], groups: Iterable[str]) -> None:
    """Raises UsageError for the first flag whose name is not exactly an option (no abbreviations)."""
    known = set(leaves)
    for flag in flags:
        if not flag.startswith("--"):
            continue
        name = flag[2:].partition("=")[0].removesuffix("+")
        if name not in groups:
            _check(name, known, "")


def check_source(source: Source, leaves: Iterable[str]) -> None:
    """Raises UsageError for the first key of a configuration that is not an option."""
    known = set(leaves)
    for name in _paths(source.values, known):
        _check(name, known, f" in {source.name}")


def explain(message: str) -> str:
    """A parser's message about a value, as ``--option value: what is allowed``."""
    folded = " ".join(message.split())
    found = re.fullmatch(r'Parser key "(?P<key>[^"]+)": Expected an? (?P<types>.+?)\. Got value: (?P<value>.*)', folded)
    found = found or re.fullmatch(
        r'Parser key "(?P<key>[^"]+)": Does not validate against any of the Union subtypes Subtypes: \[(?P<types>.+)\] '
        r"Errors: .* Given value: (?P<value>.*)",
        folded,
    )
    if found is None:
        return re.sub(r'^Parser key "([^"]+)":', r"--\1:", folded)
    if found["key"] == "trainer.precision":  # Lightning takes more
        return f"--trainer.precision {found['value']}: allowed: {', '.join(PRECISIONS)}"
    types = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", found["types"])
    types = re.sub(r"(?:typing\.)?Literal\[(.*?)\]", r"\1", types).replace("NoneType", "null")
    return f"--{found['key']} {found['value']}: allowed: {types}"


def _paths(values: dict[str, Any], known: set[str], prefix: str = "") -> Iterable[str]:
    """Dotted names of what a configuration sets, as deep as options go."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and name not in known and any(option.startswith(f"{name}.") for option in known):
            yield from _paths(value, known, f"{name}.")
        else:
            yield name


def _check(name: str, known: set[str], where: str) -> None:
    if name in REPLACED:
        raise UsageError(f"--{name}{where}: {REPLACED[name]}")
    parts = name.split(".")
    if any(".".join(parts[:length]) in known for length in range(1, len(parts) + 1)):
        return  # an option, or something inside one whose value is structured (--wandb.project)
    hint = did_you_mean(f"--{name}", [f"--{option}" for option in known])
    raise UsageError(f"unknown option --{name}{where}.{hint} All options: add --help")
