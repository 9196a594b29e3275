"""Weight norm (Salimans and Kingma 2016, arXiv:1602.07868), started from data: g v / ||v||, and a bias.

As in openai/improved-gan, gains that are not trained stay what the start made of them, and 1e-6 stands under the root.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_gans.layers.calibration import Calibrated
from lightning_gans.layers.replace import replace_layers

__all__ = ["WeightNorm", "use_weight_norm"]


class WeightNorm(Calibrated):
    """A linear layer or a convolution whose outputs each have a direction, a length (the gain) and a bias.

    Args:
        layer: Linear, Conv2d or ConvTranspose2d without a bias; its weight is the direction, of any length.
        train_gain: whether the gain is a parameter; else it is a buffer.
        init_std: standard deviation of each output, whose mean is 0, after `calibrate`; None: left as it is.

    Raises:
        ValueError: a layer with a bias of its own.
    """

    gain: Tensor

    def __init__(
        self,
        layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d,
        *,
        train_gain: bool = False,
        init_std: float | None = 1.0,
    ) -> None:
        super().__init__()
        if layer.bias is not None:
            raise ValueError("weight norm of a layer with bias; allowed: bias=False, for the norm has its own")
        self.layer, self.init_std = layer, init_std
        self.axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0  # of outputs, in the weight
        outputs = layer.weight.shape[self.axis]
        if train_gain:
            self.gain = nn.Parameter(torch.ones(outputs))
        else:
            self.register_buffer("gain", torch.ones(outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def weight(self) -> Tensor:
        """The weight in use, of the shape of the layer's."""
        direction = self.layer.weight
        shape = [1] * direction.dim()
        shape[self.axis] = -1  # (O, 1, 1, 1) or (1, O, 1, 1)
        return direction * self._scale().view(shape)

    def _scale(self) -> Tensor:
        """What each output's direction is multiplied by: (O,)."""
        direction = self.layer.weight
        others = [axis for axis in range(direction.dim()) if axis != self.axis]
        return self.gain / (direction.square().sum(dim=others) + 1e-6).sqrt()

    def forward(self, features: Tensor) -> Tensor:
        """What the layer makes of features."""
        if self.calibrating and self.init_std is not None:
            outputs = self._apply_layer(features, None)  # (N, O) or (N, O, H, W)
            over = [axis for axis in range(outputs.dim()) if axis != 1]
            std, mean = torch.std_mean(outputs, dim=over, correction=0)  # (O,)
            scale = torch.where(std > 1e-6, self.init_std / std, torch.ones_like(std))  # a constant output has no scale
            self.gain.mul_(scale)
            self.bias.copy_(-mean * scale)
        return self._apply_layer(features, self.bias)

    def _apply_layer(self, features: Tensor, bias: Tensor | None) -> Tensor:
        layer = self.layer
        if isinstance(layer, nn.Linear):  # outputs of a batch are fewer than weights: they are scaled instead
            outputs = F.linear(features, layer.weight)
            scale = self._scale().to(outputs.dtype)
            return outputs * scale if bias is None else torch.addcmul(bias.to(outputs.dtype), outputs, scale)
        weight = self.weight()
        if isinstance(layer, nn.ConvTranspose2d):
            sizes = (layer.stride, layer.padding, layer.output_padding)
            return F.conv_transpose2d(features, weight, bias, *sizes)  # type: ignore[arg-type]
        return F.conv2d(features, weight, bias, layer.stride, layer.padding)


def use_weight_norm(network: nn.Module) -> None:
    """Give every convolution and linear layer of a network weight norm with a trained gain, and take its batch norms away.

    Raises:
        ValueError: a layer with a bias of its own.
    """
    replace_layers(network, _normed)


def _normed(layer: nn.Module) -> nn.Module | None:
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        return nn.Identity()
    if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        return WeightNorm(layer, train_gain=True)
    return None
