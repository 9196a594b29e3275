"""Perceptrons: how their weights start."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from lightning_gans import EGAN, GAN, WGAN, WGANGP
from lightning_gans.networks.perceptron import PerceptronCritic, PerceptronGenerator

SHAPE = (1, 1, 2)


def linears(network: nn.Module) -> list[nn.Linear]:
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


def test_a_signal_keeps_its_size_on_its_way() -> None:
    torch.manual_seed(0)
    for network, inputs in (
        (PerceptronGenerator(SHAPE, 2), torch.randn(2000, 2)),
        (PerceptronCritic(SHAPE), torch.randn(2000, *SHAPE)),
    ):
        *hidden, last = linears(network)
        for linear in hidden:
            assert linear.weight.std().item() == pytest.approx(math.sqrt(2 / linear.in_features), rel=0.1)
        assert last.weight.std().item() == pytest.approx(math.sqrt(1 / 512), rel=0.1)
        assert all(linear.bias.any() for linear in (*hidden, last))
        assert 0.5 < network(inputs).square().mean().sqrt().item() < 2.0


def test_wgans_start_is_pytorchs_and_the_toys_is_not() -> None:
    wgan = WGAN(SHAPE, latent_dim=2, network="mlp", discriminator_network="mlp")
    toys = [model(SHAPE, latent_dim=2, network="mlp") for model in (WGANGP, EGAN, GAN)]
    for model in (wgan, *toys):
        for player in (model.generator, model.discriminator):
            first, second = linears(player)[:2]
            bound = 1 / math.sqrt(512)  # PyTorch's: uniform within it
            assert (second.weight.abs().max().item() <= bound) == (model is wgan)
            assert first.bias.abs().max().item() <= 1 / math.sqrt(2)
