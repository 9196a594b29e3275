"""Self-attention over the positions of a map (SAGAN, Zhang et al. 2018, arXiv:1805.08318)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_gans.layers.spectral_norm import Wrap, plain

__all__ = ["SelfAttention", "attended_block"]


def attended_block(sides: Sequence[int], attention: int, network: str) -> int | None:
    """The block that attention follows: the first whose maps have the side `attention`; None for 0.

    Sides of generators all differ; a critic's last blocks keep the size, and there SAGAN's layout at 32 pixels (mimicry) has
    attention after the block that halves.

    Args:
        sides: of each block's maps.
        attention: one of them, or 0: none.
        network: what errors call it.

    Raises:
        ValueError: no block has maps of that side.
    """
    if not attention:
        return None
    if attention not in sides:
        allowed = ", ".join(map(str, sorted({0, *sides})))
        raise ValueError(f"attention at {attention}x{attention} maps; allowed in this {network}: {allowed} (0: none)")
    return sides.index(attention)


class SelfAttention(nn.Module):
    """features + gain * attended, the gain starting at 0: (N, C, H, W) -> (N, C, H, W), H and W even.

    Queries come from all positions; keys and values from maps pooled by 2, as the authors' code has them. Dot products are not
    scaled. 1x1 convolutions without bias make C / 8 channels for queries and keys and C / 2 for values.
    """

    def __init__(self, channels: int, wrap: Wrap = plain) -> None:
        super().__init__()
        narrow, half = max(channels // 8, 1), max(channels // 2, 1)
        self.query = wrap(nn.Conv2d(channels, narrow, 1, bias=False))
        self.key = wrap(nn.Conv2d(channels, narrow, 1, bias=False))
        self.value = wrap(nn.Conv2d(channels, half, 1, bias=False))
        self.out = wrap(nn.Conv2d(half, channels, 1, bias=False))
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        height, width = features.shape[2:]
        queries = _positions(self.query(features))  # (N, H * W, C / 8)
        keys = _positions(F.max_pool2d(self.key(features), 2))  # (N, H * W / 4, C / 8)
        values = _positions(F.max_pool2d(self.value(features), 2))  # (N, H * W / 4, C / 2)
        attended = _attend(queries, keys, values)  # (N, H * W, C / 2)
        maps = attended.transpose(1, 2).unflatten(2, (height, width))  # (N, C / 2, H, W)
        mixed: Tensor = self.out(maps)
        return features + self.gain.to(mixed.dtype) * mixed


def _attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """softmax(queries keys') values: (N, Q, D), (N, K, D), (N, K, V) -> (N, Q, V)."""
    if queries.is_cuda:  # on CPU the plain products are the faster ones
        return _fused(queries, keys, values)
    weights = torch.softmax(torch.bmm(queries, keys.transpose(1, 2)), dim=2)  # (N, Q, K)
    return torch.bmm(weights, values)


def _fused(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """The same by PyTorch's kernels, which never hold all weights in memory; they take four dimensions, with one of heads, and
    numbers of a position side by side: anything else is computed as above."""
    query, key, value = (
        tensor.contiguous().unsqueeze(1) for tensor in (queries, keys, values)
    )  # (N, P, D) -> (N, 1, P, D)
    return F.scaled_dot_product_attention(query, key, value, scale=1.0).squeeze(1)


def _positions(maps: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, H * W, C)."""
    return maps.flatten(2).transpose(1, 2)
