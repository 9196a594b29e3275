"""Networks with the names and the arithmetic of mimicry's checkpoints, written from their description, small."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm as hook

__all__ = ["Critic", "Generator"]


class Stepping(nn.Module):
    """A layer that steps its power iteration in evaluation too, without keeping the vector."""

    weight: nn.Parameter
    sn_u: Tensor
    sn_sigma: Tensor

    def keep(self) -> None:
        self.register_buffer("sn_u", torch.randn(1, len(self.weight)))
        self.register_buffer("sn_sigma", torch.ones(1))

    def normalised(self) -> Tensor:
        matrix = self.weight.flatten(1)
        with torch.no_grad():
            v = F.normalize(self.sn_u @ matrix)
            u = F.normalize(v @ matrix.t())
        sigma = (u @ matrix @ v.t()).squeeze()
        if self.training:
            self.sn_u.copy_(u)
            self.sn_sigma.copy_(sigma.detach())
        return self.weight / sigma


class Normalised(Stepping, nn.Conv2d):
    def __init__(self, *arguments: int, padding: int = 0) -> None:
        super().__init__(*arguments, padding=padding)
        self.keep()

    def forward(self, maps: Tensor) -> Tensor:
        return self._conv_forward(maps, self.normalised(), self.bias)


class NormalisedHead(Stepping, nn.Linear):
    def __init__(self, *arguments: int) -> None:
        super().__init__(*arguments)
        self.keep()

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, self.normalised(), self.bias)


class ClassVectors(Stepping, nn.Embedding):
    def __init__(self, *arguments: int) -> None:
        super().__init__(*arguments)
        self.keep()

    def forward(self, labels: Tensor) -> Tensor:
        return F.embedding(labels, self.normalised())


class ClassNorm(nn.Module):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels, affine=False)
        self.embed = nn.Embedding(classes, 2 * channels)

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        gain, bias = self.embed(labels)[:, :, None, None].chunk(2, dim=1)
        return gain * self.bn(maps) + bias


class UpBlock(nn.Module):
    def __init__(self, channels: int, classes: int | None, spectral: bool) -> None:
        super().__init__()
        make = Normalised if spectral else nn.Conv2d
        self.c1 = make(channels, channels, 3, padding=1)
        self.c2 = make(channels, channels, 3, padding=1)
        self.c_sc = make(channels, channels, 1)
        self.b1, self.b2 = (nn.BatchNorm2d(channels) if classes is None else ClassNorm(channels, classes) for _ in "12")
        self.classes = classes

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        given = () if self.classes is None else (labels,)

        def up(x: Tensor) -> Tensor:
            return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

        hidden = self.c1(up(F.relu(self.b1(maps, *given))))
        return self.c2(F.relu(self.b2(hidden, *given))) + self.c_sc(up(maps))


class Attention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.theta, self.phi = (hook(nn.Conv2d(channels, channels // 8, 1, bias=False)) for _ in "12")
        self.g = hook(nn.Conv2d(channels, channels // 2, 1, bias=False))
        self.o = hook(nn.Conv2d(channels // 2, channels, 1, bias=False))
        self.gamma = nn.Parameter(torch.tensor([0.5]))

    def forward(self, maps: Tensor) -> Tensor:
        queries, keys, values = self.theta(maps), F.max_pool2d(self.phi(maps), 2), F.max_pool2d(self.g(maps), 2)
        weights = torch.einsum("ncq,nck->nqk", queries.flatten(2), keys.flatten(2)).softmax(dim=2)
        mixed = torch.einsum("nqk,nck->ncq", weights, values.flatten(2)).unflatten(2, maps.shape[2:])
        return maps + self.gamma * self.o(mixed)


class Generator(nn.Module):
    """32x32, three blocks."""

    def __init__(self, channels: int, latents: int, classes: int | None, sagan: bool) -> None:
        super().__init__()
        self.sagan, self.channels = sagan, channels
        wrap = hook if sagan else (lambda layer: layer)
        self.l1 = wrap(nn.Linear(latents, 16 * channels))
        self.block2, self.block3, self.block4 = (UpBlock(channels, classes, sagan) for _ in "123")
        self.b5 = nn.BatchNorm2d(channels)
        self.c5 = wrap(nn.Conv2d(channels, 3, 3, padding=1))
        if sagan:
            self.attn_block = Attention(channels)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        maps = self.block3(self.block2(self.l1(latents).view(-1, self.channels, 4, 4), labels), labels)
        maps = self.block4(self.attn_block(maps) if self.sagan else maps, labels)
        return torch.tanh(self.c5(F.relu(self.b5(maps))))


class DownBlock(nn.Module):
    def __init__(self, inside: int, channels: int, first: bool, down: bool) -> None:
        super().__init__()
        self.first, self.down = first, down
        self.c1 = Normalised(inside, channels, 3, padding=1)
        self.c2 = Normalised(channels, channels, 3, padding=1)
        if down:
            self.c_sc = Normalised(inside, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        hidden = self.c2(F.relu(self.c1(maps if self.first else F.relu(maps))))
        if not self.down:
            return hidden + maps
        pooled = self.c_sc(F.avg_pool2d(maps, 2)) if self.first else F.avg_pool2d(self.c_sc(maps), 2)
        return F.avg_pool2d(hidden, 2) + pooled


class Critic(nn.Module):
    """32x32, four blocks."""

    def __init__(self, channels: int, classes: int | None, sagan: bool) -> None:
        super().__init__()
        self.block1 = DownBlock(3, channels, first=True, down=True)
        self.block2 = DownBlock(channels, channels, first=False, down=True)
        self.block3, self.block4 = (DownBlock(channels, channels, first=False, down=False) for _ in "12")
        # The projection discriminator's last layer is normalised as its blocks are, the others' by PyTorch's hook.
        self.l5 = NormalisedHead(channels, 1) if classes and not sagan else hook(nn.Linear(channels, 1))
        if classes is not None:
            self.l_y = ClassVectors(classes, channels)
        if sagan:
            self.attn_block = Attention(channels)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        maps = self.block2(self.block1(images))
        maps = self.attn_block(maps) if hasattr(self, "attn_block") else maps
        summed = F.relu(self.block4(self.block3(maps))).sum(dim=(2, 3))
        logits = self.l5(summed)[:, 0]
        return logits + (self.l_y(labels) * summed).sum(dim=1) if hasattr(self, "l_y") else logits
