"""The history of generated images: what it keeps, what it returns, how often it exchanges."""

from __future__ import annotations

import pytest
import torch

from lightning_gans.core.image_pool import ImagePool


def image(value: float) -> torch.Tensor:
    return torch.full((1, 1, 2, 2), value)


def test_until_it_is_full_images_come_back_and_are_kept() -> None:
    pool = ImagePool(2)
    new = torch.stack([torch.full((1, 2, 2), 1.0), torch.full((1, 2, 2), 2.0)]).requires_grad_()
    returned = pool.query(new, torch.full((2, 2), -1.0))
    assert torch.equal(returned, new)
    assert not returned.requires_grad
    assert [kept[0, 0, 0].item() for kept in pool.images] == [1.0, 2.0]


def test_a_full_one_exchanges_by_the_draws() -> None:
    pool = ImagePool(2)
    pool.query(torch.cat([image(1), image(2)]), torch.zeros(2, 2))
    assert torch.equal(pool.query(image(3), torch.tensor([[0.0, 0.9]])), image(3))  # neither kept nor exchanged
    assert torch.equal(pool.query(image(4), torch.tensor([[-0.1, 0.9]])), image(2))
    assert torch.equal(pool.query(image(5), torch.tensor([[-1.0, -1.0]])), image(1))
    assert [kept[0, 0, 0].item() for kept in pool.images] == [5.0, 4.0]


def test_half_are_exchanged() -> None:
    pool, draws = ImagePool(10), torch.Generator().manual_seed(0)
    old = 0
    for number in range(2010):
        returned = pool.query(image(number), torch.rand(1, 2, generator=draws) * 2 - 1)
        old += int(returned[0, 0, 0, 0].item() != number)
    assert old == pytest.approx(1000, abs=100)


def test_without_a_pool_all_is_new_and_a_state_restores() -> None:
    none = ImagePool(0)
    assert torch.equal(none.query(image(1), torch.full((1, 2), -1.0)), image(1))
    assert none.images == []
    pool, again = ImagePool(3), ImagePool(3)
    pool.query(torch.cat([image(1), image(2)]), torch.zeros(2, 2))
    again.restore(pool.state(), torch.device("cpu"))
    assert [kept[0, 0, 0].item() for kept in again.images] == [1.0, 2.0]
