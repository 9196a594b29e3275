"""PRD: closed forms of histograms, a brute-force curve, and clusterings of sets whose answer is known."""

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch

from lightning_gans.metrics.prd import PRDCurve, f_beta_pair, prd, prd_from_histograms

T = torch.tensor


def brute_force(real: list[float], fake: list[float], angles: int) -> tuple[np.ndarray, np.ndarray]:
    precision, recall = [], []
    for angle in np.linspace(1e-10, np.pi / 2 - 1e-10, angles):
        slope = math.tan(angle)
        precision.append(min(1.0, sum(min(slope * r, f) for r, f in zip(real, fake, strict=True))))
        recall.append(min(1.0, sum(min(r, f / slope) for r, f in zip(real, fake, strict=True))))
    return np.array(precision), np.array(recall)


def test_agrees_with_brute_force() -> None:
    real, fake = [0.5, 0.3, 0.2, 0.0], [0.1, 0.2, 0.3, 0.4]
    curve = prd_from_histograms(T(real), T(fake))
    precision, recall = brute_force(real, fake, 1001)
    np.testing.assert_allclose(curve.precision.numpy(), precision, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(curve.recall.numpy(), recall, rtol=1e-6, atol=1e-9)
    f8, f1_8 = f_beta_pair(curve)
    assert f8 == pytest.approx(max(65 * precision * recall / (64 * precision + recall)), rel=1e-6)
    assert f1_8 == pytest.approx(max((65 / 64) * precision * recall / (precision / 64 + recall)), rel=1e-6)


def test_identical_and_disjoint() -> None:
    same = prd_from_histograms(T([3, 5, 2]), T([30, 50, 20]))
    assert f_beta_pair(same) == pytest.approx((1.0, 1.0), abs=1e-6)
    assert same.precision.max() == same.recall.max() == 1.0
    disjoint = prd_from_histograms(T([3, 5, 0, 0]), T([0, 0, 1, 1]))
    assert f_beta_pair(disjoint) == (0.0, 0.0)
    assert not disjoint.precision.any()
    assert not disjoint.recall.any()


def test_half_the_modes_has_precision_and_half_the_recall() -> None:
    # Recall a = 1/2 at full precision: F_1/8 there = (1 + 1/64) a / (1/64 + a), its largest; F_8 = 65 a / (64 + a).
    real, fake = T([0.5, 0.5]), T([1.0, 0.0])
    dropped, invented = f_beta_pair(prd_from_histograms(real, fake)), f_beta_pair(prd_from_histograms(fake, real))
    assert dropped == pytest.approx((65 * 0.5 / 64.5, 65 * 0.5 / (1 + 64 * 0.5)), rel=1e-3)
    assert invented == pytest.approx(dropped[::-1], rel=1e-6)


def test_clusters_of_identical_sets() -> None:
    features = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    curve = prd(features, features, clusters=10, runs=3)
    assert curve.precision.shape == curve.recall.shape == (1001,)
    assert f_beta_pair(curve) == pytest.approx((1.0, 1.0), abs=1e-6)


def test_clusters_of_far_apart_sets_and_of_half_the_modes() -> None:
    random = torch.Generator().manual_seed(0)
    centres = 100.0 * torch.eye(4)
    real = centres[torch.arange(400) % 4] + 0.01 * torch.randn(400, 4, generator=random)
    assert f_beta_pair(prd(real, real + 1000.0, clusters=8, runs=2)) == (0.0, 0.0)
    half = centres[torch.arange(400) % 2] + 0.01 * torch.randn(400, 4, generator=random)
    # Four clusters find the four modes: as by histograms, recall 1/2 at precision 1.
    expected = f_beta_pair(prd_from_histograms(T([1, 1, 1, 1]), T([1, 1, 0, 0])))
    assert f_beta_pair(prd(real, half, clusters=4, runs=3)) == pytest.approx(expected, rel=1e-6)


def test_seed_repeats_and_leaves_the_global_state_alone() -> None:
    random = torch.Generator().manual_seed(0)
    real, fake = torch.randn(150, 3, generator=random), torch.randn(150, 3, generator=random) + 0.5
    np.random.seed(3)
    torch.manual_seed(3)
    before = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    first, again, other = (prd(real, fake, clusters=8, runs=2, seed=seed) for seed in (1, 1, 2))
    assert (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before
    assert torch.equal(first.precision, again.precision)
    assert not torch.equal(first.precision, other.precision)


def test_average_is_over_different_clusterings() -> None:
    random = torch.Generator().manual_seed(0)
    real, fake = torch.randn(150, 3, generator=random), torch.randn(150, 3, generator=random) + 0.5
    assert not torch.equal(
        prd(real, fake, clusters=8, runs=1, seed=1).precision, prd(real, fake, clusters=8, runs=2, seed=1).precision
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: prd(torch.zeros(30, 2), torch.zeros(31, 2)),
            "features of shapes (30, 2) and (31, 2); allowed: (N, D), the same for both",
        ),
        (
            lambda: prd(torch.zeros(30), torch.zeros(30)),
            "features of shapes (30,) and (30,); allowed: (N, D), the same for both",
        ),
        (
            lambda: prd(torch.zeros(9, 2), torch.zeros(9, 2)),
            "clusters=20 with 18 samples in all; allowed: 1 to that number",
        ),
        (lambda: prd(torch.zeros(30, 2), torch.zeros(30, 2), runs=0), "runs=0; allowed: 1 or more"),
        (
            lambda: prd(torch.full((30, 2), torch.nan), torch.zeros(30, 2)),
            "features with NaN or infinity; allowed: finite numbers",
        ),
        (lambda: prd_from_histograms(T([1.0]), T([1.0]), angles=2), "angles=2; allowed: 3 or more"),
        (
            lambda: prd_from_histograms(T([1.0, 2.0]), T([1.0])),
            "histograms of shapes (2,) and (1,); allowed: (n,) both",
        ),
        (
            lambda: prd_from_histograms(T([1.0, -1.0]), T([1.0, 1.0])),
            "real histogram negative, not finite or all 0; allowed: numbers from 0 up, not all 0",
        ),
        (
            lambda: prd_from_histograms(T([1, 1]), T([0, 0])),
            "fake histogram negative, not finite or all 0; allowed: numbers from 0 up, not all 0",
        ),
        (lambda: f_beta_pair(PRDCurve(T([1.0]), T([1.0])), beta=0.0), "beta=0.0; allowed: above 0"),
    ],
)
def test_errors(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
