"""Pixel agreement of pairs: against loops, and what it must tell apart."""

import pytest
import torch
from torch import Tensor

from datamodules.digit_domains import edge, negative
from lightning_gans.metrics.agreement import edges, negatives, pixel_agreement


def blobs(n: int = 6, seed: int = 0) -> Tensor:
    """Bright squares on black, each image another one: uint8 (n, 1, 12, 12)."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.zeros(n, 1, 12, 12, dtype=torch.uint8)
    for image in images:
        top, left, side = (
            int(torch.randint(low, high, (), generator=generator)) for low, high in ((0, 6), (0, 6), (2, 6))
        )
        image[0, top : top + side, left : left + side] = 255
    return images


def slow(first: Tensor, second: Tensor, threshold: float) -> float:
    """Pixel by pixel: the brightest of nine neighbours less the pixel itself, on images in [0, 1]."""
    agree = total = 0
    for one, other in zip(((first.double() + 1) / 2).squeeze(1).tolist(), second.squeeze(1).tolist(), strict=True):
        for y, row in enumerate(one):
            for x, pixel in enumerate(row):
                near = [
                    one[j][i] for j in range(y - 1, y + 2) for i in range(x - 1, x + 2) if 0 <= j < 12 and 0 <= i < 12
                ]
                agree += (2 * (max(near) - pixel) - 1 > threshold) == (other[y][x] > threshold)
                total += 1
    return agree / total


def test_it_is_the_share_of_pixels_counted_one_by_one() -> None:
    generator = torch.Generator().manual_seed(1)
    first, second, real = (torch.rand(4, 1, 12, 12, generator=generator) * 2 - 1 for _ in range(3))
    found = pixel_agreement(first, second, real)
    threshold = real.double().mean().item()
    assert found.paired == pytest.approx(slow(first, second, threshold))
    assert found.shuffled == pytest.approx(slow(first, torch.cat([second[1:], second[:1]]), threshold))


@pytest.mark.parametrize(("translate", "made"), [(edges, edge), (negatives, negative)])
def test_true_pairs_agree_in_all_pixels_and_others_in_fewer(translate: object, made: object) -> None:
    images = blobs()
    real = made(blobs(seed=5))  # type: ignore[operator]
    found = pixel_agreement(images, made(images), real, translate)  # type: ignore[operator,arg-type]
    assert found.paired == 1.0
    assert 0.3 < found.shuffled < 0.95
    assert pixel_agreement(images, made(images).roll(1, 0), real, translate).paired < 0.95  # type: ignore[operator,arg-type]


def test_generators_that_draw_one_picture_each_agree_no_better_than_shuffled_ones() -> None:
    images = blobs(1).expand(5, -1, -1, -1)
    found = pixel_agreement(images, edge(images), edge(blobs()))
    assert found.paired == found.shuffled == 1.0  # collapse shows as a shuffled share as high as the paired one


def test_the_functions_are_those_of_the_data() -> None:
    images = torch.rand(3, 2, 9, 7) * 2 - 1
    torch.testing.assert_close(edges(images), edge(images))
    torch.testing.assert_close(negatives(images), negative(images))
    assert edges(torch.zeros(1, 1, 4, 4)).unique().tolist() == [-1.0]


def test_bytes_are_floats() -> None:
    images = blobs()
    floats = images.float() / 127.5 - 1
    assert pixel_agreement(images, edge(images), edge(images)) == pixel_agreement(floats, edge(floats), edge(floats))


def test_errors() -> None:
    images = blobs()
    with pytest.raises(
        ValueError,
        match=r"^pictures of shapes \(6, 1, 12, 12\) and \(5, 1, 12, 12\); allowed: \(N, C, H, W\) both, N at least 2$",
    ):
        pixel_agreement(images, images[:5], images)
    with pytest.raises(ValueError, match=r"^pictures of shapes \(1, 1, 12, 12\) and"):
        pixel_agreement(images[:1], images[:1], images)
    with pytest.raises(
        ValueError, match=r"^real images of shape \(0, 1, 12, 12\); allowed: \(M, C, H, W\), M at least 1$"
    ):
        pixel_agreement(images, images, images[:0])
