"""The gradient penalties against critics whose gradient is known by hand."""

import pytest
import torch

from lightning_gans.penalties import (
    HistoricalAverage,
    add_orthogonal_gradients_,
    gradient_norms,
    gradient_penalty,
    local_gradient_penalty,
    orthogonal_penalty,
)


def linear_critic(norm: float, shape: tuple[int, int, int]) -> torch.Tensor:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return weight * (norm / weight.norm())


@pytest.mark.parametrize(("norm", "expected"), [(3.0, 4.0), (1.0, 0.0), (0.25, 0.5625)])
def test_linear_critic(norm: float, expected: float) -> None:
    weight = linear_critic(norm, (3, 4, 5))
    real, fake = torch.randn(6, 3, 4, 5), torch.randn(6, 3, 4, 5)
    penalty = gradient_penalty(lambda x: (x * weight).sum(dim=(1, 2, 3)), real, fake, torch.rand(6))
    assert penalty.item() == pytest.approx(expected, abs=1e-5)


def test_norm_is_taken_per_sample() -> None:
    # f(x) = |x|^2 / 2 has gradient x: samples of norm 2 and 4 give ((2 - 1)^2 + (4 - 1)^2) / 2 = 5; a norm over the
    # batch or over channels only would give another number.
    points = torch.zeros(2, 2, 1, 2)
    points[0, 0, 0, 0], points[1, 1, 0, 1] = 2.0, 4.0
    norms = gradient_norms(lambda x: 0.5 * x.square().sum(dim=(1, 2, 3)), points)
    torch.testing.assert_close(norms, torch.tensor([2.0, 4.0]))
    penalty = gradient_penalty(
        lambda x: 0.5 * x.square().sum(dim=(1, 2, 3)), points, torch.zeros_like(points), torch.ones(2)
    )
    assert penalty.item() == pytest.approx(5.0, abs=1e-5)


def test_epsilon_is_the_share_of_the_real_image_and_one_number_a_sample() -> None:
    seen = []

    def critic(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.detach())
        return x.sum(dim=(1, 2, 3))

    gradient_penalty(critic, torch.ones(2, 1, 2, 2), torch.zeros(2, 1, 2, 2), torch.tensor([0.25, 0.75]))
    torch.testing.assert_close(seen[0], torch.tensor([0.25, 0.75]).view(2, 1, 1, 1).expand(2, 1, 2, 2))


def test_constant_critic_gives_one_and_no_nan() -> None:
    weight = torch.zeros(1, 2, 2, requires_grad=True)
    penalty = gradient_penalty(
        lambda x: (x * weight).sum(dim=(1, 2, 3)), torch.randn(3, 1, 2, 2), torch.randn(3, 1, 2, 2), torch.rand(3)
    )
    penalty.backward()
    assert penalty.item() == pytest.approx(1.0, abs=1e-5)
    assert torch.isfinite(weight.grad).all()


def test_stays_in_32_bit_under_autocast() -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(8, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    real, fake, epsilon = torch.randn(5, 2, 2, 2), torch.randn(5, 2, 2, 2), torch.rand(5)
    plain = gradient_penalty(net, real, fake, epsilon)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = gradient_penalty(net, real.bfloat16().float(), fake, epsilon)
        same = gradient_penalty(net, real, fake, epsilon)
    assert mixed.dtype == torch.float32
    assert same.item() == plain.item()


@pytest.mark.parametrize(("norm", "target", "expected"), [(3.0, 1.0, 4.0), (1.0, 1.0, 0.0), (0.25, 0.0, 0.0625)])
def test_local_penalty_of_a_linear_critic(norm: float, target: float, expected: float) -> None:
    weight = linear_critic(norm, (3, 4, 5))
    real, steps = torch.randn(6, 3, 4, 5), torch.rand(6, 3, 4, 5)
    penalty = local_gradient_penalty(
        lambda x: (x * weight).sum(dim=(1, 2, 3)), real, steps, torch.rand(6), target=target
    )
    assert penalty.item() == pytest.approx(expected, abs=1e-5)


def test_local_penalty_takes_a_share_of_each_step_and_keeps_bounds() -> None:
    # f(x) = |x|^2 / 2 has gradient x, so the penalty tells the point: 0.5 + 0.25 * 2 = 1 and 0.5 + 0.75 * 2 = 2.
    real, steps, shares = torch.full((2, 1, 1, 1), 0.5), torch.full((2, 1, 1, 1), 2.0), torch.tensor([0.25, 0.75])

    def critic(x: torch.Tensor) -> torch.Tensor:
        return 0.5 * x.square().sum(dim=(1, 2, 3))

    assert local_gradient_penalty(critic, real, steps, shares).item() == pytest.approx((0 + 1) / 2)
    clipped = local_gradient_penalty(critic, real, steps, shares, bounds=(-1.0, 1.5))
    assert clipped.item() == pytest.approx((0 + 0.25) / 2)


def test_local_penalty_stays_in_32_bit_under_autocast() -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(8, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    real, steps, epsilon = torch.randn(5, 2, 2, 2), torch.rand(5, 2, 2, 2), torch.rand(5)
    plain = local_gradient_penalty(net, real, steps, epsilon)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = local_gradient_penalty(net, real, steps, epsilon)
    assert mixed.dtype == torch.float32
    assert mixed.item() == plain.item()


def test_historical_average_is_the_squared_distance_to_the_mean_of_the_past() -> None:
    weight, bias = torch.nn.Parameter(torch.zeros(2, 1)), torch.nn.Parameter(torch.zeros(1))
    past = HistoricalAverage([weight, bias])
    assert list(past.parameters()) == []
    assert set(past.state_dict()) == {"mean", "count"}
    assert past([weight, bias]).item() == 0.0  # there is no past yet
    for value in (1.0, 2.0, 6.0):
        with torch.no_grad():
            weight.fill_(value)
        past.remember([weight, bias])
    torch.testing.assert_close(past.mean, torch.tensor([3.0, 3.0, 0.0]))
    penalty = past([weight, bias])
    penalty.backward()
    assert penalty.item() == pytest.approx(2 * (6 - 3) ** 2)
    torch.testing.assert_close(weight.grad, torch.full((2, 1), 6.0))


def test_historical_average_knows_weights_in_any_memory_format() -> None:
    weight = torch.nn.Parameter(torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last))
    past = HistoricalAverage([weight])
    past.remember([weight])
    assert past([weight]).item() == 0.0


def test_orthogonal_penalty_of_a_hand_worked_weight() -> None:
    # Rows (1, 0) and (1, 2): their product is 1, off the diagonal twice. A vector does not count.
    weight = torch.tensor([[1.0, 0.0], [1.0, 2.0]])
    assert orthogonal_penalty([weight, torch.ones(5)]).item() == pytest.approx(2.0)
    assert orthogonal_penalty([torch.eye(3)[:, :, None, None]]).item() == 0.0


def test_orthogonal_gradients_are_the_penaltys() -> None:
    torch.manual_seed(0)
    weights = [torch.nn.Parameter(torch.randn(shape)) for shape in ((3, 5), (4, 2, 3, 3), (6,))]
    (0.1 * orthogonal_penalty(weights)).backward()
    expected = [None if weight.grad is None else weight.grad.clone() + 1.0 for weight in weights]
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        add_orthogonal_gradients_(weights, 0.1)
    for weight, wanted in zip(weights[:2], expected, strict=False):
        torch.testing.assert_close(weight.grad, wanted, atol=1e-4, rtol=1e-4)
    assert weights[2].grad is not None
    assert (weights[2].grad == 1.0).all()
