"""Facts of Gulrajani et al. 2017, and the contract for its networks with and without classes."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_gans import WGANGP
from lightning_gans.layers.conditional_norm import ConditionalBatchNorm
from lightning_gans.layers.residual import ResidualBlock
from lightning_gans.networks.dcgan_gp import DCGANCritic
from lightning_gans.networks.resnet_gp import ResNetCritic, ResNetGenerator
from tests.contract import Contract
from tests.training import fit

SMALL: dict[str, Any] = {"latent_dim": 6, "generator_channels": 4, "discriminator_channels": 4}
NO_GRADIENT = frozenset({"discriminator.head.bias"})  # it cancels in E f(G(z)) - E f(x)


class TestResNet(Contract):
    constant = NO_GRADIENT

    def tiny(self, **options: Any) -> WGANGP:
        return WGANGP((1, 16, 16), **{**SMALL, "d_steps": 2, **options})


class TestConditionalResNet(Contract):
    def tiny(self, **options: Any) -> WGANGP:
        sizes = {**SMALL, "d_steps": 2, "num_classes": 10, "conditional": True, "dequantize": True}
        return WGANGP((1, 16, 16), **{**sizes, **options})


class TestDCGAN(Contract):
    constant = NO_GRADIENT

    def tiny(self, **options: Any) -> WGANGP:
        return WGANGP((1, 16, 16), network="dcgan", **{**SMALL, "d_steps": 2, **options})


class TestConditionalDCGAN(Contract):
    def tiny(self, **options: Any) -> WGANGP:
        sizes = {**SMALL, "d_steps": 2, "num_classes": 10, "conditional": True}
        return WGANGP((1, 16, 16), network="dcgan", **{**sizes, **options})


class TestMNIST(Contract):
    constant = NO_GRADIENT

    def tiny(self, **options: Any) -> WGANGP:
        return WGANGP((1, 28, 28), **{**SMALL, "d_steps": 2, **options})


class TestPerceptrons(Contract):
    constant = frozenset({"discriminator.layers.6.bias"})  # as above

    def tiny(self, **options: Any) -> WGANGP:
        units = {"generator_channels": 32, "discriminator_channels": 32}  # of four all may be on or off for all images
        return WGANGP((1, 16, 16), network="mlp", **{**SMALL, **units, "d_steps": 2, **options})


@pytest.mark.parametrize("network", ["resnet", "dcgan"])
@pytest.mark.parametrize(("channels", "side"), [(1, 16), (3, 32), (4, 64), (3, 128)])
def test_sizes(network: str, channels: int, side: int) -> None:
    model = WGANGP((channels, side, side), network=network, num_classes=3, conditional=True, **SMALL)
    images = model(torch.randn(2, 6), torch.tensor([0, 2]))
    assert images.shape == (2, channels, side, side)
    assert images.abs().max() <= 1.0
    assert model.discriminate(images).shape == (2, 4)


def test_the_toys_perceptrons_have_any_shape_and_no_bound() -> None:
    model = WGANGP((1, 1, 2), network="mlp", latent_dim=2)
    for player in (model.generator, model.discriminator):
        kinds = [type(layer) for layer in player.layers]
        assert kinds == [nn.Linear, nn.ReLU] * 3 + [nn.Linear]
        assert [layer.out_features for layer in player.layers[:-1:2]] == [512] * 3
    images = model(1000 * torch.randn(4, 2))
    assert images.shape == (4, 1, 1, 2)
    assert images.abs().max() > 1
    assert model.discriminate(images).shape == (4,)
    assert model.generator_batch_factor == 1


def test_network_by_size() -> None:
    for side, network in ((28, DCGANCritic), (32, ResNetCritic), (64, DCGANCritic)):
        assert type(WGANGP((3, side, side), **SMALL).discriminator) is network


def test_critics_have_no_batch_norm_and_each_logit_depends_on_its_own_image() -> None:
    for network, side in (("resnet", 32), ("resnet", 64), ("dcgan", 32), ("dcgan", 64), ("mnist", 28)):
        critic = WGANGP((1, side, side), network=network, **SMALL).discriminator
        assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in critic.modules())
        images = torch.randn(3, 1, side, side)
        torch.testing.assert_close(critic(images)[1:2], critic(images[1:2]), atol=1e-5, rtol=1e-4)


class Linear(nn.Module):
    """f(x) = w . x, whose gradient is w everywhere."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, images: Tensor) -> Tensor:
        return (images * self.weight).sum(dim=(1, 2, 3))


@pytest.mark.parametrize("norm", [3.0, 0.5])
def test_penalty_of_a_linear_critic(norm: float) -> None:
    model = WGANGP((1, 16, 16), **SMALL)
    weight = torch.randn(1, 16, 16)
    model.discriminator = Linear(weight * (norm / weight.norm()))
    terms = model.discriminator_loss({"images": torch.rand(5, 1, 16, 16) * 2 - 1})
    assert terms["gradient_penalty"].item() == pytest.approx(10.0 * (norm - 1.0) ** 2, rel=1e-4)


