"""Layers of a finished network exchanged for others, for techniques that any network can have."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

__all__ = ["replace_layers"]


def replace_layers(network: nn.Module, make: Callable[[nn.Module], nn.Module | None]) -> None:
    """Put `make(layer)` in the place of every layer below `network`; None leaves the layer, and goes on inside it."""
    for name, layer in list(network.named_children()):
        made = make(layer)
        if made is None:
            replace_layers(layer, make)
        else:
            setattr(network, name, made)
