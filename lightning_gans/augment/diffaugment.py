"""DiffAugment: the critic sees only augmented images, real and fake, and gradients pass through the augmentation.

Paper: Differentiable Augmentation for Data-Efficient GAN Training, Zhao et al. 2020, arXiv:2006.10738. Code: mit-han-lab.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["DRAWS", "LEAST_SIDE", "OPERATIONS", "diff_augment", "parse_augment"]

OPERATIONS = ("color", "translation", "cutout")
"""In the order they are done in."""
DRAWS = 7
"""Random numbers an image: brightness, saturation, contrast, shift down and right, cutout's middle down and right."""
LEAST_SIDE = 8
"""Pixels: in smaller images a shift of an eighth is none."""


def parse_augment(augment: str | None) -> tuple[str, ...]:
    """The operations that the option `augment` names, in the order they are done in; () for None.

    Raises:
        ValueError: neither None, "diffaugment" (all) nor "diffaugment:" with names of operations by comma.
    """
    if augment is None:
        return ()
    kind, colon, names = augment.partition(":")
    given = [name.strip() for name in names.split(",")] if colon else list(OPERATIONS)
    if kind != "diffaugment" or not set(given) <= set(OPERATIONS) or len(set(given)) < len(given):
        raise ValueError(
            f"augment '{augment}'; allowed: None, diffaugment, or diffaugment: with some of {', '.join(OPERATIONS)}, by comma"
        )
    return tuple(name for name in OPERATIONS if name in given)


def diff_augment(
    images: Tensor,
    draws: Tensor,
    operations: Sequence[str] = OPERATIONS,
    channel_groups: Sequence[int] | None = None,
) -> Tensor:
    """Augment images, each by numbers of its own; differentiable with respect to the images.

    Brightness moves by U[-0.5, 0.5), saturation is scaled about each pixel's mean over channels by U[0, 2), contrast about
    the picture's mean by U[0.5, 1.5). Shifts are whole pixels, uniform up to an eighth of each side, with zeros coming in. The
    square that is cut out (set to zero) has half of each side; its middle lies anywhere in the picture, what leaves it is lost.

    Args:
        images: (N, C, H, W) in [-1, 1]; or (N, P, C, H, W), whose P pictures of a row are augmented alike.
        draws: (N, 7) in [0, 1).
        operations: which of them, done in this order.
        channel_groups: channels of each of the pictures that are stacked in C, which add up to C: their colours are changed
            alike, but never mixed. None: one picture.

    Returns:
        Of the shape of `images`; colours may leave [-1, 1].
    """
    draws = draws.view(len(draws), -1, *[1] * (images.dim() - 1))  # (N, 7, 1, 1, 1): draws[:, i] broadcasts
    for operation in operations:
        if operation == "color":
            pictures = [images] if channel_groups is None else images.split(list(channel_groups), dim=-3)
            changed = [_color(picture, draws[:, :3]) for picture in pictures]
            images = changed[0] if channel_groups is None else torch.cat(changed, dim=-3)
        elif operation == "translation":
            images = _translation(images, draws[:, 3:5])
        else:
            images = _cutout(images, draws[:, 5:7])
    return images


def _color(images: Tensor, draws: Tensor) -> Tensor:
    images = images + (draws[:, 0] - 0.5)
    grey = images.mean(dim=-3, keepdim=True)
    images = (images - grey) * (draws[:, 1] * 2.0) + grey
    middle = images.mean(dim=(-3, -2, -1), keepdim=True)
    return (images - middle) * (draws[:, 2] + 0.5) + middle


def _translation(images: Tensor, draws: Tensor) -> Tensor:
    """Rows and columns are taken from where they come; an index outside the picture takes a zero."""
    for index, dim in ((0, -2), (1, -1)):
        side = images.shape[dim]
        most = int(side / 8 + 0.5)
        shift = (draws[:, index] * (2 * most + 1)).floor().long() - most  # (N, 1, 1, 1), -most .. most
        ruler = torch.arange(side, device=images.device).view(-1, *[1] * (-1 - dim))  # (side, 1) or (side,)
        source = ruler - shift  # (N, 1, side, 1) or (N, 1, 1, side)
        inside = (source >= 0) & (source < side)
        taken = images.gather(images.dim() + dim, source.clamp(0, side - 1).expand(images.shape))
        images = taken * inside
    return images


def _cutout(images: Tensor, draws: Tensor) -> Tensor:
    cut: Tensor | None = None
    for index, dim in ((0, -2), (1, -1)):
        side = images.shape[dim]
        size = int(side / 2 + 0.5)
        places = side + (1 - size % 2)  # a square of even size has its middle between pixels
        start = (draws[:, index] * places).floor().long() - size // 2  # (N, 1, 1, 1)
        ruler = torch.arange(side, device=images.device).view(-1, *[1] * (-1 - dim))
        within = (ruler >= start) & (ruler < start + size)
        cut = within if cut is None else cut & within
    return images if cut is None else images * ~cut
