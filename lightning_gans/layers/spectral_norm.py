"""Spectral normalisation: a layer's weight divided by its largest singular value (Miyato et al. 2018, arXiv:1802.05957).

The singular value is followed by power iteration: one step in each forward pass in training mode, from the left vector `u` that
the layer keeps. The right vector is worked out anew from `u` and the weight, so that what divides a weight is always its own;
released weights that come with it, or with the singular value, are held by layers that keep those too.

A layer's parameters and their names are those of the plain layer; `u` (rows,) is a buffer beside them. In an average of weights
(`core/ema.py`) each layer follows its own averaged weight. A pass that is recomputed (gradient checkpointing) steps twice.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "SpectralConv2d",
    "SpectralConvTranspose2d",
    "SpectralEmbedding",
    "SpectralLinear",
    "SpectralNorm",
    "Wrap",
    "plain",
    "spectral_norm",
]

Layer = TypeVar("Layer", bound=nn.Module)


class Wrap(Protocol):
    """What a block does to each of its layers: `plain`, `spectral_norm`, or a partial of it with other options."""

    def __call__(self, layer: Layer, /) -> Layer: ...


def plain(layer: Layer, /) -> Layer:
    """The layer as it is."""
    return layer


class SpectralNorm(nn.Module):
    """What layers with a normalised weight share; made by `spectral_norm`, not by a constructor."""

    weight: Tensor
    u: Tensor
    v: Tensor
    """(columns,), where it is kept."""
    sigma: Tensor
    """(1,), of the latest pass in training mode, where it is kept."""
    eps: float
    iterate_in_evaluation: bool

    def matrix(self) -> Tensor:
        """The weight with one row an output, (rows, columns); columns in the order of memory, which no singular value minds.

        A kept right vector does: its layer's columns are always in the plain order.
        """
        weight = self.weight
        kept = "v" in self._buffers
        if not kept and weight.dim() == 4 and weight.is_contiguous(memory_format=torch.channels_last):
            weight = weight.permute(0, 2, 3, 1)  # (O, I, H, W) -> (O, H, W, I): a view flattens without a copy
        return weight.flatten(1)

    def normalized_weight(self) -> Tensor:
        """The weight over its largest singular value, in 32-bit; in training mode one step of power iteration comes first.

        Gradients flow through the singular value, u' W v, with both vectors taken as constants.
        """
        with torch.autocast(self.weight.device.type, enabled=False):
            left, product = self._left_and_product(self.matrix())
            value = torch.dot(left, product)
            if self.training and "sigma" in self._buffers:
                self.sigma = value.detach().view(1)
            return self.weight / value

    @torch.no_grad()
    def iterate(self) -> None:
        """One step of power iteration, whatever the mode."""
        with torch.autocast(self.weight.device.type, enabled=False):
            left, right, product = self._step(self.matrix())
            self._keep(left, right)
            if "sigma" in self._buffers:
                self.sigma = torch.dot(left, product).view(1)

    @torch.no_grad()
    def follow(self, other: SpectralNorm) -> None:
        """Take over the vectors of a layer of the same kind."""
        for name, vector in other.named_buffers(recurse=False):
            setattr(self, name, vector.clone())

    def _left_and_product(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """The left singular vector, moved on in training mode, and W v, which alone has a gradient.

        `u` is replaced and not written into: graphs of earlier passes, compiled ones too, still need the old one.
        """
        if not self.training and not self.iterate_in_evaluation:
            return self.u, torch.mv(matrix, self.v if "v" in self._buffers else self._right(matrix))
        left, right, product = self._step(matrix)
        if self.training:
            self._keep(left, right)
        return left, product

    def _keep(self, left: Tensor, right: Tensor) -> None:
        self.u = left
        if "v" in self._buffers:
            self.v = right

    def _step(self, matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The next left vector, the right one, and W v, from which both the vector and the value come."""
        right = self._right(matrix)
        product = torch.mv(matrix, right)
        return F.normalize(product.detach(), dim=0, eps=self.eps), right, product

    @torch.no_grad()
    def _right(self, matrix: Tensor) -> Tensor:
        return F.normalize(torch.mv(matrix.t(), self.u), dim=0, eps=self.eps)


