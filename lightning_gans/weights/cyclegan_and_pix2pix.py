"""The layouts of pytorch-CycleGAN-and-pix2pix (junyanz): U-Nets, ResNets and PatchGANs, as `latest_net_G.pth` holds them.

A U-Net is nested, each level inside the one above. Files of before PyTorch 0.4 hold running statistics of instance norm, which were
never used: they are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from lightning_gans.networks.patchgan_unet import RECEPTIVE_FIELDS
from lightning_gans.weights.layout import Layout, Place

__all__ = ["PATCH", "PIXEL", "RESNET", "RESNET_DROPOUT", "UNET"]

MODELS = ("pix2pix", "cyclegan")
STATISTICS = (".running_mean", ".running_var", ".num_batches_tracked")
FIRST_BLOCK = 10  # of a ResNet, among its layers
RESNET_ENDS = {
    "first.conv": 1,
    "first.norm": 2,
    "downs.0.conv": 4,
    "downs.0.norm": 5,
    "downs.1.conv": 7,
    "downs.1.norm": 8,
}
RESNET_TAIL = {"ups.0.conv": 0, "ups.0.norm": 1, "ups.1.conv": 3, "ups.1.norm": 4, "image": 7}
"""Layers behind the blocks, counted from there."""
FIELDS = {halvings: field for field, halvings in RECEPTIVE_FIELDS.items()}
WIDTH = 7  # of a ResNet's first and last kernels


# ---------------------------------------------------------------- U-Net


def _unet_place(name: str, blocks: int) -> Place:
    _, level, layer, tensor = name.split(".")
    number = int(level)
    if number == 0:
        return Place((f"model.model.{ {'down': 0, 'up': 3}[layer] }.{tensor}",))
    prefix = "model.model.1" + ".model.3" * (number - 1)
    places = {"down": 1, "down_norm": 2, "up": 5, "up_norm": 6}
    if number == blocks - 1:
        places = {"down": 1, "up": 3, "up_norm": 4}
    return Place((f"{prefix}.model.{places[layer]}.{tensor}",))


def _is_unet(state: Mapping[str, Tensor]) -> bool:
    return all(key in state for key in ("model.model.0.weight", "model.model.1.model.1.weight", "model.model.3.weight"))


def _unet_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    levels, prefix = 1, "model.model.1"
    while f"{prefix}.model.1.weight" in state:
        levels, prefix = levels + 1, f"{prefix}.model.3"
    first, last = state["model.model.0.weight"], state["model.model.3.weight"]
    side = 1 << levels
    batch = "model.model.1.model.6.running_mean" in state and "model.model.0.bias" not in state
    return {
        "source_shape": (first.shape[1], side, side),
        "target_shape": (last.shape[1], side, side),
        "network": f"unet_{side}",
        "generator_channels": len(first),
        "norm": "batch" if batch else "instance",
    }


# ---------------------------------------------------------------- ResNet


def _resnet_place(dropout: bool) -> Callable[[str, int], Place]:
    layers = {"first.conv": 1, "first.norm": 2, "second.conv": 5 + dropout, "second.norm": 6 + dropout}

    def place(name: str, blocks: int) -> Place:
        layer, _, tensor = name.rpartition(".")
        if layer in RESNET_ENDS:
            return Place((f"model.{RESNET_ENDS[layer]}.{tensor}",))
        if layer in RESNET_TAIL:
            return Place((f"model.{FIRST_BLOCK + blocks + RESNET_TAIL[layer]}.{tensor}",))
        _, number, inner = layer.split(".", 2)
        return Place((f"model.{FIRST_BLOCK + int(number)}.conv_block.{layers[inner]}.{tensor}",))

    return place


def _is_resnet(dropout: bool) -> Callable[[Mapping[str, Tensor]], bool]:
    def matches(state: Mapping[str, Tensor]) -> bool:
        second = state.get(f"model.{FIRST_BLOCK}.conv_block.{5 + dropout}.weight")
        return "model.1.weight" in state and second is not None and second.dim() == 4

    return matches


def _resnet_options(dropout: bool) -> Callable[[Mapping[str, Tensor]], dict[str, Any]]:
    def options(state: Mapping[str, Tensor]) -> dict[str, Any]:
        blocks = 0
        while f"model.{FIRST_BLOCK + blocks}.conv_block.1.weight" in state:
            blocks += 1
        first, last = state["model.1.weight"], state[f"model.{FIRST_BLOCK + blocks + RESNET_TAIL['image']}.weight"]
        side = 256 if blocks > 6 else 128  # what they were made for; any multiple of 4 goes in
        return {
            "source_shape": (first.shape[1], side, side),
            "target_shape": (len(last), side, side),
            "network": f"resnet_{blocks}",
            "generator_channels": len(first),
            "norm": "batch" if "model.2.weight" in state else "instance",
            "dropout": dropout,
        }

    return options


# ---------------------------------------------------------------- critics


def _critic_place(prefix: str) -> Callable[[str, int], Place]:
    def place(name: str, blocks: int) -> Place:
        layer, _, tensor = name.rpartition(".")
        if layer == "head":
            return Place((f"{prefix}.{3 * blocks - 1}.{tensor}",))
        _, number, inner = layer.split(".")
        index = 3 * int(number) - (inner == "conv") if int(number) else 0
        return Place((f"{prefix}.{index}.{tensor}",))

    return place


def _is_critic(prefix: str) -> Callable[[Mapping[str, Tensor]], bool]:
    def matches(state: Mapping[str, Tensor]) -> bool:
        layers = [state.get(f"{prefix}.{index}.weight") for index in (0, 2)]
        return all(layer is not None and layer.dim() == 4 for layer in layers)

    return matches


def _critic_options(prefix: str, fields: Mapping[int, int]) -> Callable[[Mapping[str, Tensor]], dict[str, Any]]:
    def options(state: Mapping[str, Tensor]) -> dict[str, Any]:
        number = 1
        while f"{prefix}.{3 * number - 1}.weight" in state:
            number += 1
        first = state[f"{prefix}.0.weight"]
        norm = "batch" if f"{prefix}.3.weight" in state else "instance"
        return {"receptive_field": fields[number - 2], "discriminator_channels": len(first), "norm": norm}

    return options


UNET = Layout(
    "U-Net of pytorch-CycleGAN-and-pix2pix", "generator", _is_unet, _unet_place, STATISTICS, _unet_options, MODELS
)
RESNET, RESNET_DROPOUT = (
    Layout(
        f"ResNet of pytorch-CycleGAN-and-pix2pix{' with dropout' if dropout else ''}",
        "generator",
        _is_resnet(dropout),
        _resnet_place(dropout),
        STATISTICS,
        _resnet_options(dropout),
        MODELS,
    )
    for dropout in (False, True)
)
PATCH = Layout(
    "PatchGAN of pytorch-CycleGAN-and-pix2pix",
    "discriminator",
    _is_critic("model"),
    _critic_place("model"),
    STATISTICS,
    _critic_options("model", FIELDS),
    MODELS,
)
PIXEL = Layout(
    "pixel GAN of pytorch-CycleGAN-and-pix2pix",
    "discriminator",
    _is_critic("net"),
    _critic_place("net"),
    STATISTICS,
    _critic_options("net", {1: FIELDS[0]}),
    MODELS,
)
