"""Virtual batch norm (Salimans et al. 2016, arXiv:1606.03498, section 3.5): statistics of a fixed reference batch.

Each sample is normalised by the reference batch and itself, so it does not depend on what it is generated with. Itself
counts as one sample more, as in openai/improved-gan.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lightning_gans.layers.replace import replace_layers

__all__ = ["VirtualBatchNorm", "WithReference"]


class VirtualBatchNorm(nn.Module):
    """Normalises features whose first rows are those of the reference batch: (R + N, C) or (R + N, C, H, W) -> the same.

    The reference batch passes through all layers with every batch and is normalised by itself.

    Args:
        channels: C.
        references: R, images of the reference batch.
        eps: added to variances.
        affine: each channel has a gain and an offset, which start at 1 and 0.
    """

    def __init__(self, channels: int, references: int, eps: float = 1e-5, *, affine: bool = True) -> None:
        super().__init__()
        self.references, self.eps = references, eps
        self.gain = nn.Parameter(torch.ones(channels)) if affine else None
        self.offset = nn.Parameter(torch.zeros(channels)) if affine else None

    def forward(self, features: Tensor) -> Tensor:
        """(R + N, C) or (R + N, C, H, W) -> the same shape."""
        wide = features.float()
        reference, samples = wide[: self.references], wide[self.references :]
        over = [axis for axis in range(wide.dim()) if axis != 1]
        variance, mean = torch.var_mean(reference, dim=over, correction=0, keepdim=True)  # (1, C, 1, 1)
        share = 1.0 / (self.references + 1)
        own_mean = samples.mean(dim=over[1:], keepdim=True) if over[1:] else samples  # (N, C, 1, 1)
        own_spread = (samples - own_mean).square()
        own_variance = own_spread.mean(dim=over[1:], keepdim=True) if over[1:] else own_spread
        joint_mean = share * own_mean + (1.0 - share) * mean
        # Of a mixture: the parts' variances and the squares of their distances from the joint mean.
        joint_variance = share * (own_variance + (own_mean - joint_mean).square())
        joint_variance = joint_variance + (1.0 - share) * (variance + (mean - joint_mean).square())
        normalized = torch.cat(
            [
                (reference - mean) * (variance + self.eps).rsqrt(),
                (samples - joint_mean) * (joint_variance + self.eps).rsqrt(),
            ]
        )
        if self.gain is not None and self.offset is not None:
            shape = (1, -1, *[1] * (wide.dim() - 2))  # (C,) -> (1, C, 1, 1)
            normalized = normalized * self.gain.view(shape) + self.offset.view(shape)
        return normalized.to(features.dtype)


class WithReference(nn.Module):
    """A generator whose batch norms are made virtual; its reference batch passes with every batch and is left out of the images.

    Args:
        network: latents (N, latent_dim), labels (N,) or none -> images; its batch norms are replaced, in place.
        latents: (R, latent_dim), the reference batch; a model that starts from data sets its own.
        labels: int64 (R,), its classes, of a generator with classes.
    """

    reference: Tensor
    reference_labels: Tensor | None

    def __init__(self, network: nn.Module, latents: Tensor, labels: Tensor | None = None) -> None:
        super().__init__()
        replace_layers(network, lambda layer: _virtual(layer, len(latents)))
        self.network = network
        self.register_buffer("reference", latents)
        self.register_buffer("reference_labels", labels)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, latent_dim), labels (N,) -> (N, C, H, W)."""
        joint: list[Tensor] = [torch.cat([self.reference.to(latents.dtype), latents])]  # (R + N, latent_dim)
        if labels is not None and self.reference_labels is not None:
            joint.append(torch.cat([self.reference_labels, labels]))
        images: Tensor = self.network(*joint)
        return images[len(self.reference) :]


def _virtual(layer: nn.Module, references: int) -> nn.Module | None:
    if not isinstance(layer, nn.modules.batchnorm._BatchNorm):
        return None
    return VirtualBatchNorm(layer.num_features, references, layer.eps, affine=layer.affine)
