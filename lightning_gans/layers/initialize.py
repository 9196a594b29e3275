"""Weight initialisations that papers share; by the type of a layer, so that none is missed."""

from __future__ import annotations

from torch import nn

__all__ = ["normal_init", "uniform_init"]


def normal_init(network: nn.Module, std: float = 0.02) -> None:
    """Weights N(0, std), batch-norm gains N(1, std), all biases 0 (DCGAN, arXiv:1511.06434, section 4)."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(module.weight, 0.0, std)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
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
