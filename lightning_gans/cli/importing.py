"""``lightning-gans import``: weights that another project trained, as a checkpoint of ours. Flags are read without torch."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from lightning_gans.cli.errors import UsageError, did_you_mean, say
from lightning_gans.cli.imports import quick_imports
from lightning_gans.cli.parsing import CommandParser
from lightning_gans.registry import import_model, list_models

__all__ = ["import_"]

SHAPES = {"source_shape", "target_shape"}


def import_(arguments: list[str]) -> int:
    """Read a generator's file, and others of the same model; write one checkpoint; returns the exit code."""
    parser = CommandParser(
        prog="lightning-gans import", description="Make a checkpoint of another project's weights.", allow_abbrev=False
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="a generator's weights; others of the model besides")
    parser.add_argument("--model", required=True, help="the model they are of, such as sngan")
    parser.add_argument("--out", required=True, metavar="CKPT", help="the checkpoint to write")
    options = parser.parse_args(arguments)
    if options.model not in list_models():
        hint = did_you_mean(options.model, list_models())
        raise UsageError(f"unknown --model '{options.model}'.{hint} Choose from: {', '.join(list_models())}")
    if Path(options.out).is_dir():
        raise UsageError(f"--out {options.out}: is a folder; allowed: a file")
    with quick_imports():
        from lightning_gans.core.loading import write_weights
        from lightning_gans.weights.files import read_foreign, read_options

    known: dict[str, Any] = {}
    seen: set[str] = set()
    files = [read_foreign(path) for path in options.files]
    for file in files:
        layout = file.layout
        if options.model not in layout.models:
            allowed = " or ".join(layout.models)
            raise UsageError(f"--model {options.model}: {file.path} holds a {layout.name}; allowed: --model {allowed}")
        told = read_options(file)
        if layout.player in seen and told.keys() & SHAPES:  # a second generator, of the other way
            told = {name: value for name, value in told.items() if name not in SHAPES}
        seen.add(layout.player)
        for name in sorted(told.keys() & known.keys()):
            if told[name] != known[name]:
                raise ValueError(f"{file.path} has {name} {told[name]}, the file before {known[name]}")
        known.update(told)
    if "generator" not in seen:
        raise UsageError(f"{options.files[0]} holds a discriminator; allowed: a generator, and a discriminator besides")
    cls = import_model(options.model)
    model = cls(**{name: value for name, value in known.items() if name in inspect.signature(cls).parameters})
    taken: dict[int, str] = {}
    for file in files:
        network = id(model.weight_targets(file.layout, file.path)[0])
        if network in taken:
            raise UsageError(
                f"{file.path} holds a {file.layout.player}, as {taken[network]} does; allowed: one of each"
            )
        taken[network] = file.path
    for file in files:
        say(f"{file.path}: {model.take_weights(file)}")
    generators = model.generator.values() if hasattr(model.generator, "values") else [model.generator]
    if any(id(network) not in taken for network in generators):
        say(f"one way of this {options.model} has no weights yet: what it draws is noise")
    if "discriminator" not in seen:
        say("the critic has no weights yet: what it judges, and its features, are noise")
    write_weights(model, options.out)
    return 0