class SpectralConv2d(SpectralNorm, nn.Conv2d):
    """A convolution with a normalised weight."""

    def forward(self, features: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, H', W')."""
        convolved: Tensor = self._conv_forward(features, self.normalized_weight(), self.bias)
        return convolved


class SpectralConvTranspose2d(SpectralNorm, nn.ConvTranspose2d):
    """A transposed convolution with a normalised weight; rows are its outputs, the weight's second axis."""

    def matrix(self) -> Tensor:
        """The weight as (out, in * H * W)."""
        return self.weight.transpose(0, 1).flatten(1)  # (I, O, H, W) -> (O, I * H * W)

    def forward(self, features: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(N, in, H, W) -> (N, out, H', W').

        Raises:
            ValueError: an output size; the sizes that `output_padding` gives are enough here.
        """
        if output_size is not None:
            raise ValueError(f"output_size={output_size}; allowed: None (set output_padding)")
        options = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return F.conv_transpose2d(features, self.normalized_weight(), self.bias, *options)  # type: ignore[arg-type]


class SpectralLinear(SpectralNorm, nn.Linear):
    """A linear layer with a normalised weight."""

    def forward(self, features: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return F.linear(features, self.normalized_weight(), self.bias)


class SpectralEmbedding(SpectralNorm, nn.Embedding):
    """Class vectors with a normalised matrix; a row a class."""

    def forward(self, labels: Tensor) -> Tensor:
        """(N,) -> (N, embedding_dim)."""
        return F.embedding(labels, self.normalized_weight())


KINDS: dict[type[nn.Module], type[SpectralNorm]] = {
    nn.Conv2d: SpectralConv2d,
    nn.ConvTranspose2d: SpectralConvTranspose2d,
    nn.Linear: SpectralLinear,
    nn.Embedding: SpectralEmbedding,
}


def spectral_norm(
    layer: Layer, /, *, eps: float = 1e-12, iterate_in_evaluation: bool = False, keep: str | None = None
) -> Layer:
    """Normalise a layer's weight: the layer itself, now of the class of `KINDS` that stands for its own.

    Args:
        layer: a convolution, transposed convolution, linear layer or embedding, not grouped.
        eps: smallest norm that a vector is divided by (BigGAN 1e-4 in TensorFlow, 1e-6 in PyTorch).
        iterate_in_evaluation: step in evaluation mode too, without keeping the vector (mimicry, BigGAN-PyTorch).
        keep: what the layer holds beside `u`: "v", the right vector, which evaluation then uses (torch's own spectral norm);
            "sigma", the singular value, which nothing uses (BigGAN-PyTorch).

    Raises:
        TypeError: another kind of layer.
        ValueError: a grouped convolution, whose weight is no single matrix, or an unknown thing to keep.
    """
    kind = KINDS.get(type(layer))
    if kind is None:
        allowed = ", ".join(cls.__name__ for cls in KINDS)
        raise TypeError(f"spectral norm of {type(layer).__name__}; allowed: {allowed}")
    if getattr(layer, "groups", 1) != 1:
        raise ValueError(f"spectral norm with groups={layer.groups}; allowed: 1")
    if keep not in (None, "v", "sigma"):
        raise ValueError(f"keep='{keep}'; allowed: None, v, sigma")
    layer.__class__ = kind  # type: ignore[assignment]
    normalized: SpectralNorm = layer  # type: ignore[assignment]
    normalized.eps, normalized.iterate_in_evaluation = eps, iterate_in_evaluation
    # The paper starts at N(0, 1); its length is lost in the first step and only matters before it.
    (rows, columns), device = normalized.matrix().shape, normalized.weight.device
    normalized.register_buffer("u", F.normalize(torch.randn(rows, device=device), dim=0))
    if keep == "v":
        normalized.register_buffer("v", F.normalize(torch.randn(columns, device=device), dim=0))
    elif keep == "sigma":
        normalized.register_buffer("sigma", torch.ones(1, device=device))
    return layer
