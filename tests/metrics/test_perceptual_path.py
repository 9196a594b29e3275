"""Path length of generators whose path is known: linear ones, squared distance."""

import math
import re
from typing import Any

import numpy as np
import pytest
import torch

from lightning_gans.metrics.perceptual_path import FACE_CROP, perceptual_path_length, slerp

DIM = 6
MATRIX = torch.randn(DIM, 3 * 4 * 4, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def linear(latents: torch.Tensor) -> torch.Tensor:
    return (latents @ MATRIX).view(-1, 3, 4, 4)


def gaussian(count: int, random: torch.Generator) -> torch.Tensor:
    return torch.randn(count, DIM, generator=random, dtype=torch.float64)


def squared(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return (first - second).square().sum(dim=(1, 2, 3))


def ppl(**given: Any) -> float:
    options = {"render": linear, "sample_latents": gaussian, "distance": squared, "pairs": 500, "batch_size": 500}
    options |= given
    return perceptual_path_length(**options)


def ends(pairs: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """The pairs that `gaussian` gives to one batch."""
    start, end = gaussian(2 * pairs, torch.Generator().manual_seed(seed)).chunk(2)
    return start, end


def kept(values: np.ndarray) -> np.ndarray:
    """Without what is below the 1st or above the 99th percentile, by sorting: of 500, the ranks 4 to 495 remain."""
    ranks = (len(values) - 1) / 100
    return np.sort(values)[math.floor(ranks) : math.ceil(99 * ranks) + 1]


@pytest.mark.parametrize("sampling", ["full", "end"])
def test_a_linear_generator_on_the_straight_line(sampling: str) -> None:
    # d / epsilon^2 = |A (w1 - w0)|^2, whatever t is.
    start, end = ends(500)
    expected = kept(((end - start) @ MATRIX).square().sum(dim=1).numpy())
    assert len(expected) == 492
    assert ppl(space="w", sampling=sampling) == pytest.approx(expected.mean(), rel=1e-6)


def test_expectation_of_the_straight_line() -> None:
    # E |A (w1 - w0)|^2 = 2 |A|_F^2 for Gaussian ends; the two percentiles left out move it a little.
    assert ppl(space="w", pairs=20000, batch_size=20000) == pytest.approx(2 * MATRIX.square().sum().item(), rel=0.03)


def test_a_linear_generator_on_the_sphere() -> None:
    # At t = 0 the path's velocity is sqrt(D) * angle * c, with c the end's direction across the start.
    start, end = ends(500)
    a, b = start / start.norm(dim=1, keepdim=True), end / end.norm(dim=1, keepdim=True)
    cosine = (a * b).sum(dim=1, keepdim=True)
    across = b - cosine * a
    velocity = math.sqrt(DIM) * cosine.acos() * across / across.norm(dim=1, keepdim=True)
    expected = kept((velocity @ MATRIX).square().sum(dim=1).numpy()).mean()
    assert ppl(space="z", sampling="end", epsilon=1e-6) == pytest.approx(expected, rel=1e-5)


def test_speed_on_the_sphere_is_constant() -> None:
    # For a generator that keeps lengths, d / epsilon^2 = D * angle^2 at every t.
    start, end = ends(500)
    angle = torch.nn.functional.cosine_similarity(start, end).acos()
    expected = kept((DIM * angle.square()).numpy()).mean()
    assert ppl(render=lambda z: z.view(-1, DIM, 1, 1), space="z") == pytest.approx(expected, rel=1e-6)


def test_32_bit_latents_lose_little() -> None:
    def render(latents: torch.Tensor) -> torch.Tensor:
        assert latents.dtype == torch.float32
        return linear(latents.double())

    found = ppl(render=render, sample_latents=lambda n, g: gaussian(n, g).float())
    assert found == pytest.approx(ppl(), rel=1e-4)


def test_latents_with_a_row_for_each_layer() -> None:
    def layered(count: int, random: torch.Generator) -> torch.Tensor:
        return gaussian(count, random)[:, None].expand(-1, 3, -1)

    assert ppl(space="w", sample_latents=layered, render=lambda w: linear(w[:, 2])) == pytest.approx(ppl(space="w"))


def test_batches_and_seed() -> None:
    sizes = []

    def render(latents: torch.Tensor) -> torch.Tensor:
        sizes.append(len(latents))
        return linear(latents)

    torch.manual_seed(5)
    before = torch.get_rng_state().tolist()
    first = ppl(render=render, pairs=10, batch_size=4)
    assert sizes == [8, 8, 4]
    assert ppl(pairs=10, batch_size=4) == first
    assert ppl(pairs=10, batch_size=4, seed=1) != first
    assert torch.get_rng_state().tolist() == before


def test_one_call_draws_noise_for_both_of_a_pair() -> None:
    noise = torch.Generator().manual_seed(0)

    def noisy(latents: torch.Tensor) -> torch.Tensor:
        return linear(latents) + torch.randn(1, 3, 4, 4, generator=noise)

    assert ppl(render=noisy, batch_size=50) == pytest.approx(ppl(batch_size=50), rel=1e-6)


@pytest.mark.parametrize(
    ("side", "crop", "shape"),
    [(64, None, (64, 64)), (512, None, (256, 256)), (1024, FACE_CROP, (256, 256)), (256, FACE_CROP, (128, 128))],
)
def test_crop_and_pooling(side: int, crop: tuple[float, float, float, float] | None, shape: tuple[int, int]) -> None:
    seen = []
    row = torch.arange(side, dtype=torch.float32).view(1, 1, -1, 1)
    column = torch.arange(side, dtype=torch.float32).view(1, 1, 1, -1)
    image = torch.cat([row.expand(1, 1, side, side), column.expand(1, 1, side, side)], dim=1)

    def distance(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        seen.append(first)
        return torch.ones(len(first))

    ppl(render=lambda z: image.expand(len(z), -1, -1, -1), distance=distance, pairs=1, batch_size=1, crop=crop)
    (picture,) = seen[0]
    assert picture.shape[1:] == shape
    top, bottom, left, right = (0, 1, 0, 1) if crop is None else crop
    # Averages of pixel indices: the mean of each channel is the middle of the rows or columns that are left.
    assert picture[0].mean().item() == pytest.approx((top + bottom) * side / 2 - 0.5)
    assert picture[1].mean().item() == pytest.approx((left + right) * side / 2 - 0.5)


def test_slerp() -> None:
    x, y = torch.tensor([[3.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.5, 0.0]])
    torch.testing.assert_close(slerp(x, y, torch.tensor([[1 / 3]])), torch.tensor([[math.cos(math.pi / 6), 0.5, 0.0]]))
    torch.testing.assert_close(slerp(x, y, torch.tensor([[0.0]])), torch.tensor([[1.0, 0.0, 0.0]]))
    torch.testing.assert_close(slerp(x, y, torch.tensor([[1.0]])), torch.tensor([[0.0, 1.0, 0.0]]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"space": "W+"}, "space 'W+'; allowed: 'z', 'w'"),
        ({"sampling": "start"}, "sampling 'start'; allowed: 'full', 'end'"),
        ({"pairs": 0}, "pairs=0; allowed: 1 or more"),
        ({"batch_size": 0}, "batch_size=0; allowed: 1 or more"),
        ({"epsilon": 0.0}, "epsilon=0.0; allowed: above 0"),
        (
            {"crop": (0.5, 0.5, 0.0, 1.0)},
            "crop=(0.5, 0.5, 0.0, 1.0); allowed: (top, bottom, left, right), shares from 0 to 1 that rise",
        ),
        (
            {"pairs": 2, "render": lambda z: linear(z)[:1]},
            "images of shape (1, 3, 4, 4) from render; allowed: (4, C, H, W)",
        ),
        ({"pairs": 2, "distance": lambda a, b: a.mean()}, "result of shape () from distance; allowed: (2,)"),
        (
            {"pairs": 2, "distance": lambda a, b: torch.full((2,), torch.nan)},
            "distance gave NaN or infinity; allowed: finite numbers",
        ),
    ],
)
def test_errors(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ppl(**given)
