"""The layout of pytorch-pretrained-biggan: BigGAN-deep's generator, from the authors' modules on TF Hub.

The first layer's outputs are in TensorFlow's order, channels last; norms hold statistics of 51 truncations; spectral norm is
PyTorch's first hook, with both singular vectors; the last convolution has more channels than the image takes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lightning_gans.weights.layout import Layout, Place

__all__ = ["GENERATOR"]

SIDE = 4  # of the first maps
WIDEST = 16  # their width, in units of the channels
COLOURS = 3
ATTENDED = 8  # the place of attention among the layers, in all three releases: after the maps of 64x64
ATTENTION = {"query": "theta", "key": "phi", "value": "g", "out": "o_conv"}
NORM = {"gain": "scale", "offset": "offset"}
TENSORS = {
    "weight": "weight_orig",
    "u": "weight_u",
    "v": "weight_v",
    "means": "running_means",
    "variances": "running_vars",
}
NEEDED = (
    "embeddings.weight",
    "generator.gen_z.weight_orig",
    "generator.conv_to_rgb.weight_orig",
    "generator.layers.8.gamma",
)
LAYER = re.compile(r"generator\.layers\.(\d+)\.")


def _place(name: str, blocks: int) -> Place:
    layer, _, tensor = name.rpartition(".")
    parts, there = layer.split("."), TENSORS.get(tensor, tensor)
    if name == "shared.weight":
        return Place(("embeddings.weight",), ours=_transposed, theirs=_transposed)
    if parts[0] == "dense":
        moved = tensor != "v"
        key = f"generator.gen_z.{there}"
        return Place((key,), ours=_channels_first, theirs=_channels_last) if moved else Place((key,))
    if name == "attention.gain":
        return Place((f"generator.layers.{ATTENDED}.gamma",))
    if parts[0] == "attention":
        return Place((f"generator.layers.{ATTENDED}.snconv1x1_{ATTENTION[parts[1]]}.{there}",))
    if parts[0] == "norm":
        return Place((f"generator.bn.{tensor if tensor in ('weight', 'bias') else there}",))
    if parts[0] == "image":
        return Place((f"generator.conv_to_rgb.{there}",))
    number = int(parts[1])
    block = f"generator.layers.{number + (number >= ATTENDED)}"
    if parts[2] == "convs":
        return Place((f"{block}.conv_{parts[3]}.{there}",))
    norm = f"{block}.bn_{parts[3]}"
    return Place((f"{norm}.{there}" if parts[4] == "norm" else f"{norm}.{NORM[parts[4]]}.{there}",))


def _matches(state: Mapping[str, Tensor]) -> bool:
    return all(key in state for key in NEEDED)


def _options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    layers = {int(found[1]) for key in state if (found := LAYER.match(key))}
    side = SIDE << (len(layers) - 1) // 2  # two blocks for each doubling
    first, embedding = state["generator.gen_z.weight_orig"], state["embeddings.weight"]
    return {
        "image_shape": (COLOURS, side, side),
        "num_classes": embedding.shape[1],
        "latent_dim": first.shape[1] - len(embedding),
        "embedding_dim": len(embedding),
        "generator_channels": len(first) // (SIDE**2 * WIDEST),
        "image_channels": len(state["generator.conv_to_rgb.weight_orig"]),
        "attention_size": SIDE << ATTENDED // 2,
        "release": "pytorch_pretrained_biggan",
        "truncation_trick": "bounded_factor",
    }


def _transposed(matrix: Tensor) -> Tensor:
    return matrix.t()


def _channels_first(rows: Tensor) -> Tensor:
    """(4 * 4 * W, ...) -> (W * 4 * 4, ...)."""
    split: Tensor = rows.unflatten(0, (SIDE, SIDE, -1))
    return split.movedim(2, 0).flatten(0, 2)


def _channels_last(rows: Tensor) -> Tensor:
    """(W * 4 * 4, ...) -> (4 * 4 * W, ...)."""
    split: Tensor = rows.unflatten(0, (-1, SIDE, SIDE))
    return split.movedim(0, 2).flatten(0, 2)


GENERATOR = Layout(
    "pytorch-pretrained-biggan generator",
    "generator",
    _matches,
    _place,
    (),
    _options,
    ("biggan_deep",),
    # Running statistics start anew if the weights are trained on; until then the tables count.
    {"num_batches_tracked": 0.0, "running_mean": 0.0, "running_var": 1.0, "holds": 1.0},
)
