"""The data of a command that starts from a checkpoint: its own, or what ``--data`` and ``--data.KEY`` say.

Nothing here imports torch until data is opened.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_gans.cli.errors import UsageError, did_you_mean
from lightning_gans.cli.names import check_data, is_path
from lightning_gans.cli.options import explain
from lightning_gans.cli.recipes import read_config

if TYPE_CHECKING:
    from datamodules.base import ImageDataModule, ImageDataset

__all__ = ["checkpoint_data", "open_data", "same_images", "take_data_flags"]


def take_data_flags(arguments: Sequence[str]) -> tuple[str | None, dict[str, str], list[str]]:
    """Take ``--data X`` and ``--data.KEY V`` (or with ``=``) out of a command line; of two with one name the last counts.

    Returns:
        The data's name or path, or None; its options; what is left of the command line.

    Raises:
        UsageError: a flag without a value.
    """
    data: str | None = None
    options: dict[str, str] = {}
    rest: list[str] = []
    queue = iter(arguments)
    for argument in queue:
        flag, equals, value = argument.partition("=")
        if flag != "--data" and not flag.startswith("--data."):
            rest.append(argument)
            continue
        if not equals:
            value = next(queue, "")
        if not value or (not equals and value.startswith("--")):
            raise UsageError(f"{flag} needs a value")
        if flag == "--data":
            data = value
        else:
            options[flag.removeprefix("--data.")] = value
    return data, options, rest


def checkpoint_data(checkpoint: Mapping[str, Any], path: str | PathLike[str]) -> tuple[str, dict[str, Any]] | None:
    """The name and the options of the data that a checkpoint's model was trained on.

    Args:
        checkpoint: its contents; "data" in them is {"name": ..., "options": {...}}.
        path: the file; where the contents do not tell, the ``config.yaml`` of the run that it lies in does.

    Returns:
        None where neither tells.

    Raises:
        UsageError: the run's ``config.yaml`` cannot be read.
    """
    told = checkpoint.get("data")
    if told:
        return str(told["name"]), dict(told["options"])
    config = Path(path).absolute().parent.parent / "config.yaml"
    if not config.is_file():
        return None
    run = read_config(config)
    if run.data_name is None:
        return None
    return run.data_name, dict(run.values.get("data") or {})


def open_data(
    name_or_path: str, options: Mapping[str, Any], *, image_shape: tuple[int, int, int] | None = None
) -> ImageDataModule:
    """Build a data module and make its images ready.

    Args:
        name_or_path: a data set's name, or a folder or .zip of images.
        options: of its constructor; texts are read as on the command line, other values are taken as they are.
        image_shape: (C, H, W) that is wanted: ``size`` and ``channels`` where the options do not give them.

    Raises:
        UsageError: no data set of that name, an unknown option, or a value that it does not take.
        ValueError: options that do not fit together, or images of another shape than is wanted.
        OSError: files that cannot be read or fetched.
    """
    given = dict(options)
    name = name_or_path
    if is_path(name):
        given, name = {"root": name, **given}, "image_folder"
    check_data(name)
    from datamodules import import_data
    from lightning_gans.batch import shape_text

    cls = import_data(name)
    data: ImageDataModule = _build(cls, name, given, image_shape)
    if image_shape is not None and tuple(data.image_shape) != tuple(image_shape):
        theirs, wanted = (shape_text(shape) for shape in (data.image_shape, image_shape))
        raise ValueError(
            f"data '{name_or_path}' has images of {theirs}, the model takes {wanted}; allowed: --data.size and "
            "--data.channels that give the model's shape, or none of them"
        )
    data.prepare_data()
    data.setup()
    return data


def same_images(train: ImageDataset, test: ImageDataset) -> bool:
    """Whether both splits are the same images, as a folder without splits has them."""
    import numpy as np
    import torch

    if train.count != test.count:
        return False
    some = np.unique(np.linspace(0, train.count - 1, 8).astype(int))
    return torch.equal(train.read(some)["images"], test.read(some)["images"])


def _build(cls: Any, name: str, given: dict[str, Any], image_shape: tuple[int, int, int] | None) -> Any:
    """An instance, its options checked by name and then read by the types of the constructor."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(cls, "data", fail_untyped=False, sub_configs=True)
    known = sorted(action.dest for action in parser._actions if action.dest.startswith("data."))
    known = [option for option in known if option != "data.help"]
    for key in given:
        if f"data.{key}" not in known:
            flags = [f"--{option}" for option in known]
            hint = did_you_mean(f"--data.{key}", flags)
            raise UsageError(f"unknown option --data.{key} of data '{name}'.{hint} Choose from: {', '.join(flags)}")
    if image_shape is not None:
        channels, height, width = image_shape
        for key, value in (("size", f"{height}x{width}"), ("channels", channels)):
            if f"data.{key}" in known:
                given.setdefault(key, value)
    texts = [f"--data.{key}={value}" for key, value in given.items() if isinstance(value, str)]
    values = {key: value for key, value in given.items() if not isinstance(value, str)}
    try:
        configured = parser.parse_object({"data": values} if values else {}, defaults=True)
        config = parser.parse_args(texts, namespace=configured)
    except argparse.ArgumentError as error:
        raise UsageError(explain(str(error))) from error
    return parser.instantiate_classes(config).data
