"""The sliced Wasserstein distance against scipy's filters and one-dimensional distances."""

from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.ndimage
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor

from lightning_gans.metrics.sliced_wasserstein import laplacian_pyramid, sliced_distance, sliced_wasserstein


def noise(count: int, side: int = 32, channels: int = 3, *, seed: int = 0, spread: float = 30.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    images = 128 + spread * torch.randn(count, channels, side, side, generator=generator)
    return images.clamp(0, 255).byte()


def stripes(count: int, side: int = 32, *, seed: int = 0) -> Tensor:
    """Mean and variance of noise do not tell these apart; neighbouring pixels do."""
    return noise(count, side, seed=seed)[..., :1].expand(count, 3, side, side).contiguous()


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 96), (96, 48), (17, 20)])
def test_pyramid_agrees_with_scipy(height: int, width: int) -> None:
    image = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    levels = laplacian_pyramid(image)
    line = np.array([1.0, 4.0, 6.0, 4.0, 1.0])
    kernel = np.outer(line, line)[None, None] / 256
    current = image.numpy()
    for number, level in enumerate(levels):
        if number == len(levels) - 1:
            np.testing.assert_allclose(level.numpy(), current, atol=1e-12)
            assert 16 <= min(level.shape[2:]) < 32
            break
        smaller = scipy.ndimage.convolve(current, kernel, mode="mirror")[:, :, ::2, ::2]
        spread = np.zeros_like(current)
        spread[:, :, ::2, ::2] = smaller
        enlarged = scipy.ndimage.convolve(spread, 4 * kernel, mode="mirror")
        np.testing.assert_allclose(level.numpy(), current - enlarged, atol=1e-12)
        current = smaller


def test_constant_images_leave_nothing_but_the_last_level() -> None:
    *bands, last = laplacian_pyramid(torch.full((1, 3, 64, 64), 7.0))
    assert [band.shape[-1] for band in bands] == [64, 32]
    for band in bands:
        torch.testing.assert_close(band, torch.zeros_like(band), atol=1e-5, rtol=0)
    torch.testing.assert_close(last, torch.full((1, 3, 16, 16), 7.0))


def test_distance_agrees_with_scipy_on_each_line() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(200, 5, generator=generator), 2 * torch.rand(200, 5, generator=generator)
    found = sliced_distance(first, second, generator=torch.Generator().manual_seed(3), repeats=2, directions=10)
    lines = torch.randn(20, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64).numpy()
    lines /= np.linalg.norm(lines, axis=1, keepdims=True)
    expected = np.mean([wasserstein_distance(first.numpy() @ line, second.numpy() @ line) for line in lines])
    assert found == pytest.approx(expected, rel=1e-5)


def test_translation_in_one_dimension() -> None:
    points = torch.randn(50, 1, generator=torch.Generator().manual_seed(0))
    assert sliced_distance(points, points + 3, generator=torch.Generator()) == pytest.approx(3.0, rel=1e-6)
    assert sliced_distance(points, points.flip(0), generator=torch.Generator()) == 0.0


def test_other_pictures_are_farther_than_other_samples() -> None:
    same = sliced_wasserstein(noise(60), noise(60, seed=1), patches=32)
    other = sliced_wasserstein(noise(60), stripes(60, seed=1), patches=32)
    assert list(same.levels) == list(other.levels) == [32, 16]
    assert all(other.levels[side] > 2 * same.levels[side] for side in (32, 16))
    assert same.average == pytest.approx(np.mean(list(same.levels.values())))


def test_contrast_and_brightness_do_not_count() -> None:
    # Each channel is brought to mean 0 and deviation 1 over its own set.
    dim = (noise(60, seed=1).float() * 0.5 + 20).round().byte()
    same, found = (sliced_wasserstein(noise(60), images, patches=32) for images in (noise(60, seed=1), dim))
    assert found.average == pytest.approx(same.average, rel=0.1)


def test_numbers_agree_with_the_papers_arithmetic() -> None:
    """The whole of it in numpy, with numpy's own draws: equal but for those."""
    first, second = noise(64), stripes(64, seed=1)
    random = np.random.RandomState(0)
    expected = []
    for level in range(2):
        sets = []
        for images in (first, second):
            pixels = laplacian_pyramid(images.double())[level].numpy()
            side = pixels.shape[-1]
            corners = random.randint(0, side - 6, (len(pixels), 64, 2))
            cut = [p[:, y : y + 7, x : x + 7] for p, own in zip(pixels, corners, strict=True) for y, x in own]
            patches = np.stack(cut)
            patches -= patches.mean(axis=(0, 2, 3), keepdims=True)
            sets.append((patches / patches.std(axis=(0, 2, 3), keepdims=True)).reshape(len(patches), -1))
        lines = random.randn(sets[0].shape[1], 256)
        lines /= np.sqrt((lines**2).sum(axis=0))
        one, other = (np.sort(points @ lines, axis=0) for points in sets)
        expected.append(1000 * np.abs(one - other).mean())
    found = sliced_wasserstein(first, second, patches=64)
    assert list(found.levels.values()) == pytest.approx(expected, rel=0.05)


def test_seed_batches_and_the_global_random_state() -> None:
    first, second = noise(70, channels=1), noise(70, channels=1, seed=1)
    before = torch.get_rng_state()
    found = sliced_wasserstein(first, second, patches=8, seed=5)
    batched = sliced_wasserstein(iter(first.split(9)), list(second.split(40)), patches=8, seed=5)
    assert batched.average == pytest.approx(found.average, rel=1e-6)
    assert sliced_wasserstein(first, second, patches=8, seed=5) == found
    assert sliced_wasserstein(first, second, patches=8, seed=6) != found
    assert torch.equal(torch.get_rng_state(), before)


def test_images_without_contrast() -> None:
    blank = torch.full((4, 3, 16, 16), 9, dtype=torch.uint8)
    assert sliced_wasserstein(blank, blank + 1, patches=4).average == 0.0


@pytest.mark.parametrize("shape", [(15, 15), (16, 8), (33, 33), (34, 66), (36, 33), (100, 100)])
def test_sizes(shape: tuple[int, int]) -> None:
    images = torch.zeros(2, 3, *shape, dtype=torch.uint8)
    if shape == (34, 66):  # 17x33, which is the end
        assert list(sliced_wasserstein(images, images, patches=2).levels) == [34, 17]
        return
    if shape == (100, 100):  # 50, 25
        assert list(sliced_wasserstein(images, images, patches=2).levels) == [100, 50, 25]
        return
    message = f"images of {shape[0]}x{shape[1]}; allowed: sides that halve exactly until one is from 16 to 31"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        sliced_wasserstein(images, images)


def test_bad_input() -> None:
    images = noise(4)
    for wrong, message in (
        (images.float(), "images of shape (4, 3, 32, 32) and torch.float32; allowed: (N, 1 or 3, H, W), torch.uint8"),
        (images[:, :2], "images of shape (4, 2, 32, 32) and torch.uint8; allowed: (N, 1 or 3, H, W), torch.uint8"),
        ([images, noise(4, 16)], "images of (3, 16, 16) after (3, 32, 32); allowed: (3, 32, 32)"),
        ([], "0 images; allowed: 1 or more"),
        (images[:3], "images: 3 of 3x32x32 beside 4 of 3x32x32; allowed: equally many of one shape"),
        (noise(4, 64), "images: 4 of 3x64x64 beside 4 of 3x32x32; allowed: equally many of one shape"),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            sliced_wasserstein(wrong, images, patches=2)
