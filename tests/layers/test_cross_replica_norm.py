"""Cross-replica batch norm: two gloo processes equal plain batch norm of the joint batch."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_gans.layers.cross_replica_norm import CrossReplicaBatchNorm
from lightning_gans.layers.norms import BatchNorm
from tests.layers.replicas import CASES, run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replicas")
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "tests.layers.replicas"]
    result = subprocess.run(
        [sys.executable, *launch, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return path


def read(folder: Path, name: str) -> Any:
    return torch.load(folder / f"{name}.pt")


@pytest.mark.parametrize("case", CASES)
def test_two_processes_equal_the_joint_batch(folder: Path, case: str) -> None:
    joint = run(case, BatchNorm(3), slice(None))
    parts = [read(folder, f"{case}-{rank}") for rank in range(2)]
    for name in ("out", "eval"):
        torch.testing.assert_close(torch.cat([part[name] for part in parts]), joint[name], atol=2e-4, rtol=1e-4)
    inputs, *affine = zip(*(part["gradients"] for part in parts), strict=True)
    torch.testing.assert_close(torch.cat(inputs), joint["gradients"][0], atol=2e-4, rtol=1e-4)
    for ours, whole in zip(affine, joint["gradients"][1:], strict=True):
        torch.testing.assert_close(sum(ours), whole, atol=1e-3, rtol=1e-4)
    for part in parts:
        for ours, whole in zip(part["statistics"], joint["statistics"], strict=True):
            torch.testing.assert_close(ours, whole, atol=1e-4, rtol=1e-4)
        assert all(torch.equal(a, b) for a, b in zip(part["statistics"], parts[0]["statistics"], strict=True))


def test_set_apart_it_waits_for_nobody_and_is_plain_batch_norm(folder: Path) -> None:
    plain, apart = run("equal", BatchNorm(3), slice(0, 4)), read(folder, "apart-0")
    assert torch.equal(apart["out"], plain["out"])
    assert not torch.allclose(apart["out"], read(folder, "equal-0")["out"], atol=1e-2)


def test_half_precision_comes_back_as_it_went(folder: Path) -> None:
    assert read(folder, "half-0").dtype == torch.bfloat16
    assert read(folder, "half-0").float().mean().abs() < 0.01


def test_one_process_is_plain_batch_norm() -> None:
    ours, plain = run("equal", CrossReplicaBatchNorm(3), slice(None)), run("equal", BatchNorm(3), slice(None))
    assert torch.equal(ours["out"], plain["out"])
    assert all(torch.equal(a, b) for a, b in zip(ours["gradients"], plain["gradients"], strict=True))
