"""Each loss against hand-worked numbers (the values at a = b = 0 and at a = 2, b = -1) and its gradient."""

import math

import pytest
import torch

from lightning_gans import losses

SP = {x: math.log1p(math.exp(x)) for x in (-2.0, -1.0, 1.0, 2.0)}

# critic, generator; at a = b = 0: critic, generator, d generator / d b; at a = 2, b = -1: critic, generator
TABLE = {
    "minimax": (
        losses.minimax_discriminator,
        losses.minimax_generator,
        1.386294,
        -0.693147,
        -0.5,
        SP[-2.0] + SP[-1.0],
        -SP[-1.0],
    ),
    "non_saturating": (
        losses.non_saturating_discriminator,
        losses.non_saturating_generator,
        1.386294,
        0.693147,
        -0.5,
        SP[-2.0] + SP[-1.0],
        SP[1.0],
    ),
    "least_squares": (losses.least_squares_discriminator, losses.least_squares_generator, 0.5, 0.5, -1.0, 1.0, 2.0),
    "wasserstein": (losses.wasserstein_discriminator, losses.wasserstein_generator, 0.0, 0.0, -1.0, -3.0, 1.0),
    "hinge": (losses.hinge_discriminator, losses.hinge_generator, 2.0, 0.0, -1.0, 0.0, 1.0),
}


@pytest.mark.parametrize("name", TABLE)
def test_values_and_gradient(name: str) -> None:
    critic, generator, critic_zero, generator_zero, slope, critic_other, generator_other = TABLE[name]
    zero = torch.zeros(4, requires_grad=True)
    assert sum(critic(zero, zero)).item() == pytest.approx(critic_zero, abs=2e-6)
    loss = generator(zero)
    assert loss.item() == pytest.approx(generator_zero, abs=2e-6)
    loss.sum().backward()
    torch.testing.assert_close(zero.grad, torch.full((4,), slope / 4))
    real, fake = torch.full((3, 1), 2.0), torch.full((3, 1), -1.0)
    assert sum(critic(real, fake)).item() == pytest.approx(critic_other, abs=2e-6)
    assert generator(fake).item() == pytest.approx(generator_other, abs=2e-6)


def test_least_squares_with_the_other_codes_of_the_paper() -> None:
    zero = torch.zeros(2)
    terms = losses.least_squares_discriminator(zero, zero, real_target=1.0, fake_target=-1.0)
    assert sum(terms).item() == pytest.approx(1.0)
    assert losses.least_squares_generator(zero, target=0.0).item() == 0.0


@pytest.mark.parametrize("logit", [-200.0, 200.0])
def test_far_logits_stay_finite(logit: float) -> None:
    far = torch.full((2,), logit, requires_grad=True)
    total = sum(losses.non_saturating_discriminator(far, far)) + losses.non_saturating_generator(far)
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(far.grad).all()


def test_saturation_is_what_separates_the_two_games() -> None:
    lost = torch.full((1,), -20.0, requires_grad=True)
    (saturated,) = torch.autograd.grad(losses.minimax_generator(lost), lost)
    (strong,) = torch.autograd.grad(losses.non_saturating_generator(lost), lost)
    assert abs(saturated.item()) < 1e-8
    assert strong.item() == pytest.approx(-1.0, abs=1e-6)
