"""Parzen windows against a sum written out, scikit-learn's kernel density, scipy's normal, and the literature's grid."""

import math
import re

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.neighbors import KernelDensity

from lightning_gans.metrics import neighbors
from lightning_gans.metrics.parzen import BANDWIDTHS, choose_bandwidth, log_likelihoods, parzen_log_likelihood


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_grid_of_the_literature() -> None:
    np.testing.assert_allclose(BANDWIDTHS, np.logspace(-1, 0, 10), rtol=1e-12)


def test_a_sum_written_out() -> None:
    samples, points = torch.tensor([[0.1, 0.2], [0.9, 0.4]]), torch.tensor([[0.3, 0.3]])
    variance = 0.25**2
    one = math.exp(-(0.2**2 + 0.1**2) / (2 * variance)) / (2 * math.pi * variance)
    two = math.exp(-(0.6**2 + 0.1**2) / (2 * variance)) / (2 * math.pi * variance)
    assert log_likelihoods(samples, points, [0.25]).item() == pytest.approx(math.log((one + two) / 2), abs=1e-6)


def test_one_sample_is_a_normal() -> None:
    points = uniform(20, 1).double()
    theirs = norm(0.5, 0.2).logpdf(points.numpy())[:, 0]
    ours = log_likelihoods(torch.full((1, 1), 0.5), points, [0.2])[0]
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-9)


@pytest.mark.parametrize("product", [False, True], ids=["differences", "matrix product"])
def test_agrees_with_scikit_learn(monkeypatch: pytest.MonkeyPatch, product: bool) -> None:
    if product:
        monkeypatch.setattr(neighbors, "_DIRECT", 0)
        monkeypatch.setattr(neighbors, "_BLOCK", 500)  # several blocks
    samples, points = uniform(90, 3, 5, 4), uniform(40, 3, 5, 4, seed=1)
    ours = log_likelihoods(samples, points, [0.1, 0.3])
    assert ours.shape == (2, 40)
    for row, bandwidth in zip(ours, [0.1, 0.3], strict=True):
        # One leaf: with more, its tree's pruning goes astray in 60 dimensions.
        kernel = KernelDensity(bandwidth=bandwidth, leaf_size=1000).fit(samples.flatten(1).double().numpy())
        np.testing.assert_allclose(row.numpy(), kernel.score_samples(points.flatten(1).double().numpy()), rtol=1e-6)


def test_agrees_with_brute_force() -> None:
    samples, points = uniform(90, 60).double(), uniform(40, 60, seed=1).double()
    squared = cdist(points.numpy(), samples.numpy(), "sqeuclidean")
    for bandwidth in (0.1, 0.3):
        theirs = logsumexp(-squared / (2 * bandwidth**2), axis=1, b=(2 * np.pi * bandwidth**2) ** -30 / 90)
        np.testing.assert_allclose(log_likelihoods(samples, points, [bandwidth])[0].numpy(), theirs, rtol=1e-9)


def test_many_dimensions_do_not_underflow() -> None:
    # e^-1e5 is 0 in any float: the logarithm of the sum must never leave the logarithm.
    found = log_likelihoods(torch.zeros(2, 3072), torch.ones(1, 3072), [0.1])
    assert found.item() == pytest.approx(-3072 / 0.02 - 3072 * math.log(0.1 * math.sqrt(2 * math.pi)), rel=1e-9)


def test_bandwidth_is_the_likeliest_on_validation_data() -> None:
    random = torch.Generator().manual_seed(0)
    samples = torch.full((1, 400), 0.5)
    validation = (0.5 + 0.14 * torch.randn(30, 400, generator=random)).clamp(0, 1)
    assert choose_bandwidth(samples, validation) == pytest.approx(10 ** (-8 / 9))  # 0.129, the nearest to 0.14
    assert choose_bandwidth(samples, validation, [0.5, 0.2, 0.9]) == 0.2


def test_estimate_is_mean_and_standard_error_of_the_test_images() -> None:
    samples, validation, test = uniform(50, 1, 4, 4), uniform(20, 1, 4, 4, seed=1), uniform(25, 1, 4, 4, seed=2)
    found = parzen_log_likelihood(samples, validation, test)
    assert found.bandwidth == choose_bandwidth(samples, validation)
    scores = log_likelihoods(samples, test, [found.bandwidth])[0].numpy()
    assert found.log_likelihood == pytest.approx(scores.mean(), abs=1e-9)
    assert found.standard_error == pytest.approx(np.std(scores) / 5, abs=1e-9)
    assert parzen_log_likelihood(samples, validation, test, [0.3]).bandwidth == 0.3


@pytest.mark.parametrize(
    ("samples", "points", "bandwidths", "message"),
    [
        (
            -torch.ones(2, 3),
            torch.ones(2, 3),
            [1.0],
            "samples in [-1, -1]; allowed: [0, 1], as (images + 1) / 2 of images in [-1, 1]",
        ),
        (
            torch.ones(2, 3),
            torch.full((2, 3), 255.0),
            [1.0],
            "points in [255, 255]; allowed: [0, 1], as (images + 1) / 2 of images in [-1, 1]",
        ),
        (
            torch.full((2, 3), torch.nan),
            torch.ones(2, 3),
            [1.0],
            "samples in [nan, nan]; allowed: [0, 1], as (images + 1) / 2 of images in [-1, 1]",
        ),
        (torch.ones(3), torch.ones(2, 3), [1.0], "samples of shape (3,); allowed: (N, ...), none 0"),
        (torch.ones(2, 3), torch.ones(0, 3), [1.0], "points of shape (0, 3); allowed: (N, ...), none 0"),
        (
            torch.ones(2, 3),
            torch.ones(2, 1, 2, 2),
            [1.0],
            "samples of 3 values and points of 4; allowed: equal numbers",
        ),
        (torch.ones(2, 3), torch.ones(2, 3), [], "bandwidths []; allowed: one or more, above 0"),
        (torch.ones(2, 3), torch.ones(2, 3), [0.1, 0.0], "bandwidths [0.1, 0.0]; allowed: one or more, above 0"),
    ],
)
def test_errors(samples: torch.Tensor, points: torch.Tensor, bandwidths: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        log_likelihoods(samples, points, bandwidths)
