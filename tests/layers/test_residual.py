"""The residual block: what it computes, its widths, its options."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lightning_gans.layers.conditional_norm import ConditionalBatchNorm
from lightning_gans.layers.residual import ResidualBlock
from lightning_gans.layers.spectral_norm import SpectralNorm, spectral_norm


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
def test_up_block_as_the_paper_draws_it(upsampling: str) -> None:
    torch.manual_seed(0)
    block = ResidualBlock(3, 5, "up", norm=lambda width: ConditionalBatchNorm(width, 4), upsampling=upsampling)
    features, labels = torch.randn(2, 3, 4, 4), torch.tensor([0, 3])

    def up(maps: torch.Tensor) -> torch.Tensor:
        return F.interpolate(maps, scale_factor=2, mode=upsampling)

    hidden = block.conv1(up(F.relu(block.norm1(features, labels))))
    hidden = block.conv2(F.relu(block.norm2(hidden, labels)))
    expected = hidden + block.shortcut(up(features))  # upsampling, then the convolution
    torch.testing.assert_close(block(features, labels), expected, atol=1e-5, rtol=1e-5)
    assert hidden.shape == (2, 5, 8, 8)


def test_down_blocks_as_the_paper_draws_them() -> None:
    torch.manual_seed(0)
    block, first = ResidualBlock(3, 5, "down"), ResidualBlock(3, 5, "down", hidden=5, preactivation=False)
    images = torch.randn(2, 3, 8, 8)
    hidden = block.conv2(F.relu(block.conv1(F.relu(images))))
    expected = F.avg_pool2d(hidden, 2) + F.avg_pool2d(block.shortcut(images), 2)  # the convolution, then the mean
    torch.testing.assert_close(block(images), expected, atol=1e-5, rtol=1e-5)
    hidden = first.conv2(F.relu(first.conv1(images)))
    expected = F.avg_pool2d(hidden, 2) + first.shortcut(F.avg_pool2d(images, 2))
    torch.testing.assert_close(first(images), expected, atol=1e-5, rtol=1e-5)
    assert (block.conv1.out_channels, first.conv1.out_channels) == (3, 5)


def test_shortcut_is_learned_where_size_or_width_change() -> None:
    assert isinstance(ResidualBlock(4, 4).shortcut, nn.Identity)
    assert isinstance(ResidualBlock(4, 4, shortcut=True).shortcut, nn.Conv2d)
    assert isinstance(ResidualBlock(4, 4, "down").shortcut, nn.Conv2d)
    assert isinstance(ResidualBlock(4, 6).shortcut, nn.Conv2d)
    kept = ResidualBlock(4, 4, "down", shortcut=False)
    nn.init.zeros_(kept.conv2.weight)
    nn.init.zeros_(kept.conv2.bias)
    images = torch.randn(1, 4, 4, 4)
    torch.testing.assert_close(kept(images), F.avg_pool2d(images, 2))


def test_every_convolution_is_wrapped() -> None:
    block = ResidualBlock(4, 6, "down", wrap=spectral_norm)
    assert all(isinstance(part, SpectralNorm) for part in (block.conv1, block.conv2, block.shortcut))


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"^resample 'half'; allowed: up, down, None$"):
        ResidualBlock(2, 2, "half")
    with pytest.raises(ValueError, match=r"^upsampling 'bicubic'; allowed: nearest, bilinear$"):
        ResidualBlock(2, 2, "up", upsampling="bicubic")
    with pytest.raises(ValueError, match=r"^shortcut=False from 2 to 3 channels; allowed: with equal numbers$"):
        ResidualBlock(2, 3, shortcut=False)
