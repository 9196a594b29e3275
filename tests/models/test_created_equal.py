"""Facts of Lucic et al. 2017, and the contract for each of the seven formulations."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_gans import CreatedEqual
from lightning_gans.models.created_equal import FORMULATIONS, Autoencoder, Discriminator
from tests.contract import Contract
from tests.training import fit

SMALL: dict[str, Any] = {"latent_dim": 6, "generator_channels": 4, "discriminator_channels": 4}
# Batch norm takes a constant away again, and Wasserstein losses take the difference of two outputs.
BEFORE_NORM = {"generator.layers.0.bias", "generator.layers.3.bias", "generator.layers.7.bias"}
CRITIC_BEFORE_NORM = {"discriminator.layers.2.bias", "discriminator.layers.6.bias"}
HEAD = {"discriminator.head.bias"}


def tiny(formulation: str, **options: Any) -> CreatedEqual:
    sizes = {**SMALL, "d_steps": 2 if FORMULATIONS[formulation].d_steps > 1 else 1}
    return CreatedEqual((1, 16, 16), formulation, **{**sizes, **options})


class TestMinimax(Contract):
    constant = frozenset(BEFORE_NORM | CRITIC_BEFORE_NORM)

    def tiny(self, **options: Any) -> CreatedEqual:
        return tiny("minimax", **options)


class TestNonSaturating(Contract):
    constant = frozenset(BEFORE_NORM | CRITIC_BEFORE_NORM)

    def tiny(self, **options: Any) -> CreatedEqual:
        return tiny("non_saturating", **options)


class TestLeastSquares(Contract):
    constant = frozenset(BEFORE_NORM | CRITIC_BEFORE_NORM)

    def tiny(self, **options: Any) -> CreatedEqual:
        return tiny("least_squares", **options)


class TestWGAN(Contract):
    # Clipped gains keep features smaller than the last norm's offsets: the rectifier is linear there, and these cancel too.
    constant = frozenset(BEFORE_NORM | CRITIC_BEFORE_NORM | HEAD | {"discriminator.layers.7.bias"})

    def tiny(self, **options: Any) -> CreatedEqual:
        return tiny("wgan", **options)


class TestWGANGP(Contract):
    constant = frozenset(BEFORE_NORM | HEAD)

    def tiny(self, **options: Any) -> CreatedEqual:
        return tiny("wgan_gp", **options)


class TestDRAGAN(Contract):
    constant = frozenset(BEFORE_NORM | CRITIC_BEFORE_NORM)

    def tiny(self, **options: Any) -> CreatedEqual:
        return tiny("dragan", **options)


class TestBEGAN(Contract):
    constant = frozenset(BEFORE_NORM)

    def tiny(self, **options: Any) -> CreatedEqual:
        return tiny("began", **options)


class Grey(nn.Module):
    """Images of one grey: pixels 0.75 in [0, 1]."""

    def forward(self, latents: Tensor) -> Tensor:
        return torch.full((len(latents), 1, 16, 16), 0.5)


class Brightness(nn.Module):
    """f(x) = slope times the sum of pixels in [0, 1]."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, images: Tensor) -> Tensor:
        return self.slope * (images.sum(dim=(1, 2, 3)) + 256.0) / 2.0


def played(formulation: str, slope: float = 4.0 / 256.0, **options: Any) -> tuple[dict[str, float], float]:
    """Terms of both players where f(x) = 0 and 2 on two real images and f(G(z)) = 3."""
    model = tiny(formulation, **options)
    model.generator, model.discriminator = Grey(), Brightness(slope)
    batch = {"images": torch.tensor([-1.0, 0.0])[:, None, None, None].expand(2, 1, 16, 16)}
    terms = {name: value.item() for name, value in model.discriminator_loss(batch).items()}
    return terms, model.generator_loss(batch)["adversarial"].item()


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


CROSS_ENTROPY = ((softplus(0) + softplus(-2)) / 2, softplus(3))


@pytest.mark.parametrize(
    ("formulation", "real", "fake", "generator"),
    [
        ("minimax", *CROSS_ENTROPY, -softplus(3)),
        ("non_saturating", *CROSS_ENTROPY, softplus(-3)),
        ("dragan", *CROSS_ENTROPY, softplus(-3)),
        ("least_squares", (0.25 + (sigmoid(2) - 1) ** 2) / 4, sigmoid(3) ** 2 / 2, (sigmoid(3) - 1) ** 2 / 2),
        ("wgan", -1.0, 3.0, -3.0),
        ("wgan_gp", -1.0, 3.0, -3.0),
    ],
)
def test_losses_of_both_players(formulation: str, real: float, fake: float, generator: float) -> None:
    terms, other = played(formulation)
    assert terms["real"] == pytest.approx(real, rel=1e-5)
    assert terms["fake"] == pytest.approx(fake, rel=1e-5)
    assert other == pytest.approx(generator, rel=1e-5)
    assert ("gradient_penalty" in terms) == (formulation in ("wgan_gp", "dragan"))


