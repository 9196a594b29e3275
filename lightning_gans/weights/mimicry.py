"""The layout of mimicry (kwotsin/mimicry): SNGAN, its projection discriminator (cGAN-PD) and SAGAN.

For equal pictures and logits build the model with release="mimicry", upsampling="bilinear" and, SNGAN, norm_eps=1e-5 and
head_bias=True: the command does. Two kinds of spectral norm stand side by side there: layers with `sn_u` step in
evaluation too and hold their singular value; those with PyTorch's first hook (the last layer, SAGAN's first ones and its
attention) hold the right vector, and are divided by u' W v of their last pass in training. A model without that release takes
the weights and left vectors alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lightning_gans.batch import shape_text
from lightning_gans.weights.layout import Layout, Place

__all__ = ["DISCRIMINATOR", "GENERATOR"]

LAYERS = {"conv1": "c1", "conv2": "c2", "shortcut": "c_sc", "norm1": "b1", "norm2": "b2"}
ATTENTION = {"query": "theta", "key": "phi", "value": "g", "out": "o"}
RELEASE = "mimicry"
SPELLED = {
    "weight": ("weight", "weight_orig"),
    "u": ("sn_u", "weight_u"),
    "v": ("weight_v",),
    "sigma": ("sn_sigma",),
}
DERIVED = (".sn_sigma", ".weight_v")  # from the weight and the left vector


def _place(name: str, ends: dict[str, str], first_block: int) -> Place:
    """Where `name` stands, for a network whose layers outside of blocks are named by `ends`."""
    layer, _, tensor = name.rpartition(".")
    if name == "attention.gain":
        return Place(("attn_block.gamma",))
    parts = layer.split(".")
    if parts[0] == "blocks":
        there = f"block{int(parts[1]) + first_block}.{LAYERS[parts[2]]}"
        if parts[3:] == ["norm"]:
            return Place((f"{there}.bn.{tensor}",))
        if parts[3:] in (["gain"], ["offset"]):
            return Place((f"{there}.embed.weight",), part=int(parts[3] == "offset"), parts=2)
    elif parts[0] == "attention":
        there = f"attn_block.{ATTENTION[parts[1]]}"
    else:
        there = ends[layer]
    return Place(tuple(f"{there}.{spelling}" for spelling in SPELLED.get(tensor, (tensor,))))


def _generator_place(name: str, blocks: int) -> Place:
    last = blocks + 2
    return _place(name, {"dense": "l1", "norm": f"b{last}", "image": f"c{last}"}, first_block=2)


def _discriminator_place(name: str, blocks: int) -> Place:
    return _place(name, {"head": f"l{blocks + 1}", "classes": "l_y"}, first_block=1)


def _either(state: Mapping[str, Tensor], layer: str) -> Tensor:
    """A layer's weight, under spectral norm or not."""
    names = [f"{layer}.{spelling}" for spelling in SPELLED["weight"]]
    return state[next((name for name in names if name in state), names[0])]


def _numbers(state: Mapping[str, Tensor]) -> list[int]:
    return sorted({int(match[1]) for key in state if (match := re.match(r"block(\d+)\.c1\.weight$", key))})


def _is_generator(state: Mapping[str, Tensor]) -> bool:
    numbers = _numbers(state)
    if not numbers or numbers[0] != 2:
        return False
    return any(f"c{numbers[-1] + 1}.{spelling}" in state for spelling in SPELLED["weight"])


def _is_discriminator(state: Mapping[str, Tensor]) -> bool:
    numbers = _numbers(state)
    if not numbers or numbers[0] != 1:
        return False
    return any(f"l{numbers[-1] + 1}.{spelling}" in state for spelling in SPELLED["weight"])


def _generator_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    numbers = _numbers(state)
    dense, image = _either(state, "l1"), _either(state, f"c{numbers[-1] + 1}")
    base = math.isqrt(len(dense) // state["block2.c1.weight"].shape[1])
    side = base << len(numbers)
    classes = state.get("block2.b1.embed.weight")
    return {
        "image_shape": (image.shape[0], side, side),
        "num_classes": None if classes is None else len(classes),
        "conditional": classes is not None,
        "latent_dim": dense.shape[1],
        "generator_channels": image.shape[1],
        "upsampling": "bilinear",
        "norm_eps": 1e-5,
        "head_bias": True,
        "release": RELEASE,
    }


def _discriminator_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    return {"discriminator_channels": len(state["block1.c1.weight"]), "release": RELEASE}


def _check(state: Mapping[str, Tensor]) -> None:
    """What follows from other tensors, of a layer that is there and in its shape."""
    for key in state:
        layer, _, tensor = key.rpartition(".")
        if not key.endswith(DERIVED):
            continue
        weight = state.get(f"{layer}.{'weight' if tensor == 'sn_sigma' else 'weight_orig'}")
        if weight is None:
            raise ValueError(f"'{key}' belongs to no weight of this file")
        wanted = 1 if tensor == "sn_sigma" else math.prod(weight.shape[1:])
        if state[key].numel() != wanted:
            raise ValueError(f"'{key}' of {shape_text(state[key].shape)}; allowed: {wanted}")


MODELS = ("sngan", "sagan")
GENERATOR = Layout(
    "mimicry generator",
    "generator",
    _is_generator,
    _generator_place,
    DERIVED,
    _generator_options,
    MODELS,
    check=_check,
)
DISCRIMINATOR = Layout(
    "mimicry discriminator",
    "discriminator",
    _is_discriminator,
    _discriminator_place,
    DERIVED,
    _discriminator_options,
    MODELS,
    check=_check,
)
