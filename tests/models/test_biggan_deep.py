"""Facts of Brock et al. 2018, appendix B, and the contract for BigGAN-deep."""

from typing import Any

import pytest
import torch
from torch import nn

from lightning_gans import BigGANDeep
from lightning_gans.layers.conditional_norm import ConditionalNorm
from lightning_gans.layers.spectral_norm import SpectralNorm
from lightning_gans.networks.biggan_deep import DeepDownBlock, DeepUpBlock
from tests.contract import Contract

SHAPE = (1, 32, 32)
CANCELS = frozenset({"discriminator.head.bias"})  # while all logits lie within the hinge: -1 of real, +1 of fake images
SMALL: dict[str, Any] = {
    "generator_channels": 4,
    "discriminator_channels": 4,
    "embedding_dim": 5,
    "latent_dim": 3,
    "ema_decay": None,
}
CLASSES: dict[str, Any] = {**SMALL, "num_classes": 10, "ema_start": 0}


class TestDeep(Contract):
    constant = CANCELS

    def tiny(self, **options: Any) -> BigGANDeep:
        return BigGANDeep(SHAPE, **{**CLASSES, **options})


class TestWithoutClasses(Contract):
    constant = CANCELS

    def tiny(self, **options: Any) -> BigGANDeep:
        return BigGANDeep(SHAPE, **{**SMALL, "latent_dim": 8, "d_steps": 1, **options})


class TestReleased(Contract):
    constant = CANCELS

    def tiny(self, **options: Any) -> BigGANDeep:
        sizes = {**CLASSES, "release": "pytorch_pretrained_biggan", "image_channels": 4, "d_steps": 1}
        return BigGANDeep(SHAPE, **{**sizes, "truncation_trick": "bounded_factor", **options})


@pytest.mark.parametrize(
    ("side", "generator", "critic"), [(32, None, None), (64, 5, 1), (128, 7, 1), (256, 7, 3), (512, 7, 5)]
)
def test_sizes_and_where_attention_is(side: int, generator: int | None, critic: int | None) -> None:
    model = BigGANDeep((3, side, side), num_classes=7, generator_channels=1, discriminator_channels=1)
    with torch.no_grad():
        images = model(torch.randn(2, 128), torch.zeros(2, dtype=torch.long))
        assert images.shape == (2, 3, side, side)
        assert model.discriminate(images, torch.zeros(2, dtype=torch.long)).shape == (2,)
    assert (model.generator.attended, model.discriminator.attended) == (generator, critic)


def test_up_block_keeps_the_first_channels_beside_four_convolutions() -> None:
    block = DeepUpBlock(8, 4, True, lambda width, affine=True: nn.BatchNorm2d(width, affine=affine), 3).eval()
    shapes = [(conv.in_channels, conv.out_channels, conv.kernel_size[0]) for conv in block.convs]
    assert shapes == [(8, 2, 1), (2, 2, 3), (2, 2, 3), (2, 4, 1)]
    with torch.no_grad():
        block.convs[3].weight.zero_()
        block.convs[3].bias.zero_()
    features = torch.randn(2, 8, 4, 4)
    kept = features[:, :4].repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    torch.testing.assert_close(block(features, torch.randn(2, 3)), kept)


def test_down_block_adds_the_channels_that_its_shortcut_lacks() -> None:
    block = DeepDownBlock(4, 8, True)
    shapes = [(conv.in_channels, conv.out_channels, conv.kernel_size[0]) for conv in block.convs]
    assert shapes == [(4, 2, 1), (2, 2, 3), (2, 2, 3), (2, 8, 1)]
    assert isinstance(block.shortcut, nn.Conv2d)
    assert (block.shortcut.in_channels, block.shortcut.out_channels) == (4, 4)
    with torch.no_grad():
        block.convs[3].weight.zero_()
        block.convs[3].bias.zero_()
    features = torch.randn(2, 4, 4, 4)
    means = features.unflatten(2, (2, 2)).unflatten(4, (2, 2)).mean(dim=(3, 5))
    torch.testing.assert_close(block(features), torch.cat([means, block.shortcut(means)], dim=1))
    assert DeepDownBlock(8, 8, False).shortcut is None


def test_all_noise_and_the_class_reach_the_first_layer_and_every_norm() -> None:
    model = BigGANDeep(SHAPE, **CLASSES)
    plain = [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear, nn.Embedding)) and not isinstance(layer, SpectralNorm)
    ]
    assert sorted(plain) == ["generator.shared"]
    norms = [layer for layer in model.generator.modules() if isinstance(layer, ConditionalNorm)]
    assert len(norms) == 4 * 6
    assert {norm.gain.in_features for norm in norms} == {8}
    seen: list[torch.Tensor] = []
    for layer in (model.generator.dense, norms[-1].gain):
        layer.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    latents, labels = torch.randn(2, 3), torch.tensor([3, 4])
    model(latents, labels)
    joined = torch.cat([latents, model.generator.shared(labels)], dim=1)  # noise first
    assert all(torch.equal(one, joined) for one in seen)
    assert len(seen) == 2


def test_blocks_upsample_second_in_the_generator_and_halve_first_in_the_critic() -> None:
    model = BigGANDeep(SHAPE, **CLASSES)
    assert [block.up for block in model.generator.blocks] == [False, True] * 3
    assert [block.down for block in model.discriminator.blocks] == [True, False, True, False, False, False]


@pytest.mark.parametrize(
    ("side", "options", "rates"),
    [
        (128, {}, (5e-5, 2e-4)),
        (256, {}, (2.5e-5, 2.5e-5)),
        (128, {"lr": 1e-4}, (1e-4, 1e-4)),
        (256, {"discriminator_lr": 1e-4}, (2.5e-5, 1e-4)),
    ],
)
def test_rates_by_size(side: int, options: dict[str, Any], rates: tuple[float, float]) -> None:
    with torch.device("meta"):
        model = BigGANDeep((3, side, side), **SMALL, **options)
    assert (model.learning_rate("generator"), model.learning_rate("discriminator")) == rates


def test_bounded_factor_truncates_at_two_and_scales() -> None:
    model = BigGANDeep(SHAPE, **{**CLASSES, "latent_dim": 500}, truncation_trick="bounded_factor")
    whole, cut = model.sample_latents(range(20), 3), model.sample_latents(range(20), 3, 0.4)
    assert 1.9 < whole.abs().max() < 2.0
    torch.testing.assert_close(cut, 0.4 * whole)
    with pytest.raises(ValueError, match=r"^truncation=1.5; allowed: more than 0, up to 1$"):
        model.generate(1, truncation=1.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_shape": (1, 48, 48)}, "images of 48x48; allowed: squares of 32, 64, 128, 256, 512 (nearest: 32x32)"),
        ({"image_channels": 0}, "image_channels=0; allowed: 1 or more"),
        ({"release": "tf"}, "release 'tf'; allowed: None, pytorch_pretrained_biggan"),
        (
            {"release": "pytorch_pretrained_biggan", "generator_norm": "layer"},
            "generator_norm 'layer' with release 'pytorch_pretrained_biggan'; allowed: cross_replica",
        ),
        ({"attention_size": 4}, "attention at 4x4 maps; allowed in this generator: 0, 8, 16, 32 (0: none)"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        BigGANDeep(**{"image_shape": SHAPE, **CLASSES, **options})
    assert str(caught.value) == message
