"""Minibatch discrimination against the paper's sums, written out."""

from __future__ import annotations

import math

import pytest
import torch

from lightning_gans.layers.calibration import calibrate
from lightning_gans.layers.minibatch_discrimination import MinibatchDiscrimination


def slow(layer: MinibatchDiscrimination, features: torch.Tensor) -> list[list[float]]:
    """o_b(i), one number at a time."""
    count, kernels, dim = len(features), *layer.log_scale.shape
    projected = [[[0.0] * dim for _ in range(kernels)] for _ in range(count)]
    for b in range(kernels):
        for c in range(dim):
            column = layer.direction[:, b, c].tolist()
            length = math.sqrt(sum(v * v for v in column)) / math.exp(layer.log_scale[b, c].item())
            for i in range(count):
                projected[i][b][c] = sum(f * v for f, v in zip(features[i].tolist(), column, strict=True)) / length
    result = []
    for i in range(count):
        row = []
        for b in range(kernels):
            near = 0.0
            for j in range(count):
                if j != i:
                    near += math.exp(-sum(abs(x - y) for x, y in zip(projected[i][b], projected[j][b], strict=True)))
            row.append(near + layer.offset[b].item())
        result.append(row)
    return result


def test_a_slow_reference() -> None:
    torch.manual_seed(0)
    layer, features = MinibatchDiscrimination(6, kernels=4, dim=3), torch.randn(5, 6)
    with torch.no_grad():
        layer.log_scale.copy_(torch.randn(4, 3) * 0.3)
    joined = layer(features)
    assert torch.equal(joined[:, :6], features)
    torch.testing.assert_close(joined[:, 6:], torch.tensor(slow(layer, features)), rtol=1e-4, atol=1e-5)


def test_equal_samples_are_as_near_as_can_be_and_one_alone_is_near_nobody() -> None:
    layer = MinibatchDiscrimination(6, kernels=4)
    same = torch.randn(1, 6).expand(5, 6)
    torch.testing.assert_close(layer(same)[:, 6:], torch.full((5, 4), 4.0 - 1.0))  # the offset starts at -1
    torch.testing.assert_close(layer(same[:1])[:, 6:], torch.full((1, 4), -1.0))


def test_the_start_from_data() -> None:
    torch.manual_seed(0)
    layer, features = MinibatchDiscrimination(6, kernels=4), 20.0 * torch.randn(30, 6)
    calibrate(layer, features)
    torch.testing.assert_close(layer(features)[:, 6:].mean(dim=0), torch.zeros(4), atol=1e-5, rtol=0)
    nearest = layer._distances(features).amin(dim=2).mean(dim=1)
    torch.testing.assert_close(nearest, torch.full((4,), 2.0))  # half of it is the new unit
    calibrate(layer, torch.ones(3, 6))  # equal samples have no distance to set a scale by
    assert torch.isfinite(layer.log_scale).all()


def test_gradients_of_equal_samples_are_finite() -> None:
    equal = torch.zeros(4, 3, requires_grad=True)
    MinibatchDiscrimination(3)(equal).sum().backward()
    assert torch.isfinite(equal.grad).all()


def test_half_precision_is_left_outside() -> None:
    layer, features = MinibatchDiscrimination(6, kernels=4), torch.randn(5, 6).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        joined = layer(features)
    assert joined.dtype == torch.bfloat16
    torch.testing.assert_close(joined.float(), layer(features.float()), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("kernels", [1, 7])
def test_shapes(kernels: int) -> None:
    assert MinibatchDiscrimination(6, kernels)(torch.randn(3, 6)).shape == (3, 6 + kernels)
