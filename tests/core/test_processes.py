"""Two gloo processes: equal to one process with the joint batch; different images and noise; equal weights and buffers."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.core.toys import semi_supervised
from tests.core.two_processes import (
    STEPS,
    contracts,
    cross_replica,
    cross_replica_data,
    scorer,
    semi_supervised_data,
    toy,
    toy_data,
)
from tests.training import fit

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("processes")
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "tests.core.two_processes"]
    result = subprocess.run(
        [sys.executable, *launch, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return path


def both(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    first, second = (torch.load(folder / f"{name}-{rank}.pt", weights_only=False) for rank in range(2))
    return first, second


@pytest.mark.parametrize(
    ("name", "extra"), [("toy", {}), ("toy_shared", {"d_steps": 1}), ("toy_accumulate", {"accumulate": 2})]
)
def test_two_processes_equal_one(folder: Path, name: str, extra: dict[str, Any]) -> None:
    first, second = both(folder, name)
    one = toy(**extra)
    fit(one, STEPS, toy_data(1))
    for key, value in one.state_dict().items():
        torch.testing.assert_close(first["state"][key], value, atol=1e-6, rtol=1e-6, msg=key)
        assert torch.equal(first["state"][key], second["state"][key])
    assert first["images_seen"] == second["images_seen"] == one.images_seen
    assert first["iterations"] == second["iterations"] == STEPS


@pytest.mark.parametrize("name", ["semi_supervised", "semi_supervised_accumulate"])
def test_two_processes_weigh_labelled_images_like_one(folder: Path, name: str) -> None:
    first, second = both(folder, name)
    one = semi_supervised()
    fit(one, STEPS, semi_supervised_data(1))
    for key, value in one.state_dict().items():
        torch.testing.assert_close(first["state"][key], value, atol=1e-6, rtol=1e-5, msg=key)
        assert torch.equal(first["state"][key], second["state"][key])


def test_two_processes_score_like_one_and_scoring_leaves_no_trace(folder: Path) -> None:
    first, second = both(folder, "toy_scored")
    callback = scorer()
    fit(toy(), 1, toy_data(1), callbacks=[callback])
    one = callback.score(toy())
    assert {"fid_small_features", "kid_small_features", "recall_small_features"} <= one.keys() == first["scores"].keys()
    for name, score in one.items():
        assert first["scores"][name] == second["scores"][name]
        assert first["scores"][name] == pytest.approx(score.value, rel=1e-6), name
    assert first["best"] == second["best"]
    unscored, _ = both(folder, "toy")
    assert all(torch.equal(value, unscored["unsaved"][key]) for key, value in first["state"].items())


def test_processes_see_different_images_and_noise(folder: Path) -> None:
    first, second = both(folder, "toy")
    one = toy()
    fit(one, STEPS, toy_data(1))
    for kind, joint in (("images", one.seen), ("noise", one.drawn)):
        assert len(first[kind]) == len(joint) == 2 * STEPS
        for mine, theirs, whole in zip(first[kind], second[kind], joint, strict=True):
            assert not torch.equal(mine, theirs)
            assert torch.equal(torch.stack([mine, theirs], dim=1).flatten(0, 1), whole)


def test_batch_norm_over_all_processes_equals_one_process(folder: Path) -> None:
    first, second = both(folder, "cross_replica")
    one = cross_replica()
    fit(one, STEPS, cross_replica_data(1))
    for key, value in one.state_dict().items():
        assert torch.equal(first["state"][key], second["state"][key]), key
        # Batch norm takes off what a block's biases add: their gradients are rounding errors, which Adam makes steps of.
        idle = (key.startswith("generator.blocks.") and key.endswith(".bias")) or key.endswith("running_mean")
        if not idle:
            torch.testing.assert_close(first["state"][key], value, atol=1e-5, rtol=1e-4, msg=key)


def test_batch_norm_statistics_differ_until_they_are_averaged_for_a_checkpoint(folder: Path) -> None:
    first, second = both(folder, "toy_batch_norm")
    name = "generator.layers.1.running_mean"
    assert not torch.equal(first["unsaved"][name], second["unsaved"][name])
    mean = (first["unsaved"][name] + second["unsaved"][name]) / 2
    torch.testing.assert_close(first["state"][name], mean)
    saved = torch.load(folder / "toy_batch_norm.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(saved[key], second["state"][key]) for key in saved)


def test_every_models_processes_agree_in_all_weights_and_buffers(folder: Path) -> None:
    names = [name for name, _ in contracts()]
    assert len(names) >= 2
    for name in names:
        first, second = both(folder, name)
        assert [key for key, value in first["state"].items() if not torch.equal(value, second["state"][key])] == []
        assert all(torch.isfinite(value).all() for value in first["state"].values())


def test_a_checkpoint_holds_every_processs_pools(folder: Path) -> None:
    pools = torch.load(folder / "test_cyclegan-TestCycleGAN.ckpt", weights_only=True)["pools"]
    assert len(pools) == 2
    for domain in "ab":
        first, second = (torch.stack(pool[domain]) for pool in pools)
        assert len(first) == len(second) == 24  # three batches of eight
        assert not torch.equal(first, second)
