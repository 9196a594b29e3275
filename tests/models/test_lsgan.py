"""Facts of Mao et al. 2016, and the contract for its networks and codes."""

import math
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from datamodules import Digits
from lightning_gans import LSGAN
from tests.contract import Contract
from tests.training import fit

SMALL: dict[str, Any] = {"latent_dim": 6, "generator_channels": 4, "discriminator_channels": 4}


class TestLSUN(Contract):
    def tiny(self, **options: Any) -> LSGAN:
        return LSGAN((1, 16, 16), **{**SMALL, **options})


class TestPearsonWithoutNorm(Contract):
    def tiny(self, **options: Any) -> LSGAN:
        norms = {"generator_norm": False, "discriminator_norm": False}
        return LSGAN((1, 16, 16), network="dcgan", targets="pearson", **{**SMALL, **norms, **options})


class TestHWDB(Contract):
    def tiny(self, **options: Any) -> LSGAN:
        return LSGAN(**{"image_shape": (1, 16, 16), "network": "hwdb", "num_classes": 10, **SMALL, **options})

    def data(self) -> Digits:
        return Digits(size=16, batch_size=8)


class Grey(nn.Module):
    """Images of one grey, -1/2."""

    def forward(self, latents: Tensor) -> Tensor:
        return torch.full((len(latents), 1, 16, 16), -0.5)


class Brightness(nn.Module):
    """D(x) = 4 times the mean pixel."""

    def forward(self, images: Tensor) -> Tensor:
        return 4.0 * images.mean(dim=(1, 2, 3))


# D(x) = 2 and 0, D(G(z)) = -2 twice; the codes a, b, c
@pytest.mark.parametrize(
    ("codes", "real", "fake", "generator"),
    [
        ({}, 0.5, 2.0, 4.5),  # 0, 1, 1: (1 + 1) / 4, 4 / 2, 9 / 2
        ({"targets": "pearson"}, 0.5, 0.5, 2.0),  # -1, 1, 0: (1 + 1) / 4, 1 / 2, 4 / 2
        ({"a": -2.0, "b": 2.0, "c": -1.0}, 1.0, 0.0, 0.5),  # (0 + 4) / 4, 0, 1 / 2
        ({"targets": "pearson", "c": 1.0}, 0.5, 0.5, 4.5),
    ],
)
def test_losses_by_hand(codes: dict[str, Any], real: float, fake: float, generator: float) -> None:
    model = LSGAN((1, 16, 16), **SMALL, **codes)
    model.generator, model.discriminator = Grey(), Brightness()
    batch = {"images": torch.tensor([0.5, 0.0])[:, None, None, None].expand(2, 1, 16, 16)}
    terms = {name: value.item() for name, value in model.discriminator_loss(batch).items()}
    assert terms == pytest.approx({"real": real, "fake": fake})
    assert model.generator_loss(batch)["adversarial"].item() == pytest.approx(generator)


@pytest.mark.parametrize(("targets", "critic", "generator"), [("binary", 0.5, 0.5), ("pearson", 1.0, 0.0)])
def test_losses_of_a_critic_that_says_0(targets: str, critic: float, generator: float) -> None:
    model = LSGAN((1, 16, 16), targets=targets, **SMALL)
    nn.init.zeros_(model.discriminator.dense.weight)
    batch = {"images": torch.zeros(4, 1, 16, 16)}
    assert sum(model.discriminator_loss(batch).values()).item() == pytest.approx(critic)
    assert model.generator_loss(batch)["adversarial"].item() == pytest.approx(generator)


def test_codes_of_the_paper() -> None:
    binary, pearson = LSGAN((1, 16, 16), **SMALL), LSGAN((1, 16, 16), targets="pearson", **SMALL)
    assert (binary.a, binary.b, binary.c) == (0.0, 1.0, 1.0)
    assert (pearson.b - pearson.c, pearson.b - pearson.a) == (1.0, 2.0)  # then it is a Pearson chi-square divergence
    assert (binary.decision_threshold, pearson.decision_threshold) == (0.5, 0.0)


def test_fakes_far_on_the_right_side_are_pulled_back() -> None:
    outputs = torch.tensor([-50.0, 1.0, 50.0], requires_grad=True)
    model = LSGAN((1, 16, 16), **SMALL)
    model.fake_logits = lambda batch: outputs  # type: ignore[method-assign]
    model.generator_loss({"images": torch.zeros(3, 1, 16, 16)})["adversarial"].backward()
    torch.testing.assert_close(outputs.grad, torch.tensor([-17.0, 0.0, 49.0 / 3.0]))  # a sigmoid's would be flat


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32), (2, 48, 80), (4, 112, 112)])
@pytest.mark.parametrize("network", ["lsun", "dcgan", "hwdb"])
def test_any_multiple_of_16_and_channels(shape: tuple[int, int, int], network: str) -> None:
    model = LSGAN(shape, network=network, num_classes=3, **SMALL)
    labels = [torch.tensor([0, 2])] if network == "hwdb" else []
    images = model(torch.randn(2, 6), *labels)
    assert images.shape == (2, *shape)
    assert images.abs().max() <= 1.0
    assert model.discriminate(images, *labels).shape == (2,)


