"""The inception score against closed forms and torch-fidelity."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from torch_fidelity.metric_isc import isc_features_to_metric

from lightning_gans.metrics.inception_score import inception_score


def logits(count: int, classes: int, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(count, classes, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("classes", [2, 10, 1008])
def test_sure_and_even_gives_the_number_of_classes(classes: int) -> None:
    found = inception_score(torch.eye(classes).log().repeat(3, 1), splits=3)
    assert found.mean == pytest.approx(classes, rel=1e-12)
    assert found.std == pytest.approx(0.0, abs=1e-9)


def test_constant_gives_1() -> None:
    assert inception_score(logits(1, 10).expand(100, 10)).mean == pytest.approx(1.0, rel=1e-12)
    assert inception_score(torch.zeros(100, 10)) == pytest.approx((1.0, 0.0), abs=1e-12)


def test_by_hand() -> None:
    # p = (3/4, 1/4) and (1/4, 3/4), marginal (1/2, 1/2): KL = 3/4 ln 3/2 + 1/4 ln 1/2.
    rows = torch.tensor([[0.75, 0.25], [0.25, 0.75]], dtype=torch.float64)
    expected = 1.5**0.75 * 0.5**0.25
    assert inception_score(rows.log(), splits=1).mean == pytest.approx(expected, rel=1e-12)
    # Logits may be shifted by any number a sample.
    assert inception_score(rows.log() + 50.0, splits=1).mean == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("count", "splits"), [(500, 1), (500, 10), (503, 10), (37, 5)])
def test_agrees_with_torch_fidelity(count: int, splits: int) -> None:
    given = logits(count, 20)
    for seed in (None, 2020, 7):
        reference = isc_features_to_metric(given, splits, shuffle=seed is not None, rng_seed=seed)
        found = inception_score(given, splits=splits, seed=seed)
        assert found.mean == pytest.approx(reference["inception_score_mean"], rel=1e-9)
        assert found.std == pytest.approx(reference["inception_score_std"], rel=1e-9, abs=1e-12)


def test_agrees_with_scipys_divergence() -> None:
    given = logits(60, 7)
    p = given.double().softmax(dim=1).numpy()
    scores = [np.exp(entropy(part, part.mean(axis=0, keepdims=True), axis=1).mean()) for part in np.split(p, 3)]
    assert inception_score(given, splits=3) == pytest.approx((np.mean(scores), np.std(scores)), rel=1e-9)


def test_underflow() -> None:
    assert inception_score(torch.eye(4) * 1e30, splits=1).mean == pytest.approx(4.0, rel=1e-12)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"^10 splits of 9 samples; allowed: 1 to 9$"):
        inception_score(logits(9, 3))
    with pytest.raises(ValueError, match=r"^0 splits of 9 samples; allowed: 1 to 9$"):
        inception_score(logits(9, 3), splits=0)
    message = "logits of shape (9,) and torch.float32; allowed: (N, K), floating point"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        inception_score(torch.zeros(9))
    bad = logits(12, 3)
    bad[0, 1], bad[3, 0], bad[5] = float("nan"), float("inf"), -float("inf")
    with pytest.raises(ValueError, match=r"^logits of 3 of 12 samples are not finite$"):
        inception_score(bad)
