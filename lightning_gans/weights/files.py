"""Files of weights: which layout they have, and what they hold."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from lightning_gans.weights import biggan_pytorch, cyclegan_and_pix2pix, mimicry, pytorch_pretrained_biggan
from lightning_gans.weights.layout import Layout

__all__ = ["LAYOUTS", "ForeignFile", "find_layout", "read_foreign", "read_options", "read_weights"]

LAYOUTS: tuple[Layout, ...] = (
    mimicry.GENERATOR,
    mimicry.DISCRIMINATOR,
    biggan_pytorch.GENERATOR,
    biggan_pytorch.DISCRIMINATOR,
    pytorch_pretrained_biggan.GENERATOR,
    cyclegan_and_pix2pix.UNET,
    cyclegan_and_pix2pix.RESNET,
    cyclegan_and_pix2pix.RESNET_DROPOUT,
    cyclegan_and_pix2pix.PATCH,
    cyclegan_and_pix2pix.PIXEL,
)
NESTED = ("model_state_dict", "state_dict")  # under which checkpoints keep the weights


class ForeignFile(NamedTuple):
    """A network of another project, read from its file."""

    path: str
    state: dict[str, Tensor]
    layout: Layout


def read_weights(path: str | PathLike[str]) -> dict[str, Tensor]:
    """The named tensors of a file, on CPU, read with ``weights_only=True``; ``.safetensors`` too.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it holds no named tensors.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"no weights at '{path}'")
    try:
        if file.suffix == ".safetensors":
            return dict(load_file(file))
        held = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"'{path}' holds no weights, or more than tensors and plain values") from error
    except (RuntimeError, EOFError, KeyError, SafetensorError) as error:
        raise ValueError(f"'{path}' is damaged, or holds no weights") from error
    for key in NESTED:
        if isinstance(held, dict) and isinstance(held.get(key), dict):
            held = held[key]
    tensors = (
        {str(name): value for name, value in held.items() if isinstance(value, Tensor)}
        if isinstance(held, dict)
        else {}
    )
    if not tensors:
        raise ValueError(f"'{path}' holds no named tensors")
    return tensors


def find_layout(state: Mapping[str, Tensor], path: str | PathLike[str]) -> Layout:
    """The layout of a state dict.

    Raises:
        ValueError: none that is known; names some of its tensors and the layouts that are.
    """
    for layout in LAYOUTS:
        if layout.matches(state):
            return layout
    names, known = ", ".join(list(state)[:3]), ", ".join(layout.name for layout in LAYOUTS)
    raise ValueError(f"'{path}' has no layout that is known (its first tensors: {names}); allowed: {known}")


def read_foreign(path: str | PathLike[str]) -> ForeignFile:
    """A file's tensors and their layout.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it holds no named tensors, or they have no layout that is known.
    """
    state = read_weights(path)
    return ForeignFile(str(path), state, find_layout(state, path))


def read_options(file: ForeignFile) -> dict[str, Any]:
    """What a constructor needs to know for a file's network.

    Raises:
        ValueError: a tensor that tells it is missing, or has not as many dimensions as it should.
    """
    try:
        return file.layout.options(file.state)
    except KeyError as error:
        raise ValueError(f"'{file.path}' has no '{error.args[0]}', which a {file.layout.name} has") from error
    except (IndexError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"'{file.path}' has tensors of other shapes than a {file.layout.name}") from error
