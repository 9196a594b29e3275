"""Each loss against hand-worked numbers (the values at a = b = 0 and at a = 2, b = -1) and its gradient."""

import math

import pytest
import torch
import torch.nn.functional as F

from lightning_gans import losses
from lightning_gans.losses import (
    feature_matching,
    label_counts,
    minimax_discriminator,
    one_sided_discriminator,
    real_logit,
    semi_supervised_discriminator,
)

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


@pytest.mark.parametrize("scale", [0.1, 1.0, 50.0])
def test_a_fake_class_whose_logit_is_zero(scale: float) -> None:
    logits = scale * torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    fake = torch.softmax(torch.cat([logits, torch.zeros(6, 1, dtype=torch.float64)], dim=1), dim=1)[:, 4]
    torch.testing.assert_close(torch.sigmoid(-real_logit(logits)), fake)
    # -log D = sp(-LSE) = sp(LSE) - LSE, as the code writes it
    evidence = real_logit(logits)
    torch.testing.assert_close(F.softplus(-evidence), F.softplus(evidence) - evidence)


def test_semi_supervised_loss_by_hand() -> None:
    # K = 2, logits (0, 0): LSE = log 2, D = 2/3. Labelled: -log 1/2. Real: -log(2/3) / 2. Fake: -log(1/3) / 2.
    zeros, labels = torch.zeros(4, 2), torch.tensor([0, 1, -1, -1])
    terms = semi_supervised_discriminator(zeros, labels, zeros)
    expected = (math.log(2), 0.5 * math.log(1.5), 0.5 * math.log(3))
    assert [term.item() for term in terms] == pytest.approx(expected)
    # Row 0 is labelled 1: LSE(2, 1) - 1; only row 1 is unlabelled: LSE = log 2.
    logits = torch.tensor([[2.0, 1.0], [0.0, 0.0]])
    terms = semi_supervised_discriminator(logits, torch.tensor([1, -1]), zeros)
    evidence = math.log(math.e**2 + math.e)
    assert terms.labelled.item() == pytest.approx(evidence - 1)
    assert terms.real.item() == pytest.approx(0.5 * math.log(1.5))
    # With target 0.9: half of sp(LSE) - 0.9 LSE.
    smoothed = semi_supervised_discriminator(logits, torch.tensor([1, -1]), zeros, real_target=0.9)
    assert smoothed.real.item() == pytest.approx(0.5 * (math.log(3) - 0.9 * math.log(2)))
    assert smoothed.fake.item() == terms.fake.item()


def test_semi_supervised_loss_without_one_or_the_other_kind() -> None:
    logits = torch.randn(3, 2, requires_grad=True)
    none = semi_supervised_discriminator(logits, torch.tensor([-1, -1, -1]), logits.detach())
    assert none.labelled.item() == 0.0
    sum(none).backward()
    assert torch.isfinite(logits.grad).all()
    everything = semi_supervised_discriminator(logits, torch.tensor([0, 1, 1]), logits.detach())
    assert everything.real.item() == pytest.approx(none.real.item())  # then labelled images are real ones too


@pytest.mark.parametrize("labels", [[0, 1, 1, 0, -1, -1], [0, -1, -1, -1, -1, -1], [1, 0, 1, 0, 1, 0], [-1] * 6])
@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_semi_supervised_losses_of_chunks_add_up_by_the_counts_of_all(labels: list[int], chunks: int) -> None:
    generator = torch.Generator().manual_seed(0)
    logits, fakes, given = (
        torch.randn(6, 2, generator=generator),
        torch.randn(6, 2, generator=generator),
        torch.tensor(labels),
    )
    counts = label_counts(given) / chunks
    parts = zip(logits.chunk(chunks), given.chunk(chunks), fakes.chunk(chunks), strict=True)
    found = [torch.stack(semi_supervised_discriminator(*part, counts=counts)) for part in parts]
    whole = torch.stack(semi_supervised_discriminator(logits, given, fakes))
    torch.testing.assert_close(torch.stack(found).mean(dim=0), whole)


def test_one_sided_smoothing_is_smallest_at_its_target_and_leaves_fakes() -> None:
    best = torch.logit(torch.tensor(0.9)).requires_grad_()
    fake = torch.randn(5)
    terms = one_sided_discriminator(best, fake)
    terms.real.backward()
    assert best.grad.item() == pytest.approx(0.0, abs=1e-6)
    assert terms.real.item() == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))
    assert terms.fake.item() == minimax_discriminator(fake, fake).fake.item()
    torch.testing.assert_close(one_sided_discriminator(fake, fake, real_target=1.0), minimax_discriminator(fake, fake))


@pytest.mark.parametrize(
    ("distance", "expected"), [("squared_norm", 5.0), ("mean_squared", 2.5), ("mean_absolute", 1.5)]
)
def test_feature_matching_by_hand(distance: str, expected: float) -> None:
    # Means (2, 2) of the two rows that count, and (1, 0): differences 1 and 2.
    real = torch.tensor([[1.0, 0.0], [3.0, 4.0], [50.0, 50.0]], requires_grad=True)
    fake = torch.tensor([[0.0, 1.0], [2.0, -1.0]], requires_grad=True)
    loss = feature_matching(real, fake, rows=torch.tensor([True, True, False]), distance=distance)
    assert loss.item() == pytest.approx(expected)
    assert feature_matching(real[:2], fake, distance=distance).item() == pytest.approx(expected)
    loss.backward()
    assert real.grad is None
    assert (fake.grad < 0).all()


def test_feature_matching_refuses_other_distances() -> None:
    with pytest.raises(ValueError, match=r"^distance 'cosine'; allowed: mean_squared, mean_absolute, squared_norm$"):
        feature_matching(torch.zeros(1, 1), torch.zeros(1, 1), distance="cosine")


def test_tags_are_summed_over_tags_and_averaged_over_images() -> None:
    zero = torch.zeros(5, 3)
    assert losses.tag_cross_entropy(zero, torch.ones(5, 3)).item() == pytest.approx(3 * math.log(2))
    logits, tags = torch.tensor([[2.0, -1.0], [0.0, 0.5]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    by_hand = (math.log1p(math.exp(-2.0)) + math.log1p(math.exp(-1.0)) + math.log(2) + math.log1p(math.exp(-0.5))) / 2
    assert losses.tag_cross_entropy(logits, tags).item() == pytest.approx(by_hand, rel=1e-6)
