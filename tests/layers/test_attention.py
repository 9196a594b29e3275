"""Self-attention against its formula."""

import pytest
import torch
from torch import Tensor, nn

from lightning_gans.layers import attention
from lightning_gans.layers.attention import SelfAttention, attended_block
from lightning_gans.layers.spectral_norm import SpectralNorm, spectral_norm


def formula(layer: SelfAttention, features: Tensor) -> Tensor:
    """Position by position, as the paper writes it, with keys and values pooled as the code has them."""
    n, channels, height, width = features.shape

    def project(convolution: nn.Module) -> Tensor:
        weight: Tensor = convolution.weight.flatten(1)  # type: ignore[union-attr, operator]
        return torch.einsum("oc,nchw->nohw", weight, features)

    def pool(maps: Tensor) -> Tensor:
        blocks = maps.reshape(n, -1, height // 2, 2, width // 2, 2)
        return blocks.amax(dim=(3, 5)).flatten(2)

    queries, keys, values = project(layer.query).flatten(2), pool(project(layer.key)), pool(project(layer.value))
    out = torch.empty(n, channels, height * width)
    for sample in range(n):
        for position in range(height * width):
            weights = torch.softmax(queries[sample, :, position] @ keys[sample], dim=0)  # (H * W / 4,)
            out[sample, :, position] = layer.out.weight.flatten(1) @ (values[sample] @ weights)
    return features + layer.gain * out.view_as(features)


def test_formula_and_gradients() -> None:
    torch.manual_seed(0)
    layer = SelfAttention(16)
    nn.init.constant_(layer.gain, 0.7)
    with torch.no_grad():
        for convolution in (layer.query, layer.key):
            convolution.weight.mul_(3.0)  # attention that is far from even
    features = torch.randn(2, 16, 4, 6, requires_grad=True)
    ours = torch.autograd.grad(layer(features).square().sum(), [features, *layer.parameters()])
    theirs = torch.autograd.grad(formula(layer, features).square().sum(), [features, *layer.parameters()])
    torch.testing.assert_close(layer(features), formula(layer, features), atol=1e-5, rtol=1e-5)
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, reference, atol=1e-3, rtol=1e-3)


def test_the_gpus_way_equals_the_formula_and_suits_its_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that do not hold all weights take four dimensions whose last one is dense."""
    torch.manual_seed(0)
    layer = SelfAttention(16)
    nn.init.constant_(layer.gain, 0.7)
    plain = attention._attend
    given: list[Tensor] = []

    def spy(*tensors: Tensor, **options: float) -> Tensor:
        given.extend(tensors)
        return kernel(*tensors, **options)  # type: ignore[arg-type]

    kernel = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    features = torch.randn(2, 16, 4, 6, requires_grad=True)
    found = []
    for way in (plain, attention._fused):
        monkeypatch.setattr(attention, "_attend", way)
        out = layer(features)
        found.append([out, *torch.autograd.grad(out.square().sum(), [features, *layer.parameters()])])
    torch.testing.assert_close(found[1], found[0], atol=1e-4, rtol=1e-4)
    assert [tuple(tensor.shape) for tensor in given] == [(2, 1, 24, 2), (2, 1, 6, 2), (2, 1, 6, 8)]
    assert all(tensor.stride(-1) == 1 for tensor in given)


def test_starts_as_identity_and_has_the_codes_widths() -> None:
    layer = SelfAttention(32, spectral_norm)
    features = torch.randn(2, 32, 8, 8)
    assert torch.equal(layer(features), features)
    shapes = [tuple(p.shape) for p in layer.parameters()]
    assert shapes == [(), (4, 32, 1, 1), (4, 32, 1, 1), (16, 32, 1, 1), (32, 16, 1, 1)]
    assert all(isinstance(part, SpectralNorm) for part in layer.children())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_layout_changes_nothing(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    layer = SelfAttention(8)
    nn.init.ones_(layer.gain)
    features = torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(layer(features.contiguous(memory_format=layout)), layer(features))


def test_attention_follows_the_first_block_of_a_side() -> None:
    assert attended_block([16, 8, 8, 8], 8, "discriminator") == 1  # as mimicry's SAGAN at 32 pixels
    assert attended_block([8, 16, 32], 32, "generator") == 2
    assert attended_block([8, 16, 32], 0, "generator") is None
    with pytest.raises(ValueError, match=r"^attention at 4x4 maps; allowed in this critic: 0, 8, 16 \(0: none\)$"):
        attended_block([16, 8, 8], 4, "critic")
