"""A start that depends on data: layers that set themselves by the first activations that pass."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Calibrated", "calibrate"]


class Calibrated(nn.Module):
    """A layer whose `forward` first sets its own weights by its input while `calibrating`."""

    calibrating: bool = False


@torch.no_grad()
def calibrate(network: nn.Module, *inputs: Tensor) -> None:
    """Pass inputs through a network once, in its present mode; each calibrated layer sees what those before it, already set,
    make of them. Computed in 32-bit. A network without such layers is left alone."""
    layers = [layer for layer in network.modules() if isinstance(layer, Calibrated)]
    if not layers:
        return
    for layer in layers:
        layer.calibrating = True
    try:
        with torch.autocast(inputs[0].device.type, enabled=False):
            network(*inputs)
    finally:
        for layer in layers:
            layer.calibrating = False
