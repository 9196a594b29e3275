"""The probe: which features, pooled how, from a network left as it was; and the classifier on them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_gans import CGAN, DCGAN, GAN, WGAN, WGANGP
from lightning_gans.analysis.probe import ProbeResult, discriminator_features, linear_accuracy, probe
from lightning_gans.core.adversarial import AdversarialModule

SMALL = {"generator_channels": 8, "discriminator_channels": 8}


def images(n: int, *shape: int) -> Tensor:
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def around(discriminator: nn.Module, *shape: int, **attributes: Any) -> AdversarialModule:
    """A model of a discriminator and nothing else."""
    module = AdversarialModule()
    module.image_shape = shape  # type: ignore[assignment]
    for name, value in attributes.items():
        setattr(module, name, value)
    module.set_players(nn.Linear(1, 1), discriminator)
    return module


# Maps of 32x32: 16x16, 8x8, 4x4 of 8, 16, 32 channels, 16 numbers a channel, whatever the side.
@pytest.mark.parametrize(
    ("module", "size", "dims"),
    [
        (DCGAN((1, 32, 32), **SMALL), 32, 16 * (8 + 16 + 32)),
        (DCGAN((3, 64, 64), **SMALL), 64, 16 * (8 + 16 + 32 + 64)),
        (DCGAN((1, 32, 32), network="paper", **SMALL), 32, 16 * (8 + 16 + 32)),
        (
            DCGAN((1, 28, 28), 10, network="mnist", **SMALL),
            28,
            16 * (8 + 16),
        ),  # functions, not modules; dense not counted
        (CGAN((1, 16, 16), 3, network="dcgan", **SMALL), 16, 16 * (8 + 16)),
        (CGAN((1, 16, 16), 3, **SMALL), 16, 8 + 1 + 8),  # maxout of the image, the class, both
        (WGAN((1, 32, 32), **SMALL), 32, 16 * (8 + 16 + 32)),
        (WGAN((1, 16, 16), discriminator_network="mlp", **SMALL), 16, 3 * 8),
        (WGANGP((3, 32, 32), network="dcgan", **SMALL), 32, 16 * (8 + 16 + 32)),
        (WGANGP((3, 32, 32), network="resnet", **SMALL), 32, 16 * 8 * (1 + 3 * 2 + 1)),  # ReLUs: first block 1, end 1
        (WGANGP((1, 32, 32), 10, True, network="resnet", **SMALL), 32, 16 * 8 * 8),  # the class is judged, not told
        (GAN((1, 8, 8), **SMALL), 8, 8 + 8),
    ],
    ids=lambda value: getattr(value, "model_name", None),
)
def test_each_stage_gives_a_grid_of_four_by_four(module: AdversarialModule, size: int, dims: int) -> None:
    features = discriminator_features(module, images(3, module.image_shape[0], size, size), batch_size=2)
    assert (features.shape, features.dtype, features.requires_grad) == ((3, dims), torch.float32, False)
    assert bool(features.isfinite().all())
    assert float(features.std(dim=0).max()) > 0.0


def test_the_default_dcgan_has_7168_features() -> None:
    assert discriminator_features(DCGAN((1, 32, 32)), images(2, 1, 32, 32)).shape == (2, 16 * (64 + 128 + 256))


def test_pooling_by_hand() -> None:
    first, second = nn.Conv2d(1, 2, 1, bias=False), nn.Conv2d(2, 1, 4, stride=4, bias=False)
    nn.init.constant_(first.weight, 1.0)
    first.weight.data[1] = -1.0
    nn.init.constant_(second.weight, 1.0)
    network = nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(), nn.Flatten(), nn.Linear(4, 1))
    pixels = torch.linspace(-1.0, 1.0, 64).view(1, 1, 8, 8)
    features = discriminator_features(around(network, 1, 8, 8), pixels)
    blocks = [pixels[0, 0, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] for i in range(4) for j in range(4)]
    above = [max(float(block.max()), 0.0) for block in blocks]
    below = [max(float(-block.min()), 0.0) for block in blocks]
    quarters = pixels[0, 0].abs().view(2, 4, 2, 4).sum(dim=(1, 3)).flatten()  # relu(x) + relu(-x) = |x|; 2x2: as it is
    torch.testing.assert_close(features[0], torch.tensor([*above, *below, *quarters.tolist()]))


def test_what_comes_before_the_first_convolution_does_not_count() -> None:
    network = nn.Sequential(nn.Tanh(), nn.Conv2d(1, 2, 3), nn.LeakyReLU(0.2, inplace=True), nn.Flatten())
    assert discriminator_features(around(network, 1, 8, 8), images(2, 1, 8, 8)).shape == (2, 2 * 16)


def test_the_network_is_left_as_it_was() -> None:
    module = DCGAN((1, 16, 16), **SMALL).train()
    module.discriminator.layers[2].eval()  # a part in a mode of its own
    state = {key: value.clone() for key, value in module.state_dict().items()}
    modes = [layer.training for layer in module.modules()]
    random = torch.get_rng_state()
    whole = discriminator_features(module, images(5, 1, 16, 16))
    assert [layer.training for layer in module.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(layer._forward_hooks for layer in module.modules())
    torch.testing.assert_close(whole, discriminator_features(module, images(5, 1, 16, 16), batch_size=2))
    torch.testing.assert_close(whole, discriminator_features(module, images(5, 1, 16, 16) / 127.5 - 1.0))


def test_a_network_that_is_told_the_class_is_averaged_over_all() -> None:
    module = CGAN((1, 16, 16), 3, network="dcgan", **SMALL)
    batch = images(2, 1, 16, 16)
    expected = []
    pixels = batch / 127.5 - 1.0
    layers = module.discriminator.eval().layers
    for label in range(3):
        told = F.one_hot(torch.full((2,), label), 3).float()[:, :, None, None].expand(-1, -1, 16, 16)
        first = layers[1](layers[0](torch.cat([pixels, told], dim=1))).clone()
        second = layers[4](layers[3](layers[2](first)))
        expected.append(torch.cat([F.adaptive_max_pool2d(maps, 4).flatten(1) for maps in (first, second)], dim=1))
    features = discriminator_features(module, batch)
    torch.testing.assert_close(features, torch.stack(expected).mean(dim=0))


def test_of_very_many_classes_32_are_asked() -> None:
    class Told(nn.Module):
        asked: list[int] = []  # noqa: RUF012

        def forward(self, pixels: Tensor, labels: Tensor) -> Tensor:
            self.asked.append(int(labels[0]))
            return torch.relu(pixels.flatten(1))

    discriminator_features(around(Told(), 1, 2, 2, num_classes=1000), images(1, 1, 2, 2))
    assert len(set(Told.asked)) == 32
    assert (min(Told.asked), max(Told.asked)) == (0, 999)


def test_what_has_no_features_says_so() -> None:
    linear = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    with pytest.raises(ValueError, match=r"^Sequential has no hidden activations; allowed: a network that has$"):
        discriminator_features(around(linear, 1, 4, 4), images(1, 1, 4, 4))
    several = nn.ModuleDict({"a": nn.Identity(), "b": nn.Identity()})
    with pytest.raises(ValueError, match=r"^the discriminator of AdversarialModule is 2 networks; allowed: one$"):
        discriminator_features(around(several, 1, 4, 4), images(1, 1, 4, 4))
    module = DCGAN((1, 16, 16), **SMALL)
    with pytest.raises(ValueError, match=r"^images of 3x16x16; this model was built for 1x16x16 \(image_shape\)$"):
        discriminator_features(module, images(1, 3, 16, 16))
    with pytest.raises(ValueError, match=r"^0 images to take features of; allowed: 1 or more$"):
        discriminator_features(module, images(0, 1, 16, 16))


def classes(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Three classes, far apart along axes of very different scales, beside noise and a constant."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (n,), generator=generator)
    features = torch.randn(n, 8, generator=generator)
    features[:, :3] += 8.0 * F.one_hot(labels, 3)
    features *= torch.tensor([1e-3, 1.0, 1e3, 1.0, 1.0, 1.0, 1.0, 0.0])
    features[:, 7] = 0.1
    return features, labels


def test_separable_classes_are_told_apart_and_random_ones_are_not() -> None:
    train, labels = classes(300, 0)
    test, truth = classes(300, 1)
    assert linear_accuracy(train, labels, test, truth, 0) == 1.0
    assert linear_accuracy(train, labels, test, truth, 0) == linear_accuracy(train, labels, test, truth, 0)
    noise = torch.randn(600, 8, generator=torch.Generator().manual_seed(2))
    assert 0.2 < linear_accuracy(noise[:300], labels, noise[300:], truth, 0) < 0.47  # 1/3, within 5 standard errors
    few = linear_accuracy(train[:4], torch.tensor([0, 1, 2, 2]), test[:2], truth[:2], 0)  # no fifth to hold out
    assert 0.0 <= few <= 1.0


def test_a_classifier_needs_two_classes_and_something_to_classify() -> None:
    rows = torch.randn(4, 2)
    with pytest.raises(ValueError, match=r"^4 training images of 1 classes; allowed: at least 2 classes$"):
        linear_accuracy(rows, torch.zeros(4), rows, torch.zeros(4), 0)
    with pytest.raises(ValueError, match=r"^0 test images; allowed: 1 or more$"):
        linear_accuracy(rows, torch.arange(4), rows[:0], torch.arange(0), 0)


def test_a_probe_compares_three_kinds_of_features() -> None:
    """Classes that no linear function of pixels tells: whether neighbours are equal or opposite."""

    def pairs(n: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        labels = torch.randint(0, 2, (n,), generator=generator)
        left = torch.randint(0, 2, (n, 1, 8, 4), generator=generator)
        right = torch.where(labels[:, None, None, None] == 0, left, 1 - left)
        return (torch.stack([left, right], dim=4).flatten(3) * 255).to(torch.uint8), labels

    def model(weights: list[float]) -> AdversarialModule:
        convolution = nn.Conv2d(1, 1, (1, 2), stride=(1, 2), bias=False)
        convolution.weight.data = torch.tensor(weights).view(1, 1, 1, 2)
        return around(nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), nn.Linear(32, 1)), 1, 8, 8)

    lines: list[str] = []
    result = probe(
        model([1.0, -1.0]), model([0.0, 0.0]), pairs(400, 0), pairs(200, 1), batch_size=64, report=lines.append
    )
    assert isinstance(result, ProbeResult)
    assert (result.n_train, result.n_test, result.dims) == (400, 200, 16)
    assert result.discriminator > 0.95  # max(left - right, 0) is 2 somewhere, or nowhere
    assert 0.3 < result.untrained < 0.7
    assert 0.3 < result.pixels < 0.7
    assert lines[:2] == ["discriminator: features of 600 images", "discriminator: a linear classifier of 16 features"]
    assert lines[-1] == "pixels: a linear classifier of 64 features"
