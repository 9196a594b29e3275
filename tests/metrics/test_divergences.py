"""Divergences against closed forms and scipy."""

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from lightning_gans.metrics.divergences import js_divergence, kl_divergence

T = torch.tensor
Divergence = Callable[[torch.Tensor, torch.Tensor], float]


@pytest.mark.parametrize(("m", "n"), [(1, 8), (3, 25), (99, 1000), (1000, 1000)])
def test_uniform_on_some_modes(m: int, n: int) -> None:
    counts = torch.zeros(n, dtype=torch.int64)
    counts[:m] = 26
    assert kl_divergence(counts, torch.ones(n)) == pytest.approx(math.log(n / m), abs=1e-6)


def test_disjoint_and_equal() -> None:
    p, q = T([1, 3, 0, 0]), T([0, 0, 2, 5])
    assert js_divergence(p, q) == pytest.approx(math.log(2), abs=1e-12)
    assert kl_divergence(p, q) == math.inf
    assert js_divergence(p, 7 * p) == kl_divergence(p, 7 * p) == 0.0


def test_by_hand_and_order() -> None:
    p, q = T([0.5, 0.5]), T([0.25, 0.75])
    assert kl_divergence(p, q) == pytest.approx(0.5 * math.log(4 / 3), abs=1e-12)
    assert kl_divergence(q, p) == pytest.approx(0.75 * math.log(3) - math.log(2), abs=1e-12)
    assert kl_divergence(T([1, 0]), p) == pytest.approx(math.log(2), abs=1e-12)
    assert kl_divergence(p, T([1, 0])) == math.inf


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scipy(seed: int) -> None:
    random = np.random.RandomState(seed)
    p, q = random.poisson(3.0, 40), random.poisson(5.0, 40) + 1
    assert kl_divergence(torch.from_numpy(p), torch.from_numpy(q)) == pytest.approx(entropy(p, q), rel=1e-9)
    ours = js_divergence(torch.from_numpy(p), torch.from_numpy(q))
    assert ours == pytest.approx(jensenshannon(p, q) ** 2, rel=1e-9)
    assert ours == pytest.approx(js_divergence(torch.from_numpy(q), torch.from_numpy(p)), rel=1e-12)


@pytest.mark.parametrize("divergence", [kl_divergence, js_divergence])
@pytest.mark.parametrize(
    ("p", "q", "message"),
    [
        (T([1.0, -1.0]), T([1, 1]), "histogram p with negative or non-finite bins; allowed: finite numbers from 0 up"),
        (
            T([1, 1]),
            T([1, math.nan]),
            "histogram q with negative or non-finite bins; allowed: finite numbers from 0 up",
        ),
        (T([0, 0]), T([1, 1]), "histogram p with all 2 bins 0; allowed: at least one above 0"),
        (T([1, 1]), torch.zeros(3), "histogram q with all 3 bins 0; allowed: at least one above 0"),
        (T([1, 1]), T([[1, 1]]), "histogram q of shape (1, 2); allowed: (n,)"),
        (T([1, 1]), T([1, 1, 1]), "histograms of 2 and 3 bins; allowed: equal numbers"),
    ],
)
def test_errors(divergence: Divergence, p: torch.Tensor, q: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        divergence(p, q)
