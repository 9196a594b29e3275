"""Checkpoints back to models, whatever model they hold."""

from __future__ import annotations

import pickle
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from lightning_gans.batch import shape_text
from lightning_gans.core.adversarial import AdversarialModule
from lightning_gans.core.latent import LatentModule
from lightning_gans.core.writing import write_checkpoint
from lightning_gans.layers.initialize import without_orthogonal_init
from lightning_gans.registry import import_model, list_models, nearest

__all__ = ["Started", "init_from", "load", "read_checkpoint", "write_weights"]


def read_checkpoint(path: str | PathLike[str]) -> dict[str, Any]:
    """A checkpoint's contents on CPU, read with ``weights_only=True``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a checkpoint, or not one of this project; one line that says which.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"no checkpoint at '{path}'")
    try:
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"'{path}' is not a checkpoint, or holds more than tensors and plain values") from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"'{path}' is damaged, or no checkpoint: {reason[:120]}") from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint or "adversarial" not in checkpoint:
        raise ValueError(f"'{path}' is not a checkpoint of lightning-gans")
    name = checkpoint.get("hyper_parameters", {}).get("model_name")
    if name not in list_models():
        raise ValueError(f"'{path}' holds " + nearest(str(name), list_models(), "model"))
    return cast(dict[str, Any], checkpoint)


def load(path: str | PathLike[str], bn: str = "standing") -> AdversarialModule:
    """The model of a checkpoint, whatever it is, on CPU and in evaluation mode.

    Args:
        path: a checkpoint written while training.
        bn: batch-norm statistics that sampling will use, "standing" (re-estimated) or "running".

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a checkpoint of this project, or an unknown `bn`.
    """
    if bn not in ("standing", "running"):
        raise ValueError(f"bn '{bn}'; allowed: standing, running")
    checkpoint = read_checkpoint(path)
    hparams = checkpoint["hyper_parameters"]
    with torch.random.fork_rng(devices=[]), without_orthogonal_init():  # initial weights are drawn only to be replaced
        model: AdversarialModule = import_model(hparams["model_name"])(**hparams)
    try:
        model.load_state_dict(checkpoint["state_dict"])
    except RuntimeError as error:
        raise ValueError(
            f"'{path}' does not fit {type(model).__name__}: {str(error).splitlines()[-1].strip()}"
        ) from error
    model.on_load_checkpoint(checkpoint)
    if isinstance(model, LatentModule):
        model.batch_norm = bn
    return model.eval()


def write_weights(model: AdversarialModule, path: str | PathLike[str]) -> None:
    """Write a model that no Trainer holds: a checkpoint to sample from, or to start from (`--init_from`), not to resume.

    Raises:
        OSError: the file cannot be written.
    """
    checkpoint = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "adversarial": {**model.counters(), "random": []},
        "pytorch-lightning_version": version("pytorch-lightning"),  # or Lightning's own load_from_checkpoint fails
    }
    write_checkpoint(checkpoint, path)


class Started(NamedTuple):
    """What `init_from` took over."""

    loaded: int
    """Tensors of the model that were set."""
    skipped: list[str]
    """Tensors of the model that were not, each with the reason."""
    unused: int
    """Tensors of the checkpoint that the model has no place for."""


def init_from(model: AdversarialModule, path: str | PathLike[str]) -> Started:
    """Set a model's weights to a checkpoint's where name and shape agree; everything else keeps its start.

    For fine-tuning with other classes, another size, or another model of the same networks. Counters, optimisers and the random
    state stay those of a new run. An average that the checkpoint lacks starts at the checkpoint's weights.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a checkpoint of this project, or nothing in it fits.
    """
    checkpoint = read_checkpoint(path)
    theirs, ours = checkpoint["state_dict"], model.state_dict()
    fitting: dict[str, Tensor] = {}
    skipped = []
    for key, value in ours.items():
        source = theirs.get(key, theirs.get(key.replace("_ema.", ".", 1)))
        if source is None:
            skipped.append(f"{key} (missing there)")
        elif source.shape != value.shape:
            skipped.append(f"{key} ({shape_text(source.shape)} there, {shape_text(value.shape)} here)")
        else:
            fitting[key] = source
    if not fitting:
        held = checkpoint["hyper_parameters"]["model_name"]
        raise ValueError(f"nothing in '{path}' (model '{held}') fits {type(model).__name__} as it is built here")
    model.load_state_dict(fitting, strict=False)
    model.initialized = checkpoint["adversarial"]["initialized"]  # a start that depends on data would undo this one
    return Started(len(fitting), skipped, len(set(theirs) - set(ours)))
