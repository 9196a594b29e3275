"""Streamed moments against numpy's, in blocks, with blocks taken out again, and over two processes."""

from __future__ import annotations

import datetime
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from lightning_gans.metrics.moments import Moments


def features(count: int, dim: int, *, offset: float = 0.0, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dim, dim, generator=generator, dtype=torch.float64)
    return torch.randn(count, dim, generator=generator, dtype=torch.float64) @ mixing + offset


def assert_moments(moments: Moments, samples: Tensor, relative: float = 1e-10) -> None:
    """Compare with numpy, relative to the largest entry, and the mean with an exact sum, relative to the spread."""
    expected = np.cov(samples.double().numpy(), rowvar=False)
    assert moments.count == len(samples)
    assert np.abs(moments.covariance.numpy() - expected).max() <= relative * np.abs(expected).max()
    mean = np.array([math.fsum(column) / len(column) for column in samples.double().T.tolist()])
    off = np.abs(moments.mean.numpy() - mean).max()
    assert off <= 1e-10 * expected.max() ** 0.5 + 1e-15 * np.abs(mean).max()


@pytest.mark.parametrize("batch", [1, 7, 64, 1500, 5000])
def test_batches_of_any_size_give_numpys_covariance(batch: int) -> None:
    samples = features(3000, 300)  # more than one band of the triangle, more than one product
    moments = Moments(300)
    for part in samples.split(batch):
        moments.update(part)
    assert_moments(moments, samples)
    assert torch.equal(moments.covariance, moments.covariance.T)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_any_float_type_is_summed_in_64_bit(dtype: torch.dtype) -> None:
    samples = features(500, 5, offset=3.0).to(dtype)
    moments = Moments.of(samples)
    assert moments.mean.dtype == moments.covariance.dtype == torch.float64
    assert_moments(moments, samples)


def test_reading_in_between_changes_nothing() -> None:
    samples = features(300, 6)
    moments = Moments(6)
    for number, part in enumerate(samples.split(50), start=1):
        moments.update(part)
        assert_moments(moments, samples[: 50 * number])


def test_a_batch_is_copied() -> None:
    samples = features(20, 3)
    moments, buffer = Moments(3), samples.clone().requires_grad_()
    moments.update(buffer)
    with torch.no_grad():
        buffer.zero_()
    assert_moments(moments, samples)
    assert not moments.mean.requires_grad


def test_a_mean_far_beyond_the_spread() -> None:
    samples = features(2000, 20, offset=1e4)
    moments = Moments(20)
    for part in samples.split(64):
        moments.update(part)
    assert_moments(moments, samples)
    assert_moments(Moments.of(samples[:500]) + Moments.of(samples[500:]), samples)
    rest = moments - Moments.of(samples[:1500])
    assert_moments(rest, samples[1500:], relative=1e-9)


def test_sums_of_squares_would_not_do() -> None:
    # The formula E[x^2] - E[x]^2 in float64, on the same data: it keeps less than half of the digits.
    samples = features(2000, 20, offset=1e6)
    expected = np.cov(samples.numpy(), rowvar=False)
    mean = samples.mean(dim=0)
    naive = (samples.T @ samples - len(samples) * mean.outer(mean)) / (len(samples) - 1)
    assert np.abs(naive.numpy() - expected).max() > 1e-7 * expected.max()
    assert_moments(Moments.of(samples), samples)


@pytest.mark.parametrize("first", [1, 2, 700, 998, 999])
def test_adding_and_taking_out_blocks(first: int) -> None:
    samples = features(1000, 10)
    one, other = Moments.of(samples[:first]), Moments.of(samples[first:])
    both = one + other
    assert_moments(both, samples)
    if first >= 2:
        assert_moments(both - other, samples[:first], relative=1e-9)
    if first <= 998:
        assert_moments(both - one, samples[first:], relative=1e-9)
    assert (one.count, other.count) == (first, 1000 - first)


def test_empty_blocks() -> None:
    samples = features(10, 3)
    moments, empty = Moments.of(samples), Moments(3)
    assert_moments(moments + empty, samples)
    assert_moments(empty + moments, samples)
    assert_moments(moments - empty, samples)
    nothing = moments - moments
    assert nothing.count == 0
    assert torch.equal(nothing.mean, torch.zeros(3, dtype=torch.float64))
    assert (empty + empty).count == 0
    moments.update(torch.empty(0, 3))
    assert_moments(moments, samples)


