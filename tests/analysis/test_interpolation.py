"""Walks between latents: end points, lengths, straight and round ways."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_gans.analysis.interpolation import closed_walk, spherical


def module(distribution: str, num_classes: int | None = None, tags: int | None = None) -> Any:
    def sample_latents(indices: Iterable[int], seed: int) -> Tensor:
        return torch.stack([torch.randn(32, generator=torch.Generator().manual_seed(100 * seed + i)) for i in indices])

    def drawn_labels(indices: Iterable[int], seed: int) -> Tensor:
        if tags is not None:
            return torch.stack([torch.eye(tags)[(index + seed) % tags] for index in indices])
        return torch.tensor(list(indices)) % (num_classes or 1)

    condition = "tags" if tags is not None else "labels" if num_classes is not None else None
    return SimpleNamespace(
        latent_distribution=distribution,
        is_conditional=condition is not None,
        condition=condition,
        sample_latents=sample_latents,
        drawn_labels=drawn_labels,
    )


def test_half_way_on_a_quarter_circle() -> None:
    points = spherical(torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0]), torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(points, torch.tensor([[2.0, 0.0], [2**0.5, 2**0.5], [0.0, 2.0]]))


def test_parallel_and_opposite_ends_take_the_straight_line() -> None:
    for end in (3.0, -1.0):
        points = spherical(torch.tensor([1.0, 0.0]), torch.tensor([end, 0.0]), torch.tensor([0.0, 0.25, 1.0]))
        torch.testing.assert_close(points, torch.tensor([[1.0, 0.0], [0.75 + 0.25 * end, 0.0], [end, 0.0]]))


def test_normal_latents_keep_their_length_and_uniform_ones_take_the_chord() -> None:
    points = module("normal").sample_latents(range(3), 1)
    for kind, keeps in (("normal", True), ("uniform", False)):
        latents, labels = closed_walk(module(kind), 3, 5, 1, ends=True)
        rows = latents.reshape(3, 5, 32)
        assert labels is None
        torch.testing.assert_close(rows[:, 0], points)
        torch.testing.assert_close(rows[:, -1], points.roll(-1, 0))
        shortest = torch.minimum(points.norm(dim=1), points.roll(-1, 0).norm(dim=1))
        assert bool((rows[:, 2].norm(dim=1) > 0.9 * shortest).all()) is keeps


def test_a_film_shows_each_point_once_and_each_way_has_one_class() -> None:
    latents, labels = closed_walk(module("uniform", 2), 3, 4, 0, ends=False)
    assert len(latents.unique(dim=0)) == 12
    assert labels is not None
    assert labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0]


def test_tags_move_in_straight_lines_between_those_of_the_points() -> None:
    _, labels = closed_walk(module("normal", tags=4), 3, 3, 1, ends=True)
    points = torch.eye(4)[[1, 2, 3]]
    assert labels is not None
    ways = [(points[i], (points[i] + points[(i + 1) % 3]) / 2, points[(i + 1) % 3]) for i in range(3)]
    assert torch.equal(labels, torch.stack([row for way in ways for row in way]))


@pytest.mark.parametrize(("n", "steps"), [(1, 4), (4, 1)])
def test_a_walk_needs_two_points_and_two_steps(n: int, steps: int) -> None:
    with pytest.raises(ValueError, match=rf"^n {n}, steps {steps}; allowed: at least 2 each$"):
        closed_walk(module("normal"), n, steps, 0, ends=True)
