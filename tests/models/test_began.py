"""Facts of Berthelot et al. 2017, and the contract for both of its encoders."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_gans import BEGAN
from lightning_gans.models.began import reconstruction_errors
from tests.contract import Contract, SaveAt
from tests.training import fit, same_state, state_of

SMALL: dict[str, Any] = {"latent_dim": 6, "generator_channels": 4, "discriminator_channels": 4}


class TestTensorFlow(Contract):
    def tiny(self, **options: Any) -> BEGAN:
        # k has to leave 0, and rates to be halved, within a few iterations
        moving = {"lambda_k": 0.5, "gamma": 1.0, "halve_patience": 1, "measure_window": 2}
        return BEGAN((1, 16, 16), **{**SMALL, **moving, **options})


class TestPaper(Contract):
    def tiny(self, **options: Any) -> BEGAN:
        return BEGAN((3, 16, 16), network="paper", **{**SMALL, "lambda_k": 0.5, "d_steps": 2, **options})


class Scaled(nn.Module):
    """Rebuilds an image as half of itself: L(v) is half the mean of |v|."""

    def forward(self, images: Tensor) -> Tensor:
        return 0.5 * images


def grey(value: float, n: int = 2) -> Tensor:
    return torch.full((n, 1, 16, 16), value)


def hand_model(**options: Any) -> BEGAN:
    """L(x) = |x| / 2, and fakes of a grey of 0.6: L(G(z)) = 0.3. Nothing is trained."""
    model = BEGAN((1, 16, 16), **{**SMALL, **options})
    model.discriminator = Scaled()
    model.generator.forward = lambda latents: grey(0.6, len(latents))  # type: ignore[method-assign]

    def update(player: str, loss: Any, batch: Any) -> dict[str, Tensor]:
        terms = {f"{player}/{name}": value.detach() for name, value in loss(batch).items()}
        model.terms.update(terms)
        return terms

    model.update = update  # type: ignore[method-assign]
    return model


def turns(model: BEGAN, images: Tensor) -> None:
    model.discriminator_turn({"images": images})
    model.generator_turn({"images": images})
    model.iterations += 1


def test_error_is_the_mean_distance_of_pixels() -> None:
    images, rebuilt = torch.zeros(2, 1, 1, 4), torch.tensor([[1.0, -1.0, 0.0, 0.0], [2.0, 2.0, 2.0, -2.0]])
    errors = reconstruction_errors(images, rebuilt.view(2, 1, 1, 4))
    torch.testing.assert_close(errors, torch.tensor([0.5, 2.0]))  # neither the sum nor squares


def test_losses_by_hand() -> None:
    model = hand_model()
    model.k.fill_(0.25)
    terms = {name: value.item() for name, value in model.discriminator_loss({"images": grey(-1.0)}).items()}
    assert terms == pytest.approx({"real": 0.5, "fake": -0.25 * 0.3})
    assert model.generator_loss({"images": grey(-1.0)})["adversarial"].item() == pytest.approx(0.3)


def test_k_starts_at_0_and_moves_by_the_balance() -> None:
    model = hand_model(gamma=0.7, lambda_k=0.5)
    assert model.k.item() == 0.0
    turns(model, grey(1.0))  # 0.7 * 0.5 - 0.3 = 0.05
    assert model.k.item() == pytest.approx(0.5 * 0.05)
    assert model.records["discriminator/k"].item() == model.k.item()
    assert model.records["discriminator/convergence"].item() == pytest.approx(0.5 + 0.05)
    turns(model, grey(0.5))  # 0.7 * 0.25 - 0.3 = -0.125: M adds its size, k stays at 0
    assert model.k.item() == 0.0
    assert model.records["discriminator/convergence"].item() == pytest.approx(0.25 + 0.125)


def test_k_stays_in_its_bounds() -> None:
    model = hand_model(gamma=1.0, lambda_k=100.0)
    turns(model, grey(1.0))
    assert model.k.item() == 1.0
    turns(model, grey(0.0))
    assert model.k.item() == 0.0


def test_k_follows_the_generators_own_turn() -> None:
    model = BEGAN((1, 16, 16), lambda_k=1.0, gamma=1.0, share_fakes=False, **SMALL)
    fit(model, 1)
    real, fake = model.terms["discriminator/real"], model.terms["generator/adversarial"]
    assert not torch.isclose(fake, model.records["discriminator/fake_error"].mean(), rtol=1e-4)
    torch.testing.assert_close(model.k, (real - fake).clamp(0.0, 1.0))
    torch.testing.assert_close(model.records["discriminator/convergence"][0], real + (real - fake).abs())
    assert not model.k.requires_grad


def test_accumulation_changes_nothing() -> None:
    states = []
    for accumulate in (1, 4):
        torch.manual_seed(1)
        model = BEGAN((1, 16, 16), lambda_k=0.5, gamma=1.0, accumulate=accumulate, share_fakes=False, **SMALL)
        fit(model, 3)
        states.append(torch.cat([model.k.view(1), *(p.detach().flatten() for p in model.parameters())]))
    assert states[0][0] > 0.0
    torch.testing.assert_close(*states, atol=1e-5, rtol=1e-4)


def test_rates_are_halved_every_so_often_down_to_the_floor() -> None:
    model = BEGAN((1, 16, 16), **SMALL)
    rates = {}
    for model.iterations in (0, 99_999, 100_000, 200_000, 900_000):
        rates[model.iterations] = model.optimizer_settings("generator", {"initial_lr": 8e-5})["lr"]
    assert rates == pytest.approx({0: 8e-5, 99_999: 8e-5, 100_000: 4e-5, 200_000: 2e-5, 900_000: 2e-5})
    assert model.optimizer_settings("generator", {"initial_lr": 1e-5})["lr"] == 1e-5  # below the floor it stays
    model = BEGAN((1, 16, 16), halve_every=None, **SMALL)
    model.iterations = 10**6
    assert model.optimizer_settings("generator", {"initial_lr": 8e-5})["lr"] == 8e-5


def test_a_measure_that_stalls_halves_the_rates() -> None:
    model = hand_model(halve_patience=2, measure_window=3, gamma=0.0, lambda_k=0.0)  # M = L(x) + 0.3
    rates, state = [], []
    for value in (
        1.0,
        0.8,
        0.9,
        0.8,
        0.6,
        0.7,
        0.7,
        0.7,
        0.7,
    ):  # five windows do not fall: the rates are halved at each second
        for _ in range(3):
            turns(model, grey(value))
        rates.append(model.optimizer_settings("generator", {"initial_lr": 8e-5})["lr"])
        state.append((model.stalled.item(), round(model.measure_best.item(), 5)))
    assert state == [(0, 0.8), (0, 0.7), (1, 0.7), (2, 0.7), (0, 0.6), (1, 0.6), (2, 0.6), (3, 0.6), (4, 0.6)]
    assert rates == pytest.approx([8e-5, 8e-5, 8e-5, 4e-5, 4e-5, 4e-5, 2e-5, 2e-5, 2e-5])
    assert model.halvings.item() == 3


def test_a_measure_that_stalls_ends_the_run() -> None:
    model = BEGAN((1, 16, 16), stop_patience=2, measure_window=2, lr=0.0, lr_floor=0.0, **SMALL)
    model._errors = lambda name, images: (0.0 * model.discriminate(images)).sum() + 1.0  # type: ignore[method-assign]
    assert fit(model, 40).global_step == 6  # one window to set the mark, two that do not fall below it


def test_resume_in_the_middle_of_a_window_is_exact(tmp_path: Path) -> None:
    path, options = str(tmp_path / "half.ckpt"), {"halve_patience": 1, "measure_window": 2, "lr": 0.1, "lambda_k": 0.5}

    def made() -> BEGAN:
        return BEGAN((1, 16, 16), **SMALL, **options)

    torch.manual_seed(1)
    whole = made()
    kept = state_of(whole, fit(whole, 9, callbacks=[SaveAt(5, path)]))
    resumed = made()
    runner = fit(resumed, 9, ckpt_path=path, seed=99)
    assert same_state(kept, state_of(resumed, runner)) == []
    assert torch.load(path, weights_only=True)["state_dict"]["measure_sum"] > 0.0
    assert whole.halvings > 0
    assert runner.optimizers[0].param_groups[0]["lr"] < 0.1


def test_a_run_of_its_own_forgets_stalls_but_not_k() -> None:
    model = BEGAN((1, 16, 16), lambda_k=0.0, **SMALL)
    for state, value in ((model.k, 0.5), (model.halvings, 3), (model.stalled, 2), (model.measure_best, 1e-9)):
        state.fill_(value)
    fit(model, 1)
    assert (model.k.item(), model.halvings.item(), model.stalled.item()) == (0.5, 0, 0)
    assert model.measure_best > 1.0


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32), (4, 128, 128)])
@pytest.mark.parametrize("network", ["tensorflow", "paper"])
def test_any_power_of_two_and_channels(shape: tuple[int, int, int], network: str) -> None:
    model = BEGAN(shape, network=network, **SMALL)
    images = model(torch.rand(2, 6))
    assert images.shape == (2, *shape)
    assert model.discriminator.encoder(images).shape == (2, 6)
    assert model.discriminate(images).shape == (2, *shape)


def test_layers_of_the_paper() -> None:
    widths = {"tensorflow": [(128, 128), (256, 256), (384, 384)], "paper": [(128, 256), (256, 384), (384, 512)]}
    for network, strided in widths.items():
        model = BEGAN(network=network)
        convolutions = [m for m in model.discriminator.encoder.modules() if isinstance(m, nn.Conv2d)]
        assert [(m.in_channels, m.out_channels) for m in convolutions if m.stride == (2, 2)] == strided
        assert {m.kernel_size for m in model.modules() if isinstance(m, nn.Conv2d)} == {(3, 3)}
        assert len([m for m in model.generator.modules() if isinstance(m, nn.Upsample)]) == 3  # 8 to 64 pixels
    for module in model.modules():  # no norm, no dropout, no bound on pixels
        assert not isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.Dropout, nn.Tanh, nn.Sigmoid))
    assert type(model.discriminator.decoder) is type(model.generator)


def test_samples_are_clipped_and_training_images_are_not() -> None:
    model = BEGAN((1, 16, 16), **SMALL)
    nn.init.constant_(model.generator.layers[-1].bias, 3.0)
    assert model(torch.rand(2, 6)).max() > 1.0
    assert model.generate(2, seed=0).max() == 1.0


def test_defaults_are_the_papers() -> None:
    model = BEGAN()
    assert (model.image_shape, model.latent_dim, model.latent_distribution) == ((3, 64, 64), 64, "uniform")
    assert (model.gamma, model.lambda_k, model.lr, model.lr_floor) == (0.5, 1e-3, 8e-5, 2e-5)
    assert (model.betas, model.halve_every, model.d_steps, model.ema_decay) == ((0.9, 0.999), 100_000, 1, None)
    assert BEGAN.decision_threshold is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "code"}, "network 'code'; allowed: tensorflow, paper"),
        ({"gamma": 1.5}, "gamma=1.5; allowed: from 0 to 1"),
        ({"lambda_k": -0.1}, "lambda_k=-0.1; allowed: 0 or more"),
        ({"lr_floor": -1.0}, "lr_floor=-1.0; allowed: 0 or more"),
        ({"lambda_k": math.nan}, "lambda_k=nan; allowed: 0 or more"),
        ({"lr_floor": math.inf}, "lr_floor=inf; allowed: 0 or more"),
        ({"halve_every": 0}, "halve_every=0; allowed: None, or 1 or more"),
        ({"halve_patience": 0}, "halve_patience=0; allowed: None, or 1 or more"),
        ({"stop_patience": -1}, "stop_patience=-1; allowed: None, or 1 or more"),
        ({"measure_window": 0}, "measure_window=0; allowed: 1 or more"),
        (
            {"image_shape": (3, 48, 48)},
            "images of 48x48; allowed: square, a power of two from 16 up (nearest: 32 or 64)",
        ),
    ],
)
def test_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        BEGAN(**options)
