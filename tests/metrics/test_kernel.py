"""The kernel distance against the formula written out and torch-fidelity."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_kid import kid_features_to_metric

from lightning_gans.metrics.kernel import kernel_distance


def features(count: int, dim: int, *, seed: int = 0, offset: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dim, generator=generator).relu() + offset


def by_hand(first: Tensor, second: Tensor) -> float:
    """Sums over pairs, as on paper."""
    x, y = first.double().numpy(), second.double().numpy()
    size, dim = x.shape
    xx, yy, xy = ((a @ b.T / dim + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    for kernel in (xx, yy):
        np.fill_diagonal(kernel, 0.0)
    return float((xx.sum() + yy.sum()) / (size * (size - 1)) - 2 * xy.sum() / size**2)


@pytest.mark.parametrize(("count", "dim"), [(2, 3), (100, 7), (129, 40), (400, 16)])
@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_one_subset_of_everything(count: int, dim: int, offset: float) -> None:
    first, second = features(count, dim), features(count, dim, seed=1, offset=offset)
    found = kernel_distance(first, second, subsets=1, subset_size=count)
    assert found.value == pytest.approx(by_hand(first, second), rel=1e-6)
    fidelity = kid_features_to_metric(
        first.double(), second.double(), kid_subsets=1, kid_subset_size=count, rng_seed=0, verbose=False
    )
    assert found.value == pytest.approx(fidelity["kernel_inception_distance_mean"], rel=1e-6)
    assert found.error is None
    assert found.std == 0.0


def test_by_hand_in_one_dimension() -> None:
    # k(0, 0) = 1, k(0, 1) = 1, k(1, 1) = 8: with x = {0, 0}, y = {1, 1} it is 1 + 8 - 2 = 7.
    found = kernel_distance(torch.zeros(2, 1), torch.ones(2, 1), subsets=3, subset_size=2)
    assert found.value == pytest.approx(7.0, rel=1e-12)


@pytest.mark.parametrize("n", [120, 2000])  # all pairs at once; one subset after the other
def test_subsets(n: int) -> None:
    first, second = features(n, 8), features(n + 30, 8, seed=1, offset=0.3)
    found = kernel_distance(first, second, subsets=20, subset_size=50, seed=3)
    generator = torch.Generator().manual_seed(3)
    values = []
    for _ in range(20):
        rows, others = (torch.randperm(len(x), generator=generator)[:50] for x in (first, second))
        values.append(by_hand(first[rows], second[others]))
    assert found.value == pytest.approx(np.mean(values), rel=1e-6)
    assert found.std == pytest.approx(np.std(values), rel=1e-6)
    assert found.error == pytest.approx(np.std(values) * (50 / (n - 50) + 1 / 20) ** 0.5, rel=1e-6)
    fidelity = kid_features_to_metric(first, second, kid_subsets=20, kid_subset_size=50, rng_seed=3, verbose=False)
    assert abs(found.value - fidelity["kernel_inception_distance_mean"]) < 4 * found.std / 20**0.5


def test_the_error_tells_the_spread_over_fresh_samples() -> None:
    found = [
        kernel_distance(
            features(200, 6, seed=2 * s), features(200, 6, seed=2 * s + 1, offset=0.3), subsets=40, subset_size=50
        )
        for s in range(80)
    ]
    spread = np.std([item.value for item in found])
    assert np.mean([item.error for item in found]) == pytest.approx(spread, rel=0.3)


def test_equal_distributions_are_at_0_and_may_fall_below() -> None:
    found = [
        kernel_distance(features(300, 6, seed=s), features(300, 6, seed=s + 99), subset_size=100) for s in range(12)
    ]
    values = np.array([item.value for item in found])
    assert abs(values.mean()) < 3 * values.std() / 12**0.5
    assert values.min() < 0 < values.max()


def test_seed_and_the_global_random_state() -> None:
    first, second = features(300, 6), features(300, 6, seed=1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    options = {"subsets": 5, "subset_size": 40}
    found = kernel_distance(first, second, **options)
    assert found == kernel_distance(first, second, **options)
    assert found.value != kernel_distance(first, second, seed=1, **options).value
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


def test_reduced_matrix_precision_does_not_reach_it() -> None:
    first, second = features(300, 64), features(300, 64, seed=1)
    plain = kernel_distance(first, second, subset_size=300, subsets=1)
    torch.set_float32_matmul_precision("medium")
    try:
        assert kernel_distance(first, second, subset_size=300, subsets=1) == plain
    finally:
        torch.set_float32_matmul_precision("highest")


def test_bad_input() -> None:
    first, second = features(30, 4), features(20, 4)
    for size in (21, 1000, 1, -3):
        with pytest.raises(ValueError, match=f"^subsets of {size} for 30 and 20 samples; allowed: 2 to 20$"):
            kernel_distance(first, second, subset_size=size)
    with pytest.raises(ValueError, match=r"^subsets of 2 for 30 and 1 samples; allowed: none, give 2 samples or more$"):
        kernel_distance(first, second[:1], subset_size=2)
    with pytest.raises(ValueError, match=r"^0 subsets; allowed: 1 or more$"):
        kernel_distance(first, second, subsets=0, subset_size=4)
    with pytest.raises(ValueError, match=f"^{re.escape('features of shape (20, 3); allowed: (N, 4)')}$"):
        kernel_distance(first, second[:, :3], subset_size=4)
    with pytest.raises(ValueError, match=r"^features of 20 of 20 samples are not finite$"):
        kernel_distance(first, second / 0, subset_size=4)
