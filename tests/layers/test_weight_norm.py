"""Weight norm against torch's own, and what the start from data leaves."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from lightning_gans.layers.calibration import calibrate
from lightning_gans.layers.gaussian_noise import GaussianNoise
from lightning_gans.layers.weight_norm import WeightNorm

LAYERS = {
    "linear": (lambda: nn.Linear(5, 7, bias=False), 0, (6, 5)),
    "convolution": (lambda: nn.Conv2d(3, 7, 3, 2, 1, bias=False), 0, (6, 3, 8, 8)),
    "transposed": (lambda: nn.ConvTranspose2d(3, 7, 5, 2, 2, output_padding=1, bias=False), 1, (6, 3, 4, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_are_those_of_torchs_weight_norm(name: str) -> None:
    make, axis, shape = LAYERS[name]
    torch.manual_seed(0)
    layer, features, gain = make(), torch.randn(shape), torch.rand(7) + 0.5
    ours = WeightNorm(layer, train_gain=True)
    with torch.no_grad():
        ours.gain.copy_(gain)
        ours.bias.copy_(torch.arange(7.0))
    theirs = make()
    theirs.load_state_dict(layer.state_dict())
    theirs = weight_norm(theirs, dim=axis)
    with torch.no_grad():
        theirs.parametrizations.weight.original0.copy_(gain.view_as(theirs.parametrizations.weight.original0))
    bias = torch.arange(7.0).view(1, -1, *[1] * (features.dim() - 2))
    torch.testing.assert_close(ours(features), theirs(features) + bias, rtol=1e-4, atol=1e-4)


def test_length_of_the_direction_means_nothing() -> None:
    layer = WeightNorm(nn.Linear(5, 3, bias=False))
    features = torch.randn(4, 5)
    before = layer(features)
    with torch.no_grad():
        layer.layer.weight.mul_(3.0)
    torch.testing.assert_close(layer(features), before, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.weight().norm(dim=1), torch.ones(3), rtol=1e-4, atol=0)


def test_a_gain_that_is_not_trained_is_a_buffer() -> None:
    fixed, free = (WeightNorm(nn.Linear(5, 3, bias=False), train_gain=train) for train in (False, True))
    assert [name for name, _ in fixed.named_parameters()] == ["bias", "layer.weight"]
    assert [name for name, _ in fixed.named_buffers()] == ["gain"]
    assert [name for name, _ in free.named_parameters()] == ["gain", "bias", "layer.weight"]


def test_the_start_from_data_gives_zero_mean_and_the_wanted_variance_at_every_depth() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Dropout(0.2),  # stays on, as in training
        WeightNorm(nn.Conv2d(1, 6, 3, padding=1, bias=False)),
        nn.LeakyReLU(0.2, inplace=True),
        WeightNorm(nn.ConvTranspose2d(6, 4, 5, 2, 2, output_padding=1, bias=False)),
        nn.ReLU(),
        nn.Flatten(),
        WeightNorm(nn.Linear(4 * 16 * 16, 5, bias=False), train_gain=True, init_std=0.1),
    )
    images = 3.0 + 2.0 * torch.randn(50, 1, 8, 8)
    outputs: dict[int, torch.Tensor] = {}
    for index in (1, 3, 6):  # copies: a leaky unit in place follows
        network[index].register_forward_hook(lambda _, __, output, i=index: outputs.update({i: output.clone()}))
    calibrate(network, images)
    for index, std in ((1, 1.0), (3, 1.0), (6, 0.1)):
        over = [0, 2, 3][: outputs[index].dim() - 1]
        found, mean = torch.std_mean(outputs[index], dim=over, correction=0)
        torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-3, rtol=0)
        torch.testing.assert_close(found, torch.full_like(found, std), rtol=1e-3, atol=0)
    assert not any(getattr(layer, "calibrating", False) for layer in network)
    before = network[1].gain.clone()
    network(images)
    assert torch.equal(network[1].gain, before)  # once only


def test_a_constant_output_keeps_its_scale_and_none_leaves_a_layer_alone() -> None:
    layer, left = WeightNorm(nn.Linear(2, 3, bias=False)), WeightNorm(nn.Linear(2, 3, bias=False), init_std=None)
    calibrate(layer, torch.ones(4, 2))
    torch.testing.assert_close(layer.gain, torch.ones(3))
    torch.testing.assert_close(layer(torch.ones(1, 2)), torch.zeros(1, 3), atol=1e-6, rtol=0)
    calibrate(left, torch.randn(4, 2))
    assert torch.equal(left.gain, torch.ones(3))
    assert not left.bias.any()


def test_a_layer_with_a_bias_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^weight norm of a layer with bias; allowed: bias=False, for the norm has its own$"
    ):
        WeightNorm(nn.Linear(2, 3))


def test_noise_is_for_training_only() -> None:
    noise, zeros = GaussianNoise(0.3), torch.zeros(10_000)
    assert noise(zeros).std().item() == pytest.approx(0.3, rel=0.05)
    assert torch.equal(noise.eval()(zeros), zeros)
    assert repr(noise) == "GaussianNoise(std=0.3)"
