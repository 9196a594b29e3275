"""Weight initialisations that papers share; by the type of a layer, so that none is missed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import nn

__all__ = ["glorot_init", "normal_init", "orthogonal_init", "uniform_init", "without_orthogonal_init"]

_SKIPPED = ContextVar("skipped", default=False)


def normal_init(network: nn.Module, std: float = 0.02, gains: bool = True) -> None:
    """Weights N(0, std), batch-norm gains N(1, std), all biases 0 (DCGAN, arXiv:1511.06434, section 4).

    Without `gains`, those of batch norm stay as they are: only DCGAN draws them.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(module.weight, 0.0, std)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine and gains:
            nn.init.normal_(module.weight, 1.0, std)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def uniform_init(network: nn.Module, bound: float) -> None:
    """Weights of linear layers U[-bound, bound], biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.uniform_(module.weight, -bound, bound)
            nn.init.zeros_(module.bias)


def glorot_init(network: nn.Module, gain: float = 1.0) -> None:
    """Weights of convolutions and linear layers U[-a, a] with variance gain^2 * 2 / (fan_in + fan_out), biases 0.

    Glorot and Bengio 2010; gain sqrt(2) is the "he" start of WGAN-GP's code (arXiv:1704.00028). A stride counts, as there: it
    divides the outputs that an input reaches, or in a transposed convolution the inputs that an output sees.
    """
    for module in network.modules():
        if not isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            continue
        fan_in, fan_out = float(module.weight.shape[1]), float(module.weight.shape[0])
        if not isinstance(module, nn.Linear):
            positions, jumps = math.prod(module.kernel_size), math.prod(module.stride)
            fan_in, fan_out = module.in_channels * positions, module.out_channels * positions
            if isinstance(module, nn.ConvTranspose2d):
                fan_in /= jumps
            else:
                fan_out /= jumps
        bound = gain * math.sqrt(6.0 / (fan_in + fan_out))
        nn.init.uniform_(module.weight, -bound, bound)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def orthogonal_init(network: nn.Module) -> None:
    """Weights of convolutions, linear layers and embeddings semi-orthogonal as (rows, rest), biases 0.

    Saxe et al. 2013 (arXiv:1312.6120); BigGAN's start (arXiv:1809.11096).
    """
    if _SKIPPED.get():
        return
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)):
            nn.init.orthogonal_(module.weight)
            if not isinstance(module, nn.Embedding) and module.bias is not None:
                nn.init.zeros_(module.bias)


@contextmanager
def without_orthogonal_init() -> Iterator[None]:
    """Inside, `orthogonal_init` does nothing: a checkpoint replaces the weights, and a wide network's take tens of seconds."""
    token = _SKIPPED.set(True)
    try:
        yield
    finally:
        _SKIPPED.reset(token)
