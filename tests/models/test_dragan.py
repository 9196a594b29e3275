"""Facts of Kodali et al. 2017, and the contract for its networks and perturbations."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_gans import DRAGAN
from tests.contract import Contract
from tests.training import fit

SMALL: dict[str, Any] = {"latent_dim": 6, "generator_channels": 4, "discriminator_channels": 4}


class TestDCGAN(Contract):
    def tiny(self, **options: Any) -> DRAGAN:
        return DRAGAN((1, 16, 16), **{**SMALL, **options})


class TestNormAndSymmetric(Contract):
    def tiny(self, **options: Any) -> DRAGAN:
        given = {"discriminator_norm": True, "perturbation": "symmetric", **options}
        return DRAGAN((3, 16, 16), **{**SMALL, **given})


class TestNormal(Contract):
    def tiny(self, **options: Any) -> DRAGAN:
        return DRAGAN((1, 16, 16), perturbation="normal", **{**SMALL, **options})


class TestMLP(Contract):
    def tiny(self, **options: Any) -> DRAGAN:
        return DRAGAN((1, 8, 8), network="mlp", **{**SMALL, **options})


class Critic(nn.Module):
    """f(x) = w . x, whose gradient is w everywhere; keeps what it saw."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight, self.seen = nn.Parameter(weight), []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach())
        return (images * self.weight).sum(dim=(1, 2, 3))


def judged(model: DRAGAN, images: Tensor, norm: float = 1.0) -> tuple[dict[str, Tensor], Tensor]:
    """The critic's terms with a linear critic of this gradient norm, and the points that the penalty was taken at."""
    weight = torch.randn(model.image_shape)
    model.discriminator = critic = Critic(weight * (norm / weight.norm()))
    return model.discriminator_loss({"images": images}), critic.seen[-1]


@pytest.mark.parametrize("norm", [3.0, 1.0, 0.5])
def test_penalty_of_a_linear_critic(norm: float) -> None:
    model = DRAGAN((1, 16, 16), **SMALL)
    terms, _ = judged(model, torch.rand(5, 1, 16, 16) * 2 - 1, norm)
    assert terms["gradient_penalty"].item() == pytest.approx(10.0 * (norm - 1.0) ** 2, abs=1e-4)


def test_gradients_are_taken_in_the_range_the_network_works_in() -> None:
    model = DRAGAN((1, 8, 8), network="mlp", **SMALL)
    terms, points = judged(model, torch.ones(5, 1, 8, 8), norm=1.5)
    # pixels in [0, 1] are half as far apart as images: the same critic is twice as steep
    assert terms["gradient_penalty"].item() == pytest.approx(10.0 * (2.0 * 1.5 - 1.0) ** 2, rel=1e-4)
    torch.testing.assert_close(points, torch.ones(5, 1, 8, 8))  # no deviation: no noise


def test_logits_and_non_saturating_losses() -> None:
    model = DRAGAN((1, 16, 16), **SMALL)
    model.discriminator = Critic(torch.zeros(1, 16, 16))  # all logits 0: softplus(0) = log 2; no gradient: (0 - 1)^2
    batch = {"images": torch.rand(4, 1, 16, 16)}
    terms = {name: value.item() for name, value in model.discriminator_loss(batch).items()}
    assert terms == pytest.approx({"real": math.log(2), "fake": math.log(2), "gradient_penalty": 10.0}, abs=1e-4)
    assert model.generator_loss(batch)["adversarial"].item() == pytest.approx(math.log(2))


def test_noise_of_the_notebook_is_one_sided_and_scaled_by_the_deviation_of_the_whole_batch() -> None:
    model = DRAGAN((1, 16, 16), **SMALL)
    images = torch.where(torch.rand(64, 1, 16, 16) < 0.5, -0.6, 0.2)
    images[:32] *= 0.0  # samples differ in their own deviations, which do not count
    deviation = images.double().std(unbiased=False).item()
    _, points = judged(model, images)
    steps = points - images
    assert steps.min() >= 0.0
    assert steps.max().item() == pytest.approx(0.5 * deviation, rel=0.05)
    longest = steps.flatten(1).amax(dim=1)  # one share a sample: the largest of 256 draws shows it
    shares = longest / (0.5 * deviation)
    assert shares.min() < 0.15
    assert shares.max() > 0.85
    assert shares.mean().item() == pytest.approx(0.5, abs=0.15)


