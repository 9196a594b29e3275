"""The layouts of BigGAN-PyTorch (ajbrock): BigGAN's generator, with split noise and one shared embedding, and its discriminator.

Spectral norm holds the left vector `u0` and the latest singular value `sv0`, and steps in evaluation mode too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lightning_gans.weights.layout import Layout, Place

__all__ = ["DISCRIMINATOR", "GENERATOR"]

SIDE = 4  # of the generator's first maps
NARROWEST = {3: 4, 4: 2}  # doublings -> width next to the image, in units of the channels; else 1
LAYERS = {"conv1": "conv1", "conv2": "conv2", "shortcut": "conv_sc", "norm1": "bn1", "norm2": "bn2"}
NORM = {"gain": "gain", "offset": "bias"}
ATTENTION = {"query": "theta", "key": "phi", "value": "g", "out": "o"}
ENDS = {"dense": "linear", "head": "linear", "classes": "embed", "shared": "shared", "image": "output_layer.2"}
TENSORS = {"u": "u0", "sigma": "sv0", "running_mean": "stored_mean", "running_var": "stored_var"}
BLOCK = re.compile(r"blocks\.(\d+)\.0\.")
ATTENDED = re.compile(r"blocks\.(\d+)\.1\.gamma")
RELEASE = "biggan_pytorch"


def _place(name: str, blocks: int) -> Place:
    layer, _, tensor = name.rpartition(".")
    parts, there = layer.split("."), TENSORS.get(tensor, tensor)
    if parts[0] == "attention":  # inside the block that it follows, which our names do not tell
        end = f"{ATTENTION[parts[1]]}.{there}" if len(parts) > 1 else "gamma"
        return Place(tuple(f"blocks.{number}.1.{end}" for number in range(blocks)))
    if parts[0] == "norm":
        return Place((f"output_layer.0.{'gain' if tensor == 'weight' else there}",))
    if parts[0] != "blocks":
        return Place((f"{ENDS[parts[0]]}.{there}",))
    block = f"blocks.{parts[1]}.0.{LAYERS[parts[2]]}"
    return Place((f"{block}.{NORM[parts[3]]}.{there}" if parts[3:] in (["gain"], ["offset"]) else f"{block}.{there}",))


def _is_generator(state: Mapping[str, Tensor]) -> bool:
    needed = ("shared.weight", "linear.u0", "blocks.0.0.bn1.gain.u0", "output_layer.2.weight")
    return all(key in state for key in needed)


def _is_discriminator(state: Mapping[str, Tensor]) -> bool:
    return all(key in state for key in ("embed.weight", "embed.u0", "linear.u0", "blocks.0.0.conv1.u0"))


def _generator_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    doublings, shared, last = _blocks(state), state["shared.weight"], state["output_layer.2.weight"]
    attended = _attended(state)
    return {
        "image_shape": (len(last), SIDE << doublings, SIDE << doublings),
        "num_classes": len(shared),
        "latent_dim": state["linear.weight"].shape[1] * (doublings + 1),
        "network": "hierarchical",
        "embedding_dim": shared.shape[1],
        "generator_channels": last.shape[1] // NARROWEST.get(doublings, 1),
        "attention_size": 0 if attended is None else SIDE << (attended + 1),
        "release": RELEASE,
    }


def _discriminator_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    doublings, first = _blocks(state) - 1, state["blocks.0.0.conv1.weight"]  # the last block keeps the size
    side, attended = SIDE << doublings, _attended(state)
    return {
        "image_shape": (first.shape[1], side, side),
        "num_classes": len(state["embed.weight"]),
        "discriminator_channels": len(first) // (4 if doublings == 3 else 1),
        "discriminator_attention_size": 0 if attended is None else side >> (attended + 1),
        "release": RELEASE,
    }


def _blocks(state: Mapping[str, Tensor]) -> int:
    return len({found[1] for key in state if (found := BLOCK.match(key))})


def _attended(state: Mapping[str, Tensor]) -> int | None:
    return next((int(found[1]) for key in state if (found := ATTENDED.fullmatch(key))), None)


MODELS = ("biggan",)
GENERATOR = Layout(
    "BigGAN-PyTorch generator",
    "generator",
    _is_generator,
    _place,
    (),
    _generator_options,
    MODELS,
    {"num_batches_tracked": 0.0},
)
DISCRIMINATOR = Layout(
    "BigGAN-PyTorch discriminator", "discriminator", _is_discriminator, _place, (), _discriminator_options, MODELS
)
