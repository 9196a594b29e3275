"""Random crops and mirroring: numbered, fair, cut where they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datamodules._jitter import Jitter
from datamodules._sampler import PositionSampler

__all__: list[str] = []


def test_each_variant_is_another_part_of_the_image() -> None:
    jitter = Jitter((5, 7), (3, 4), flip=True)
    assert (jitter.crops, jitter.variants) == (12, 24)
    image = torch.arange(2 * 5 * 7).view(1, 2, 5, 7)
    cut = jitter.cut(image.expand(24, -1, -1, -1), np.arange(24))
    assert cut.shape == (24, 2, 3, 4)
    expected = [image[0, :, top : top + 3, left : left + 4] for top in range(3) for left in range(4)]
    assert torch.equal(cut, torch.stack([*expected, *(piece.flip(-1) for piece in expected)]))
    assert torch.equal(jitter.cut_middle(image)[0], image[0, :, 1:4, 2:6])


def test_without_jitter_images_are_as_they_are() -> None:
    jitter = Jitter((5, 7), (5, 7))
    image = torch.arange(35).view(1, 1, 5, 7)
    assert (jitter.crops, jitter.variants, jitter.middle) == (1, 1, 0)
    assert jitter.cut(image, np.zeros(1)) is image
    assert torch.equal(Jitter((5, 7), (5, 7), flip=True).cut(image, np.ones(1, dtype=int)), image.flip(-1))


@pytest.mark.parametrize("flip", [False, True])
def test_variants_are_fair_and_drawn_anew_in_every_epoch(flip: bool) -> None:
    order = PositionSampler(range(50), 50, 10, flip=flip, crops=4)  # type: ignore[arg-type]
    variants = 8 if flip else 4
    counts, per_image = np.zeros(variants, dtype=int), np.zeros((50, variants), dtype=int)
    for position in range(5 * 200):
        items = np.array(order.batch(position))
        np.add.at(counts, items // 50, 1)
        np.add.at(per_image, (items % 50, items // 50), 1)
    assert counts.sum() == 10_000
    assert (per_image.sum(1) == 200).all()
    assert abs(counts / 10_000 - 1 / variants).max() < 0.02
    assert (per_image > 5).all()


def test_the_order_of_images_is_that_without_crops() -> None:
    """Crops are drawn after it: frozen, or every checkpoint of every user would resume otherwise."""
    plain, cropped = (PositionSampler(range(23), 23, 4, crops=crops) for crops in (1, 961))  # type: ignore[arg-type]
    for position in range(12):
        assert plain.batch(position) == [item % 23 for item in cropped.batch(position)]
    assert PositionSampler(range(23), 23, 4, flip=True, crops=961).batch(7) == [  # type: ignore[arg-type]
        10508,
        12681,
        30853,
        38754,
    ]