@pytest.mark.parametrize(("norm", "weight"), [(3.0, 10.0), (0.5, 10.0), (3.0, 1.0)])
def test_wgan_gps_gradient_is_that_of_pixels_in_0_to_1(norm: float, weight: float) -> None:
    terms, _ = played("wgan_gp", norm / 16.0, penalty_weight=weight)  # 256 pixels of slope norm / 16
    assert terms["gradient_penalty"] == pytest.approx(weight * (math.sqrt(norm**2 + 1e-4) - 1.0) ** 2, rel=1e-5)


def test_dragans_gradient_is_that_of_the_sigmoid_beside_real_images() -> None:
    model = tiny("dragan")
    seen: list[Tensor] = []

    class Probe(Brightness):
        def forward(self, images: Tensor) -> Tensor:
            seen.append((images.detach() + 1.0) / 2.0)
            return super().forward(images)

    model.discriminator = Probe(1.0 / 256.0)
    real = torch.tensor([-1.0, 1.0])[:, None, None, None].repeat(200, 1, 16, 16)  # pixels 0 and 1: deviation 1/2
    penalty = model._penalty(real, real)
    added = seen[0] - (real + 1.0) / 2.0  # share * 0.5 * 0.5 * U[0, 1)
    assert 0.0 <= added.min() < added.max() <= 0.25
    assert added.mean().item() == pytest.approx(0.25 / 4.0, rel=0.1)
    shares = added.flatten(1).amax(dim=1)  # each image has a share of its own
    assert shares.std().item() == pytest.approx(0.25 / math.sqrt(12.0), rel=0.1)
    probability = seen[0].mean(dim=(1, 2, 3)).sigmoid()
    norms = (1e-4 + (probability * (1.0 - probability) / 16.0).square()).sqrt()
    assert penalty.item() == pytest.approx((norms - 1.0).square().mean().item(), rel=1e-5)


def test_dragans_deviation_is_that_of_the_whole_turn() -> None:
    images = torch.tensor([-1.0] * 4 + [1.0] * 4)[:, None, None, None].repeat(1, 1, 16, 16)  # a half is of one colour
    loader = torch.utils.data.DataLoader([images], batch_size=None)
    found = []
    for accumulate in (1, 2):
        torch.manual_seed(1)
        model = tiny("dragan", accumulate=accumulate, share_fakes=False)
        seen: list[Tensor] = []
        judge = model._critic_of_pixels
        model._critic_of_pixels = lambda pixels, judge=judge, seen=seen: (  # type: ignore[method-assign]
            seen.append(pixels.detach()),
            judge(pixels),
        )[1]
        fit(model, 1, loader)
        assert len(seen) == accumulate
        found.append(torch.cat(seen))
    whole, halves = found
    assert (whole - (images + 1.0) / 2.0).abs().amax(dim=(1, 2, 3)).min() > 0.0
    torch.testing.assert_close(halves, whole)


class Shrinks(nn.Module):
    """An error of half the mean pixel in [0, 1]."""

    def forward(self, images: Tensor) -> Tensor:
        return (images.mean(dim=(1, 2, 3)) + 1.0) / 4.0


def test_began_weighs_the_fakes_error_by_k_which_has_no_bounds() -> None:
    model = tiny("began")
    model.generator, model.discriminator = Grey(), Shrinks()
    batch = {"images": torch.tensor([-1.0, 0.0])[:, None, None, None].expand(2, 1, 16, 16)}
    model.k.fill_(0.5)
    terms = model.discriminator_loss(batch)
    assert {name: value.item() for name, value in terms.items()} == {"real": 0.125, "fake": -0.5 * 0.375}
    assert model.generator_loss(batch)["adversarial"].item() == 0.375
    model.records = {"discriminator/real_errors": torch.tensor([0.4]), "discriminator/fake_errors": torch.tensor([0.1])}
    for k, moved in ((0.0, 2e-4), (1.0, 1.0 + 2e-4)):
        model.k.fill_(k)
        model._move_balance()
        assert model.k.item() == pytest.approx(moved, rel=1e-5)
    model.records["discriminator/fake_errors"] = torch.tensor([0.5])
    model.k.fill_(0.0)
    model._move_balance()
    assert model.k.item() == pytest.approx(-2e-4, rel=1e-5)
    assert model.records["discriminator/convergence"].item() == pytest.approx(0.4 + 0.2)


def test_k_starts_at_0_moves_with_each_turn_of_the_critic_and_is_kept() -> None:
    model = tiny("began", d_steps=3, lambda_k=0.1)
    assert model.k.item() == 0.0
    seen: list[float] = []
    move = model._move_balance

    def watched() -> None:
        move()
        seen.append(model.k.item())

    model._move_balance = watched  # type: ignore[method-assign]
    fit(model, 2)
    assert len(set(seen)) == 6
    assert model.state_dict()["k"].item() == seen[-1]


