"""Facts of Goodfellow et al. 2014, and the contract."""

import math
from typing import Any

import pytest
import torch

from lightning_gans import GAN
from lightning_gans.core.noise import draw
from lightning_gans.layers.maxout import Maxout
from tests.contract import Contract
from tests.training import fit


class TestGAN(Contract):
    def tiny(self, **options: Any) -> GAN:
        return GAN(image_shape=(1, 8, 8), latent_dim=6, generator_channels=12, discriminator_channels=4, **options)


class TestPerceptrons(Contract):
    def tiny(self, **options: Any) -> GAN:
        sizes = {"latent_dim": 6, "generator_channels": 12, "discriminator_channels": 12}
        return GAN((1, 8, 8), network="mlp", optimizer="adam", **{**sizes, "lr": 1e-3, **options})


def test_initial_weights() -> None:
    model = GAN()
    for network, bound in ((model.generator, 0.05), (model.discriminator, 0.005)):
        weights = torch.cat([p.flatten() for p in network.parameters() if p.dim() == 2])
        assert weights.abs().max() <= bound
        assert weights.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.01)


def test_noise_is_uniform_with_unit_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    latents = GAN().latents(2000, lambda shape, kind: draw(shape, kind, generator))
    assert latents.abs().max() <= math.sqrt(3)
    assert latents.var().item() == pytest.approx(1.0, rel=0.02)


def test_dropout_is_in_the_critic_only() -> None:
    model = GAN()
    rates = [m.p for m in model.discriminator.modules() if isinstance(m, torch.nn.Dropout)]
    assert rates == [0.2, 0.5, 0.5]
    assert not any(isinstance(m, torch.nn.Dropout) for m in model.generator.modules())


def test_maxout_takes_the_largest_of_its_own_pieces() -> None:
    layer = Maxout(2, units=2, pieces=3)
    with torch.no_grad():
        layer.linear.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [-1, 0], [2, 0], [0, 2], [0, 0]]))
        layer.linear.bias.zero_()
    torch.testing.assert_close(layer(torch.tensor([[3.0, 1.0], [-4.0, -1.0]])), torch.tensor([[3.0, 6.0], [4.0, 0.0]]))


def test_output_bias_starts_at_the_logit_of_the_pixel_means() -> None:
    model = GAN(image_shape=(1, 1, 2))
    with torch.no_grad():
        model.initialize({"images": torch.tensor([[[[1.0, -1.0]]], [[[1.0, 0.0]]], [[[1.0, 0.0]]]])})
    # (3 + 1/2) / 4 and (0 + 1/2 + 1/2 + 1/2) / 4
    expected = torch.logit(torch.tensor([0.875, 0.375]))
    torch.testing.assert_close(model.generator.pixels.bias.detach(), expected)


def test_rate_decays_and_momentum_grows() -> None:
    model = GAN(image_shape=(1, 8, 8))
    runner = fit(model, 3)
    group = runner.optimizers[0].param_groups[0]
    assert group["lr"] == pytest.approx(0.1 / 1.000004**2)
    assert group["momentum"] == pytest.approx(0.5 + 0.2 * 2 / 125_000)
    model.iterations = 10**9
    assert model.optimizer_settings("generator", {"initial_lr": 0.1}) == pytest.approx({"lr": 1e-6, "momentum": 0.7})


def test_adam_has_its_own_betas_and_the_engines_schedule() -> None:
    model = GAN((1, 8, 8), network="mlp", optimizer="adam", lr=0.02, betas=(0.5, 0.9), lr_schedule="linear")
    runner = fit(model, 4)
    assert [type(optimizer) for optimizer in runner.optimizers] == [torch.optim.Adam] * 2
    for optimizer in runner.optimizers:
        group = optimizer.param_groups[0]
        assert group["betas"] == (0.5, 0.9)
        assert group["lr"] == pytest.approx(0.02 / 4)  # of the last of four iterations
        assert "momentum" not in group


def test_the_toys_perceptrons_have_any_shape_and_no_bound() -> None:
    model = GAN((1, 1, 2), network="mlp", latent_dim=2)
    images = model(1000 * torch.randn(4, 2))
    assert images.shape == (4, 1, 1, 2)
    assert images.abs().max() > 1
    assert not any(isinstance(m, (Maxout, torch.nn.Dropout)) for m in model.modules())


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"^network 'cnn'; allowed: maxout, mlp$"):
        GAN(network="cnn")
    with pytest.raises(ValueError, match=r"^optimizer 'rmsprop'; allowed: sgd, adam$"):
        GAN(optimizer="rmsprop")


def test_critic_halves_its_loss() -> None:
    model = GAN(image_shape=(1, 8, 8))
    with torch.no_grad():
        for parameter in model.discriminator.parameters():
            parameter.zero_()  # all logits 0: softplus(0) = log 2
    terms = model.discriminator_loss({"images": torch.zeros(4, 1, 8, 8)})
    assert [value.item() for value in terms.values()] == pytest.approx([math.log(2) / 2] * 2)
    assert model.generator_loss({"images": torch.zeros(4, 1, 8, 8)})["adversarial"].item() == pytest.approx(math.log(2))
