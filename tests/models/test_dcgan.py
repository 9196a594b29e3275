"""Facts of Radford et al. 2015, and the contract for each of its networks."""

import re
from typing import Any

import pytest
import torch
from torch import nn

from datamodules import Digits
from lightning_gans import DCGAN
from tests.contract import Contract


class TestTorch(Contract):
    def tiny(self, **options: Any) -> DCGAN:
        shape = (1, 16, 16)
        return DCGAN(shape, latent_dim=6, generator_channels=8, discriminator_channels=8, **options)


class TestPaper(Contract):
    def tiny(self, **options: Any) -> DCGAN:
        shape = (3, 16, 16)
        return DCGAN(shape, network="paper", latent_dim=6, generator_channels=8, discriminator_channels=8, **options)


class TestMNIST(Contract):
    def tiny(self, **options: Any) -> DCGAN:
        options = {"latent_dim": 6, "generator_channels": 4, "discriminator_channels": 4, "num_classes": 10, **options}
        return DCGAN((1, 28, 28), network="mnist", **options)

    def data(self) -> Digits:
        return Digits(size=28, batch_size=8)


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32), (4, 64, 64), (2, 256, 256)])
@pytest.mark.parametrize("network", ["torch", "paper"])
def test_any_power_of_two_and_channels(shape: tuple[int, int, int], network: str) -> None:
    model = DCGAN(shape, network=network, generator_channels=2, discriminator_channels=2)
    images = model(torch.randn(2, 100))
    assert images.shape == (2, *shape)
    assert model.discriminate(images).shape == (2,)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 28, 28), "images of 28x28; allowed: square, a power of two from 16 up (nearest: 16 or 32)"),
        ((1, 8, 8), "images of 8x8; allowed: square, a power of two from 16 up (nearest: 16)"),
        ((1, 32, 64), "images of 32x64; allowed: square, a power of two from 16 up (nearest: 64 or 128)"),
        ((1, 100, 100), "images of 100x100; allowed: square, a power of two from 16 up (nearest: 64 or 128)"),
    ],
)
def test_sizes_it_cannot_build(shape: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        DCGAN(shape)


def test_other_errors() -> None:
    with pytest.raises(ValueError, match=r"^network 'tensorflow'; allowed: torch, paper, mnist$"):
        DCGAN(network="tensorflow")
    with pytest.raises(ValueError, match=r"^images of 32x32; network 'mnist' allows only 28x28 \(--data\.size 28\)$"):
        DCGAN((1, 32, 32), network="mnist")
    model = DCGAN((1, 28, 28), network="mnist", num_classes=10)
    with pytest.raises(ValueError, match=r"^labels missing for a network of 10 classes$"):
        model(torch.randn(2, 100))


def test_initial_weights() -> None:
    model = DCGAN()
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            assert module.bias is None
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
        elif isinstance(module, nn.BatchNorm2d):
            assert module.weight.mean().item() == pytest.approx(1.0, abs=0.02)
            assert 0.0 < module.weight.std().item() < 0.04
            assert not module.bias.any()


@pytest.mark.parametrize("network", ["torch", "paper"])
def test_where_batch_norm_stands(network: str) -> None:
    model = DCGAN(network=network)
    for player, first, last in (("generator", True, False), ("discriminator", False, True)):
        layers = [type(m).__name__ for m in model.players[player].layers]
        norms = [name == "BatchNorm2d" for name in layers]
        convolutions = [i for i, name in enumerate(layers) if name.startswith("Conv")]
        if player == "discriminator":  # no norm after the first convolution
            assert not norms[convolutions[0] + 1]
            assert norms[convolutions[1] + 1]
        else:  # none after the last
            assert convolutions[-1] == len(layers) - 2
            assert layers[-1] == "Tanh"
        del first, last


def test_noise_of_each_release() -> None:
    assert DCGAN().latent_distribution == "normal"
    assert DCGAN(network="paper").latent_distribution == "uniform"


def test_real_and_fake_are_normalised_apart() -> None:
    model = DCGAN((1, 16, 16), generator_channels=4, discriminator_channels=4)
    sizes: list[int] = []
    model.discriminator.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    model.discriminator_loss({"images": torch.randn(6, 1, 16, 16).clamp(-1, 1)})
    assert sizes == [6, 6]


def test_defaults_are_the_papers() -> None:
    model = DCGAN()
    assert (model.lr, model.betas, model.latent_dim, model.d_steps, model.ema_decay) == (
        2e-4,
        (0.5, 0.999),
        100,
        1,
        None,
    )
