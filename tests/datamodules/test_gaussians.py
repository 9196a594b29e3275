"""Gaussians: the papers' mixtures, their scale, and the order of their points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from sklearn.datasets import make_swiss_roll
from torch import Tensor

from datamodules import Gaussians
from lightning_gans.batch import normalize_batch
from lightning_gans.metrics.modes import grid25, mixture_modes, ring8

__all__: list[str] = []

VARIANTS = [
    ("ring8", "veegan"),
    ("ring8", "unrolled"),
    ("ring8", "wgan_gp"),
    ("grid25", "veegan"),
    ("grid25", "wgan_gp"),
    ("swiss_roll", "wgan_gp"),
]


def gaussians(**options: Any) -> Gaussians:
    data = Gaussians(**options)
    data.prepare_data()
    data.setup("fit")
    return data


def train_points(data: Gaussians) -> Tensor:
    return data.points(data.train_dataset.images)


def test_what_is_known_before_anything_is_drawn() -> None:
    ring, grid, roll = Gaussians(), Gaussians(mixture="grid25"), Gaussians(mixture="swiss_roll")
    assert ring.image_shape == grid.image_shape == roll.image_shape == (1, 1, 2)
    assert (ring.num_classes, grid.num_classes, roll.num_classes) == (8, 25, None)
    assert ring.class_names == ["0", "1", "2", "3", "4", "5", "6", "7"]
    assert roll.class_names is None
    assert roll.means is None
    assert not hasattr(ring, "train_dataset")
    assert (ring.variant, grid.variant, roll.variant) == ("veegan", "veegan", "wgan_gp")


@pytest.mark.parametrize(
    ("mixture", "variant", "std", "outermost"),
    [
        ("ring8", "veegan", 0.01, 1.0),
        ("ring8", "unrolled", 0.02, 2.0),
        ("ring8", "wgan_gp", 0.02 / 1.414, 2.0 / 1.414),
        ("grid25", "veegan", 0.05, 4.0),
        ("grid25", "wgan_gp", 0.05 / 2.828, 4.0 / 2.828),
        ("swiss_roll", "wgan_gp", 0.25 / 7.5, 4.5 * math.pi / 7.5),
    ],
)
def test_the_papers_numbers(mixture: str, variant: str, std: float, outermost: float) -> None:
    data = Gaussians(mixture=mixture, variant=variant)  # type: ignore[arg-type]
    assert data.std == pytest.approx(std)
    assert data.scale == pytest.approx(outermost + 8 * std)
    if data.means is not None:
        assert data.means.abs().max().item() == pytest.approx(outermost)


@pytest.mark.parametrize(("mixture", "variant"), VARIANTS[:-1])
def test_the_metrics_have_the_same_mixtures(mixture: str, variant: str) -> None:
    data = gaussians(mixture=mixture, variant=variant, train_points=2500)
    known = (ring8 if mixture == "ring8" else grid25)(variant)
    assert data.means is not None
    torch.testing.assert_close(data.means, known.means)
    assert data.std == pytest.approx(known.std)
    found = mixture_modes(train_points(data), known.means, known.std)
    assert found.modes == data.num_classes
    assert found.high_quality == pytest.approx(1 - math.exp(-4.5), abs=0.006)  # within 3 deviations of two coordinates
    assert found.reverse_kl < 0.01


@pytest.mark.parametrize(("mixture", "variant"), VARIANTS)
def test_points_are_images_within_the_range(mixture: str, variant: str) -> None:
    data = gaussians(mixture=mixture, variant=variant)
    for dataset, n in ((data.train_dataset, 100_000), (data.test_dataset, 10_000)):
        assert len(dataset) == n
        assert dataset.images.shape == (n, 1, 1, 2)
        assert dataset.images.dtype == torch.float32
        assert -1.0 <= dataset.images.min() < -0.65  # the roll ends on the other side
        assert 0.8 < dataset.images.max() <= 1.0
    batch = normalize_batch(data.train_dataset.__getitems__([0, 1, 2]), first=True)
    assert torch.equal(batch["images"], data.train_dataset.images[:3])


def test_each_label_has_its_share_and_its_mean_and_deviation() -> None:
    data = gaussians(mixture="grid25")
    labels = data.train_dataset.labels
    assert labels is not None
    assert data.means is not None
    assert labels.dtype == torch.int64
    assert (labels.bincount(minlength=25) - 4000).abs().max() < 300  # 4.8 standard deviations
    away = train_points(data).double() - data.means[labels]
    assert away.mean(dim=0).abs().max() < 1e-3
    torch.testing.assert_close(away.std(dim=0), torch.full((2,), 0.05, dtype=torch.float64), rtol=0.02, atol=0)
    own = torch.stack([away[labels == label].mean(dim=0) for label in range(25)])
    assert own.abs().max() < 5 * 0.05 / math.sqrt(3700)


def test_the_swiss_roll_is_scikit_learns() -> None:
    data = gaussians(mixture="swiss_roll", train_points=20_000)
    assert data.train_dataset.labels is None
    ours = train_points(data).double().numpy()
    theirs = make_swiss_roll(20_000, noise=0.25, random_state=0)[0][:, [0, 2]] / 7.5
    for function in (lambda p: p[:, 0], lambda p: p[:, 1], lambda p: np.hypot(p[:, 0], p[:, 1])):
        assert ks_2samp(function(ours), function(theirs)).statistic < 0.02  # 5 % of equal distributions exceed 0.014
    radius = np.hypot(ours[:, 0], ours[:, 1])
    angle = np.arctan2(ours[:, 1], ours[:, 0])
    turns = radius * 7.5 - angle  # on the roll, a multiple of 2 pi
    off = turns / (2 * math.pi) - np.round(turns / (2 * math.pi))
    assert np.abs(off * 2 * math.pi).mean() < 0.25


def test_points_and_their_order_depend_on_the_seed_only() -> None:
    first = gaussians(train_points=64, batch_size=8)
    torch.manual_seed(123)
    np.random.seed(123)
    again, other = gaussians(train_points=64, batch_size=8), gaussians(train_points=64, seed=1)
    assert torch.equal(first.train_dataset.images, again.train_dataset.images)
    assert torch.equal(first.test_dataset.images, again.test_dataset.images)
    assert not torch.equal(first.train_dataset.images, other.train_dataset.images)
    assert not torch.equal(first.train_dataset.images, first.test_dataset.images[:64])
    order = first.train_dataloader().sampler
    for position, batch in enumerate(first.train_dataloader()):
        rows = order.batch(position)  # type: ignore[attr-defined]
        assert torch.equal(batch["images"], first.train_dataset.images[rows])
        assert torch.equal(batch["labels"], first.train_dataset.labels[rows])  # type: ignore[index]


def test_the_points_are_frozen() -> None:
    """Changing them would change every published figure."""
    data = gaussians(train_points=2)
    frozen = torch.tensor([[0.7024295, 0.7028518], [-0.7094509, -0.7114455]])
    torch.testing.assert_close(train_points(data), frozen, atol=1e-6, rtol=0)
    assert data.train_dataset.labels is not None
    assert data.train_dataset.labels.tolist() == [1, 5]


def test_what_a_checkpoint_keeps_builds_the_same_points() -> None:
    data = gaussians(mixture="grid25", variant="wgan_gp", train_points=50, seed=3)
    assert data.source is not None
    assert data.source["name"] == "gaussians"
    again = gaussians(**data.source["options"])
    assert torch.equal(again.train_dataset.images, data.train_dataset.images)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mixture": "ring"}, "mixture 'ring'; allowed: 'ring8', 'grid25', 'swiss_roll'"),
        (
            {"mixture": "grid25", "variant": "unrolled"},
            "variant 'unrolled' of grid25; allowed: 'veegan', 'wgan_gp'",
        ),
        ({"mixture": "swiss_roll", "variant": "veegan"}, "variant 'veegan' of swiss_roll; allowed: 'wgan_gp'"),
        ({"train_points": 0}, "train_points 0; allowed: 1 or more"),
        ({"batch_size": 0}, "batch_size 0; allowed: 1 or more"),
    ],
)
def test_options_outside_what_is_allowed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Gaussians(**options)
    assert str(caught.value) == message
