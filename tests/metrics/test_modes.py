"""Modes: the mixtures' definitions, the counting rule by hand, Stacked-MNIST classes."""

import math
import re
from collections.abc import Callable

import pytest
import torch

from lightning_gans.metrics.modes import (
    Mixture,
    class_modes,
    grid25,
    mixture_modes,
    ring8,
    stacked_classes,
)

T = torch.tensor


def draw(mixture: Mixture, modes: list[int], each: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    centres = mixture.means[modes].repeat_interleave(each, dim=0)
    return centres + mixture.std * torch.randn(centres.shape, generator=random, dtype=torch.float64)


@pytest.mark.parametrize(
    ("variant", "radius", "std"), [("veegan", 1, 0.01), ("unrolled", 2, 0.02), ("wgan_gp", 2 / 1.414, 0.02 / 1.414)]
)
def test_rings(variant: str, radius: float, std: float) -> None:
    means, deviation = ring8(variant)
    assert means.shape == (8, 2)
    assert deviation == pytest.approx(std)
    torch.testing.assert_close(means.norm(dim=1), torch.full((8,), float(radius), dtype=torch.float64))
    # Neighbours on the ring are one side of an octagon apart.
    side = torch.full((8,), 2 * radius * math.sin(math.pi / 8), dtype=torch.float64)
    torch.testing.assert_close((means - means.roll(1, dims=0)).norm(dim=1), side)
    torch.testing.assert_close(means[0], T([float(radius), 0.0], dtype=torch.float64))


@pytest.mark.parametrize(("variant", "step", "std"), [("veegan", 2, 0.05), ("wgan_gp", 2 / 2.828, 0.05 / 2.828)])
def test_grids(variant: str, step: float, std: float) -> None:
    means, deviation = grid25(variant)
    assert deviation == pytest.approx(std)
    expected = {(round(step * x, 9), round(step * y, 9)) for x in range(-2, 3) for y in range(-2, 3)}
    assert {(round(x, 9), round(y, 9)) for x, y in means.tolist()} == expected


@pytest.mark.parametrize(("mixture", "n"), [(ring8(), 8), (grid25(), 25)])
def test_a_perfect_generator(mixture: Mixture, n: int) -> None:
    found = mixture_modes(draw(mixture, list(range(n)), 100), *mixture)
    assert found.modes == n
    assert found.high_quality == pytest.approx(1 - math.exp(-4.5), abs=0.01)  # 3 deviations in the plane: 98.9%
    assert found.reverse_kl < 0.001
    assert int(found.counts.sum()) == round(found.high_quality * 100 * n)


def test_missing_modes_give_the_closed_form() -> None:
    ring = ring8()
    samples = ring.means[[1, 4, 6]].repeat(5, 1)
    found = mixture_modes(samples, *ring)
    assert (found.modes, found.high_quality) == (3, 1.0)
    assert found.reverse_kl == pytest.approx(math.log(8 / 3), abs=1e-6)
    assert found.counts.tolist() == [0, 5, 0, 0, 5, 0, 5, 0]


def test_rule_by_hand() -> None:
    # Distances in deviations: 3 exactly (not of high quality), 2.5 along each axis (3.5 together: neither), 2.9, 0, far.
    samples = T([[3.0, 0.0], [2.5, 2.5], [2.9, 0.0], [20.0, 0.0], [20.0, 0.0], [100.0, 0.0], [math.nan, 0.0]])
    found = mixture_modes(samples, T([[0.0, 0.0], [20.0, 0.0], [40.0, 0.0]]), 1.0)
    assert found.counts.tolist() == [1, 2, 0]
    assert (found.modes, found.high_quality) == (2, 3 / 7)
    assert found.reverse_kl == pytest.approx(math.log(3) - (math.log(3) / 3 + 2 / 3 * math.log(1.5)), abs=1e-12)
    assert mixture_modes(samples, T([[0.0, 0.0]]), 1.0, threshold=3.1).counts.tolist() == [2]
    assert mixture_modes(2 * samples, T([[0.0, 0.0]]), 2.0).counts.tolist() == [1]


def test_nothing_of_high_quality() -> None:
    found = mixture_modes(torch.full((10, 2), 50.0), *ring8())
    assert found[:3] == (0, 0.0, math.inf)


def test_stacked_classes() -> None:
    assert stacked_classes(T([[0, 0, 0], [1, 2, 3], [9, 9, 9], [4, 0, 7]])).tolist() == [0, 123, 999, 407]
    assert stacked_classes(T([[9, 9, 9]], dtype=torch.uint8)).tolist() == [999]  # 900 is more than 8 bits hold


def test_class_modes() -> None:
    assert class_modes(torch.arange(1000).repeat(26), 1000) == (1000, 0.0)
    modes, kl = class_modes(torch.arange(99).repeat(3), 1000)
    assert modes == 99
    assert kl == pytest.approx(math.log(1000 / 99), abs=1e-6)
    assert class_modes(T([7, 7]), 1000).kl == pytest.approx(6.907755, abs=1e-6)
    assert class_modes(T([0, 0, 1]), 2).kl == pytest.approx(
        2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3), abs=1e-12
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ring8("vegan"), "variant 'vegan'; allowed: 'veegan', 'unrolled', 'wgan_gp'"),
        (lambda: grid25("unrolled"), "variant 'unrolled'; allowed: 'veegan', 'wgan_gp'"),
        (
            lambda: mixture_modes(torch.zeros(5, 3), torch.zeros(8, 2), 0.1),
            "samples (5, 3) and means (8, 2); allowed: (N, D) and (M, D), none 0",
        ),
        (
            lambda: mixture_modes(torch.zeros(0, 2), torch.zeros(8, 2), 0.1),
            "samples (0, 2) and means (8, 2); allowed: (N, D) and (M, D), none 0",
        ),
        (
            lambda: mixture_modes(torch.zeros(5, 2), torch.zeros(8, 2), 0.0),
            "std=0.0 and threshold=3.0; allowed: above 0 both",
        ),
        (lambda: stacked_classes(T([[1, 2]])), "digits torch.int64 of shape (1, 2); allowed: integers (N, 3)"),
        (lambda: stacked_classes(torch.zeros(1, 3)), "digits torch.float32 of shape (1, 3); allowed: integers (N, 3)"),
        (lambda: stacked_classes(T([[1, 2, 10]])), "digits from 1 to 10; allowed: 0 to 9"),
        (lambda: class_modes(T([0, 1000]), 1000), "classes from 0 to 1000; allowed: 0 to 999"),
        (lambda: class_modes(T([-1, 1]), 10), "classes from -1 to 1; allowed: 0 to 9"),
        (
            lambda: class_modes(torch.zeros(0, dtype=torch.int64), 10),
            "classes torch.int64 of shape (0,); allowed: integers (N,), N above 0",
        ),
    ],
)
def test_errors(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
