"""The network behind domain features, and how it learns: one recipe for every data set, minutes on one core.

With labels it learns the classes; without, by how many quarter turns an image was rotated (Gidaris et al. 2018,
arXiv:1803.07728). Shifts of up to 1 pixel, AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), one cycle of the learning
rate (Smith & Topin 2019, arXiv:1708.07120).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

__all__ = ["WIDTHS", "DomainNetwork", "fit_network", "principal_axes"]

WIDTHS = (16, 24, 48, 96)  # channels: the first convolution's, then those of the three depths
WEIGHTS = (1.0, 1.0, 4.0)  # standard deviations of the three depths among the features
SHIFT = 1  # pixels
LR, WEIGHT_DECAY = 4e-3, 0.05


class DomainNetwork(nn.Module):
    """Three pairs of 3x3 convolutions, each pair halving the size, and a linear head on the last depth's averages.

    Args:
        channels: of the images.
        outputs: number of logits.
    """

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        first, one, two, three = WIDTHS
        plan = [(channels, first, one), (one, two, two), (two, three, three)]
        self.stages = nn.ModuleList(
            nn.Sequential(*_convolution(before, middle, 2), *_convolution(middle, after, 1))
            for before, middle, after in plan
        )
        self.head = nn.Linear(three, outputs)

    def forward(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Averages of the three depths, (N, 24), (N, 48), (N, 96), and logits (N, K).

        Args:
            images: float32 (N, C, H, W) in [-1, 1].
        """
        depths = []
        for stage in self.stages:
            images = stage(images)
            depths.append(images.mean(dim=(2, 3)))
        return depths, self.head(depths[-1])


def _convolution(before: int, after: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]


def fit_network(
    network: DomainNetwork,
    images: Tensor,
    labels: Tensor | None,
    turns: int,
    *,
    seed: int,
    iterations: int,
    batch_size: int,
    device: torch.device,
    progress: bool,
) -> None:
    """Train a network in place; it ends on the CPU, in evaluation mode.

    Args:
        network: as many outputs as classes, or as ``turns``.
        images: uint8 (n, C, H, W).
        labels: int64 (n,); None: rotations are learned.
        turns: rotations to tell apart, 4 or 2.
        seed: of order and shifts.
        iterations: batches.
        batch_size: images in a batch.
        device: where to train.
        progress: show a bar.
    """
    generator = torch.Generator().manual_seed(seed)
    network.requires_grad_(True).train().to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, iterations, pct_start=0.2)
    for _ in tqdm(range(iterations), desc="domain features", unit="batch", disable=not progress):
        rows = torch.randint(len(images), (batch_size,), generator=generator)
        batch, targets = _shift(images[rows], generator), None if labels is None else labels[rows]
        if targets is None:
            batch, targets = _turn(batch, turns)
        inputs = batch.to(device).contiguous(memory_format=torch.channels_last).float() / 127.5 - 1.0
        with torch.enable_grad(), torch.autocast(device.type, enabled=False):
            loss = F.cross_entropy(network(inputs)[1], targets.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    network.eval().to("cpu").to(memory_format=torch.contiguous_format)


def _shift(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each of (N, C, H, W) moved by up to SHIFT pixels each way, its border repeated."""
    count, _, height, width = images.shape
    padded = F.pad(images.float(), [SHIFT] * 4, mode="replicate").to(torch.uint8)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (N, C, 2 SHIFT + 1, 2 SHIFT + 1, H, W)
    rows, columns = torch.randint(2 * SHIFT + 1, (2, count), generator=generator)
    return windows[torch.arange(count), :, rows, columns]  # (N, C, H, W)


def _turn(images: Tensor, turns: int) -> tuple[Tensor, Tensor]:
    """Every image rotated: row i by i mod 4 quarter turns, or by i mod 2 half turns; the targets are those numbers."""
    turned, step = images.clone(), 4 // turns
    for number in range(1, turns):
        turned[number::turns] = torch.rot90(images[number::turns], number * step, (2, 3))
    return turned, torch.arange(len(images)) % turns


def principal_axes(network: DomainNetwork, images: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """How three depths become few features: each scaled to its weight, then the largest principal components.

    More weight for the first depths would make a slight blur count for more than missing classes.

    Args:
        network: in evaluation mode, on the CPU.
        images: uint8 (n, C, H, W).
        dim: number of features.

    Returns:
        Center (168,) and axes (168, dim), float64: features are (values - center) @ axes; over these images their
        variances add up to ``dim``.
    """
    parts = [network(part.float() / 127.5 - 1.0)[0] for part in images.split(500)]
    depths = [torch.cat(depth).double() for depth in zip(*parts, strict=True)]
    scales = []
    for depth, weight in zip(depths, WEIGHTS, strict=True):
        spread = depth.var(dim=0).sum().clamp_min(1e-12).sqrt()
        scales.append((weight / spread).expand(depth.shape[1]))
    values, scale = torch.cat(depths, dim=1), torch.cat(scales)  # (n, 168), (168,)
    center = values.mean(dim=0)
    variances, axes = torch.linalg.eigh(torch.cov(((values - center) * scale).T))  # ascending
    factor = (dim / variances[-dim:].sum().clamp_min(1e-12)).sqrt()
    return center, scale[:, None] * axes[:, -dim:] * factor
