"""Batch norm with standing statistics that its weights were released with, one row for each truncation of the latents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_gans.layers.cross_replica_norm import CrossReplicaBatchNorm

__all__ = ["TabulatedBatchNorm", "at_truncation", "has_tables"]


class TabulatedBatchNorm(CrossReplicaBatchNorm):
    """Batch norm whose evaluation mode takes mean and variance from a table of truncations, until it is trained.

    Row i of `rows` belongs to truncation i / (rows - 1); between two rows statistics are interpolated. BigGAN's modules on TF Hub
    have 51 rows. The first pass in training mode makes the table stale (`holds` is False): from then on running statistics count.
    """

    means: Tensor
    """(rows, C)."""
    variances: Tensor
    """(rows, C)."""
    holds: Tensor
    """Whether the table belongs to the weights."""
    truncation: float = 1.0
    """Of the latents that are passed; see `at_truncation`."""
    known: bool | None = None
    """`holds` where it is known without asking the device, which would wait for it; see `at_truncation`."""

    def __init__(self, channels: int, rows: int = 51, **options: Any) -> None:
        super().__init__(channels, **options)
        self.register_buffer("means", torch.zeros(rows, channels))
        self.register_buffer("variances", torch.ones(rows, channels))
        self.register_buffer("holds", torch.tensor(True))

    def forward(self, input: Tensor) -> Tensor:
        """(N, C) or (N, C, H, W) -> the same shape."""
        if self.training:
            self.holds.zero_()
            self.known = None
        elif has_tables(self):
            mean, variance = (self._row(table) for table in (self.means, self.variances))
            return F.batch_norm(input, mean, variance, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(input)

    def _row(self, table: Tensor) -> Tensor:
        last = len(table) - 1
        place = min(max(self.truncation, 0.0), 1.0) * last
        lower = min(int(place), last - 1)
        return torch.lerp(table[lower], table[lower + 1], place - lower)  # (C,)


def has_tables(norm: nn.Module) -> bool:
    """Whether a norm has statistics of its weights for each truncation."""
    return isinstance(norm, TabulatedBatchNorm) and (bool(norm.holds) if norm.known is None else norm.known)


@contextmanager
def at_truncation(network: nn.Module, truncation: float) -> Iterator[None]:
    """Inside, tables are read at `truncation`, and which of them hold is asked once; after it at 1, and asked in each pass."""
    norms = [norm for norm in network.modules() if isinstance(norm, TabulatedBatchNorm)]
    held = torch.stack([norm.holds for norm in norms]).tolist() if norms else []
    for norm, known in zip(norms, held, strict=True):
        norm.truncation, norm.known = truncation, known
    try:
        yield
    finally:
        for norm in norms:
            norm.truncation, norm.known = 1.0, None
