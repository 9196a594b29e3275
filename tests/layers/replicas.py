"""Runs cross-replica batch norm on two gloo processes; each leaves what it saw in FOLDER (see test_cross_replica_norm.py).

``python -m torch.distributed.run --nproc-per-node 2 -m tests.layers.replicas FOLDER``
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lightning_gans.layers.cross_replica_norm import CrossReplicaBatchNorm

__all__ = ["CASES", "images", "run"]

CASES: dict[str, tuple[int, ...]] = {"equal": (4, 4), "unequal": (3, 5), "vectors": (4, 4), "momentum_none": (4, 4)}
"""Images of each process."""


def images(case: str) -> tuple[Tensor, Tensor]:
    """The joint batch (8, 3, 4, 4), far from 0, and the weights of its loss."""
    generator = torch.Generator().manual_seed(5)
    shape = (8, 3) if case == "vectors" else (8, 3, 4, 4)
    return 100.0 + torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)


def run(case: str, norm: nn.BatchNorm2d, part: slice) -> dict[str, Any]:
    """Two training passes and one in evaluation on rows `part`; outputs, gradients, statistics."""
    norm.momentum = None if case == "momentum_none" else 0.1
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, -0.5]))
        norm.bias.copy_(torch.tensor([0.0, 1.0, 2.0]))
    features, weights = (tensor[part].clone() for tensor in images(case))
    norm(2.0 * features)
    features.requires_grad_(True)
    out = norm(features)
    (out * weights).sum().backward()
    gradients = [features.grad, norm.weight.grad, norm.bias.grad]
    statistics = [norm.running_mean, norm.running_var, norm.num_batches_tracked]
    return {
        "out": out.detach(),
        "gradients": gradients,
        "statistics": statistics,
        "eval": norm.eval()(features).detach(),
    }


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    for case, sizes in CASES.items():
        start = sum(sizes[:rank])
        torch.save(run(case, CrossReplicaBatchNorm(3), slice(start, start + sizes[rank])), folder / f"{case}-{rank}.pt")
    apart = CrossReplicaBatchNorm(3)
    apart.joined = False
    if rank == 0:  # the other process takes no part
        torch.save(run("equal", apart, slice(0, 4)), folder / "apart-0.pt")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = CrossReplicaBatchNorm(3)(images("equal")[0].bfloat16())
    torch.save(half, folder / f"half-{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