def test_accumulation_changes_nothing() -> None:
    weights = []
    for accumulate in (1, 4):
        torch.manual_seed(1)
        model = WGANGP((1, 28, 28), d_steps=2, accumulate=accumulate, **SMALL)  # MNIST's networks have no batch norm
        fit(model, 2)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(*weights, atol=1e-6, rtol=1e-4)


def test_classes_of_real_images_teach_the_critic_and_those_of_fakes_the_generator() -> None:
    model = WGANGP((1, 16, 16), num_classes=4, conditional=True, **SMALL)
    with torch.no_grad():
        model.discriminator.head.weight.zero_()  # all logits 0: cross entropy log 4
    batch = {"images": torch.rand(4, 1, 16, 16) * 2 - 1, "labels": torch.tensor([0, 1, 2, 3])}
    assert model.discriminator_loss(batch)["classes"].item() == pytest.approx(math.log(4))
    assert model.generator_loss(batch)["classes"].item() == pytest.approx(0.1 * math.log(4))
    assert "classes" not in WGANGP((1, 16, 16), num_classes=4, **SMALL).discriminator_loss(batch)


def test_generator_turn_sees_twice_the_fakes_at_32() -> None:
    model = WGANGP((1, 32, 32), d_steps=1, **SMALL)
    seen = []
    model.generator.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    fit(model, 1)
    assert seen == [8, 16]
    assert WGANGP((1, 64, 64), **SMALL).generator_batch_factor == 1


def test_dequantised_pixels_lie_where_the_code_has_them() -> None:
    model = WGANGP((1, 16, 16), dequantize=True, **SMALL)
    images = torch.tensor([-1.0, 1.0]).repeat(128).view(1, 1, 16, 16)  # x = 0 and 255
    dark, bright = model._real(images).flatten().view(-1, 2).unbind(1)
    for pixels, low in ((dark, -1.0), (bright, 2 * (255 / 256 - 0.5))):
        assert low <= pixels.min() < pixels.max() <= low + 1 / 128
    assert dark.std() > 0.3 / 128 / math.sqrt(3)


def test_start_of_weights() -> None:
    torch.manual_seed(0)
    block = WGANGP(**{**SMALL, "discriminator_channels": 64}).discriminator.blocks[1]
    assert isinstance(block, ResidualBlock)
    assert block.conv1.weight.std().item() == pytest.approx(math.sqrt(4 / (9 * 64 + 9 * 64)), rel=0.03)
    assert isinstance(block.shortcut, nn.Conv2d)
    assert block.shortcut.weight.std().item() == pytest.approx(math.sqrt(2 / 128), rel=0.03)
    large = WGANGP((3, 64, 64), discriminator_channels=16)
    assert large.discriminator.layers[2].weight.std().item() == pytest.approx(0.02, rel=0.05)
    small = DCGANCritic((3, 32, 32), 64)
    assert small.layers[2].weight.std().item() == pytest.approx(math.sqrt(4 / (25 * 64 + 25 * 128 / 4)), rel=0.03)


def test_conditional_norm_scales_by_class() -> None:
    norm = ConditionalBatchNorm(2, 3)
    with torch.no_grad():
        norm.gain.weight[1] = torch.tensor([2.0, 0.0])
        norm.offset.weight[1] = torch.tensor([0.0, 5.0])
    features = torch.randn(8, 2, 4, 4)
    labels = torch.tensor([0, 1] * 4)
    plain, scaled = nn.BatchNorm2d(2)(features), norm(features, labels)
    torch.testing.assert_close(scaled[::2], plain[::2])
    torch.testing.assert_close(scaled[1::2, 0], 2 * plain[1::2, 0])
    assert (scaled[1::2, 1] == 5.0).all()
    assert norm(torch.randn(8, 2), labels).shape == (8, 2)
    assert not any(isinstance(m, ConditionalBatchNorm) for m in [ResNetGenerator((3, 32, 32), num_classes=3).norm])


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"^network 'cnn'; allowed: resnet, dcgan, mnist, mlp$"):
        WGANGP(network="cnn")
    with pytest.raises(ValueError, match=r"^num_classes=None for a conditional model; allowed: 1 or more"):
        WGANGP(conditional=True)
    with pytest.raises(ValueError, match=r"^conditional with network 'mnist'; allowed: resnet, dcgan$"):
        WGANGP((1, 28, 28), num_classes=10, conditional=True)
    with pytest.raises(ValueError, match=r"^conditional with network 'mlp'; allowed: resnet, dcgan$"):
        WGANGP((1, 1, 2), network="mlp", num_classes=8, conditional=True)
    with pytest.raises(ValueError, match=r"^images of 32x32; network 'mnist' allows only 28x28"):
        WGANGP((1, 32, 32), network="mnist")
    with pytest.raises(ValueError, match=r"^images of 48x48; allowed: square, a power of two from 16 up"):
        WGANGP((1, 48, 48))
    with pytest.raises(ValueError, match=r"^generator_batch_factor=0; allowed: 1 or more$"):
        WGANGP(generator_batch_factor=0)
