"""Facts of Miyato et al. 2018 and Miyato & Koyama 2018, and the contract for the networks with and without classes."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_gans import SNGAN
from lightning_gans.layers.conditional_norm import ConditionalNorm
from lightning_gans.layers.cross_replica_norm import CrossReplicaBatchNorm
from lightning_gans.layers.residual import ResidualBlock
from lightning_gans.layers.spectral_norm import SpectralNorm
from lightning_gans.networks.resnet_sn import widths
from tests.contract import Contract
from tests.training import fit

SMALL: dict[str, Any] = {"latent_dim": 6, "generator_channels": 4, "discriminator_channels": 4}
LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)


class TestResNet(Contract):
    def tiny(self, **options: Any) -> SNGAN:
        return SNGAN((1, 16, 16), **{**SMALL, "d_steps": 2, **options})


class TestProjection(Contract):
    def tiny(self, **options: Any) -> SNGAN:
        sizes = {**SMALL, "d_steps": 2, "num_classes": 10, "conditional": True, "dequantize": True}
        return SNGAN((1, 16, 16), **{**sizes, "generator_norm": "cross_replica", **options})


class TestCNN(Contract):
    def tiny(self, **options: Any) -> SNGAN:
        return SNGAN((1, 16, 16), network="cnn", **{**SMALL, **options})


@pytest.mark.parametrize(("channels", "side"), [(1, 16), (3, 32), (3, 48), (1, 64), (3, 96), (3, 128)])
def test_sizes(channels: int, side: int) -> None:
    model = SNGAN((channels, side, side), num_classes=3, conditional=True, **SMALL)
    images, labels = model(torch.randn(2, 6), torch.tensor([0, 2])), torch.tensor([0, 2])
    assert images.shape == (2, channels, side, side)
    assert images.abs().max() <= 1.0
    assert model.discriminate(images, labels).shape == (2,)


def test_channels_of_the_tables() -> None:
    assert widths(32) == ([256] * 4, [128] * 4, 2)
    assert widths(48) == ([512, 256, 128, 64], [64, 128, 256, 512, 1024], 4)
    assert widths(64) == ([1024, 512, 256, 128, 64], [64, 128, 256, 512, 1024], 5)
    assert widths(128) == ([1024, 1024, 512, 256, 128, 64], [64, 128, 256, 512, 1024, 1024], 5)


@pytest.mark.parametrize("network", ["resnet", "cnn", "cnn_code"])
def test_every_layer_of_the_critic_is_normalised_and_none_of_the_generators(network: str) -> None:
    options = {"num_classes": 3, "conditional": True} if network == "resnet" else {}
    model = SNGAN((3, 32, 32), network=network, **SMALL, **options)
    for player, normalised in ((model.discriminator, True), (model.generator, False)):
        layers = [module for module in player.modules() if isinstance(module, LAYERS)]
        assert len(layers) >= 5
        assert {isinstance(layer, SpectralNorm) for layer in layers} == {normalised}
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.discriminator.modules())


def test_vectors_move_once_in_each_pass_of_training() -> None:
    model = SNGAN((1, 16, 16), **{**SMALL, "d_steps": 2})
    head = model.discriminator.head
    assert isinstance(head, SpectralNorm)
    steps = []
    step = head._step
    head._step = lambda matrix: (steps.append(1), step(matrix))[1]  # type: ignore[method-assign, func-returns-value]
    fit(model, 3)
    assert len(steps) == 3 * (2 * 2 + 1)  # real and fake in each critic's turn, and the generator's turn


def test_critic_sums_over_positions_and_projects_on_the_class() -> None:
    torch.manual_seed(0)
    critic = SNGAN((1, 16, 16), num_classes=3, conditional=True, **SMALL).discriminator.eval()
    images, labels = torch.randn(2, 1, 16, 16), torch.tensor([2, 0])
    features = images
    for block in critic.blocks:
        features = block(features)
    pooled = F.relu(features).sum(dim=(2, 3))
    classes = critic.classes.normalized_weight()[labels]  # type: ignore[union-attr, operator]
    expected = critic.head(pooled)[:, 0] + (classes * pooled).sum(dim=1)
    torch.testing.assert_close(critic(images, labels), expected)
    assert critic.classes.u.shape == (3,)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"^labels missing for a network of 3 classes$"):
        critic(images)


def test_last_norm_knows_no_class() -> None:
    generator = SNGAN((1, 32, 32), num_classes=3, conditional=True, **SMALL).generator
    assert isinstance(generator.norm, nn.BatchNorm2d)
    assert generator.norm.affine
    conditional = [module for module in generator.modules() if isinstance(module, ConditionalNorm)]
    assert len(conditional) == 6
    assert {module.norm.eps for module in conditional} == {generator.norm.eps} == {2e-5}  # type: ignore[union-attr]
    joined = SNGAN((1, 32, 32), generator_norm="cross_replica", **SMALL).generator.norm
    assert isinstance(joined, CrossReplicaBatchNorm)


def test_losses_by_hand() -> None:
    model = SNGAN((1, 16, 16), **SMALL)
    with torch.no_grad():
        model.discriminator.head.weight.zero_()
    model.discriminate = lambda images, labels=None: torch.zeros(len(images))  # type: ignore[method-assign]
    batch = {"images": torch.zeros(4, 1, 16, 16)}
    assert sum(model.discriminator_loss(batch).values()).item() == pytest.approx(2.0)  # type: ignore[union-attr]
    assert model.generator_loss(batch)["adversarial"].item() == 0.0
    plain = SNGAN((1, 16, 16), network="cnn", **SMALL)
    plain.discriminate = model.discriminate  # type: ignore[method-assign]
    assert sum(plain.discriminator_loss(batch).values()).item() == pytest.approx(2 * math.log(2))  # type: ignore[union-attr]
    assert plain.generator_loss(batch)["adversarial"].item() == pytest.approx(math.log(2))
    hinge = SNGAN((1, 16, 16), network="cnn", loss="hinge", **SMALL)
    assert hinge.critic_loss is model.critic_loss


def test_settings_by_network() -> None:
    residual, large, plain = SNGAN(**SMALL), SNGAN((3, 64, 64), **SMALL), SNGAN(network="cnn", **SMALL)
    assert (residual.d_steps, residual.betas, residual.lr, residual.generator_batch_factor) == (5, (0.0, 0.9), 2e-4, 2)
    assert (plain.d_steps, plain.betas, plain.lr, plain.generator_batch_factor) == (1, (0.5, 0.999), 2e-4, 1)
    assert large.generator_batch_factor == 1
    assert residual.discriminator.head.bias is None
    assert large.discriminator.head.bias is not None


def test_fakes_are_drawn_anew_and_have_the_classes_of_real_images() -> None:
    model = SNGAN((1, 16, 16), num_classes=5, conditional=True, **{**SMALL, "d_steps": 1})
    made: list[Any] = []
    judged: list[list[int]] = []
    model.generator.register_forward_pre_hook(lambda _, inputs: made.append((len(inputs[0]), inputs[1].tolist())))
    model.discriminator.register_forward_pre_hook(lambda _, inputs: judged.append(inputs[1].tolist()))
    labels = torch.tensor([0, 3, 1, 4])
    fit(model, 1, DataLoader(TensorDataset(torch.zeros(4, 1, 16, 16), labels), batch_size=4))
    assert [count for count, _ in made] == [4, 8]
    assert judged == [made[0][1], made[0][1], made[1][1]]
    assert sorted(made[1][1]) == [0, 0, 1, 1, 3, 3, 4, 4]


def test_concatenated_classes_enter_the_fourth_block_as_constant_maps() -> None:
    torch.manual_seed(0)
    model = SNGAN((1, 32, 32), num_classes=3, conditional=True, conditioning="concatenation", **SMALL)
    critic, entered = model.discriminator.eval(), []
    critic.blocks[3].register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0]))
    images, labels = torch.randn(2, 1, 32, 32), torch.tensor([2, 0])
    with torch.no_grad():
        logits, others = critic(images, labels), critic(images, labels.flip(0))
        vectors = critic.classes(labels)
    width = SMALL["discriminator_channels"]
    assert entered[0].shape == (2, width + 128, 8, 8)
    assert torch.equal(entered[0][:, width:], vectors[:, :, None, None].expand(-1, -1, 8, 8))
    assert critic.head.weight.shape == (1, width)
    assert logits.shape == (2,)
    assert not torch.allclose(logits, others)


def test_start_of_weights() -> None:
    torch.manual_seed(0)
    model = SNGAN(**{**SMALL, "discriminator_channels": 64}, num_classes=50, conditional=True)
    block = model.discriminator.blocks[1]
    assert isinstance(block, ResidualBlock)
    assert block.conv1.weight.std().item() == pytest.approx(math.sqrt(4 / (9 * 64 + 9 * 64)), rel=0.03)
    assert block.shortcut.weight.std().item() == pytest.approx(math.sqrt(2 / 128), rel=0.03)  # type: ignore[operator, union-attr]
    assert model.discriminator.classes.weight.std().item() == pytest.approx(math.sqrt(2 / 114), rel=0.05)  # type: ignore[union-attr, operator]


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"^network 'mlp'; allowed: resnet, cnn, cnn_code$"):
        SNGAN(network="mlp")
    with pytest.raises(ValueError, match=r"^loss 'wgan'; allowed: hinge, non_saturating$"):
        SNGAN(loss="wgan")
    with pytest.raises(ValueError, match=r"^conditional with network 'cnn'; allowed: resnet$"):
        SNGAN(network="cnn", num_classes=3, conditional=True)
    for option in ({"generator_norm": "layer"}, {"norm_eps": 1e-5}, {"upsampling": "bilinear"}, {"head_bias": False}):
        with pytest.raises(ValueError, match=rf"^{next(iter(option))} with network 'cnn'; allowed: resnet$"):
            SNGAN(network="cnn", **option)
    with pytest.raises(ValueError, match=r"^release 'keras'; allowed: None, mimicry$"):
        SNGAN(release="keras", **SMALL)
    message = r"^conditioning 'concatenation' for a model without classes; allowed: with conditional=True$"
    with pytest.raises(ValueError, match=message):
        SNGAN(conditioning="concatenation", num_classes=3, **SMALL)
    classes = {"num_classes": 3, "conditional": True}
    with pytest.raises(ValueError, match=r"^conditioning 'film'; allowed: projection, concatenation$"):
        SNGAN(conditioning="film", **classes, **SMALL)
    message = r"^conditioning 'concatenation' with 3 blocks; allowed: 4 or more, 32 pixels and up$"
    with pytest.raises(ValueError, match=message):
        SNGAN((3, 16, 16), conditioning="concatenation", **classes, **SMALL)
    with pytest.raises(
        ValueError, match=r"^num_classes=None for a conditional model; allowed: 1 or more: labelled data$"
    ):
        SNGAN(conditional=True)
    with pytest.raises(ValueError, match=r"^generator_batch_factor=0; allowed: 1 or more$"):
        SNGAN(generator_batch_factor=0)
    sides = "16, 32, 48, 64, 96, 128, 192, 256, 384, 512"
    for shape, near in (
        ((3, 40, 40), "32 or 48"),
        ((3, 28, 28), "16 or 32"),
        ((3, 64, 32), "64"),
        ((1, 1024, 1024), "384 or 512"),
    ):
        message = rf"^images of {shape[1]}x{shape[2]}; allowed: squares of {sides} \(nearest: {near}\)$"
        with pytest.raises(ValueError, match=message):
            SNGAN(shape)
    message = r"^images of 36x36; allowed: square, a multiple of 8 from 16 up \(nearest: 32 or 40\)$"
    with pytest.raises(ValueError, match=message):
        SNGAN((3, 36, 36), network="cnn")
    model = SNGAN((1, 16, 16), num_classes=5, conditional=True, **SMALL)
    with pytest.raises(ValueError, match=r"^labels \[5\]; allowed: 0 to 4$"):
        model.generate(2, labels=[5])
    with pytest.raises(ValueError, match=r"^labels from \d to 9; allowed: a label an image, 0 to 4$"):
        fit(model, 1)