def test_symmetric_noise_is_clipped_to_the_range() -> None:
    model = DRAGAN((1, 16, 16), perturbation="symmetric", **SMALL)
    images = torch.where(torch.rand(64, 1, 16, 16) < 0.5, -1.0, 0.0)
    _, points = judged(model, images)
    steps = (points - images)[images == 0.0]
    assert steps.max().item() == pytest.approx(0.25, rel=0.05)  # 0.5 times the deviation, 0.5
    assert steps.min().item() == pytest.approx(-0.25, rel=0.05)
    assert steps.mean().item() == pytest.approx(0.0, abs=0.01)
    assert points.min().item() == -1.0


@pytest.mark.parametrize("colour", [0.0, 1.0])
def test_noise_of_the_paper_is_normal_whatever_the_images(colour: float) -> None:
    model = DRAGAN((1, 16, 16), perturbation="normal", perturbation_scale=0.3, **SMALL)
    images = torch.full((64, 1, 16, 16), colour)  # no deviation
    _, points = judged(model, images)
    steps = points - images
    assert steps.mean().item() == pytest.approx(0.0, abs=0.01)
    assert steps.std().item() == pytest.approx(0.3, rel=0.03)
    assert (steps.abs() > 0.6).float().mean().item() == pytest.approx(0.0455, rel=0.2)  # beyond two deviations
    torch.testing.assert_close(
        steps.flatten(1).std(dim=1), torch.full((64,), 0.3), atol=0.06, rtol=0.0
    )  # in full, no share


def test_normal_noise_is_as_large_in_the_range_the_network_works_in() -> None:
    model = DRAGAN((1, 8, 8), network="mlp", perturbation="normal", perturbation_scale=0.3, **SMALL)
    images = torch.rand(64, 1, 8, 8) * 2 - 1
    model.discriminator = critic = Critic(torch.randn(1, 8, 8))
    model.discriminator_loss({"images": images})
    assert (critic.seen[-1] - images).std().item() == pytest.approx(0.3, rel=0.05)


def test_penalty_is_taken_near_real_images_only() -> None:
    model = DRAGAN((1, 16, 16), perturbation_scale=0.0, **SMALL)
    images = torch.rand(5, 1, 16, 16)
    _, points = judged(model, images)
    assert torch.equal(points, images)


def test_accumulation_changes_nothing() -> None:
    weights = []
    for accumulate in (1, 4):
        torch.manual_seed(1)
        model = DRAGAN((1, 8, 8), network="mlp", accumulate=accumulate, **SMALL)  # no batch norm
        fit(model, 3)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(*weights, atol=1e-6, rtol=1e-5)


def test_critic_has_no_batch_norm_unless_asked_for() -> None:
    for norm in (False, True):
        critic = DRAGAN(discriminator_norm=norm, **SMALL).discriminator
        assert any(isinstance(m, nn.BatchNorm2d) for m in critic.modules()) == norm


def test_initial_weights_of_the_notebook() -> None:
    model = DRAGAN((1, 28, 28), network="mlp")
    for network, fans in ((model.generator, (100, 128)), (model.discriminator, (784, 128))):
        layers = [m for m in network.modules() if isinstance(m, nn.Linear)]
        assert [m.in_features for m in layers] == list(fans)
        for layer in layers:
            assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / layer.in_features), rel=0.2)
            assert not layer.bias.any()


def test_defaults_are_the_notebooks() -> None:
    model = DRAGAN()
    assert (model.lr, model.betas, model.latent_dim, model.latent_distribution) == (1e-4, (0.5, 0.9), 100, "uniform")
    assert (model.d_steps, model.penalty_weight, model.perturbation_scale) == (1, 10.0, 0.5)
    assert model.redraws_fakes


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"^network 'cnn'; allowed: dcgan, mlp$"):
        DRAGAN(network="cnn")
    with pytest.raises(ValueError, match=r"^perturbation 'uniform'; allowed: one_sided, symmetric, normal$"):
        DRAGAN(perturbation="uniform")
    for name in ("perturbation_scale", "penalty_weight"):
        for value in (-1.0, math.nan, math.inf):
            with pytest.raises(ValueError, match=rf"^{name}={value}; allowed: 0 or more$"):
                DRAGAN(**{name: value})
    with pytest.raises(ValueError, match=r"^images of 28x28; allowed: square, a power of two from 16 up"):
        DRAGAN((1, 28, 28))
