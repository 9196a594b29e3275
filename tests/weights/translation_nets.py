"""Networks nested as pytorch-CycleGAN-and-pix2pix nests them, so that state dicts have its names; written from the layers' list."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["patch", "pixel", "resnet", "unet"]


class Level(nn.Module):
    """A U-Net's level around the next one."""

    def __init__(self, layers: list[nn.Module], outermost: bool) -> None:
        super().__init__()
        self.model, self.outermost = nn.Sequential(*layers), outermost

    def forward(self, maps: Tensor) -> Tensor:
        inner: Tensor = self.model(maps)
        return inner if self.outermost else torch.cat([maps, inner], dim=1)


class Whole(nn.Module):
    """What holds the outermost level under the name `model`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)  # type: ignore[no-any-return]


def _norm(kind: str, width: int) -> nn.Module:
    return nn.BatchNorm2d(width) if kind == "batch" else nn.InstanceNorm2d(width)


def unet(inside: int, outside: int, width: int, levels: int, norm: str = "batch") -> nn.Module:
    bias = norm == "instance"
    widths = [width * min(2**i, 8) for i in range(levels)]
    block: nn.Module | None = None
    for level in reversed(range(levels)):
        outer, inner = ([inside, *widths][level], widths[level])
        down = nn.Conv2d(outer, inner, 4, 2, 1, bias=bias)
        joined = inner if level == levels - 1 else 2 * inner
        up = nn.ConvTranspose2d(joined, outside if level == 0 else outer, 4, 2, 1, bias=bias or level == 0)
        inner_most = [] if block is None else [block]
        if level == 0:
            layers = [down, *inner_most, nn.ReLU(), up, nn.Tanh()]
        else:
            around = [] if block is None else [_norm(norm, inner)]
            layers = [nn.LeakyReLU(0.2), down, *around, *inner_most, nn.ReLU(), up, _norm(norm, outer)]
        block = Level(layers, level == 0)
    assert block is not None
    return Whole(block)


class ResidualBlock(nn.Module):
    def __init__(self, width: int, norm: str, dropout: bool) -> None:
        super().__init__()
        bias = norm == "instance"
        layers = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=bias), _norm(norm, width), nn.ReLU()]
        layers += [nn.Dropout(0.5)] if dropout else []
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=bias), _norm(norm, width)]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.conv_block(maps)  # type: ignore[no-any-return]


def resnet(
    inside: int, outside: int, width: int, blocks: int, norm: str = "instance", dropout: bool = False
) -> nn.Module:
    bias = norm == "instance"
    layers: list[Any] = [nn.ReflectionPad2d(3), nn.Conv2d(inside, width, 7, bias=bias), _norm(norm, width), nn.ReLU()]
    for factor in (1, 2):
        layers += [nn.Conv2d(factor * width, 2 * factor * width, 3, 2, 1, bias=bias)]
        layers += [_norm(norm, 2 * factor * width), nn.ReLU()]
    layers += [ResidualBlock(4 * width, norm, dropout) for _ in range(blocks)]
    for factor in (4, 2):
        layers += [nn.ConvTranspose2d(factor * width, factor * width // 2, 3, 2, 1, 1, bias=bias)]
        layers += [_norm(norm, factor * width // 2), nn.ReLU()]
    return Whole(nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, outside, 7), nn.Tanh()))


def patch(inside: int, width: int, halvings: int = 3, norm: str = "batch") -> nn.Module:
    layers: list[Any] = [nn.Conv2d(inside, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for number in range(1, halvings + 1):
        before, after = (width * min(2**i, 8) for i in (number - 1, number))
        stride = 2 if number < halvings else 1
        layers += [
            nn.Conv2d(before, after, 4, stride, 1, bias=norm == "instance"),
            _norm(norm, after),
            nn.LeakyReLU(0.2),
        ]
    return Whole(nn.Sequential(*layers, nn.Conv2d(width * min(2**halvings, 8), 1, 4, 1, 1)))


class Pixel(nn.Module):
    def __init__(self, inside: int, width: int, norm: str) -> None:
        super().__init__()
        bias = norm == "instance"
        self.net = nn.Sequential(
            *(nn.Conv2d(inside, width, 1), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(width, 2 * width, 1, bias=bias), _norm(norm, 2 * width), nn.LeakyReLU(0.2)),
            nn.Conv2d(2 * width, 1, 1, bias=bias),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)  # type: ignore[no-any-return]


def pixel(inside: int, width: int, norm: str = "batch") -> nn.Module:
    return Pixel(inside, width, norm)
