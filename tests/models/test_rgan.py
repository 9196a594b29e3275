"""Facts of Jolicoeur-Martineau 2018, and the contract for both of its losses."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_gans import RGAN
from lightning_gans.models.rgan import relativistic_loss
from tests.contract import Contract

SMALL: dict[str, Any] = {"latent_dim": 6, "generator_channels": 8, "discriminator_channels": 8}


class TestAverage(Contract):
    def tiny(self, **options: Any) -> RGAN:
        return RGAN((1, 16, 16), **SMALL, **options)


class TestPairs(Contract):
    def tiny(self, **options: Any) -> RGAN:
        return RGAN((1, 16, 16), average=False, **SMALL, **options)


class Brightness(nn.Module):
    """C(x) = 4 times the mean pixel."""

    def forward(self, images: Tensor) -> Tensor:
        return 4.0 * images.mean(dim=(1, 2, 3))


class Grey(nn.Module):
    """Images of one grey, 1/4: C(G(z)) = 1."""

    def forward(self, latents: Tensor) -> Tensor:
        return torch.full((len(latents), 1, 16, 16), 0.25)


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


# C(x) = -1 and 2 (mean 1/2) against C(G(z)) = 1 and 1
@pytest.mark.parametrize(
    ("average", "critic", "generator"),
    [
        (False, (softplus(2) + softplus(-1)) / 2, (softplus(-2) + softplus(1)) / 2),
        (
            True,
            (softplus(2) + softplus(-1)) / 2 + softplus(0.5),
            softplus(-0.5) + (softplus(-2) + softplus(1)) / 2,
        ),
    ],
)
def test_losses_of_both_players(average: bool, critic: float, generator: float) -> None:
    model = RGAN((1, 16, 16), average=average, **SMALL)
    model.generator, model.discriminator = Grey(), Brightness()
    batch = {"images": torch.tensor([-0.25, 0.5])[:, None, None, None].expand(2, 1, 16, 16)}
    assert sum(model.discriminator_loss(batch).values()).item() == pytest.approx(critic)
    assert sum(model.generator_loss(batch).values()).item() == pytest.approx(generator)


@pytest.mark.parametrize("average", [False, True])
def test_only_differences_count(average: bool) -> None:
    real, fake = torch.randn(5), torch.randn(5)
    torch.testing.assert_close(
        relativistic_loss(real + 7.0, fake + 7.0, average), relativistic_loss(real, fake, average)
    )
    assert RGAN.decision_threshold is None


@pytest.mark.parametrize("average", [False, True])
def test_making_fakes_better_makes_real_images_worse(average: bool) -> None:
    real, fake = torch.randn(5, requires_grad=True), torch.randn(5, requires_grad=True)
    relativistic_loss(fake, real, average).backward()
    assert (fake.grad < 0).all()
    assert (real.grad > 0).all()
    torch.testing.assert_close(fake.grad.sum(), -real.grad.sum())


def test_pairs_keep_their_order_and_averages_do_not() -> None:
    real, fake = torch.tensor([0.0, 3.0, -1.0]), torch.tensor([1.0, -2.0, 0.5])
    turned = fake.roll(1)
    assert not torch.isclose(relativistic_loss(real, fake, False), relativistic_loss(real, turned, False))
    torch.testing.assert_close(relativistic_loss(real, fake, True), relativistic_loss(real, turned, True))


@pytest.mark.parametrize("average", [False, True])
def test_far_outputs_stay_finite(average: bool) -> None:
    far = torch.full((2,), 200.0, requires_grad=True)
    loss = relativistic_loss(-far, far, average)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(far.grad).all()


def test_defaults_are_the_papers() -> None:
    model = RGAN()
    assert (model.image_shape, model.latent_dim, model.latent_distribution) == ((3, 64, 64), 128, "normal")
    assert (model.lr, model.betas, model.d_steps, model.ema_decay) == (2e-4, (0.5, 0.999), 1, None)
    assert model.average


def test_errors() -> None:
    with pytest.raises(
        ValueError, match=r"^images of 28x28; allowed: square, a power of two from 16 up \(nearest: 16 or 32\)$"
    ):
        RGAN((1, 28, 28))
