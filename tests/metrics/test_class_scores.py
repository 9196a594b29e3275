"""Scores class by class: each class meets its own samples, and a class that is missing is named."""

import re
from collections.abc import Callable

import pytest
import torch

from lightning_gans.metrics.class_scores import class_accuracy, intra_class_frechet, intra_class_recall
from lightning_gans.metrics.neighbors import precision_recall

T = torch.tensor


def mean_gap(real: torch.Tensor, fake: torch.Tensor) -> float:
    """The Fréchet distance of two sets of equal covariance."""
    return float((real.mean(dim=0) - fake.mean(dim=0)).square().sum())


def test_frechet_is_taken_within_each_class() -> None:
    real = T([[0.0], [2.0], [10.0], [14.0], [5.0]])
    real_labels = T([0, 0, 4, 4, 2])
    fake = T([[9.0], [4.0], [5.0], [1.0]])
    fake_labels = T([4, 0, 2, 0])
    found = intra_class_frechet(real, real_labels, fake, fake_labels, mean_gap)
    assert found.per_class == {0: 2.25, 2: 0.0, 4: 9.0}
    assert found.mean == pytest.approx(11.25 / 3)


def test_frechet_hands_over_real_first() -> None:
    sizes = []

    def distance(real: torch.Tensor, fake: torch.Tensor) -> float:
        sizes.append((len(real), len(fake)))
        return 0.0

    intra_class_frechet(torch.zeros(3, 2), T([0, 0, 1]), torch.zeros(5, 2), T([1, 1, 1, 0, 1]), distance)
    assert sizes == [(2, 1), (1, 4)]


def test_swapped_classes_are_seen() -> None:
    real = T([[0.0], [0.0], [10.0], [10.0]])
    labels = T([0, 0, 1, 1])
    assert intra_class_frechet(real, labels, real, labels, mean_gap).mean == 0.0
    assert intra_class_frechet(real, labels, real, 1 - labels, mean_gap).mean == 100.0


def test_recall_within_each_class() -> None:
    random = torch.Generator().manual_seed(0)
    real, fake = torch.randn(90, 4, generator=random), 0.6 * torch.randn(120, 4, generator=random)
    real_labels, fake_labels = torch.arange(90) % 3, torch.arange(120) % 3
    found = intra_class_recall(real, real_labels, fake, fake_labels, k=4)
    expected = {c: precision_recall(real[real_labels == c], fake[fake_labels == c], 4).recall for c in range(3)}
    assert found.per_class == expected
    assert found.mean == pytest.approx(sum(expected.values()) / 3)


def test_accuracy() -> None:
    logits = T([[1.0, 2.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 5.0, 1.0]])
    assert class_accuracy(logits, T([1, 0, 2, 2])) == 0.75


X, Y = torch.zeros(4, 2), T([0, 0, 1, 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: intra_class_frechet(X, T([0, 3, 3, 7]), X, T([0, 0, 0, 5]), mean_gap),
            "class 3 has no generated samples, class 7 has no generated samples, class 5 has no real samples; "
            "allowed: samples of every class on both sides",
        ),
        (
            lambda: intra_class_recall(X, T([0, 0, 0, 3]), X, T([0, 0, 0, 0])),
            "class 3 has no generated samples; allowed: samples of every class on both sides",
        ),
        (
            lambda: intra_class_recall(X, Y, X, T([0, 0, 0, 1]), k=2),
            "class 1 has 1 generated samples; allowed: 3 or more (k + 1) in each class",
        ),
        (
            lambda: intra_class_recall(X, Y, X, Y, k=0),
            "k=0; allowed: 1 to the generated samples of the smallest class - 1",
        ),
        (
            lambda: intra_class_frechet(X, Y[:3], X, Y, mean_gap),
            "real features (4, 2) and labels (3,); allowed: (N, D) and (N,), none 0",
        ),
        (
            lambda: intra_class_frechet(X, Y, X[:0], Y[:0], mean_gap),
            "fake features (0, 2) and labels (0,); allowed: (N, D) and (N,), none 0",
        ),
        (
            lambda: intra_class_frechet(X, Y, X, Y - 1, mean_gap),
            "fake labels int64 from -1 to 0; allowed: integers from 0 up (-1, unlabelled: take them out)",
        ),
        (
            lambda: class_accuracy(torch.zeros(4, 3), Y[:2]),
            "logits (4, 3) and labels (2,); allowed: (N, K) and (N,), none 0",
        ),
        (lambda: class_accuracy(torch.zeros(4, 3), Y + 2), "labels int64 from 2 to 3; allowed: integers from 0 to 2"),
        (
            lambda: class_accuracy(torch.zeros(4, 3), Y.float()),
            "labels float32 from 0.0 to 1.0; allowed: integers from 0 to 2",
        ),
    ],
)
def test_errors(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
