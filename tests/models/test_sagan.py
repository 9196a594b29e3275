"""Facts of Zhang et al. 2018, and the contract for the networks with and without classes."""

from typing import Any

import pytest
import torch
from torch import nn

from lightning_gans import SAGAN
from lightning_gans.layers.attention import SelfAttention
from lightning_gans.layers.conditional_norm import ConditionalNorm
from lightning_gans.layers.spectral_norm import SpectralNorm
from tests.contract import Contract
from tests.training import fit

SMALL: dict[str, Any] = {"latent_dim": 6, "generator_channels": 8, "discriminator_channels": 8}
LAYERS = (nn.Conv2d, nn.Linear, nn.Embedding)
HEAD = frozenset(
    {"discriminator.head.bias"}
)  # while all logits lie between -1 and 1, real and fake images cancel in it


class TestConditional(Contract):
    def tiny(self, **options: Any) -> SAGAN:
        return SAGAN((1, 16, 16), **{**SMALL, "num_classes": 10, **options})

    constant = HEAD


class TestUnconditional(Contract):
    def tiny(self, **options: Any) -> SAGAN:
        return SAGAN((1, 16, 16), **{**SMALL, "generator_norm": "cross_replica", **options})

    constant = HEAD


@pytest.mark.parametrize(
    ("side", "generator", "discriminator"),
    [(16, 8, 8), (32, 16, 8), (48, 24, 24), (64, 32, 32), (96, 24, 24), (128, 32, 32)],
)
def test_attention_and_sizes(side: int, generator: int, discriminator: int) -> None:
    model = SAGAN((3, side, side), num_classes=3, **SMALL)
    seen: list[int] = []
    for player in (model.generator, model.discriminator):
        (attention,) = (module for module in player.modules() if isinstance(module, SelfAttention))
        assert attention.gain.item() == 0.0
        attention.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-1]))
    labels = torch.tensor([0, 2])
    images = model(torch.randn(2, 6), labels)
    assert images.shape == (2, 3, side, side)
    assert model.discriminate(images, labels).shape == (2,)
    assert seen == [generator, discriminator]


def test_attention_elsewhere_or_not_at_all() -> None:
    seen: list[int] = []
    model = SAGAN((3, 64, 64), attention_size=16, **SMALL)
    for player in (model.generator, model.discriminator):
        player.attention.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-1]))
    model.discriminate(model(torch.randn(2, 6)))
    assert seen == [16, 16]
    for options in ({"network": "plain"}, {"attention_size": 0}):
        without = SAGAN((3, 64, 64), **options, **SMALL)
        assert not any(isinstance(module, SelfAttention) for module in without.modules())


def test_every_layer_of_both_networks_is_normalised() -> None:
    model = SAGAN((1, 32, 32), num_classes=3, **SMALL)
    plain = [
        name
        for name, module in model.named_modules()
        if isinstance(module, LAYERS) and not isinstance(module, SpectralNorm)
    ]
    norms = [module for module in model.generator.modules() if isinstance(module, ConditionalNorm)]
    assert len(plain) == 2 * len(norms) == 12  # gains and offsets of classes only
    assert {(module.norm.eps, module.norm.momentum) for module in norms} == {(1e-5, 0.001)}  # type: ignore[union-attr]


def test_two_learning_rates_and_one_turn_each() -> None:
    model = SAGAN((1, 16, 16), num_classes=10, **SMALL)
    rates = [(o.param_groups[0]["lr"], o.param_groups[0]["betas"]) for o in fit(model, 1).optimizers]
    assert rates == [(1e-4, (0.0, 0.9)), (4e-4, (0.0, 0.9))]
    assert (model.d_steps, model.generator_batch_factor) == (1, 1)


def test_averaged_generator_is_normalised_by_its_own_singular_values() -> None:
    torch.manual_seed(0)
    model = SAGAN((1, 16, 16), num_classes=10, ema_decay=0.9, lr=0.02, **SMALL)
    fit(model, 30)
    for live, mean in zip(model.generator.modules(), model.generator_ema.modules(), strict=True):  # type: ignore[union-attr]
        if isinstance(mean, SpectralNorm) and isinstance(live, SpectralNorm):
            largest = torch.linalg.matrix_norm(mean.normalized_weight().flatten(1), 2).item()
            assert largest == pytest.approx(1.0, abs=0.2)
            assert not torch.equal(mean.u, live.u) or len(mean.u) == 1


def test_uses_classes_where_there_are_any() -> None:
    assert SAGAN((1, 16, 16), num_classes=3, **SMALL).is_conditional
    assert not SAGAN((1, 16, 16), num_classes=3, conditional=False, **SMALL).is_conditional
    assert not SAGAN((1, 16, 16), **SMALL).is_conditional


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"^network 'cnn'; allowed: attention, plain$"):
        SAGAN(network="cnn")
    with pytest.raises(ValueError, match=r"^num_classes=0; allowed: None, or 1 or more$"):
        SAGAN(num_classes=0)
    with pytest.raises(ValueError, match=r"^images of 100x100; allowed: squares of 16, .* \(nearest: 96 or 128\)$"):
        SAGAN((3, 100, 100))
    with pytest.raises(
        ValueError, match=r"^attention at 4x4 maps; allowed in this generator: 0, 8, 16, 32 \(0: none\)$"
    ):
        SAGAN((3, 32, 32), attention_size=4)
    with pytest.raises(ValueError, match=r"^attention_size=16 with network 'plain'; allowed: network attention$"):
        SAGAN((3, 32, 32), network="plain", attention_size=16)
    with pytest.raises(ValueError, match=r"^labels from \d to 9; allowed: a label an image, 0 to 4$"):
        fit(SAGAN((1, 16, 16), num_classes=5, **SMALL), 1)
