"""Facts of Isola et al. 2016, and the contract."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_gans import Pix2Pix
from tests.contract import TranslationContract
from tests.training import fit
from tests.translation import Pairs, pictures_of

SHAPES: dict[str, Any] = {"source_shape": (1, 32, 32), "target_shape": (1, 32, 32)}
SMALL: dict[str, Any] = {
    **SHAPES,
    "network": "unet_32",
    "receptive_field": 16,
    "generator_channels": 2,
    "discriminator_channels": 4,
}


class TestPix2Pix(TranslationContract):
    def tiny(self, **options: Any) -> Pix2Pix:
        return Pix2Pix(**{**SMALL, **options})

    def data(self) -> Pairs:
        return Pairs(size=32, batch_size=8)


class TestLua(TestPix2Pix):
    """With dropout at this size; its way is called BtoA."""

    def tiny(self, **options: Any) -> Pix2Pix:
        return super().tiny(release="lua", direction="BtoA", **options)

    # What batch norm takes off again moves by rounding errors only.
    constant = frozenset(f"generator.blocks.{level}.{layer}.bias" for level in range(5) for layer in ("down", "up")) | {
        "discriminator.blocks.1.conv.bias"
    }


def batch(n: int = 3, **shapes: Any) -> dict[str, Tensor]:
    return {"source": pictures_of(n, 1, 32), "target": pictures_of(n, 1, 32, seed=1)}


def test_losses_by_hand() -> None:
    model = Pix2Pix(**SMALL, l1_weight=7.0)
    given = batch()
    for parameter in model.discriminator.head.parameters():
        nn.init.zeros_(parameter)
    terms = model.discriminator_loss(given)
    assert list(terms) == ["real", "fake"]
    assert [value.item() for value in terms.values()] == pytest.approx([0.5 * math.log(2)] * 2, rel=1e-5)
    nn.init.constant_(model.discriminator.head.bias, 3.0)
    real, fake = (value.item() for value in model.discriminator_loss(given).values())
    assert real == pytest.approx(0.5 * math.log1p(math.exp(-3)), rel=1e-4)
    assert fake == pytest.approx(0.5 * math.log1p(math.exp(3)), rel=1e-4)
    terms = model.generator_loss(given)
    assert terms["adversarial"].item() == pytest.approx(math.log1p(math.exp(-3)), rel=1e-4)
    outputs = model.generator(given["source"])
    wanted = 7.0 * sum(
        abs(a - b) for a, b in zip(outputs.flatten().tolist(), given["target"].flatten().tolist(), strict=True)
    )
    assert terms["l1"].item() == pytest.approx(wanted / outputs.numel(), rel=1e-4)


def test_least_squares_by_hand() -> None:
    model = Pix2Pix(**SMALL, adversarial="least_squares")
    nn.init.zeros_(model.discriminator.head.weight)
    nn.init.constant_(model.discriminator.head.bias, 3.0)
    real, fake = (value.item() for value in model.discriminator_loss(batch()).values())
    assert (real, fake) == pytest.approx((0.5 * 4, 0.5 * 9))
    assert model.generator_loss(batch())["adversarial"].item() == pytest.approx(4)
    assert model.decision_threshold == 0.5


def test_the_critic_sees_input_and_output_side_by_side() -> None:
    seen: list[Tensor] = []
    given = batch()
    for options, channels in (({}, 2), ({"conditional_discriminator": False}, 1)):
        model = Pix2Pix(**SMALL, **options)
        model.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        seen.clear()
        model.discriminator_loss(given)
        both = torch.cat([given["source"], given["target"]], dim=1)
        assert torch.equal(seen[0], both[:, -channels:])
        assert torch.equal(seen[1][:, :-1], both[:, -channels:-1])
        assert not torch.equal(seen[1][:, -1:], given["target"])


def test_colours_of_input_and_output_are_augmented_apart() -> None:
    white, black = torch.ones(4, 1, 32, 32), -torch.ones(4, 1, 32, 32)
    for options, channels in (({}, 2), ({"conditional_discriminator": False}, 1)):
        model, seen = Pix2Pix(**SMALL, augment="diffaugment:color", **options), []
        model.discriminator.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
        model._moving = "discriminator"
        model.discriminator_loss({"source": white, "target": black})
        brightness = seen[0] - torch.cat([white, black], dim=1)[:, -channels:]
        assert brightness.flatten(2).std(dim=2).max() < 1e-6
        assert brightness.amax(dim=1).sub(brightness.amin(dim=1)).max() < 1e-6  # one number for both pictures
        assert 0.05 < brightness.abs().max() < 0.5


def test_one_pass_of_the_generator_an_iteration() -> None:
    for options, passes in (({}, 1), ({"share_fakes": False}, 2), ({"accumulate": 2}, 4), ({"d_steps": 2}, 3)):
        model, calls = Pix2Pix(**SMALL, **options), []
        model.generator.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        fit(model, 1, Pairs(size=32, batch_size=4))
        assert len(calls) == passes, options


def test_levels_of_the_generator_and_where_dropout_is() -> None:
    def dropped(network: str, side: int, release: str) -> list[int]:
        shape = (3, side, side)
        with torch.device("meta"):
            model = Pix2Pix(shape, shape, network=network, release=release, receptive_field=16)
        return [i for i, block in enumerate(model.generator.blocks) if isinstance(block.dropout, nn.Dropout)]

    assert dropped("unet_256", 256, "pytorch") == [4, 5, 6]
    assert dropped("unet_128", 128, "pytorch") == [4, 5]
    assert dropped("unet_256", 256, "lua") == [5, 6, 7]
    model = Pix2Pix((3, 64, 64), (1, 64, 64), network="unet_64", generator_channels=2, receptive_field=16)
    sizes: list[tuple[int, ...]] = []
    for block in model.generator.blocks:
        block.down.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
        block.up.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    assert model.generator(torch.rand(1, 3, 64, 64)).shape == (1, 1, 64, 64)
    downs = [(2, 32, 32), (4, 16, 16), (8, 8, 8), (16, 4, 4), (16, 2, 2), (16, 1, 1)]
    assert sizes == [*downs, (16, 2, 2), (16, 4, 4), (8, 8, 8), (4, 16, 16), (2, 32, 32), (1, 64, 64)]
    bare = [isinstance(block.down_norm, nn.Identity) for block in model.generator.blocks]
    assert bare == [True, False, False, False, False, True]
    assert [isinstance(block.up_norm, nn.Identity) for block in model.generator.blocks] == [True, *[False] * 5]


@pytest.mark.parametrize(
    ("field", "map_size"), [(1, 256), (16, 126), (34, 62), (70, 30), (142, 14), (286, 6), (574, 2)]
)
def test_what_a_logit_sees(field: int, map_size: int) -> None:
    shape = (1, 256, 256)
    model = Pix2Pix(shape, shape, receptive_field=field, generator_channels=1, discriminator_channels=1)
    critic = model.discriminator.eval()
    for module in critic.modules():  # sums of positive numbers: nothing cancels, nothing dies
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1.0 / module.weight[0].numel())
    images = torch.rand(1, 2, 256, 256, requires_grad=True)
    logits = critic(images)
    assert logits.shape == (1, 1, map_size, map_size)
    logits[0, 0, map_size // 2, map_size // 2].backward()
    assert images.grad is not None
    seen = images.grad[0, 0].abs() > 0
    assert max(seen.any(dim=1).sum().item(), seen.any(dim=0).sum().item()) == _inside(field, map_size // 2)


def _inside(field: int, position: int) -> int:
    """Pixels of a receptive field that lie in a picture of 256, around the middle."""
    halvings = {1: 0, 16: 1, 34: 2, 70: 3, 142: 4, 286: 5, 574: 6}[field]
    if not halvings:
        return 1
    first, step = 0, 1
    for stride in [2] * halvings + [1, 1]:
        first -= step
        step *= stride
    start = first + position * step
    return min(start + field, 256) - max(start, 0)


def test_after_training_it_keeps_dropout_and_each_images_statistics() -> None:
    torch.manual_seed(0)
    model = Pix2Pix(**{**SMALL, "release": "lua"})
    images = pictures_of(2, 1, 32)
    first, other = model.translate(images, seed=1), model.translate(images, seed=2)
    assert not torch.allclose(first, other, atol=1e-4)
    torch.testing.assert_close(model.translate(images, seed=1), first)
    still = Pix2Pix(**{**SMALL, "release": "lua", "dropout_in_use": False})
    still.load_state_dict(model.state_dict())
    torch.testing.assert_close(still.translate(images, seed=1), still.translate(images, seed=2))
    with torch.no_grad():
        for module in still.generator.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        alone = torch.cat([still.generator.train()(image[None]) for image in images])
    torch.testing.assert_close(still.translate(images), alone, atol=1e-5, rtol=1e-4)
    running = Pix2Pix(**{**SMALL, "release": "lua", "statistics_in_use": "running", "dropout_in_use": False})
    running.load_state_dict(still.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(running.translate(images), running.generator.eval()(images), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(running.translate(images), still.translate(images), atol=1e-3)


def test_how_weights_start() -> None:
    shape = (3, 128, 128)
    for release in ("pytorch", "lua"):
        model = Pix2Pix(shape, shape, network="unet_128", generator_channels=16, release=release)
        weights = torch.cat(
            [m.weight.detach().flatten() for m in model.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
        )
        gains = torch.cat([m.weight.detach() for m in model.modules() if isinstance(m, nn.BatchNorm2d)])
        assert weights.std().item() == pytest.approx(0.02, rel=0.01)
        assert (gains.mean().item(), gains.std().item()) == (
            pytest.approx(1.0, abs=0.005),
            pytest.approx(0.02, rel=0.2),
        )
        biases = [m.bias for m in model.modules() if getattr(m, "bias", None) is not None]
        assert not any(bias.any() for bias in biases)


def test_defaults_are_the_papers() -> None:
    with torch.device("meta"):
        model = Pix2Pix()
    assert (model.lr, model.betas, model.l1_weight) == (2e-4, (0.5, 0.999), 100.0)
    assert (model.image_shape, model.directions, model.rows_apart) == ((3, 256, 256), ("AtoB",), False)


@pytest.mark.parametrize(("source", "target"), [(1, 3), (3, 1), (4, 3), (3, 4)])
def test_any_channels(source: int, target: int) -> None:
    model = Pix2Pix(**{**SMALL, "source_shape": (source, 32, 32), "target_shape": (target, 32, 32)})
    assert model.translate(pictures_of(2, source, 32)).shape == (2, target, 32, 32)
    back = Pix2Pix(**{**SMALL, "source_shape": (source, 32, 32), "target_shape": (target, 32, 32), "direction": "BtoA"})
    assert back.image_shape == (target, 32, 32)
    assert back.translate(pictures_of(2, source, 32), "BtoA").shape == (2, target, 32, 32)


def test_what_it_cannot_use() -> None:
    for options, message in (
        ({"direction": "AB"}, r"^direction 'AB'; allowed: AtoB, BtoA$"),
        ({"adversarial": "hinge"}, r"^adversarial 'hinge'; allowed: least_squares, non_saturating$"),
        ({"statistics_in_use": "batch"}, r"^statistics_in_use 'batch'; allowed: own, running$"),
        ({"network": "unet"}, r"^network 'unet'; allowed: unet_256, unet_128, unet_64, unet_32, resnet_9, resnet_6$"),
        ({"norm": "layer"}, r"^norm 'layer'; allowed: batch, instance$"),
        ({"release": "caffe"}, r"^release 'caffe'; allowed: pytorch, lua$"),
        ({"receptive_field": 71}, r"^receptive_field=71; allowed: 1, 16, 34, 70, 142, 286, 574$"),
        (
            {"receptive_field": 142},
            r"^images of 32x32 for a critic that wants 48 pixels a side; allowed: a smaller receptive_field$",
        ),
        ({"l1_weight": -1.0}, r"^l1_weight=-1\.0; allowed: 0 or more$"),
        ({"target_shape": (1, 32, 48)}, r"^sources of 32x32, targets of 32x48; allowed: both of one size$"),
    ):
        with pytest.raises(ValueError, match=message):
            Pix2Pix(**{**SMALL, **options})
    model = Pix2Pix(**SMALL)
    with pytest.raises(ValueError, match=r"^direction BtoA of a Pix2Pix that learned AtoB; allowed: AtoB$"):
        model.translate(pictures_of(1, 1, 32), "BtoA")
