"""The Fréchet distance against closed forms, scipy's matrix root, torch-fidelity and torchmetrics."""

from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.image.fid import _compute_fid

from lightning_gans.metrics.frechet import check_rank, frechet_distance, frechet_from_features, jackknife_error
from lightning_gans.metrics.moments import Moments


def features(count: int, dim: int, *, seed: int = 0) -> Tensor:
    """Correlated, with variances from 1 to 1e-4 and a mean of its own, in 32 bit as networks give them."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.linalg.qr(torch.randn(dim, dim, generator=generator)).Q * torch.logspace(0, -2, dim)
    return torch.randn(count, dim, generator=generator) @ mixing.T + torch.rand(dim, generator=generator)


def known(mean: Tensor, covariance: Tensor) -> Moments:
    return Moments.from_state({"count": torch.tensor(100), "mean": mean, "covariance": covariance})


def by_scipy(first: Tensor, second: Tensor) -> float:
    (m1, s1), (m2, s2) = (
        (x.mean(axis=0), np.cov(x, rowvar=False)) for x in (first.double().numpy(), second.double().numpy())
    )
    root = scipy.linalg.sqrtm(s1 @ s2)
    return float(((m1 - m2) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * np.trace(root).real)


def by_fidelity(first: Tensor, second: Tensor) -> float:
    statistics = (fid_features_to_statistics(x.double()) for x in (first, second))
    return fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]


def by_torchmetrics(first: Tensor, second: Tensor) -> float:
    moments = [item for x in (first.double(), second.double()) for item in (x.mean(dim=0), x.T.cov())]
    return float(_compute_fid(*moments))


@pytest.mark.parametrize("reference", [by_scipy, by_fidelity, by_torchmetrics])
@pytest.mark.parametrize(("n", "m", "dim"), [(500, 700, 64), (1000, 600, 300), (3, 2, 1)])
def test_agrees_with_others(reference, n: int, m: int, dim: int) -> None:  # type: ignore[no-untyped-def]
    first, second = features(n, dim), features(m, dim, seed=1)
    expected = reference(first, second) if dim > 1 else by_hand(first, second)
    assert frechet_distance(Moments.of(first), Moments.of(second)) == pytest.approx(expected, rel=1e-6)
    assert frechet_from_features(first, second) == pytest.approx(expected, rel=1e-6)


def by_hand(first: Tensor, second: Tensor) -> float:
    (m1, s1), (m2, s2) = ((float(x.double().mean()), float(x.double().std())) for x in (first, second))
    return (m1 - m2) ** 2 + (s1 - s2) ** 2


@pytest.mark.parametrize(("n", "m"), [(30, 40), (40, 30), (2, 3), (64, 40), (65, 40), (500, 40), (30, 500)])
def test_fewer_samples_than_features(n: int, m: int) -> None:
    first, second = features(n, 64), features(m, 64, seed=1)
    expected = by_fidelity(first, second)
    assert frechet_distance(Moments.of(first), Moments.of(second)) == pytest.approx(expected, rel=1e-4)
    assert frechet_from_features(first, second) == pytest.approx(expected, rel=1e-4)
    # Our two ways share no formula; they agree far better than the reference does with itself.
    both_ways = frechet_distance(Moments.of(first), Moments.of(second))
    assert frechet_from_features(first, second) == pytest.approx(both_ways, rel=1e-7)


def test_a_gaussian_of_another_mean_and_variance() -> None:
    first = known(torch.tensor([0.0]), torch.tensor([[1.0]]))
    second = known(torch.tensor([1.0]), torch.tensor([[4.0]]))
    assert frechet_distance(first, second) == pytest.approx(2.0, rel=1e-12)


def test_commuting_covariances() -> None:
    # With common axes: sum of (difference of deviations)^2 + squared distance of the means.
    generator = torch.Generator().manual_seed(0)
    axes = torch.linalg.qr(torch.randn(20, 20, generator=generator, dtype=torch.float64)).Q
    one, other = torch.rand(2, 20, generator=generator, dtype=torch.float64)
    mean = torch.randn(20, generator=generator, dtype=torch.float64)
    first = known(mean, axes @ torch.diag(one**2) @ axes.T)
    second = known(torch.zeros(20), axes @ torch.diag(other**2) @ axes.T)
    expected = float((one - other).square().sum() + mean.square().sum())
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("count", [300, 20])
def test_a_translation_adds_its_square(count: int) -> None:
    samples = features(count, 32).double()
    step = torch.linspace(-1, 1, 32, dtype=torch.float64)
    expected = float(step.square().sum())
    for offset in (0.0, 1e4):
        first, second = samples + offset, samples + offset + step
        assert frechet_distance(Moments.of(first), Moments.of(second)) == pytest.approx(expected, rel=1e-6)
        assert frechet_from_features(first, second) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("count", "dim"), [(500, 64), (65, 64), (64, 64), (20, 64), (2, 64), (20, 1), (300, 600)])
def test_equal_sets_are_at_distance_0(count: int, dim: int) -> None:
    samples = features(count, dim)
    size = float(samples.double().var(dim=0).sum())
    for value in (frechet_distance(Moments.of(samples), Moments.of(samples)), frechet_from_features(samples, samples)):
        assert 0.0 <= value <= 1e-9 * max(size, 1.0)


def test_singular_covariances() -> None:
    # Rank 2 and 3 in five dimensions, one direction in common: tr (S1 S2)^(1/2) = 2 * 5 there and 0 elsewhere.
    generator = torch.Generator().manual_seed(1)
    axes = torch.linalg.qr(torch.randn(5, 5, generator=generator, dtype=torch.float64)).Q
    one = torch.tensor([4.0, 9.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    other = torch.tensor([25.0, 0.0, 16.0, 1.0, 0.0], dtype=torch.float64)
    for basis in (torch.eye(5, dtype=torch.float64), axes):
        first, second = (known(torch.zeros(5), basis @ torch.diag(v) @ basis.T) for v in (one, other))
        assert frechet_distance(first, second) == pytest.approx(13 + 42 - 2 * 10, rel=1e-9)
        full = known(torch.zeros(5), torch.eye(5))  # singular beside regular: 13 + 5 - 2 (2 + 3)
        assert frechet_distance(first, full) == pytest.approx(8.0, rel=1e-6)
        assert frechet_distance(full, first) == pytest.approx(8.0, rel=1e-6)


def test_features_that_never_change() -> None:
    first, second = features(200, 16), features(200, 16, seed=1)
    first[:, [2, 5]], second[:, [5, 9]] = 0.0, 0.0
    expected = by_fidelity(first, second)
    assert frechet_distance(Moments.of(first), Moments.of(second)) == pytest.approx(expected, rel=1e-5)
    constant = torch.full((10, 4), 2.0)
    assert frechet_distance(Moments.of(constant), Moments.of(constant + 1)) == pytest.approx(4.0, rel=1e-12)
    assert frechet_from_features(constant[:3], constant[:2] + 1) == pytest.approx(4.0, rel=1e-12)


def test_bad_input() -> None:
    good, one = Moments.of(features(10, 4)), Moments.of(features(1, 4))
    with pytest.raises(ValueError, match=r"^1 samples in the first set; allowed: 2 or more$"):
        frechet_distance(one, good)
    with pytest.raises(ValueError, match=r"^0 samples in the second set; allowed: 2 or more$"):
        frechet_distance(good, Moments(4))
    with pytest.raises(ValueError, match=r"^moments of 3 features beside 4; allowed: 4$"):
        frechet_distance(good, Moments(3))
    with pytest.raises(ValueError, match=r"^1 samples in the second set; allowed: 2 or more$"):
        frechet_from_features(features(3, 4), features(1, 4))
    with pytest.raises(ValueError, match=re.escape("features of shape (5, 3); allowed: (N, 4)")):
        frechet_from_features(features(3, 4), features(5, 3))
    with pytest.raises(ValueError, match=r"^features of 1 of 3 samples are not finite$"):
        frechet_from_features(features(3, 4), torch.tensor([[0.0] * 4, [float("inf")] * 4, [1.0] * 4]))
    huge = torch.randn(10, 4, dtype=torch.float64) * 1e200
    message = r"^moments that are not finite; allowed: features whose squares fit float64$"
    with pytest.raises(ValueError, match=message):
        frechet_distance(good, Moments.of(huge))
    with pytest.raises(ValueError, match=message):
        frechet_from_features(huge[:3], huge[:3])


def test_rank_warning() -> None:
    assert check_rank(2049, 2048) is None
    for count in (1000, 2048):
        assert check_rank(count, 2048) == (
            f"{count} samples for 2048 features: the covariance is singular and the distance biased upwards; "
            "use more than 2048 samples"
        )


def test_jackknife_by_hand() -> None:
    reference = Moments.of(features(400, 8, seed=5))
    parts = features(120, 8).split(40)
    left_out = [by_scipy(torch.cat([p for p in parts if p is not part]), features(400, 8, seed=5)) for part in parts]
    expected = np.sqrt(2 / 3 * ((np.array(left_out) - np.mean(left_out)) ** 2).sum())
    blocks = [Moments.of(part) for part in parts]
    assert jackknife_error(blocks, reference) == pytest.approx(expected, rel=1e-6)
    assert [block.count for block in blocks] == [40, 40, 40]
    with pytest.raises(ValueError, match=r"^1 blocks; allowed: 2 or more$"):
        jackknife_error(blocks[:1], reference)


def test_jackknife_tells_the_spread_over_fresh_samples() -> None:
    reference = Moments.of(features(2000, 6))
    values, errors = [], []
    for seed in range(60):
        samples = 0.7 * torch.randn(400, 6, generator=torch.Generator().manual_seed(seed))
        values.append(frechet_distance(Moments.of(samples), reference))
        errors.append(jackknife_error([Moments.of(part) for part in samples.split(20)], reference))
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.35)
