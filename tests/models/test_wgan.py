"""Facts of Arjovsky et al. 2017, and the contract."""

from typing import Any

import pytest
import torch
from torch import nn

from lightning_gans import WGAN
from tests.contract import Contract
from tests.training import fit

SMALL: dict[str, Any] = {"latent_dim": 6, "generator_channels": 4, "discriminator_channels": 4}


class TestWGAN(Contract):
    def tiny(self, **options: Any) -> WGAN:
        return WGAN((1, 16, 16), critic_warmup=False, **{**SMALL, "d_steps": 2, "lr": 1e-3, **options})


def test_every_parameter_of_the_critic_is_clipped_after_each_turn() -> None:
    model = WGAN((1, 16, 16), critic_warmup=False, d_steps=3, weight_clip=0.005, **SMALL)
    seen: list[float] = []
    turn = model.discriminator_turn

    def watched(batch: Any) -> None:
        turn(batch)
        seen.append(max(p.abs().max().item() for p in model.discriminator.parameters()))

    model.discriminator_turn = watched  # type: ignore[method-assign]
    fit(model, 2)
    assert seen == [pytest.approx(0.005)] * 6  # gains of batch norm start near 1: they are clipped too
    assert max(p.abs().max().item() for p in model.generator.parameters()) > 0.5


def test_warm_up_trains_the_critic_100_turns_in_the_first_25_iterations_and_every_500th() -> None:
    model = WGAN((1, 16, 16), **SMALL)
    turns = {}
    for model.iterations in (0, 24, 25, 499, 500, 501, 1000):
        turns[model.iterations] = model.discriminator_turns()
    assert turns == {0: 100, 24: 100, 25: 5, 499: 5, 500: 100, 501: 5, 1000: 100}


def test_warm_up_walks_the_parts_again_with_fresh_noise() -> None:
    model = WGAN((1, 16, 16), **SMALL)
    latents, images = [], []
    turn = model.discriminator_turn

    def watched(batch: Any) -> None:
        images.append(batch["images"].sum().item())
        latents.append(model.fakes(batch).latents.sum().item())
        turn(batch)

    model.discriminator_turn = watched  # type: ignore[method-assign]
    fit(model, 1)
    assert len(latents) == len(set(latents)) == 100
    assert images[:5] == images[5:10]
    assert len(set(images)) == 5


def test_losses_of_a_linear_critic() -> None:
    model = WGAN((1, 1, 2), network="mlp", discriminator_network="mlp", **SMALL)
    model.discriminator = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False), nn.Flatten(0))
    with torch.no_grad():
        model.discriminator[1].weight.copy_(torch.tensor([[2.0, 0.0]]))
        for parameter in model.generator.parameters():
            parameter.zero_()
        model.generator.layers[-1].bias.copy_(torch.tensor([0.25, 0.5]))  # f(G(z)) = 0.5
    batch = {"images": torch.tensor([[[[1.0, 0.0]]], [[[0.0, 1.0]]]])}  # f(x) = 2 and 0
    terms = model.discriminator_loss(batch)
    assert {name: value.item() for name, value in terms.items()} == {"real": -1.0, "fake": 0.5}
    assert model.generator_loss(batch)["adversarial"].item() == -0.5


def test_rmsprop_or_adam() -> None:
    for name, kind in (("rmsprop", torch.optim.RMSprop), ("adam", torch.optim.Adam)):
        model = WGAN((1, 16, 16), critic_warmup=False, optimizer=name, **SMALL)
        optimizers = fit(model, 1).optimizers
        assert [type(optimizer) for optimizer in optimizers] == [kind, kind]
        assert [optimizer.param_groups[0]["lr"] for optimizer in optimizers] == [5e-5, 5e-5]


def test_perceptrons_have_any_size_and_no_bound() -> None:
    model = WGAN((3, 5, 7), network="mlp", discriminator_network="mlp", **SMALL)
    images = model(100 * torch.randn(4, 6))
    assert images.shape == (4, 3, 5, 7)
    assert images.abs().max() > 1
    assert model.discriminate(images).shape == (4,)
    assert not any(isinstance(m, nn.Tanh) for m in model.modules())


def test_without_batch_norm() -> None:
    model = WGAN((1, 16, 16), network="dcgan_nobn", discriminator_network="dcgan_nobn", **SMALL)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())


def test_its_logits_have_no_threshold() -> None:
    assert WGAN.decision_threshold is None  # the watchdog then keeps from judging the critic's accuracy


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"^network 'resnet'; allowed: dcgan, dcgan_nobn, mlp$"):
        WGAN(network="resnet")
    with pytest.raises(ValueError, match=r"^discriminator_network 'cnn'; allowed: dcgan, dcgan_nobn, mlp$"):
        WGAN(discriminator_network="cnn")
    with pytest.raises(ValueError, match=r"^optimizer 'sgd'; allowed: rmsprop, adam$"):
        WGAN(optimizer="sgd")
    with pytest.raises(ValueError, match=r"^weight_clip=0.0; allowed: more than 0$"):
        WGAN(weight_clip=0.0)
    with pytest.raises(ValueError, match=r"^images of 28x28; allowed"):
        WGAN((1, 28, 28))