def test_an_autoencoders_error_is_the_mean_over_pixels_in_0_to_1() -> None:
    critic = Autoencoder((2, 8, 8), 4, False)
    last = critic.layers[-1]
    assert isinstance(last, nn.ConvTranspose2d)
    with torch.no_grad():
        last.weight.zero_()  # sigmoid(0): a grey of 1/2
    images = torch.zeros(3, 2, 8, 8)
    images[1], images[2, 0] = 1.0, -1.0
    torch.testing.assert_close(critic(images), torch.tensor([0.0, 0.5, 0.25]))
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in critic.modules())
    assert sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in Autoencoder((2, 8, 8), 4, True).modules()) == 3


def test_wgans_critic_is_clipped_after_each_turn() -> None:
    model = tiny("wgan", d_steps=3, weight_clip=0.005)
    seen: list[float] = []
    turn = model.discriminator_turn

    def watched(batch: Any) -> None:
        turn(batch)
        seen.append(max(p.abs().max().item() for p in model.discriminator.parameters()))

    model.discriminator_turn = watched  # type: ignore[method-assign]
    fit(model, 1)
    assert seen == [pytest.approx(0.005)] * 3


def test_only_wgan_gp_draws_fresh_noise_for_the_generator() -> None:
    for formulation, passes in (("non_saturating", 1), ("dragan", 1), ("wgan_gp", 2)):
        model = tiny(formulation, d_steps=1)
        seen: list[Tensor] = []
        model.generator.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0].clone()))
        fit(model, 1)
        assert len(seen) == passes
        assert passes == 1 or not torch.equal(seen[0], seen[1])


@pytest.mark.parametrize(
    ("formulation", "lr", "beta1", "d_steps", "batch_norm"),
    [
        ("minimax", 5e-5, 0.0, 1, True),
        ("non_saturating", 5e-5, 0.0, 1, True),
        ("least_squares", 2e-4, 0.5, 1, True),
        ("wgan", 5e-5, 0.5, 5, True),
        ("wgan_gp", 1e-4, 0.5, 5, False),
        ("dragan", 1e-4, 0.5, 1, True),
        ("began", 1e-4, 0.5, 5, False),
    ],
)
def test_defaults_are_the_studys(formulation: str, lr: float, beta1: float, d_steps: int, batch_norm: bool) -> None:
    model = CreatedEqual(formulation=formulation)
    assert (model.lr, model.betas, model.d_steps) == (lr, (beta1, 0.999), d_steps)
    assert any(isinstance(m, nn.BatchNorm1d) for m in model.discriminator.modules()) == batch_norm
    assert (model.image_shape, model.latent_dim, model.latent_distribution) == ((1, 28, 28), 64, "uniform")
    assert (model.weight_clip, model.penalty_weight, model.gamma, model.lambda_k) == (0.01, 10.0, 0.75, 1e-3)
    assert (model.decision_threshold is None) == (formulation in ("wgan", "wgan_gp", "began"))
    norm = next(m for m in model.generator.modules() if isinstance(m, nn.BatchNorm2d))
    assert (norm.momentum, norm.eps) == (1e-3, 1e-3)
    assert (norm.weight == 1.0).all()
    assert model.generator.layers[0].weight.std().item() == pytest.approx(0.02, rel=0.02)


@pytest.mark.parametrize("formulation", ["least_squares", "began"])
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 28, 28), (3, 32, 32), (3, 64, 64), (2, 8, 12)])
def test_sizes(formulation: str, channels: int, height: int, width: int) -> None:
    model = CreatedEqual((channels, height, width), formulation, **SMALL)
    images = model(torch.rand(3, 6) * 2 - 1)
    assert images.shape == (3, channels, height, width)
    assert model.discriminate(images).shape == (3,)


def test_without_batch_norm_each_logit_depends_on_its_own_image() -> None:
    images = torch.rand(3, 1, 28, 28) * 2 - 1
    for critic in (Discriminator((1, 28, 28), 4, False), Autoencoder((1, 28, 28), 4, False)):
        torch.testing.assert_close(critic(images)[1:2], critic(images[1:2]), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"formulation": "hinge"},
            "formulation 'hinge'; allowed: minimax, non_saturating, least_squares, wgan, wgan_gp, dragan, began",
        ),
        (
            {"image_shape": (1, 30, 28)},
            "images of 30x28; allowed: height and width multiples of 4 (nearest: 28x28 or 32x28)",
        ),
        ({"image_shape": (1, 2, 2)}, "images of 2x2; allowed: height and width multiples of 4 (nearest: 4x4)"),
        ({"weight_clip": 0.0}, "weight_clip=0.0; allowed: more than 0"),
        ({"penalty_weight": -1.0}, "penalty_weight=-1.0; allowed: 0 or more"),
        ({"lambda_k": -0.1}, "lambda_k=-0.1; allowed: 0 or more"),
        ({"lambda_k": math.nan}, "lambda_k=nan; allowed: 0 or more"),
        ({"penalty_weight": math.inf}, "penalty_weight=inf; allowed: 0 or more"),
        ({"weight_clip": math.nan}, "weight_clip=nan; allowed: more than 0"),
        ({"gamma": 1.5}, "gamma=1.5; allowed: from 0 to 1"),
        ({"d_steps": 0}, "d_steps=0; allowed: 1 or more"),
    ],
)
def test_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        CreatedEqual(**options)
    assert str(caught.value) == message