def test_layers_of_the_lsun_networks() -> None:
    model = LSGAN()
    ups = [m for m in model.generator.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [(m.out_channels, m.stride[0]) for m in ups] == [
        *((256, 2), (256, 1), (256, 2), (256, 1), (128, 2), (64, 2), (3, 1))
    ]
    assert {m.kernel_size for m in ups} == {(3, 3)}
    assert model.generator.dense.out_features == 7 * 7 * 256
    downs = [m for m in model.discriminator.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.out_channels, m.stride[0], m.kernel_size[0]) for m in downs] == [(c, 2, 5) for c in (64, 128, 256, 512)]
    norms = [m.num_features for m in model.discriminator.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms == [128, 256, 512]
    assert not any(isinstance(m, nn.Sigmoid) for m in model.modules())


def test_initial_weights() -> None:
    for name, module in LSGAN((3, 32, 32)).named_modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            cut = isinstance(module, nn.Conv2d)
            # cut at two deviations, a normal's is 0.88 of what it was
            assert module.weight.std().item() == pytest.approx(0.0176 if cut else 0.02, rel=0.1), name
            assert not cut or module.weight.abs().max() <= 0.04
            assert not module.bias.any()


def test_each_player_has_its_own_code_of_the_class() -> None:
    model = LSGAN((1, 28, 28), network="hwdb", num_classes=5)
    assert model.generator.classes is not model.discriminator.classes
    assert (model.generator.classes.out_features, model.discriminator.classes.out_features) == (256, 256)
    model.eval()
    latents = torch.randn(1, 1024)
    images = [model(latents, torch.tensor([label])) for label in (3, 4)]
    assert not torch.allclose(*images)
    outputs = [model.discriminate(images[0], torch.tensor([label])) for label in (3, 4)]
    assert not torch.allclose(*outputs)


def test_stability_tests_of_the_paper() -> None:
    options: dict[str, Any] = {"network": "dcgan", "generator_norm": False, "optimizer": "rmsprop"}
    model = LSGAN((1, 16, 16), discriminator_norm=False, targets="pearson", **options, **SMALL)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    optimizers = fit(model, 1).optimizers
    assert [type(optimizer) for optimizer in optimizers] == [torch.optim.RMSprop] * 2
    assert [optimizer.param_groups[0]["lr"] for optimizer in optimizers] == [2e-4, 2e-4]
    half = LSGAN((1, 16, 16), **options, **SMALL)
    assert [any(isinstance(m, nn.BatchNorm2d) for m in network.modules()) for network in half.players.values()] == [
        False,
        True,
    ]


def test_defaults_are_the_papers() -> None:
    model = LSGAN()
    assert (model.image_shape, model.latent_dim, model.latent_distribution) == ((3, 112, 112), 1024, "uniform")
    assert (model.lr, model.betas, model.d_steps, model.ema_decay) == (1e-3, (0.5, 0.999), 1, None)
    assert LSGAN((1, 28, 28), network="hwdb", num_classes=2).lr == 2e-4
    assert LSGAN(num_classes=10).num_classes is None  # only hwdb is conditional


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "vgg"}, "network 'vgg'; allowed: lsun, dcgan, hwdb"),
        ({"targets": "zero"}, "targets 'zero'; allowed: binary, pearson"),
        ({"optimizer": "sgd"}, "optimizer 'sgd'; allowed: adam, rmsprop"),
        ({"a": 1.0}, "a=1.0, b=1.0; allowed: two codes that differ"),
        ({"a": math.nan}, "a=nan; allowed: a finite number"),
        ({"c": math.inf}, "c=inf; allowed: a finite number"),
        ({"image_shape": (1, 28, 28)}, "images of 28x28; network 'lsun' allows multiples of 16"),
        ({"image_shape": (1, 30, 28), "network": "hwdb"}, "images of 30x28; network 'hwdb' allows multiples of 4"),
        (
            {"image_shape": (1, 28, 28), "network": "hwdb"},
            "num_classes=None for network 'hwdb'; allowed: 1 or more: labelled data",
        ),
    ],
)
def test_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        LSGAN(**options)