def test_merge_works_in_place_and_leaves_the_other_alone() -> None:
    samples = features(30, 3)
    one, other = Moments.of(samples[:10]), Moments.of(samples[10:])
    assert one.merge(other) is one
    one.update(samples)
    assert_moments(one, torch.cat([samples, samples]))
    assert_moments(other, samples[10:])


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_state_round_trip(count: int) -> None:
    samples = features(200, 4)
    moments = Moments(4)
    moments.update(samples[:count])
    state = moments.state()
    assert {name: value.dtype for name, value in state.items()} == {
        "count": torch.int64,
        "mean": torch.float64,
        "covariance": torch.float64,
    }
    again = Moments.from_state(state)
    assert again.count == count
    again.update(samples[count:])
    assert_moments(again, samples)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_refuses_what_is_not_finite(value: float) -> None:
    samples = features(64, 5)
    moments, bad = Moments.of(samples), samples.clone()
    bad[1, 1] = bad[7, 0] = bad[7, 2] = bad[63, 4] = value
    with pytest.raises(ValueError, match=r"^features of 3 of 64 samples are not finite$"):
        moments.update(bad)
    assert_moments(moments, samples)


def test_refuses_other_shapes() -> None:
    moments = Moments(5)
    for wrong, message in (
        (torch.zeros(3, 4), "features of shape (3, 4); allowed: (N, 5)"),
        (torch.zeros(5), "features of shape (5,); allowed: (N, 5)"),
        (torch.zeros(3, 5, dtype=torch.int64), "features of torch.int64; allowed: a floating-point type"),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            moments.update(wrong)
    with pytest.raises(ValueError, match=r"^moments of 4 features beside 5; allowed: 5$"):
        moments.merge(Moments(4))
    with pytest.raises(ValueError, match=r"^0 features a sample; allowed: 1 or more$"):
        Moments(0)
    with pytest.raises(ValueError, match=r"^covariance of 1 samples; allowed: 2 or more$"):
        _ = Moments.of(torch.ones(1, 3)).covariance
    with pytest.raises(ValueError, match=r"^a block of 4 samples taken out of 3; allowed: 3 or fewer$"):
        _ = Moments.of(torch.ones(3, 2)) - Moments.of(torch.ones(4, 2))


def test_refuses_other_states() -> None:
    count, mean, covariance = torch.tensor(3), torch.zeros(2), torch.eye(2)
    for state, message in (
        ({"count": count, "mean": mean}, "moments with count, mean; allowed: count, covariance, mean"),
        (
            {"count": count, "mean": mean, "covariance": torch.eye(3)},
            "moments with mean (2,) and covariance (3, 3); allowed: (D,) and (D, D)",
        ),
        ({"count": -count, "mean": mean, "covariance": covariance}, "moments of -3 samples; allowed: 0 or more"),
        (
            {"count": count, "mean": mean / 0, "covariance": covariance},
            "moments that are not finite; allowed: finite mean and covariance",
        ),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            Moments.from_state(state)


def shares() -> list[Tensor]:
    """Unequal ones, of different means far from 0: nothing for the second of three uses, all for the third."""
    return [features(150, 8, offset=1e3), features(50, 8, offset=1.1e3, seed=1)]


def process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    limit = datetime.timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2, timeout=limit)
    moments = Moments(8)
    moments.update(shares()[rank])
    one_sided = Moments(8)
    if rank:
        one_sided.update(shares()[1])
    result = [moments.reduce().state(), one_sided.reduce().state(), Moments(8).reduce().state()]
    torch.save(result, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_equal_one(tmp_path: Path) -> None:
    mp.spawn(process, args=(str(tmp_path),), nprocs=2)
    results = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for whole, one_sided, nothing in results:
        assert_moments(Moments.from_state(whole), torch.cat(shares()))
        assert_moments(Moments.from_state(one_sided), shares()[1])
        assert int(nothing["count"]) == 0
        assert all(torch.isfinite(value).all() for value in nothing.values())
    assert all(torch.equal(results[0][0][name], results[1][0][name]) for name in results[0][0])


def test_without_processes_reduce_does_nothing() -> None:
    samples = features(20, 3)
    moments = Moments.of(samples)
    assert moments.reduce() is moments
    assert_moments(moments, samples)
